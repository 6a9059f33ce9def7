"""The ledger as it is read: entries by number, kind, contribution or object; checkpoints, keys and proofs."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from workbench.custody.entry import Entry, InclusionProof
from workbench.custody.keys import Checkpoint, SigningKey, read_checkpoint
from workbench.custody.rotation import ROTATION, KeyPeriod, key_at, key_periods
from workbench.custody.tree import StoredTree, altered
from workbench.domain.findings import WorkbenchError, busy, refused

#: Seconds to wait for another process's transaction.
_WAIT_S = 30.0

#: Of the database kept in memory, KiB: the keys of what is entered once lie scattered over all of their index.
_CACHE_KIB = 65_536

#: Entries by what they say.
_OF = "SELECT e.seq, e.body, e.leaf, e.chain FROM said s JOIN entry e ON e.seq = s.seq"


@contextmanager
def said_plainly() -> Iterator[None]:
    """Say SQLite's own errors as findings: a full disk, a ledger that is in use, and one that is damaged."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code, without its detail
        if code == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "custody/ledger.db") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise busy(
                "workspace.busy",
                "custody/ledger.db",
                "is in use by another command.",
                "Wait until it has finished, then repeat.",
            ) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), "custody/ledger.db") from error
        raise refused(
            "custody.ledger-altered",
            "custody/ledger.db",
            f"cannot be read ({error}).",
            "Keep this copy as it is and restore custody/ from a backup.",
        ) from error


