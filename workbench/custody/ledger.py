"""The ledger: who did what to which bytes, append-only, chained, under signed Merkle checkpoints.

A chain alone does not show an edit that re-chains everything after it, nor a shortened file; the signed checkpoints,
copies of which partners hold in their receipts, show both.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import rfc8785

from workbench.custody.keys import Checkpoint, SigningKey, write_secret
from workbench.custody.merkle import inclusion_proofs, leaf_hash, root_hash
from workbench.domain.findings import refused

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY, body BLOB NOT NULL, leaf BLOB NOT NULL, chain BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS once (key TEXT PRIMARY KEY, seq INTEGER NOT NULL REFERENCES entry(seq)) STRICT;
CREATE TABLE IF NOT EXISTS checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS entry_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS note_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS note_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

#: Seconds to wait for another process's transaction.
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened: an action on an object by an actor, for a reason; no personal data.

    Parameters
    ----------
    kind
        receive, admit, quarantine, annotate, adjudicate, release, export, partner, ...
    object_sha256
        The bytes concerned, 64 hexadecimal digits; null where the event concerns none.
    terms_sha256
        Digest of the licence and usage terms it happened under (`domain.terms.terms_digest`).
    once
        If given, an event with this key is entered one time only, however often it is appended.

    """

    kind: str
    actor: str
    role: str = "operator"
    partner_id: str | None = None
    contribution_id: str | None = None
    object_sha256: str | None = None
    size_bytes: int | None = None
    reason: str | None = None
    terms_sha256: str | None = None
    once: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger."""

    seq: int
    body: bytes
    leaf: bytes
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry is in the tree of a checkpoint: leaf hash and audit path, lowest sibling first."""

    index: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the proof as JSON, hashes in hexadecimal."""
        path = [node.hex() for node in self.path]
        return {"index": self.index, "size": self.size, "leaf": self.leaf.hex(), "path": path}


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A ledger database beside its entries: its tables and triggers, SQLite's own check, and the keys entered once."""

    schema: frozenset[tuple[str, str, str]]
    integrity: tuple[str, ...]
    once: frozenset[tuple[str, int]]


