"""What lies close together: binary codes within a distance, and vectors' nearest, by Faiss and, for many codes, chunks.

Comparing 1,000,000 photographs in eight positions with each other is 8e12 comparisons, hours for Faiss's full scan and
for its own hashed index alike. Many codes are therefore looked up by chunks (multi-index hashing, Norouzi et al.,
Fast search in Hamming space with multi-index hashing, CVPR 2012): of 12 chunks of 21 bits, two codes at most 23 bits
apart agree in one chunk but for one bit, so every such pair is found. Of pairs 31 bits apart, 97 in 100 are.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Ints = NDArray[np.int64]

#: Queries answered at a time, so that memory stays bounded even where very many are close.
_BLOCK = 8192

#: Up to so many comparisons everything is compared with everything (seconds); beyond, chunks are looked up.
_FULL_UP_TO = 4_000_000_000

_CHUNKS, _CHUNK_BITS = 12, 21

#: Queries looked up at a time: 22 probes of each stay in the processor's cache.
_PROBED = 16384

#: Up to so many vectors a search is exact; beyond, it visits the nearest of many cells.
_EXACT_VECTORS = 50_000


def codes_within(queries: Codes, base: Codes, most_bits: int) -> tuple[Ints, Ints, Ints]:
    """Return the rows of ``queries`` and of ``base`` at most ``most_bits`` apart, and how far. Fits `ports.Within`.

    Parameters
    ----------
    queries, base
        Codes of equal length, (m, bytes) and (n, bytes).
    most_bits
        Greatest Hamming distance of a pair.

    """
    whole = len(queries) * len(base) <= _FULL_UP_TO or base.shape[1] * 8 != 256  # noqa: PLR2004 -- bits of a hash here
    return compared(queries, base, most_bits) if whole else looked_up(queries, base, most_bits)


def compared(queries: Codes, base: Codes, most_bits: int) -> tuple[Ints, Ints, Ints]:
    """Return what `codes_within` does, by comparing everything with everything."""
    import faiss

    index = faiss.IndexBinaryFlat(base.shape[1] * 8)
    index.add(np.ascontiguousarray(base))
    found: list[tuple[Ints, Ints, Ints]] = []
    for start in range(0, len(queries), _BLOCK):
        block = np.ascontiguousarray(queries[start : start + _BLOCK])
        # Faiss leaves the radius itself out.
        limits, distances, columns = index.range_search(block, most_bits + 1)
        rows = start + np.repeat(np.arange(len(block), dtype=np.int64), np.diff(limits.astype(np.int64)))
        found.append((rows, columns.astype(np.int64), distances.astype(np.int64)))
    return _joined(found)


def looked_up(queries: Codes, base: Codes, most_bits: int) -> tuple[Ints, Ints, Ints]:
    """Return what `codes_within` does, but for a few pairs more than 23 bits apart; codes are of 256 bits."""
    base_keys, query_keys = _chunk_keys(base), _chunk_keys(queries)
    base_words, query_words = (np.ascontiguousarray(codes).view(np.uint64) for codes in (base, queries))
    workers = len(os.sched_getaffinity(0))
    found: list[tuple[Ints, Ints, Ints]] = []
    with ThreadPoolExecutor(workers) as pool:
        for chunk in range(_CHUNKS):
            keys = base_keys[:, chunk]
            order = np.argsort(keys, kind="stable")
            starts = np.zeros((1 << _CHUNK_BITS) + 1, np.int64)
            np.cumsum(np.bincount(keys, minlength=1 << _CHUNK_BITS), out=starts[1:])
            words = np.ascontiguousarray(base_words[order].T)

            def probe(
                start: int,
                chunk: int = chunk,
                order: Ints = order,
                starts: Ints = starts,
                words: NDArray[np.uint64] = words,
            ) -> tuple[Ints, Ints, Ints]:
                stop = start + _PROBED
                part = query_words[start:stop]
                rows, places, apart = _probe(query_keys[start:stop, chunk], part, starts, words, most_bits)
                return rows + start, order[places], apart

            found += pool.map(probe, range(0, len(queries), _PROBED))
    rows, columns, apart = _joined(found)
    _, first = np.unique(rows * len(base) + columns, return_index=True)
    return rows[first], columns[first], apart[first]


def _chunk_keys(codes: Codes) -> NDArray[np.uint32]:
    """Return each code's chunks as numbers, (n, chunks); bits are dealt to chunks by a fixed shuffle."""
    dealt = np.random.default_rng(0).permutation(codes.shape[1] * 8)[: _CHUNKS * _CHUNK_BITS]
    weights = (1 << np.arange(_CHUNK_BITS)).astype(np.float32)  # sums stay below 2**24: exact in float32
    keys = np.empty((len(codes), _CHUNKS), np.uint32)
    for start in range(0, len(codes), _PROBED):
        bits = np.unpackbits(codes[start : start + _PROBED], axis=1)[:, dealt]
        keys[start : start + _PROBED] = bits.reshape(-1, _CHUNKS, _CHUNK_BITS).astype(np.float32) @ weights
    return keys


