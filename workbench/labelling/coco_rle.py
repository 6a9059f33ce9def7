"""COCO's run-length masks, read and written without its C library.

The runs go down columns and start with the background. The compressed form writes each run, less the run two before
it from the third on, in groups of five bits, lowest first, as characters from ``0`` on (cocoapi, common/maskApi.c:
rleToString and rleFrString).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def decode(counts: str | Sequence[int], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (h, w) mask of compressed or plain run lengths.

    Raises
    ------
    ValueError
        If the runs do not add up to the size, or are no runs.

    """
    runs = _from_text(counts) if isinstance(counts, str) else [int(run) for run in counts]
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
    return _to_text(runs)


def _to_text(runs: Sequence[int]) -> str:
    text = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run  # noqa: PLR2004 -- the format's own rule
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | (0x20 if more else 0)) + 48))
    return "".join(text)


def _from_text(text: str) -> list[int]:
    runs: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:  # noqa: PLR2004 -- six bits a character
            raise ValueError(f"{letter!r} is no run-length character")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # noqa: PLR2004 -- the format's own rule
        value, shift = 0, 0
    if shift:
        raise ValueError("the run lengths end in the middle of a number")
    return runs
