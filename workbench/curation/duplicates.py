"""Which photographs show the same picture: byte for byte, or nearly, also turned, mirrored, cropped or shifted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.ports import MostAlike, Within

#: Rows numpy compares at a time, so that memory stays bounded: 64 x 100,000 x 32 bytes are 200 MB.
_BLOCK = 64

#: Cosine of two vectors from which a pair is worth comparing point by point. Crops of 35 % of 41 photographs of tools,
#: headstamps, screws and walls lie above 0.926 in nine of ten cases, crops of 20 % above 0.955.
PROPOSED_FROM = 0.93

#: How many of its nearest an image proposes.
_PROPOSED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two images found alike, ids in order; ``distance_bits`` is 0 for exact duplicates, ``points`` that of overlaps."""

    image_id: str
    other_image_id: str
    kind: str
    distance_bits: int | None = None
    points: int | None = None


def exact_pairs(file_hashes: Mapping[str, str]) -> list[Pair]:
    """Return the pairs of images whose working copies are the same bytes (image_id to file SHA-256).

    Of three alike, the first is paired with each of the others.
    """
    return [
        Pair(image_id=ids[0], other_image_id=other, kind="exact", distance_bits=0)
        for ids in _same(file_hashes)
        for other in ids[1:]
    ]


def superseded(file_hashes: Mapping[str, str], released: Collection[str]) -> dict[str, str]:
    """Return for each image that is another's exact duplicate the one that is kept in its place.

    One that was released is kept; among several or none, the first in order.
    """
    replaced: dict[str, str] = {}
    for ids in _same(file_hashes):
        kept = next((image_id for image_id in ids if image_id in released), ids[0])
        replaced |= {image_id: kept for image_id in ids if image_id != kept}
    return replaced


def _same(file_hashes: Mapping[str, str]) -> list[list[str]]:
    """Return the image ids that share each content, sorted."""
    holders: dict[str, list[str]] = {}
    for image_id in sorted(file_hashes):
        holders.setdefault(file_hashes[image_id], []).append(image_id)
    return list(holders.values())


def near_pairs(hashes: Mapping[str, NDArray[np.uint8]], *, most_bits: int, within: Within | None = None) -> list[Pair]:
    """Return the pairs of images at most ``most_bits`` apart in any of the eight positions, sorted.

    Parameters
    ----------
    hashes
        For each image_id its eight hashes, (8, bytes) uint8, the picture as it is first.
    most_bits
        Greatest Hamming distance of a near-duplicate.
    within
        What compares the hashes; numpy if none is given.

    """
    ids = sorted(hashes)
    if len(ids) < 2:  # noqa: PLR2004 -- a pair needs two
        return []
    upright = np.stack([hashes[image_id][0] for image_id in ids])
    turned = np.concatenate([hashes[image_id] for image_id in ids])
    rows, columns, distances = (within or codes_within)(turned, upright, most_bits)
    best: dict[tuple[int, int], int] = {}
    owners = rows // len(hashes[ids[0]])
    apart = owners != columns  # each image lies close to itself
    for row, column, bits in zip(
        owners[apart].tolist(), columns[apart].tolist(), distances[apart].tolist(), strict=True
    ):
        key = min(row, column), max(row, column)
        best[key] = min(bits, best.get(key, bits))
    return [
        Pair(image_id=ids[one], other_image_id=ids[other], kind="near", distance_bits=best[one, other])
        for one, other in sorted(best)
    ]


def proposed_pairs(
    ids: Sequence[str], vectors: NDArray[np.float32], *, most_alike: MostAlike, known: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the pairs of images whose vectors say that one may be a crop or a shifted view of the other, sorted.

    Each image proposes the few most like it. Pairs in ``known`` are left out: they are found alike already.
    """
    if len(ids) < 2:  # noqa: PLR2004 -- a pair needs two
        return []
    places, cosines = most_alike(vectors, vectors, _PROPOSED + 1)
    proposed = set()
    for row, (near, likeness) in enumerate(zip(places.tolist(), np.round(cosines, 3).tolist(), strict=True)):
        for place, cosine in zip(near, likeness, strict=True):
            if place != row and place >= 0 and cosine >= PROPOSED_FROM:
                one, other = sorted((ids[row], ids[place]))
                proposed.add((one, other))
    return sorted(proposed - set(known))


def overlap_pairs(proposed: Sequence[tuple[str, str]], points: Sequence[int], *, fewest: int) -> list[Pair]:
    """Return the proposed pairs of which at least ``fewest`` corner points fit."""
    return [
        Pair(image_id=one, other_image_id=other, kind="overlap", points=count)
        for (one, other), count in zip(proposed, points, strict=True)
        if count >= fewest
    ]


def codes_within(
    queries: NDArray[np.uint8], base: NDArray[np.uint8], most_bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of codes at most ``most_bits`` apart, compared by numpy. Fits `ports.Within`."""
    words = np.ascontiguousarray(queries).view(np.uint64), np.ascontiguousarray(base).view(np.uint64)
    rows, columns, apart = [], [], []
    for start in range(0, len(queries), _BLOCK):
        bits = np.bitwise_count(words[0][start : start + _BLOCK, None, :] ^ words[1][None, :, :])
        distances = bits.sum(axis=2, dtype=np.int64)
        close = np.nonzero(distances <= most_bits)
        rows.append(close[0].astype(np.int64) + start)
        columns.append(close[1].astype(np.int64))
        apart.append(distances[close])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(apart)


def union_pairs(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Return the pairs as bare ids, for grouping."""
    return [(pair.image_id, pair.other_image_id) for pair in pairs]
