"""The ledger: who did what to which bytes, append-only, chained, under signed Merkle checkpoints.

A chain alone does not show an edit that re-chains everything after it, nor a shortened file; the signed checkpoints,
copies of which partners hold in their receipts, show both.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import rfc8785

from workbench.custody.entry import Entry, Event, InclusionProof, looked_up_by
from workbench.custody.keys import Checkpoint, SigningKey, fingerprint, sync_folder, write_secret
from workbench.custody.merkle import Frontier, leaf_hash
from workbench.custody.records import Records, rotations, said_plainly
from workbench.custody.rotation import IN_USE, ROTATION, rotation_facts, spki
from workbench.custody.schema import furnish
from workbench.custody.tree import StoredTree
from workbench.domain.findings import refused

__all__ = ["Entry", "Event", "InclusionProof", "Ledger"]


class Ledger(Records):
    """The ledger of one workspace, in ``custody/``."""

    @classmethod
    def open(cls, custody: Path) -> Ledger:
        """Return the ledger of a custody folder; database and signing key are made where there are none.

        Raises
        ------
        Refused
            ``custody.key-missing`` if there is a ledger but its key is gone: a new key would sign as somebody else.

        """
        custody.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _key_file(custody)
        if not key.is_file() and any((custody / "checkpoints").glob("*.txt")):
            raise refused(
                "custody.key-missing",
                key,
                "is gone, but the ledger has entries.",
                "Restore custody/keys from a backup.",
            )
        ledger = cls(custody, SigningKey.read_or_make(key))
        with ledger.reading() as database:
            lacking = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'node'").fetchone() is None
        if lacking:
            with ledger._writing() as database:
                if furnish(database):
                    _derive(database)
        return ledger._with_rotation_completed()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction that is kept whole or not at all."""
        with said_plainly(), closing(self._connect()) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def append(self, events: Iterable[Event], *, now: datetime) -> Checkpoint:
        """Enter events in one transaction, then sign and keep a checkpoint; return it.

        Events whose ``once`` key is known are passed over; if nothing is new, the newest checkpoint is returned.

        Raises
        ------
        Refused
            ``custody.ledger-altered`` if the tree is not the one that the newest checkpoint signed, or this key is
            not in force: what was tampered with is never signed anew.

        """
        with self._writing() as database:
            tree = StoredTree(database)
            frontier = tree.frontier(tree.size())
            checkpoint = self.newest_sound(database, frontier.size, frontier.root())
            before = frontier.size
            for event in events:
                if event.once and database.execute("SELECT 1 FROM once WHERE key = ?", (event.once,)).fetchone():
                    continue
                tree.grow(frontier, _enter(database, frontier.size, event, now))
            if checkpoint is None or frontier.size > before:
                checkpoint = self._key.checkpoint(frontier.size, frontier.root())
                database.execute("INSERT INTO checkpoint VALUES (?, ?)", (checkpoint.size, checkpoint.note))
        self._keep_outside(checkpoint)
        return checkpoint

    def _keep_outside(self, checkpoint: Checkpoint) -> None:
        """Keep the note as a file too, so that a shortened database is noticed."""
        path = self._custody / "checkpoints" / f"{checkpoint.size:012d}.txt"
        if not path.exists():
            # Whole or not at all: a note cut short by a kill would look like a forged one.
            write_secret(path, checkpoint.note.encode())

    def rotate_key(self, *, actor: str, reason: str, now: datetime) -> Ledger:
        """Give the ledger a new signing key, entered under the old; return the ledger with it.

        Cut short at any moment, the ledger keeps the old key or has the new: `open` completes what was entered.
        """
        following = SigningKey.read_or_make(_next_key_file(self._custody))
        event = Event(
            kind=ROTATION,
            actor=actor,
            reason=reason,
            facts=rotation_facts(self._key, following),
            once=f"{ROTATION}/{fingerprint(following.public_pem())}",
        )
        self.append([event], now=now)
        return self._with_rotation_completed()

    def _with_rotation_completed(self) -> Ledger:
        """Return the ledger with the key that its last rotation named, if that one waits to be taken into use."""
        waiting = _next_key_file(self._custody)
        if not waiting.is_file():
            return self
        with suppress(FileNotFoundError):  # another process completes it at this moment
            following = SigningKey.read(waiting)
            with self.reading() as database:
                rotation = next((body for _, body in reversed(rotations(database))), None)
            if rotation is None or rotation["facts"]["public_key"] != spki(following.public_pem()):
                return self  # made, but not entered: `rotate_key` will use it
            named = Ledger(self._custody, following)
            name = fingerprint(following.public_pem())
            event = Event(kind=IN_USE, actor=rotation["actor"], reason=f"key {name[:16]}", once=f"{IN_USE}/{name}")
            named.append([event], now=datetime.fromisoformat(rotation["claimed_time"]))
            os.replace(waiting, _key_file(self._custody))
            sync_folder(waiting.parent)
            return named
        return Ledger(self._custody, SigningKey.read(_key_file(self._custody)))

    def sign(self, data: bytes) -> bytes:
        """Return the ledger key's signature over data, 64 bytes."""
        return self._key.sign(data)


def _key_file(custody: Path) -> Path:
    return custody / "keys" / "ledger.pem"


def _next_key_file(custody: Path) -> Path:
    return custody / "keys" / "ledger.next.pem"


def _enter(database: sqlite3.Connection, seq: int, event: Event, now: datetime) -> bytes:
    """Insert one entry; return its leaf hash."""
    last = database.execute("SELECT chain FROM entry WHERE seq = ?", (seq - 1,)).fetchone()
    chain = last[0] if last else bytes(32)
    document = {key: value for key, value in asdict(event).items() if value is not None}
    body = rfc8785.dumps({**document, "version": 1, "seq": seq, "claimed_time": now.isoformat()})
    leaf = leaf_hash(body)
    row = (seq, body, leaf, hashlib.sha256(chain + leaf).digest())
    database.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", row)
    _say(database, seq, document)
    if event.once:
        database.execute("INSERT INTO once VALUES (?, ?)", (event.once, seq))
    return leaf


def _say(database: sqlite3.Connection, seq: int, said: Mapping[str, Any]) -> None:
    """Insert what an entry is looked up by."""
    database.execute("INSERT INTO said VALUES (?, ?, ?, ?)", (seq, *looked_up_by(said)))


def _derive(database: sqlite3.Connection) -> None:
    """Fill what follows from the entries, in a database of the first version."""
    tree, frontier = StoredTree(database), Frontier()
    for seq, body, leaf in database.execute("SELECT seq, body, leaf FROM entry ORDER BY seq").fetchall():
        tree.grow(frontier, leaf)
        _say(database, seq, json.loads(body))
