"""The Merkle tree as the ledger's database keeps it: complete subtrees are stored, so nothing is hashed twice.

Entering, a root and a proof cost the logarithm of the ledger's size, not its size. Level 0 are the leaves, in
``entry``; a node of level k at position p covers the leaves from ``p * 2**k`` on.
"""

from __future__ import annotations

import sqlite3

from workbench.custody.merkle import Frontier, node_hash
from workbench.domain.findings import WorkbenchError, refused


class StoredTree:
    """The tree in a database, for as long as one transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Use an open connection."""
        self._database = database
        self._known: dict[tuple[int, int], bytes] = {}
        self._ends: dict[tuple[int, int], bytes] = {}

    def size(self) -> int:
        """Return how many entries there are."""
        (last,) = self._database.execute("SELECT MAX(seq) FROM entry").fetchone()
        return 0 if last is None else int(last) + 1

    def frontier(self, size: int) -> Frontier:
        """Return the frontier of the tree over the first ``size`` entries: one complete subtree for each binary one."""
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        return Frontier(size, [self._node(level, (size >> level) - 1) for level in reversed(levels)])

    def grow(self, frontier: Frontier, leaf: bytes) -> None:
        """Add a leaf to a frontier and store the subtrees that it completes."""
        self._database.executemany("INSERT INTO node VALUES (?, ?, ?)", frontier.add(leaf))

    def root(self, size: int) -> bytes:
        """Return the root over the first ``size`` entries, 32 bytes."""
        return self.frontier(size).root()

    def path(self, index: int, size: int) -> list[bytes]:
        """Return an entry's audit path in the tree over the first ``size`` entries, lowest sibling first.

        The recursion of RFC 9162, section 2.1.3.1, from the root down.
        """
        start, end, path = 0, size, list[bytes]()
        while end - start > 1:
            middle = start + (1 << ((end - start - 1).bit_length() - 1))
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return path[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        """Return the hash over entries ``start`` to ``end``; ``start`` is a multiple of the power of two not below."""
        level = (end - start - 1).bit_length()
        if end - start == 1 << level:
            return self._node(level, start >> level)
        # The incomplete ones at the tree's end stand in the path of nearly every entry: they are hashed once.
        if (start, end) not in self._ends:
            middle = start + (1 << (level - 1))
            self._ends[start, end] = node_hash(self._subtree(start, middle), self._subtree(middle, end))
        return self._ends[start, end]

    def _node(self, level: int, position: int) -> bytes:
        place = (level, position)
        if place not in self._known:
            if level:
                sql, values = "SELECT hash FROM node WHERE level = ? AND position = ?", place
            else:
                sql, values = "SELECT leaf, ? FROM entry WHERE seq = ?", place
            row = self._database.execute(sql, values).fetchone()
            if row is None or not isinstance(row[0], bytes):
                raise altered("lacks a part of its tree.")
            self._known[place] = row[0]
        return self._known[place]


def altered(message: str) -> WorkbenchError:
    """Return the refusal to build upon a ledger that is not what was entered and signed."""
    return refused(
        "custody.ledger-altered",
        "the ledger",
        message,
        "Stop work, keep this copy as it is, and run `workbench ledger verify`.",
    )
