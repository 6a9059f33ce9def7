"""Superseded releases: the signed list of those that hold withdrawn photographs, and what it says of one.

The list is a statement in a DSSE envelope, as a release's record is, and lies in git beside the records. It goes out
with each bundle as it was known then; a newer one can be laid beside an older bundle.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.lineage import canonical_json
from workbench.release.record import Record, pre_authentication_encoding, write_whole
from workbench.release.verify import VerifySignature

NAME = "revocations.json"
PAYLOAD_TYPE = "application/vnd.evidence-workbench.revocations.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """That one release must no longer be used.

    Parameters
    ----------
    manifest_sha256
        The digest of the release's manifest: what is revoked is this data, under whatever name.
    at
        When, ISO 8601 in UTC.
    contribution_id, reason
        What was withdrawn, and why in the words of who withdrew it: everybody who has the release may read them.
    superseded_by
        The release to use instead; nothing until there is one.

    """

    release: str
    manifest_sha256: str
    at: str
    contribution_id: str
    reason: str
    superseded_by: str | None = None


def revocations_bytes(
    listed: Iterable[Revocation], sign: Callable[[bytes], bytes], *, rotations: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Return the signed list; equal lists give equal bytes.

    With it go the rotations of the signing key, each signed by the key before it: so whoever trusts the key of an
    older release can follow it to the one that signs here.
    """
    ordered = sorted(map(asdict, listed), key=lambda one: (one["at"], one["release"], one["contribution_id"]))
    payload = canonical_json({"revocations": ordered}).encode()
    signature = sign(pre_authentication_encoding(payload, PAYLOAD_TYPE))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "ledger", "sig": base64.b64encode(signature).decode()}],
        **({"rotations": [dict(facts) for facts in rotations]} if rotations else {}),
    }
    return (json.dumps(envelope, indent=1) + "\n").encode()


def read_revocations(path: Path, public_pem: str, *, verify_signature: VerifySignature) -> tuple[Revocation, ...]:
    """Return the revocations of a list, oldest first; none if there is no list.

    Raises
    ------
    Refused
        ``release.revocations-invalid`` if it cannot be read or is not signed with the key.

    """
    if not path.is_file():
        return ()
    return parse_revocations(path.read_bytes(), path, [public_pem], verify_signature=verify_signature)


def stated_rotations(raw: bytes) -> list[Any]:
    """Return the rotations that go with a list, as they are stated there; none if it cannot be read."""
    try:
        stated = json.loads(raw)["rotations"]
    except (ValueError, KeyError, TypeError):
        return []
    return stated if isinstance(stated, list) else []


def parse_revocations(
    raw: bytes, source: object, public_pems: Sequence[str], *, verify_signature: VerifySignature
) -> tuple[Revocation, ...]:
    """Return the revocations of a list that one of these keys signed, oldest first.

    Raises
    ------
    Refused
        ``release.revocations-invalid`` if it cannot be read or none of them signed it.

    """
    try:
        payload = _signed_payload(json.loads(raw), public_pems, verify_signature)
        return tuple(Revocation(**one) for one in json.loads(payload)["revocations"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise refused(
            "release.revocations-invalid",
            source,
            f"is no list of superseded releases to go by ({error}).",
            "Ask the releasing body for its releases/revocations.json.",
        ) from error


def _signed_payload(
    envelope: Mapping[str, Any], public_pems: Sequence[str], verify_signature: VerifySignature
) -> bytes:
    payload = base64.b64decode(envelope["payload"], validate=True)
    signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise ValueError("it is a statement of another kind")
    signed = pre_authentication_encoding(payload, PAYLOAD_TYPE)
    if not any(verify_signature(public_pem, signed, signature) for public_pem in public_pems):
        raise ValueError("it is not signed with the releasing body's key")
    return payload


def write_revocations(
    path: Path,
    listed: Iterable[Revocation],
    sign: Callable[[bytes], bytes],
    *,
    rotations: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the signed list, whole or not at all; one that is so already is left alone."""
    content = revocations_bytes(listed, sign, rotations=rotations)
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)


def plan_revocations(
    known: Sequence[Revocation], records: Iterable[Record], *, contribution_id: str, reason: str, at: str
) -> tuple[Revocation, ...]:
    """Return the list with these releases on it for a withdrawn contribution; what is on it stays as it is."""
    there = {(one.manifest_sha256, one.contribution_id) for one in known}
    fresh = [
        Revocation(
            release=record.name,
            manifest_sha256=record.manifest_sha256,
            at=at,
            contribution_id=contribution_id,
            reason=reason,
        )
        for record in records
        if (record.manifest_sha256, contribution_id) not in there
    ]
    return (*known, *fresh)


def with_successor(known: Sequence[Revocation], release: str) -> tuple[Revocation, ...]:
    """Return the list with a new release named as the one to use instead of those that had none."""
    return tuple(one if one.superseded_by else replace(one, superseded_by=release) for one in known)


def of_release(known: Iterable[Revocation], manifest_sha256: str) -> list[Revocation]:
    """Return what a list says of a release's data."""
    return [one for one in known if one.manifest_sha256 == manifest_sha256]


def revocation_findings(known: Iterable[Revocation], record: Record) -> list[Finding]:
    """Return a finding for each reason why a release is superseded; none if it is not."""
    return [
        Finding(
            code="release.superseded",
            subject=f"release {record.name}",
            message=f"is superseded since {one.at[:10]}: contribution {one.contribution_id} was withdrawn ({one.reason}).",
            remedy=f"Use release {one.superseded_by} instead, and delete this copy."
            if one.superseded_by
            else "Delete this copy, and ask the releasing body for the release that takes its place.",
        )
        for one in of_release(known, record.manifest_sha256)
    ]


def state_of(known: Iterable[Revocation], manifest_sha256: str) -> str:
    """Return how a release stands, in words for a list."""
    said = of_release(known, manifest_sha256)
    if not said:
        return "current"
    successor = next((one.superseded_by for one in said if one.superseded_by), None)
    return f"superseded by {successor}" if successor else "superseded"


def require_current(known: Iterable[Revocation], record: Record) -> None:
    """Refuse a superseded release.

    Raises
    ------
    Refused
        ``release.superseded``.

    """
    if findings := revocation_findings(known, record):
        raise Refused(*findings)
