"""COCO compressed run-length codes, read without a tool (cocoapi, common/maskApi.c: rleFrString)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rle_runs(counts: str) -> list[int]:
    """Return the lengths of the runs, unset first, in column order.

    Examples
    --------
    >>> rle_runs("22")
    [2, 2]

    """
    runs: list[int] = []
    value = shift = 0
    for letter in counts:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # noqa: PLR2004 -- the format's own rule
        value = shift = 0
    return runs


def rle_area_px2(counts: str) -> int:
    """Return the pixels set.

    Examples
    --------
    >>> rle_area_px2("22")
    2

    """
    return sum(rle_runs(counts)[1::2])


def rle_mask(counts: str, *, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Return the mask, (height, width)."""
    runs = rle_runs(counts)
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width_px, height_px).T
