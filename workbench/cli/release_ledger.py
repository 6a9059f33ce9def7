"""How releases meet the ledger: the entry that stands for one, its proof, and what is wrong with a proof."""

from __future__ import annotations

import base64
import getpass
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.custody.keys import read_checkpoint
from workbench.custody.ledger import Entry, Event, InclusionProof, Ledger
from workbench.custody.rotation import key_at
from workbench.domain.findings import refused
from workbench.release.manifest import NAME as MANIFEST
from workbench.release.record import Record


def enter_release(ledger: Ledger, name: str, manifest_sha256: str) -> dict[str, Any]:
    """Enter a release, once however often it is asked for; return the entry, its proof and the checkpoint.

    Raises
    ------
    Refused
        ``release.name-taken`` if the ledger knows the name with other data.

    """
    event = Event(
        kind="release",
        actor=getpass.getuser(),
        object_sha256=manifest_sha256,
        reason=name,
        once=_once(name),
    )
    known = find_entry(ledger, name)
    if known is not None and json.loads(known.body)["object_sha256"] != manifest_sha256:
        raise refused(
            "release.name-taken", name, "stands in the ledger with other data.", "Choose a new name: releases stay."
        )
    ledger.append([event], now=datetime.now(UTC))
    entry = find_entry(ledger, name)
    if entry is None:
        raise refused("release.not-in-ledger", name, "could not be entered.", "Run `workbench ledger verify`.")
    checkpoint = ledger.checkpoint_over(entry.seq)
    ((_, proof),) = ledger.prove([entry.seq], checkpoint)
    return {
        "entry": encoded(entry),
        "proof": proof.to_json(),
        "checkpoint": checkpoint.note,
    }


def enter_export(ledger: Ledger, name: str, manifest_sha256: str) -> None:
    """Enter that a release was handed out."""
    event = Event(kind="export", actor=getpass.getuser(), object_sha256=manifest_sha256, reason=name)
    ledger.append([event], now=datetime.now(UTC))


def encoded(entry: Entry) -> str:
    """Return an entry's body as records carry it."""
    return base64.b64encode(entry.body).decode()


def find_entry(ledger: Ledger, name: str) -> Entry | None:
    """Return the ledger's entry of a release, nothing if there is none."""
    return ledger.find(_once(name))


def _once(name: str) -> str:
    return f"release:{name}"


def ledger_problem(statement: Mapping[str, Any], public_pem: str) -> str | None:
    """Say what is wrong with a statement's ledger part, or nothing: entry, proof and signed checkpoint must agree."""
    part = statement["predicate"]["ledger"]
    body = base64.b64decode(part["entry"], validate=True)
    entry = json.loads(body)
    (subject,) = (item for item in statement["subject"] if item["name"] == MANIFEST)
    if (entry["kind"], entry["reason"]) != ("release", statement["predicate"]["name"]):
        return "is about another release"
    if entry["object_sha256"] != subject["digest"]["sha256"]:
        return "is about another manifest"
    checkpoint = read_checkpoint(part["checkpoint"], public_pem)
    if checkpoint is None:
        return "rests on a checkpoint that this key did not sign"
    proof = InclusionProof.from_json(part["proof"])
    sound = proof.size == checkpoint.size and proof.leads_to(checkpoint.root, body)
    return None if sound else "does not lead to the signed root"


def public_key(custody: Path, record: Record | None = None) -> str | None:
    """Return the public key of the workspace's ledger, nothing if it has none yet.

    With a record it is the key that was in force when the record was signed: keys are rotated, releases stay.
    """
    if not (custody / "ledger.db").is_file():
        return None
    ledger = Ledger.open(custody)
    if record is None:
        return ledger.public_key_pem()
    try:
        size = int(record.predicate["ledger"]["proof"]["size"])
    except (KeyError, TypeError, ValueError):
        size = 0  # a record whose proof cannot be read verifies with no key
    return key_at(ledger.signing_keys(), size)