def _probe(
    keys: NDArray[np.uint32], queries: NDArray[np.uint64], starts: Ints, words: NDArray[np.uint64], most_bits: int
) -> tuple[Ints, Ints, Ints]:
    """Return (row, place, distance) of all in buckets whose key differs from a query's by at most one bit."""
    flips = np.concatenate([[0], 1 << np.arange(_CHUNK_BITS)]).astype(np.uint32)
    probed = (keys[None, :] ^ flips[:, None]).ravel()
    first = starts[probed]
    counts = starts[probed + 1] - first
    hit = np.flatnonzero(counts)
    first, counts = first[hit], counts[hit]
    ends = np.cumsum(counts)
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + counts, counts)
    rows = np.repeat(hit % len(keys), counts)
    # Half a hash tells nearly all strangers apart.
    half = np.bitwise_count(words[0, places] ^ queries[rows, 0]) + np.bitwise_count(words[1, places] ^ queries[rows, 1])
    close = half <= most_bits
    rows, places, half = rows[close], places[close], half[close]
    rest = np.bitwise_count(words[2, places] ^ queries[rows, 2]) + np.bitwise_count(words[3, places] ^ queries[rows, 3])
    apart = half.astype(np.int64) + rest
    close = apart <= most_bits
    return rows[close], places[close], apart[close]


def _joined(found: list[tuple[Ints, Ints, Ints]]) -> tuple[Ints, Ints, Ints]:
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, columns, apart = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, apart


def most_alike(queries: NDArray[np.float32], base: NDArray[np.float32], count: int) -> tuple[Ints, NDArray[np.float32]]:
    """Return for each query the rows of ``base`` most like it and their cosines, best first. Fits `ports.MostAlike`.

    Parameters
    ----------
    queries, base
        Vectors of length 1, (m, d) and (n, d).
    count
        How many of each, at most n; (m, count) comes back.

    """
    count = min(count, len(base))
    places, cosines = np.zeros((len(queries), count), np.int64), np.zeros((len(queries), count), np.float32)
    if not count or not len(queries):
        return places, cosines
    index = _vector_index(base)
    for start in range(0, len(queries), _BLOCK):
        stop = start + _BLOCK
        cosines[start:stop], places[start:stop] = index.search(np.ascontiguousarray(queries[start:stop]), count)
    return places, cosines


def _vector_index(base: NDArray[np.float32]) -> Any:
    import faiss

    base = np.ascontiguousarray(base)
    index: Any = faiss.IndexFlatIP(base.shape[1])
    if len(base) > _EXACT_VECTORS:
        cells = int(4 * len(base) ** 0.5)
        index = faiss.IndexIVFFlat(index, base.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
        index.train(base[:: max(1, len(base) // (cells * 40))])
        index.nprobe = 16
    index.add(base)
    return index
