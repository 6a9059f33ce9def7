"""How far two run-length masks of one picture overlap, from their runs: no mask is ever filled in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.domain.rle import runs_from_text


def masks_iou(first_rle: str, second_rle: str) -> float:
    """Return the IoU of two masks of one size, in COCO's compressed run lengths, in [0, 1]; 0 where both are empty.

    Examples
    --------
    >>> masks_iou("22", "13")  # four pixels: the last two, the last three
    0.6666666666666666

    """
    first, second = _set_bounds(first_rle), _set_bounds(second_rle)
    areas = [int((bounds[1::2] - bounds[0::2]).sum()) for bounds in (first, second)]
    shared = _shared(first, second)
    union = sum(areas) - shared
    return shared / union if union else 0.0


def _shared(first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    """Return how many pixels lie in both; each mask as starts and ends of what is set, ascending."""
    if not len(first) or not len(second):
        return 0
    cuts = np.unique(np.concatenate([first, second]))
    # A stretch between two cuts is set in a mask when an odd number of its bounds lie at or before its start.
    inside = [np.searchsorted(bounds, cuts[:-1], side="right") % 2 == 1 for bounds in (first, second)]
    return int(np.diff(cuts)[inside[0] & inside[1]].sum())


def _set_bounds(counts: str) -> NDArray[np.int64]:
    """Return starts and ends of the stretches of set pixels, going down columns, without empty ones."""
    ends = np.cumsum(runs_from_text(counts), dtype=np.int64)
    bounds = ends[: len(ends) // 2 * 2].reshape(-1, 2)
    kept: NDArray[np.int64] = bounds[bounds[:, 1] > bounds[:, 0]].reshape(-1)
    return kept
