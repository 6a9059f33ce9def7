"""The report's plots as SVG text, drawn with the page's own colours: intervals, spread of times, a session's course.

They are a few strokes each, so they are written as such: equal figures give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDE, _LABEL, _ROW = 720, 250, 26
_RIGHT = 64


def intervals_svg(rows: Sequence[tuple[str, float, Sequence[float] | None]]) -> str:
    """Return figures in [0, 1] as dots with their intervals, a row a name; what is below 0 stands at 0."""
    room = _WIDE - _LABEL - _RIGHT
    high = len(rows) * _ROW

    def at(value: float) -> float:
        return _LABEL + room * min(max(value, 0.0), 1.0)

    parts = [_scale(at, high, [(value / 5, f"{value / 5:g}") for value in range(6)])]
    for number, (name, value, ends) in enumerate(rows):
        y = number * _ROW + _ROW / 2
        parts.append(f'<text x="{_LABEL - 12}" y="{y + 4:g}" class="end">{escape(name)}</text>')
        told = f"{value:.3f}"
        if ends:
            parts.append(f'<path class="span" d="M{at(ends[0]):.1f} {y:g}H{at(ends[1]):.1f}"/>')
            told += f" [{ends[0]:.3f}, {ends[1]:.3f}]"
        parts.append(
            f'<circle class="dot" cx="{at(value):.1f}" cy="{y:g}" r="5"><title>{escape(name)}: {told}</title></circle>'
        )
        parts.append(f'<text x="{_WIDE - _RIGHT + 12}" y="{y + 4:g}" class="count">{value:.3f}</text>')
    return _svg("".join(parts), high + 24)


def spread_svg(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return seconds as boxes on a logarithmic scale: from the 5th to the 95th per cent, the middle half, the median."""
    most = max((told["p95_s"] for _, told in rows), default=1.0)
    least = max(1.0, min((told["p5_s"] for _, told in rows), default=1.0))
    low, high_end = math.log10(least) - 0.05, math.log10(max(most, least * 1.5)) + 0.05
    room, high = _WIDE - _LABEL - _RIGHT, len(rows) * _ROW

    def at(seconds: float) -> float:
        return _LABEL + room * (math.log10(max(seconds, least)) - low) / (high_end - low)

    ticks = [(tick, _seconds(tick)) for tick in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)]
    shown = [tick for tick in ticks if low <= math.log10(tick[0]) <= high_end]
    parts = [_scale(at, high, shown)]
    for number, (name, told) in enumerate(rows):
        y = number * _ROW + _ROW / 2
        edges = [at(told[key]) for key in ("p5_s", "lower_quartile_s", "median_s", "upper_quartile_s", "p95_s")]
        parts.append(f'<text x="{_LABEL - 12}" y="{y + 4:g}" class="end">{escape(name)}</text>')
        parts.append(f'<path class="whisker" d="M{edges[0]:.1f} {y:g}H{edges[4]:.1f}"/>')
        parts.append(
            f'<rect class="half" x="{edges[1]:.1f}" y="{y - 7:g}" width="{max(edges[3] - edges[1], 1):.1f}" height="14">'
            f"<title>{escape(name)}: median {told['median_s']:.0f} s, middle half {told['lower_quartile_s']:.0f} to "
            f"{told['upper_quartile_s']:.0f} s</title></rect>"
        )
        parts.append(f'<path class="median" d="M{edges[2]:.1f} {y - 8:g}v16"/>')
        parts.append(f'<text x="{_WIDE - _RIGHT + 12}" y="{y + 4:g}" class="count">{_seconds(told["median_s"])}</text>')
    return _svg("".join(parts), high + 24)


def course_svg(parts_of_session: Sequence[Mapping[str, Any]], figure: str) -> str:
    """Return a figure in each part of a session as a line from 0 up; parts without it are left out."""
    known = [(part["part"], part[figure]) for part in parts_of_session if part[figure] is not None]
    most = 1.0 if figure == "f1" else max((value for _, value in known), default=1.0) or 1.0
    wide, high = 260, 70
    step = (wide - 20) / max(1, len(parts_of_session) - 1)
    points = [(10 + (part - 1) * step, high - (high - 12) * value / most) for part, value in known]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>part {part}: {value:.3g}</title></circle>'
        for (x, y), (part, value) in zip(points, known, strict=True)
    )
    label = f"{most:g}" if figure == "f1" else _seconds(most)
    return (
        f'<svg class="course" viewBox="0 0 {wide} {high + 4}" role="img"><path class="axis" d="M0 {high}H{wide}"/>'
        f'<path class="grid" d="M0 12H{wide}"/><text x="0" y="9" class="soft">{label}</text>'
        f'<polyline class="course" points="{line}"/>{dots}</svg>'
    )


def _scale(at: Any, high: float, ticks: Sequence[tuple[float, str]]) -> str:
    return "".join(
        f'<path class="grid" d="M{at(value):.1f} 0V{high}"/><text x="{at(value):.1f}" y="{high + 16}" class="mid soft">{label}</text>'
        for value, label in ticks
    )


def _seconds(value: float) -> str:
    """Return seconds as people say them.

    Examples
    --------
    >>> _seconds(42.4), _seconds(90), _seconds(7200)
    ('42 s', '1.5 min', '2 h')

    """
    if value < 60:  # noqa: PLR2004 -- seconds in a minute
        return f"{value:.0f} s"
    return f"{value / 60:.2g} min" if value < 3600 else f"{value / 3600:.2g} h"  # noqa: PLR2004 -- seconds in an hour


def _svg(body: str, high: float) -> str:
    return f'<svg class="chart" viewBox="0 0 {_WIDE} {high:.0f}" role="img">{body}</svg>'
