"""COCO's run-length masks as arrays of pixels and back, without its C library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.domain.rle import runs_from_text, text_from_runs


def decode(counts: str | Sequence[int], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (h, w) mask of compressed or plain run lengths.

    Raises
    ------
    ValueError
        If the runs do not add up to the size, or are no runs.

    """
    runs = runs_from_text(counts) if isinstance(counts, str) else [int(run) for run in counts]
    height, width = size_hw
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"runs of {sum(runs)} pixels for a mask of {height}x{width}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def encode(mask_hw: NDArray[np.bool_]) -> str:
    """Return the compressed run lengths of a mask.

    Examples
    --------
    >>> encode(np.array([[False, True], [False, True]]))
    '22'

    """
    flat = mask_hw.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    runs = np.diff(bounds).tolist()
    if flat.size and flat[0]:
        runs.insert(0, 0)
    return text_from_runs(runs)
