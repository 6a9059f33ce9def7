"""The card's plots as SVG text, drawn with the page's own colours and fonts: bars, histograms, a heat map.

They are a few rectangles each, so they are written as such: equal data gives equal bytes, and a small release does not
wait for a plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from workbench.domain.photograph import Origin

_WIDE, _LABEL, _COUNT, _ROW = 560, 200, 56, 24
_BINS, _STEPS = 24, 4
_LEFT, _TOP, _HIGH = 46, 8, 170


def bars_svg(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return stacked horizontal bars: a row a name, in order from the top, a colour an origin."""
    most = max((sum(row.values()) for row in counts.values()), default=0) or 1
    room = _WIDE - _LABEL - _COUNT
    parts = []
    for number, (name, row) in enumerate(counts.items()):
        top, left = number * _ROW, float(_LABEL)
        parts.append(f'<text x="{_LABEL - 8}" y="{top + 16}" class="end">{escape(name)}</text>')
        for origin in Origin:
            if count := row.get(origin.value, 0):
                wide = room * count / most
                parts.append(
                    f'<rect x="{left:.1f}" y="{top + 4}" width="{max(wide, 0.8):.1f}" height="16" '
                    f'class="{origin.value}"><title>{escape(name)}, {origin.value}: {count}</title></rect>'
                )
                left += wide
        parts.append(f'<text x="{left + 6:.1f}" y="{top + 16}" class="count">{sum(row.values()):,}</text>')
    return _svg("".join(parts), _WIDE, max(1, len(counts)) * _ROW + 4)


def histogram_svg(values: Mapping[str, Sequence[float]], *, label: str, unit: str) -> str:
    """Return a stacked histogram from 0 to the greatest value: a colour an origin."""
    everything = [value for column in values.values() for value in column]
    top = _round_up(max(everything, default=0.0) or 1.0)
    edges = np.linspace(0.0, top, _BINS + 1)
    stacks = {
        origin.value: np.histogram(np.asarray(values.get(origin.value, ()), float), bins=edges)[0] for origin in Origin
    }
    most = _round_up(float(np.sum(list(stacks.values()), axis=0).max()) or 1.0)
    wide = (_WIDE - _LEFT - 8) / _BINS
    parts = [_scale(most, unit)]
    for number in range(_BINS):
        below = float(_TOP + _HIGH)
        for origin in Origin:
            if count := int(stacks[origin.value][number]):
                high = _HIGH * count / most
                below -= high
                parts.append(
                    f'<rect x="{_LEFT + number * wide + 1:.1f}" y="{below:.1f}" width="{wide - 2:.1f}" height="{high:.1f}" '
                    f'class="{origin.value}"><title>{edges[number]:.4g} to {edges[number + 1]:.4g}: {count} '
                    f"{origin.value}</title></rect>"
                )
    base = _TOP + _HIGH
    parts.append(f'<path class="axis" d="M{_LEFT} {base}H{_WIDE - 8}"/>')
    for step in range(_STEPS + 1):
        x = _LEFT + step * (_WIDE - _LEFT - 8) / _STEPS
        side = "end" if step == _STEPS else "mid"
        parts.append(f'<text x="{x:.1f}" y="{base + 17}" class="{side}">{top * step / _STEPS:g}</text>')
    parts.append(f'<text x="{(_WIDE + _LEFT) / 2:.0f}" y="{base + 36}" class="mid soft">{escape(label)}</text>')
    return _svg("".join(parts), _WIDE, base + 44)


def _scale(most: float, unit: str) -> str:
    lines = []
    for share in (0.5, 1.0):
        y = _TOP + _HIGH * (1 - share)
        lines.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDE - 8}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{most * share:g}</text>')
    return "".join(lines) + f'<text x="{_LEFT + 6}" y="{_TOP + 12}" class="soft">{escape(unit)}</text>'


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 5, 10 times a power of ten, so that scales read well.

    Examples
    --------
    >>> _round_up(37.0), _round_up(3.0), _round_up(100.0)
    (40.0, 4.0, 100.0)

    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 10, 20) if step * power >= value * (1 - 1e-12))


def heat_counts(boxes: NDArray[np.float64], *, cells: int = _BINS) -> NDArray[np.int64]:
    """Return how many boxes cover each cell of a square grid, (rows, columns), from the top left.

    Parameters
    ----------
    boxes
        (n, 4) edges x_min, y_min, x_max, y_max as shares of their image, in [0, 1].

    """
    first = np.clip(np.floor(boxes[:, :2] * cells), 0, cells - 1).astype(int)
    last = np.clip(np.ceil(boxes[:, 2:] * cells), first + 1, cells).astype(int)
    corners = np.zeros((cells + 1, cells + 1), np.int64)
    np.add.at(corners, (first[:, 1], first[:, 0]), 1)
    np.add.at(corners, (last[:, 1], last[:, 0]), 1)
    np.add.at(corners, (first[:, 1], last[:, 0]), -1)
    np.add.at(corners, (last[:, 1], first[:, 0]), -1)
    return corners.cumsum(axis=0).cumsum(axis=1)[:cells, :cells]


def heat_svg(counts: NDArray[np.int64]) -> str:
    """Return a heat map: the frame of all images, the darker the more objects lie there."""
    most = int(counts.max()) or 1
    rows, columns = counts.shape
    side, wide, high = 18, columns * 18, rows * 18 * 3 // 4
    tall = high / rows
    cells = "".join(
        f'<rect x="{x * side}" y="{y * tall:.1f}" width="{side}" height="{tall:.1f}" class="heat" '
        f'fill-opacity="{counts[y, x] / most:.2f}"/>'
        for y in range(rows)
        for x in range(columns)
        if counts[y, x]
    )
    frame = f'<rect x="0.5" y="0.5" width="{wide - 1}" height="{high - 1}" class="frame"/>'
    note = f'<text x="0" y="{high + 17}" class="soft">darkest: {most:,} objects cover it</text>'
    return _svg(cells + frame + note, wide, high + 22)


def scores_svg(scores: Mapping[str, float]) -> str:
    """Return values in [0, 1] as bars on one scale; negative ones are drawn as 0 and told as they are."""
    room = _WIDE - _LABEL - _COUNT
    parts = []
    for number, (name, value) in enumerate(scores.items()):
        top = number * _ROW
        wide = room * min(max(value, 0.0), 1.0)
        parts.append(f'<text x="{_LABEL - 8}" y="{top + 16}" class="end">{escape(name)}</text>')
        parts.append(f'<rect x="{_LABEL}" y="{top + 4}" width="{room}" height="16" class="track"/>')
        parts.append(f'<rect x="{_LABEL}" y="{top + 4}" width="{wide:.1f}" height="16" class="score"/>')
        parts.append(f'<text x="{_LABEL + room + 6}" y="{top + 16}" class="count">{value:.3f}</text>')
    return _svg("".join(parts), _WIDE, max(1, len(scores)) * _ROW + 4)


def _svg(body: str, wide: float, high: float) -> str:
    return f'<svg class="chart" viewBox="0 0 {wide:.0f} {high:.0f}" role="img">{body}</svg>'
