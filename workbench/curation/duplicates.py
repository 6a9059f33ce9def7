"""Which photographs show the same picture: byte for byte, or nearly, also turned or mirrored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Rows compared at a time, so that memory stays bounded: 512 x 100,000 distances are 100 MB.
_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two images found alike, ids in order; ``distance_bits`` is 0 for exact duplicates."""

    image_id: str
    other_image_id: str
    kind: str
    distance_bits: int


def exact_pairs(file_hashes: Mapping[str, str]) -> list[Pair]:
    """Return the pairs of images whose working copies are the same bytes (image_id to file SHA-256)."""
    holders: dict[str, list[str]] = {}
    for image_id in sorted(file_hashes):
        holders.setdefault(file_hashes[image_id], []).append(image_id)
    return [
        Pair(image_id=ids[0], other_image_id=other, kind="exact", distance_bits=0)
        for ids in holders.values()
        for other in ids[1:]
    ]


def near_pairs(hashes: Mapping[str, NDArray[np.uint8]], *, most_bits: int) -> list[Pair]:
    """Return the pairs of images at most ``most_bits`` apart in any of the eight positions, sorted.

    Parameters
    ----------
    hashes
        For each image_id its eight hashes, (8, bytes) uint8, the picture as it is first.

    """
    ids = sorted(hashes)
    if len(ids) < 2:  # noqa: PLR2004 -- a pair needs two
        return []
    upright = _words(np.stack([hashes[image_id][0] for image_id in ids]))
    turned = _words(np.concatenate([hashes[image_id] for image_id in ids]))
    best: dict[tuple[int, int], int] = {}
    for start in range(0, len(turned), _BLOCK):
        distances = np.bitwise_count(turned[start : start + _BLOCK, None, :] ^ upright[None, :, :]).sum(axis=2)
        for row, column in np.argwhere(distances <= most_bits):
            one, other = sorted(((start + int(row)) // len(hashes[ids[0]]), int(column)))
            if one != other:
                bits = int(distances[row, column])
                best[one, other] = min(bits, best.get((one, other), bits))
    return [
        Pair(image_id=ids[one], other_image_id=ids[other], kind="near", distance_bits=best[one, other])
        for one, other in sorted(best)
    ]


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the same bits as 64-bit words, which count eight times faster."""
    return np.ascontiguousarray(hashes).view(np.uint64)


def union_pairs(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Return the pairs as bare ids, for grouping."""
    return [(pair.image_id, pair.other_image_id) for pair in pairs]
