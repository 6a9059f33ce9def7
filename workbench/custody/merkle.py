"""The Merkle tree of RFC 9162: root, inclusion proof, and the check of one.

Own code, because the maintained Python library (pymerkle) is under the GPL; held against the RFC's definition by
tests that compute the tree a second way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf, 32 bytes: ``SHA-256(0x00 || body)`` (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes: ``SHA-256(0x01 || left || right)`` (section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, 32 bytes; SHA-256 of nothing for an empty tree (section 2.1.1).

    Level by level: an odd last node rises unchanged, which gives the RFC's split at the largest power of two.
    """
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


class Frontier:
    """The complete subtrees that a growing tree ends in, largest first, as a binary counter of the leaves shows them.

    They are all that is needed to add a leaf and to tell the root.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Start at a tree of ``size`` leaves with these subtrees; without any, at the empty tree."""
        self.size = size
        self._peaks = list(peaks)

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf; return the subtrees it completes as (level, position, hash), lowest first."""
        self.size += 1
        node, count, level, made = leaf, self.size, 0, []
        while count % 2 == 0:
            node, count, level = node_hash(self._peaks.pop(), node), count // 2, level + 1
            made.append((level, count - 1, node))
        self._peaks.append(node)
        return made

    def root(self) -> bytes:
        """Return the root over the leaves so far: the subtrees folded from the right (the same as `root_hash`)."""
        if not self._peaks:
            return root_hash([])
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def roots_at(leaves: Sequence[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """Return the root over the first n leaves for each n asked for, in one pass; sizes beyond the leaves are left out."""
    wanted, frontier = set(sizes), Frontier()
    roots = {0: frontier.root()} if 0 in wanted else {}
    for leaf in leaves:
        frontier.add(leaf)
        if frontier.size in wanted:
            roots[frontier.size] = frontier.root()
    return roots


def inclusion_proofs(leaves: Sequence[bytes], indexes: Iterable[int]) -> list[list[bytes]]:
    """Return the audit path of each of several leaves, lowest sibling first (section 2.1.3.1).

    The tree's levels are made once, so n proofs cost about as much as one.

    Raises
    ------
    IndexError
        If there is no such leaf.

    """
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        level = levels[-1]
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        levels.append(pairs + level[len(pairs) * 2 :])
    paths = []
    for index in indexes:
        if not 0 <= index < len(leaves):
            raise IndexError(f"leaf {index} of a tree of {len(leaves)}")
        siblings = [(level, (index >> height) ^ 1) for height, level in enumerate(levels[:-1])]
        paths.append([level[sibling] for level, sibling in siblings if sibling < len(level)])
    return paths


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of one leaf, as `inclusion_proofs` does of several."""
    return inclusion_proofs(leaves, [index])[0]


def proves_inclusion(*, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Say whether an audit path leads from a leaf hash to a root (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, current = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position % 2 or position == last:
            current = node_hash(sibling, current)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and current == root