def schema_of(database: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Return (kind, name, SQL) of each table and trigger of a database."""
    rows = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return frozenset((kind, name, sql) for kind, name, sql in rows)


class Ledger:
    """The ledger of one workspace, in ``custody/``."""

    def __init__(self, custody: Path, key: SigningKey) -> None:
        """Use the ledger in a folder, with a key to sign its checkpoints."""
        self._custody, self._key = custody, key

    @classmethod
    def open(cls, custody: Path) -> Ledger:
        """Return the ledger of a custody folder; database and signing key are made where there are none.

        Raises
        ------
        Refused
            ``custody.key-missing`` if there is a ledger but its key is gone: a new key would sign as somebody else.

        """
        custody.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = custody / "keys" / "ledger.pem"
        if not key.is_file() and any((custody / "checkpoints").glob("*.txt")):
            raise refused(
                "custody.key-missing",
                key,
                "is gone, but the ledger has entries.",
                "Restore custody/keys from a backup.",
            )
        ledger = cls(custody, SigningKey.read_or_make(key))
        with closing(ledger._connect()) as database:
            # Only a new database is furnished: what is missing in an old one is for `audit` to find.
            if not schema_of(database):
                database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        return ledger

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._custody / "ledger.db", timeout=_WAIT_S, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            database.execute(f"PRAGMA {pragma}")
        return database

    def append(self, events: Iterable[Event], *, now: datetime) -> Checkpoint:
        """Enter events in one transaction, then sign and keep a checkpoint; return it.

        Events whose ``once`` key is known are passed over; if nothing is new, the newest checkpoint is returned.
        """
        with closing(self._connect()) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                added = self._enter(database, events, now)
                leaves = [row[0] for row in database.execute("SELECT leaf FROM entry ORDER BY seq")]
                newest = database.execute("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
                if added or newest is None:
                    checkpoint = self._key.checkpoint(len(leaves), root_hash(leaves))
                    database.execute(
                        "INSERT OR IGNORE INTO checkpoint VALUES (?, ?)", (checkpoint.size, checkpoint.note)
                    )
                else:
                    checkpoint = Checkpoint(size=newest[0], root=root_hash(leaves), note=newest[1])
                database.execute("COMMIT")
            except BaseException:
                database.execute("ROLLBACK")
                raise
        self._keep_outside(checkpoint)
        return checkpoint

    def _enter(self, database: sqlite3.Connection, events: Iterable[Event], now: datetime) -> int:
        last = database.execute("SELECT seq, chain FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        seq, chain = last or (-1, bytes(32))
        added = 0
        for event in events:
            if event.once and database.execute("SELECT 1 FROM once WHERE key = ?", (event.once,)).fetchone():
                continue
            seq, added = seq + 1, added + 1
            document = {key: value for key, value in asdict(event).items() if value is not None}
            body = rfc8785.dumps({**document, "version": 1, "seq": seq, "claimed_time": now.isoformat()})
            leaf = leaf_hash(body)
            chain = hashlib.sha256(chain + leaf).digest()
            database.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", (seq, body, leaf, chain))
            if event.once:
                database.execute("INSERT INTO once VALUES (?, ?)", (event.once, seq))
        return added

    def _keep_outside(self, checkpoint: Checkpoint) -> None:
        """Keep the note as a file too, so that a shortened database is noticed."""
        path = self._custody / "checkpoints" / f"{checkpoint.size:012d}.txt"
        if not path.exists():
            # Whole or not at all: a note cut short by a kill would look like a forged one.
            write_secret(path, checkpoint.note.encode())

    def find(self, once: str) -> Entry | None:
        """Return the entry of the event with this ``once`` key, None if it was not entered."""
        with closing(self._connect()) as database:
            row = database.execute(
                "SELECT e.seq, e.body, e.leaf, e.chain FROM once o JOIN entry e ON e.seq = o.seq WHERE o.key = ?",
                (once,),
            ).fetchone()
        return row and Entry(seq=row[0], body=row[1], leaf=row[2], chain=row[3])

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        with closing(self._connect()) as database:
            rows = database.execute("SELECT seq, body, leaf, chain FROM entry ORDER BY seq").fetchall()
        return [Entry(seq=seq, body=body, leaf=leaf, chain=chain) for seq, body, leaf, chain in rows]

    def notes(self) -> list[str]:
        """Return all checkpoint notes, from the database and from the files, sorted by neither's say."""
        with closing(self._connect()) as database:
            kept = [row[0] for row in database.execute("SELECT note FROM checkpoint ORDER BY size")]
        return kept + self._notes_outside()

    def read(self) -> tuple[list[Entry], list[str], Structure]:
        """Return entries, checkpoint notes and structure as they stand at one moment, for `audit`."""
        outside = self._notes_outside()  # first: what is entered meanwhile must not look like a shortened ledger
        with closing(self._connect()) as database:
            database.execute("BEGIN")
            structure = Structure(
                schema=schema_of(database),
                integrity=tuple(str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")),
                once=frozenset(database.execute("SELECT key, seq FROM once").fetchall()),
            )
            rows = database.execute("SELECT seq, body, leaf, chain FROM entry ORDER BY seq").fetchall()
            kept = [row[0] for row in database.execute("SELECT note FROM checkpoint ORDER BY size")]
        entries = [Entry(seq=seq, body=body, leaf=leaf, chain=chain) for seq, body, leaf, chain in rows]
        return entries, kept + outside, structure

    def _notes_outside(self) -> list[str]:
        folder = self._custody / "checkpoints"
        return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.txt"))]

    def prove(self, seq: int) -> InclusionProof:
        """Return the proof that an entry is in the present tree.

        Raises
        ------
        Refused
            ``custody.entry-missing``.

        """
        return prove_all(self.entries(), [seq])[0]

    def sign(self, data: bytes) -> bytes:
        """Return the ledger key's signature over data, 64 bytes."""
        return self._key.sign(data)

    def public_key_pem(self) -> str:
        """Return the ledger's public key as PEM."""
        return self._key.public_pem()


def prove_all(entries: Sequence[Entry], seqs: Iterable[int]) -> list[InclusionProof]:
    """Return the inclusion proof of each of several entries in the tree over all of them."""
    leaves, wanted = [entry.leaf for entry in entries], list(seqs)
    for seq in wanted:
        if not 0 <= seq < len(leaves):
            raise refused(
                "custody.entry-missing", f"entry {seq}", "is not in the ledger.", "See `workbench ledger show`."
            )
    return [
        InclusionProof(index=seq, size=len(leaves), leaf=leaves[seq], path=tuple(path))
        for seq, path in zip(wanted, inclusion_proofs(leaves, wanted), strict=True)
    ]
