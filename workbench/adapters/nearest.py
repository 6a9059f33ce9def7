"""Pairs of binary codes that lie close together, by Faiss: a full comparison, about fifty times faster than numpy's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Queries answered at a time, so that memory stays bounded even where very many are close.
_BLOCK = 8192


def codes_within(
    queries: NDArray[np.uint8], base: NDArray[np.uint8], most_bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of ``queries`` and of ``base`` at most ``most_bits`` apart, and how far. Fits `ports.Within`.

    Parameters
    ----------
    queries, base
        Codes of equal length, (m, bytes) and (n, bytes).
    most_bits
        Greatest Hamming distance of a pair.

    """
    import faiss

    index = faiss.IndexBinaryFlat(base.shape[1] * 8)
    index.add(np.ascontiguousarray(base))
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for start in range(0, len(queries), _BLOCK):
        block = np.ascontiguousarray(queries[start : start + _BLOCK])
        # Faiss leaves the radius itself out.
        limits, distances, columns = index.range_search(block, most_bits + 1)
        rows = start + np.repeat(np.arange(len(block), dtype=np.int64), np.diff(limits.astype(np.int64)))
        found.append((rows, columns.astype(np.int64), distances.astype(np.int64)))
    rows, columns, apart = (
        np.concatenate(part) if part else np.zeros(0, np.int64) for part in zip(*found, strict=True)
    )
    return rows, columns, apart
