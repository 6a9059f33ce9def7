"""COCO's compressed run lengths as text, read and written without a tool.

The runs of a mask go down its columns and start with the background. Each run, less the run two before it from the
third on, is written in groups of five bits, lowest first, as characters from ``0`` on (cocoapi, common/maskApi.c:
rleToString and rleFrString).
"""

from __future__ import annotations

from collections.abc import Sequence


def runs_from_text(text: str) -> list[int]:
    """Return the lengths of the runs in pixels, unset first.

    Raises
    ------
    ValueError
        If the text is no run lengths, or ends in the middle of one.

    Examples
    --------
    >>> runs_from_text("22")
    [2, 2]

    """
    runs: list[int] = []
    value = shift = 0
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
        value = shift = 0
    if shift:
        raise ValueError("the run lengths end in the middle of a number")
    return runs


def text_from_runs(runs: Sequence[int]) -> str:
    """Return the text of run lengths in pixels; the inverse of `runs_from_text`.

    Examples
    --------
    >>> text_from_runs([2, 2])
    '22'

    """
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
