"""How releases meet the ledger: the entry that stands for one, its proof, and what is wrong with a proof."""

from __future__ import annotations

import base64
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.custody.ledger import Entry, Event, Ledger
from workbench.custody.rotation import key_at
from workbench.domain.findings import refused
from workbench.reading.proof import ledger_problem
from workbench.release.record import Record

__all__ = ["encoded", "enter_export", "enter_release", "find_entry", "ledger_problem", "public_key"]


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
