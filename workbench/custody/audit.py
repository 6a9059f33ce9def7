"""Is the ledger what was entered and signed: entries, chain, checkpoints, keys, and the database that holds them.

One pass over the entries, whose memory does not grow with them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.custody.entry import looked_up_by
from workbench.custody.keys import Checkpoint, read_checkpoint
from workbench.custody.merkle import Frontier, leaf_hash
from workbench.custody.records import Records
from workbench.custody.rotation import ROTATION, KeyPeriod, key_at, key_periods
from workbench.custody.schema import SCHEMA, made_by, schema_of
from workbench.domain.findings import Finding, WorkbenchError

#: What follows from the entries, as findings call it.
_TREE, _LOOK_UP, _ONCE = "stored tree", "look-up table", "list of what is entered once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What an audit looked at, and what it found."""

    entries: int
    checkpoints: int
    findings: tuple[Finding, ...]


def audit(ledger: Records, *, held: Iterable[str] = ()) -> Audited:
    """Return what is wrong with a ledger: altered, re-chained, missing or reordered entries, bad checkpoints.

    Parameters
    ----------
    held
        Checkpoint notes kept elsewhere, as in receipts and release records.

    """
    outside = [*ledger.notes_outside(), *held]  # first: what is entered meanwhile must not look like a shortened ledger
    with ledger.reading() as database:
        rows = database.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall()
        notes = [row[1] if isinstance(row[1], str) else "" for row in rows] + outside
        read = _read_entries(database, {_claimed_size(note) for note in notes})
        findings = list(read.findings)
        if not findings:
            findings += _audit_notes(read, notes, ledger.public_key_pem())
            findings += [
                _altered("a ledger checkpoint", "is filed under another size than it states.")
                for size, note in rows
                if _claimed_size(note) != size
            ]
            findings += _audit_structure(database)
    return Audited(entries=read.size, checkpoints=len(set(notes)), findings=tuple(findings))


@dataclass(slots=True, kw_only=True)
class _Read:
    """What one pass over the entries gives: their number, the roots asked for, and the key rotations."""

    size: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)
    rotations: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def _read_entries(database: sqlite3.Connection, sizes: set[int]) -> _Read:
    """Read the entries against chain, leaves and stored subtrees; stop at the first that is not what was entered."""
    read, chain, frontier, derived = _Read(), bytes(32), Frontier(), _Derived(database)
    read.roots[0] = frontier.root()
    for seq, body, leaf, linked in database.execute("SELECT seq, body, leaf, chain FROM entry ORDER BY seq"):
        # A damaged database may give anything for a column.
        right = leaf_hash(body) if isinstance(body, bytes) else b""
        chain = hashlib.sha256(chain + right).digest()
        if seq != read.size or leaf != right or linked != chain:
            read.findings.append(_altered(f"ledger entry {seq}", "is not what was entered."))
            return read
        read.size += 1
        said = _said(body)
        derived.expect(seq, said, frontier.add(right))
        if read.size in sizes:
            read.roots[read.size] = frontier.root()
        if said.get("kind") == ROTATION:
            read.rotations.append((seq, said))
    read.findings += derived.findings()
    return read


def _said(body: bytes) -> dict[str, Any]:
    """Return what a body says; one that says nothing is left to the checkpoints, which will not agree."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


class _Derived:
    """What follows from the entries, read in step with them: stored subtrees, look-up table, keys entered once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._said = database.execute("SELECT seq, kind, contribution_id, object_sha256 FROM said ORDER BY seq")
        self._once = database.execute("SELECT seq, key FROM once ORDER BY seq")
        self._levels: dict[int, sqlite3.Cursor] = {}
        self._wrong: set[str] = set()

    def expect(self, seq: int, said: Mapping[str, Any], nodes: Iterable[tuple[int, int, bytes]]) -> None:
        self._next(_LOOK_UP, self._said, (seq, *looked_up_by(said)))
        if "once" in said:
            self._next(_ONCE, self._once, (seq, said["once"]))
        for level, position, node in nodes:
            if level not in self._levels:
                sql = "SELECT position, hash FROM node WHERE level = ? ORDER BY position"
                self._levels[level] = self._database.execute(sql, (level,))
            self._next(_TREE, self._levels[level], (position, node))

    def _next(self, name: str, rows: sqlite3.Cursor, row: tuple[object, ...] | None) -> None:
        if name not in self._wrong and next(rows, None) != row:
            self._wrong.add(name)

    def findings(self) -> list[Finding]:
        """Return what was not as expected, and what is left over."""
        self._next(_LOOK_UP, self._said, None)
        self._next(_ONCE, self._once, None)
        (levels,) = self._database.execute("SELECT COUNT(DISTINCT level) FROM node").fetchone()
        if levels != len(self._levels):
            self._wrong.add(_TREE)
        for rows in self._levels.values():
            self._next(_TREE, rows, None)
        return [_altered(f"the ledger's {name}", "does not agree with its entries.") for name in sorted(self._wrong)]


def _claimed_size(note: object) -> int:
    """Return the size a note states, -1 if none; whether it is signed is judged later."""
    try:
        return int(str(note).split("\n")[1])
    except (IndexError, ValueError):
        return -1


def _audit_notes(read: _Read, notes: Iterable[str], present_pem: str) -> Iterator[Finding]:
    try:
        periods = key_periods(read.rotations, present_pem)
    except WorkbenchError as error:
        yield from error.findings
        return
    sound: set[int] = set()
    for note in dict.fromkeys(notes):  # the same note lies in the database, in a file and in receipts
        size = _claimed_size(note)
        checkpoint = read_checkpoint(note, key_at(periods, size)) if size >= 0 else None
        problem = _problem(checkpoint, read)
        if checkpoint is not None and problem is None:
            sound.add(size)
        elif problem is not None:
            yield problem
    if read.size and read.size not in sound:
        yield _altered("the ledger's newest entries", "stand under no checkpoint.")
    yield from _unsigned_rotations(periods, sound)


def _problem(checkpoint: Checkpoint | None, read: _Read) -> Finding | None:
    """Return what is wrong with a note that was read, None if nothing."""
    if checkpoint is None:
        return _altered("a ledger checkpoint", "does not carry the signature of the key in force at its size.")
    if checkpoint.size > read.size:
        text = f"has {read.size} entries, but a checkpoint was signed over {checkpoint.size}."
        return _altered("the ledger", text)
    if read.roots[checkpoint.size] != checkpoint.root:
        return _altered(f"the ledger's first {checkpoint.size} entries", "are not those a checkpoint signed.")
    return None


def _unsigned_rotations(periods: list[KeyPeriod], sound: set[int]) -> Iterator[Finding]:
    """Yield the rotations that stand under no checkpoint of the key before."""
    for period in periods:
        if period.last_size is not None and period.last_size not in sound:
            yield _altered(f"the key rotation in entry {period.last_size - 1}", "was not signed by the key before.")


def _audit_structure(database: sqlite3.Connection) -> Iterator[Finding]:
    present, wanted = schema_of(database), made_by(SCHEMA)
    if present != wanted:
        names = ", ".join(sorted({name for _, name, _ in present ^ wanted}))
        yield _altered("the ledger's database", f"has other tables or triggers than it was made with ({names}).")
        return
    integrity = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
    if integrity != ["ok"]:
        yield _altered("the ledger's database", f"is damaged ({'; '.join(integrity)}).")


def _altered(subject: str, message: str) -> Finding:
    return Finding(
        code="custody.ledger-altered",
        subject=subject,
        message=message,
        remedy="Stop work, keep this copy as it is, and compare with a backup and the partners' receipts.",
    )
