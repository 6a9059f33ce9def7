"""How releases meet the ledger: the entry that stands for one, its proof, and what is wrong with a proof."""

from __future__ import annotations

import base64
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.custody.ledger import Entry, Event, Ledger, prove_all
from workbench.domain.findings import refused
from workbench.reading.proof import ledger_problem

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
        once=f"release:{name}",
    )
    known = find_entry(ledger, name)
    if known is not None and json.loads(known.body)["object_sha256"] != manifest_sha256:
        raise refused(
            "release.name-taken", name, "stands in the ledger with other data.", "Choose a new name: releases stay."
        )
    checkpoint = ledger.append([event], now=datetime.now(UTC))
    entries = ledger.entries()[: checkpoint.size]
    entry = find_entry(ledger, name)
    if entry is None:
        raise refused("release.not-in-ledger", name, "could not be entered.", "Run `workbench ledger verify`.")
    (proof,) = prove_all(entries, [entry.seq])
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
    for entry in ledger.entries():
        body = json.loads(entry.body)
        if body["kind"] == "release" and body.get("reason") == name:
            return entry
    return None


def public_key(custody: Path) -> str | None:
    """Return the workspace's public key, nothing if it has no ledger yet."""
    return Ledger.open(custody).public_key_pem() if (custody / "ledger.db").is_file() else None
