"""What formats need to know of a mask in COCO's compressed run lengths: its area, and its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.domain.rle import runs_from_text


def rle_area_px2(counts: str) -> int:
    """Return the pixels set.

    Examples
    --------
    >>> rle_area_px2("22")
    2

    """
    return sum(runs_from_text(counts)[1::2])


def rle_mask(counts: str, *, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Return the mask, (height, width)."""
    runs = runs_from_text(counts)
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width_px, height_px).T