class Records:
    """What may be read of a ledger; `Ledger` adds to it."""

    def __init__(self, custody: Path, key: SigningKey) -> None:
        """Use the ledger in a folder, with the key that signs its checkpoints."""
        self._custody, self._key = custody, key

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._custody / "ledger.db", timeout=_WAIT_S, isolation_level=None)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            f"cache_size=-{_CACHE_KIB}",
        ):
            database.execute(f"PRAGMA {pragma}")
        return database

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that sees the ledger as it stands at one moment."""
        with said_plainly(), closing(self._connect()) as database:
            database.execute("BEGIN")
            yield database

    def find(self, once: str) -> Entry | None:
        """Return the entry of the event with this ``once`` key, None if it was not entered."""
        sql = "SELECT e.seq, e.body, e.leaf, e.chain FROM once o JOIN entry e ON e.seq = o.seq WHERE o.key = ?"
        return next(iter(self._entries(sql, once)), None)

    def entry(self, seq: int) -> Entry:
        """Return an entry by its number.

        Raises
        ------
        Refused
            ``custody.entry-missing``.

        """
        for found in self._entries("SELECT seq, body, leaf, chain FROM entry WHERE seq = ?", seq):
            return found
        raise _missing(seq)

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        return list(self.each())

    def each(self) -> Iterator[Entry]:
        """Yield all entries, oldest first, one at a time."""
        return self._each("SELECT seq, body, leaf, chain FROM entry ORDER BY seq")

    def newest(self, count: int) -> list[Entry]:
        """Return the newest entries, oldest first."""
        return self._entries("SELECT seq, body, leaf, chain FROM entry ORDER BY seq DESC LIMIT ?", count)[::-1]

    def of_kind(self, kind: str) -> list[Entry]:
        """Return the entries of one kind, oldest first."""
        return self._entries(f"{_OF} WHERE s.kind = ? ORDER BY s.seq", kind)

    def each_of_contribution(self, contribution_id: str) -> Iterator[Entry]:
        """Yield the entries about a contribution, oldest first, one at a time."""
        return self._each(f"{_OF} WHERE s.contribution_id = ? ORDER BY s.seq", contribution_id)

    def newest_of_contribution(self, contribution_id: str, kinds: Sequence[str]) -> int | None:
        """Return the number of the newest entry of some kinds about a contribution, None if there is none."""
        sql = "SELECT MAX(seq) FROM said WHERE contribution_id = ? AND kind = ?"
        with self.reading() as database:
            newest = [database.execute(sql, (contribution_id, kind)).fetchone()[0] for kind in kinds]
        return max((seq for seq in newest if seq is not None), default=None)

    def of_object(self, prefix: str) -> list[Entry]:
        """Return the entries about objects whose SHA-256 begins so, oldest first; ``prefix`` is hexadecimal."""
        sql = f"{_OF} WHERE s.object_sha256 >= ? AND s.object_sha256 < ? ORDER BY s.seq"
        return self._entries(sql, prefix, prefix + "g")

    def _entries(self, sql: str, *values: object) -> list[Entry]:
        return list(self._each(sql, *values))

    def _each(self, sql: str, *values: object) -> Iterator[Entry]:
        with self.reading() as database:
            for seq, body, leaf, chain in database.execute(sql, values):
                yield Entry(seq=seq, body=body, leaf=leaf, chain=chain)

    def size(self) -> int:
        """Return how many entries there are."""
        with self.reading() as database:
            return StoredTree(database).size()

    def checkpoint_over(self, seq: int) -> Checkpoint:
        """Return the first checkpoint over an entry that the present key signed; the same whenever it is asked for.

        Raises
        ------
        Refused
            ``custody.entry-missing``.

        """
        with self.reading() as database:
            present = key_periods(rotations(database), self.public_key_pem())[-1]
            row = database.execute(
                "SELECT note FROM checkpoint WHERE size >= ? ORDER BY size LIMIT 1",
                (max(seq + 1, present.first_size),),
            ).fetchone()
        if row is None:
            self.entry(seq)
            raise altered("has entries under no checkpoint.")
        checkpoint = read_checkpoint(row[0], present.public_pem)
        if checkpoint is None:
            raise altered("has a checkpoint without its signature.")
        return checkpoint

    def newest_checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint, None in a new ledger.

        Raises
        ------
        Refused
            ``custody.ledger-altered`` if it is not over the tree as it stands.

        """
        with self.reading() as database:
            tree = StoredTree(database)
            return self.newest_sound(database, tree.size(), tree.root(tree.size()))

    def checkpoints(self, most: int) -> list[tuple[int, str]]:
        """Return size and note of the checkpoints over at most so many entries, by size."""
        with self.reading() as database:
            rows = database.execute("SELECT size, note FROM checkpoint WHERE size <= ? ORDER BY size", (most,))
            return [(size, note) for size, note in rows]

    def notes_outside(self) -> list[str]:
        """Return the checkpoint notes kept as files."""
        folder = self._custody / "checkpoints"
        return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.txt"))]

    def prove(self, seqs: Iterable[int], checkpoint: Checkpoint) -> Iterator[tuple[Entry, InclusionProof]]:
        """Yield each entry with the proof that it is in a checkpoint's tree.

        Raises
        ------
        Refused
            ``custody.entry-missing``, ``custody.ledger-altered`` if a proof does not lead to the checkpoint's root.

        """
        with self.reading() as database:
            tree = StoredTree(database)
            for seq in seqs:
                row = database.execute("SELECT seq, body, leaf, chain FROM entry WHERE seq = ?", (seq,)).fetchone()
                if row is None or seq >= checkpoint.size:
                    raise _missing(seq)
                entry = Entry(seq=row[0], body=row[1], leaf=row[2], chain=row[3])
                path = tree.path(seq, checkpoint.size)
                proof = InclusionProof(index=seq, size=checkpoint.size, leaf=entry.leaf, path=tuple(path))
                if not proof.leads_to(checkpoint.root, entry.body):
                    raise altered(f"does not prove its entry {seq}.")
                yield entry, proof

    def public_key_pem(self) -> str:
        """Return the ledger's present public key as PEM."""
        return self._key.public_pem()

    def signing_keys(self) -> list[KeyPeriod]:
        """Return every public key the ledger was signed with, oldest first, the present one last.

        Raises
        ------
        Refused
            ``custody.ledger-altered`` if the rotations in the ledger do not lead to the present key.

        """
        with self.reading() as database:
            return key_periods(rotations(database), self.public_key_pem())

    def newest_sound(self, database: sqlite3.Connection, size: int, root: bytes) -> Checkpoint | None:
        """Return the newest checkpoint, None in a new ledger; refuse if it is not over the tree as it stands."""
        periods = key_periods(rotations(database), self.public_key_pem())
        row = database.execute("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        if row is None:
            if size:
                raise altered("has entries but no checkpoint.")
            return None
        checkpoint = read_checkpoint(row[1], key_at(periods, row[0]))
        if checkpoint is None or (checkpoint.size, checkpoint.root) != (size, root):
            raise altered("is not what its newest checkpoint signed.")
        return checkpoint


def _missing(seq: int) -> WorkbenchError:
    return refused("custody.entry-missing", f"entry {seq}", "is not in the ledger.", "See `workbench ledger show`.")


def rotations(database: sqlite3.Connection) -> list[tuple[int, dict[str, Any]]]:
    """Return number and body of each rotation's entry, oldest first."""
    rows = database.execute(f"{_OF} WHERE s.kind = ? ORDER BY s.seq", (ROTATION,))
    return [(seq, json.loads(body)) for seq, body, _, _ in rows]
