"""The learning curve as SVG: balanced accuracy over the number of real crops, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 400, 60, 150, 34, 50
_COLOURS = {"real": "#1f5f99", "both": "#c2571a"}
_SAID = {"real": "real crops only", "both": "real + renders"}


def chart_svg(scores: Mapping[str, Any], chance: float, title: str) -> str:
    """Return the chart of one feature."""
    counts = sorted(int(count) for count in scores["real"])
    values = [one[edge] for way in ("real", "both") for one in scores[way].values() for edge in ("low", "high")]
    values += [scores["renders"]["low"], scores["renders"]["high"], chance]
    low, high = math.floor(min(values) * 20) / 20, math.ceil(max(values) * 20) / 20

    def x(count: int) -> float:
        span = math.log(counts[-1]) - math.log(counts[0]) if len(counts) > 1 else 1
        return _LEFT + (math.log(count) - math.log(counts[0])) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">Balanced accuracy on real test crops, features: {title}</text>',
    ]
    for step in range(round(low * 20), round(high * 20) + 1, 2):
        parts.append(_line(_LEFT, y(step / 20), _WIDTH - _RIGHT, y(step / 20), "#dddddd"))
        parts.append(f'<text x="{_LEFT - 8}" y="{y(step / 20) + 4:.1f}" text-anchor="end">{step / 20:.2f}</text>')
    below = _HEIGHT - _BOTTOM + 18
    parts += [f'<text x="{x(count):.1f}" y="{below}" text-anchor="middle">{count}</text>' for count in counts]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">real crops of each kind learnt from</text>'
    )
    for value, said, colour in ((scores["renders"]["mean"], "renders only", "#3a7d34"), (chance, "chance", "#888888")):
        parts.append(_line(_LEFT, y(value), _WIDTH - _RIGHT, y(value), colour, dash="5 4"))
        parts.append(
            f'<text x="{_WIDTH - _RIGHT + 8}" y="{y(value) + 4:.1f}" fill="{colour}">{said} {value:.2f}</text>'
        )
    for way, colour in _COLOURS.items():
        points = [(x(count), scores[way][_key(scores[way], count)]) for count in counts]
        band = [f"{px:.1f},{y(one['low']):.1f}" for px, one in points]
        band += [f"{px:.1f},{y(one['high']):.1f}" for px, one in reversed(points)]
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.15"/>')
        curve = " ".join(f"{px:.1f},{y(one['mean']):.1f}" for px, one in points)
        parts.append(f'<polyline points="{curve}" fill="none" stroke="{colour}" stroke-width="2"/>')
        place = _TOP + 12 + 16 * list(_COLOURS).index(way)
        parts.append(f'<text x="{_WIDTH - _RIGHT + 8}" y="{place}" fill="{colour}">{_SAID[way]}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _key(mapping: Mapping[Any, Any], count: int) -> Any:
    """Return a count as the mapping has it: JSON's keys are text."""
    return count if count in mapping else str(count)


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, *, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"{dashed}/>'
