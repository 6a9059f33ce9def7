"""The signed record of a release: an in-toto statement in a DSSE envelope, small enough for git.

Formats: in-toto Attestation Framework, Statement v1; DSSE v1 (secure-systems-lab/dsse, protocol.md), whose
pre-authentication encoding is what the signature covers.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.domain.findings import Refused, bad_usage, refused
from workbench.domain.lineage import canonical_json
from workbench.release.manifest import NAME as MANIFEST

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:evidence-workbench:release:v1"
RECORD = "record.json"

#: What git takes as a tag and every file system as a folder, and no program as an option.
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A read record: the bytes signed, the signature, and the statement in them."""

    payload: bytes
    signature: bytes
    statement: Mapping[str, Any]

    @property
    def signed_bytes(self) -> bytes:
        """The bytes that the signature covers."""
        return pre_authentication_encoding(self.payload)

    @property
    def predicate(self) -> Mapping[str, Any]:
        """What the record says about the release: name, inputs, counts, the ledger's entry and proof."""
        predicate: Mapping[str, Any] = self.statement["predicate"]
        return predicate

    @property
    def name(self) -> str:
        """The release's name."""
        return str(self.predicate["name"])

    @property
    def manifest_sha256(self) -> str:
        """The digest of the release's manifest."""
        return str(self.statement["subject"][0]["digest"]["sha256"])


def require_name(name: str) -> str:
    """Return a release's name if it can be one.

    Raises
    ------
    BadUsage
        ``release.bad-name``.

    """
    sound = name and not set(name) - _NAME_CHARACTERS and name[0].isalnum() and name[-1].isalnum()
    if not sound or len(name) > _NAME_LENGTH or ".." in name or name.endswith(".lock"):
        raise bad_usage(
            "release.bad-name",
            name or "an empty name",
            "cannot name a release.",
            "Use letters, digits, points, hyphens and underscores, beginning and ending with a letter or digit.",
        )
    return name


def statement(
    *,
    name: str,
    manifest_sha256: str,
    inputs: Mapping[str, str],
    code_version: str,
    counts: Mapping[str, Any],
    ledger: Mapping[str, Any],
    environment: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the statement about a release.

    Parameters
    ----------
    inputs
        SHA-256 of the files that made it: ``dvc.lock``, ``params.yaml``, the taxonomy.
    ledger
        The ledger's entry (base64), its inclusion proof and the checkpoint's note.
    environment
        What shapes bytes beside the inputs: digest of the code, versions of the engines, class of processor.

    """
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": MANIFEST, "digest": {"sha256": manifest_sha256}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "name": name,
            "inputs": dict(inputs),
            "code_version": code_version,
            "environment": dict(environment),
            "counts": dict(counts),
            "ledger": dict(ledger),
        },
    }


def pre_authentication_encoding(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return what a DSSE signature covers.

    Examples
    --------
    >>> pre_authentication_encoding(b"hello world", "http://example.com/HelloWorld")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'

    """
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def envelope_bytes(document: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> bytes:
    """Return the signed envelope of a statement, as JSON bytes."""
    payload = canonical_json(document).encode()
    return _envelope(payload, sign(pre_authentication_encoding(payload)))


def _envelope(payload: bytes, signature: bytes) -> bytes:
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "ledger", "sig": base64.b64encode(signature).decode()}],
    }
    return (json.dumps(envelope, indent=1) + "\n").encode()


def read_record(path: Path) -> Record:
    """Return the record in a file; its signature is not checked here.

    Raises
    ------
    Refused
        ``release.record-invalid``.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _invalid(path, error) from error
    return parse_record(data, path)


def parse_record(data: bytes, subject: object) -> Record:
    """Return the record that bytes hold; ``subject`` names it in an error.

    Raises
    ------
    Refused
        ``release.record-invalid``; also if one byte of the envelope is not as this program writes it.

    """
    try:
        envelope = json.loads(data)
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        record = Record(payload=payload, signature=signature, statement=json.loads(payload))
        _require_kind(envelope, record)
        _require_bytes(record, data)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _invalid(subject, error) from error
    return record


def _invalid(subject: object, error: Exception) -> Refused:
    return refused("release.record-invalid", subject, f"is no release record ({error}).", "Restore it from git.")


def _require_kind(envelope: Mapping[str, Any], record: Record) -> None:
    kinds = (envelope["payloadType"], record.statement["_type"], record.statement["predicateType"])
    if kinds != (PAYLOAD_TYPE, STATEMENT_TYPE, PREDICATE_TYPE) or not record.name or not record.manifest_sha256:
        raise ValueError("it is a statement of another kind")


def _require_bytes(record: Record, data: bytes) -> None:
    if _envelope(record.payload, record.signature) != data:
        raise ValueError("its envelope was rewritten")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)
