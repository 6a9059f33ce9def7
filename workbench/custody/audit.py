"""Is the ledger what was entered and signed: entries, chain, checkpoints, and the database that holds them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from workbench.custody.keys import read_checkpoint
from workbench.custody.ledger import SCHEMA, Entry, Structure, schema_of
from workbench.custody.merkle import leaf_hash, roots_at
from workbench.domain.findings import Finding


def audit(
    entries: Sequence[Entry], notes: Iterable[str], public_pem: str, structure: Structure | None = None
) -> Iterator[Finding]:
    """Yield what is wrong with a ledger: altered, re-chained, missing or reordered entries, bad checkpoints.

    Parameters
    ----------
    entries
        All entries, oldest first.
    notes
        All checkpoint notes, those that partners hold included where there are any.
    structure
        What `Ledger.read` says of the database; without it only entries and notes are judged.

    """
    chain, leaves = bytes(32), []
    for position, entry in enumerate(entries):
        # A damaged database may give anything for a column.
        leaf = leaf_hash(entry.body) if isinstance(entry.body, bytes) else b""
        chain = hashlib.sha256(chain + leaf).digest()
        leaves.append(leaf)
        if entry.seq != position or entry.leaf != leaf or entry.chain != chain:
            yield _altered(f"ledger entry {entry.seq}", "is not what was entered.")
            return
    yield from _audit_notes(leaves, notes, public_pem)
    if structure is not None:
        yield from _audit_structure(entries, structure)


def _audit_notes(leaves: Sequence[bytes], notes: Iterable[str], public_pem: str) -> Iterator[Finding]:
    checked = [read_checkpoint(note, public_pem) if isinstance(note, str) else None for note in notes]
    roots = roots_at(leaves, (checkpoint.size for checkpoint in checked if checkpoint is not None))
    for checkpoint in checked:
        if checkpoint is None:
            yield _altered("a ledger checkpoint", "does not carry the ledger's signature.")
        elif checkpoint.size > len(leaves):
            yield _altered(
                "the ledger", f"has {len(leaves)} entries, but a checkpoint was signed over {checkpoint.size}."
            )
        elif roots[checkpoint.size] != checkpoint.root:
            yield _altered(f"the ledger's first {checkpoint.size} entries", "are not those a checkpoint signed.")
    if leaves and not any(checkpoint and checkpoint.size == len(leaves) for checkpoint in checked):
        yield _altered("the ledger's newest entries", "stand under no checkpoint.")


def _audit_structure(entries: Sequence[Entry], structure: Structure) -> Iterator[Finding]:
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        wanted = schema_of(fresh)
    if structure.schema != wanted:
        names = ", ".join(sorted({name for _, name, _ in structure.schema ^ wanted}))
        yield _altered("the ledger's database", f"has other tables or triggers than it was made with ({names}).")
    if structure.integrity != ("ok",):
        yield _altered("the ledger's database", f"is damaged ({'; '.join(structure.integrity)}).")
    bodies = [json.loads(entry.body) for entry in entries]
    if structure.once != {(body["once"], body["seq"]) for body in bodies if "once" in body}:
        yield _altered("the ledger's list of what is entered once", "does not agree with its entries.")


def _altered(subject: str, message: str) -> Finding:
    return Finding(
        code="custody.ledger-altered",
        subject=subject,
        message=message,
        remedy="Stop work, keep this copy as it is, and compare with a backup and the partners' receipts.",
    )
