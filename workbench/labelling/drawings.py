"""The pictures of the guidelines, drawn by code: plain shapes only, as SVG text.

Each shows how something is to be labelled (green, with a tick) beside how not (red, with a cross). The shapes are a plate with
holes, a bar, washers and a disc with letters: nothing that anybody could learn to make a thing from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

_WIDTH, _HEIGHT = 600, 220
_GOOD, _BAD, _THING, _EDGE = "#117733", "#b3261e", "#8a929c", "#3d444d"

#: Where the two halves of a picture begin, and their width.
_LEFT, _RIGHT, _HALF = 10, 305, 285


def drawings() -> dict[str, str]:
    """Return every picture, by the name of its file in label_configs/pictures."""
    return {f"{name}.svg": _framed(draw()) for name, draw in sorted(_PICTURES.items())}


def _framed(content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        ' font-family="sans-serif" font-size="14">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n{content}\n</svg>\n'
    )


def _half(left: float, *, good: bool, caption: str) -> str:
    """Return the ground of one half, with its mark and a line of words below."""
    colour = _GOOD if good else _BAD
    mark = "M 0 8 L 6 14 L 16 0" if good else "M 0 0 L 14 14 M 14 0 L 0 14"
    return (
        f'<rect x="{left}" y="10" width="{_HALF}" height="170" fill="#e9e5dc"/>'
        f'<path d="{mark}" transform="translate({left + 6} 192)" fill="none" stroke="{colour}" stroke-width="3.5"/>'
        f'<text x="{left + 32}" y="205" fill="{colour}">{caption}</text>'
    )


def _plate(x: float, y: float) -> str:
    """Return a plate with two holes, 110 wide and 60 high."""
    return (
        f'<rect x="{x}" y="{y}" width="110" height="60" rx="9" fill="{_THING}" stroke="{_EDGE}"/>'
        f'<circle cx="{x + 25}" cy="{y + 30}" r="10" fill="#e9e5dc" stroke="{_EDGE}"/>'
        f'<circle cx="{x + 85}" cy="{y + 30}" r="10" fill="#e9e5dc" stroke="{_EDGE}"/>'
    )


def _washer(x: float, y: float) -> str:
    return f'<circle cx="{x}" cy="{y}" r="24" fill="none" stroke="{_THING}" stroke-width="16"/>'


def _bar(x: float, y: float) -> str:
    """Return a long bar that lies across, from corner to corner of a field 180 by 130."""
    return f'<path d="M {x} {y + 120} l 170 -120 l 10 14 l -170 120 z" fill="{_THING}" stroke="{_EDGE}"/>'


def _box(x: float, y: float, width: float, height: float, *, good: bool, filled: bool = False) -> str:
    colour = _GOOD if good else _BAD
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour if filled else "none"}"'
        f' stroke="{colour}" stroke-width="3"/>'
    )


def _tight_box() -> str:
    left, right = _LEFT + 85, _RIGHT + 85
    return "\n".join(
        [
            _half(_LEFT, good=True, caption="Tight: touches on all four sides"),
            _plate(left, 62) + _box(left - 2, 60, 114, 64, good=True),
            _half(_RIGHT, good=False, caption="Loose on one side, cuts on another"),
            _plate(right, 62) + _box(right - 50, 30, 140, 110, good=False),
        ]
    )


def _polygon_or_box() -> str:
    left, right = _LEFT + 50, _RIGHT + 50
    ring = f'<path d="M {left - 3} 151 l 173 -123 l 14 18 l -173 123 z" fill="none" stroke="{_GOOD}" stroke-width="3"/>'
    corners = "".join(
        f'<circle cx="{x}" cy="{y}" r="5" fill="{_GOOD}"/>'
        for x, y in ((left - 3, 151), (left + 170, 28), (left + 184, 46), (left + 11, 169))
    )
    return "\n".join(
        [
            _half(_LEFT, good=True, caption="Polygon: a bar that lies across"),
            _bar(left, 32) + ring + corners,
            _half(_RIGHT, good=False, caption="A box holds mostly table"),
            _bar(right, 32) + _box(right - 2, 28, 186, 142, good=False),
        ]
    )


def _one_object() -> str:
    apart = [(_LEFT + 55, 60), (_LEFT + 140, 115), (_LEFT + 225, 65)]
    together = [(x - _LEFT + _RIGHT, y) for x, y in apart]
    return "\n".join(
        [
            _half(_LEFT, good=True, caption="Three things: three boxes"),
            *(_washer(x, y) + _box(x - 34, y - 34, 68, 68, good=True) for x, y in apart),
            _half(_RIGHT, good=False, caption="One box around all of them"),
            *(_washer(x, y) for x, y in together),
            _box(_RIGHT + 18, 22, 246, 130, good=False),
        ]
    )


def _hidden_part() -> str:
    def scene(left: float) -> str:
        sheet = f'<rect x="{left + 150}" y="35" width="100" height="115" fill="#fdfdfb" stroke="{_EDGE}"/>'
        return _plate(left + 80, 62) + sheet

    return "\n".join(
        [
            _half(_LEFT, good=True, caption="What is seen of it"),
            scene(_LEFT) + _box(_LEFT + 78, 60, 72, 64, good=True),
            _half(_RIGHT, good=False, caption="What is guessed below the sheet"),
            scene(_RIGHT) + _box(_RIGHT + 78, 60, 114, 64, good=False),
        ]
    )


def _segment(centre: tuple[float, float], degrees: float, half_deg: float, inner: float, outer: float) -> str:
    """Return a piece of a ring around an angle that counts clockwise from the top."""

    def at(angle: float, radius: float) -> str:
        turn = math.radians(angle)
        return f"{centre[0] + radius * math.sin(turn):.1f} {centre[1] - radius * math.cos(turn):.1f}"

    first, last = degrees - half_deg, degrees + half_deg
    return (
        f'<path d="M {at(first, outer)} A {outer} {outer} 0 0 1 {at(last, outer)} L {at(last, inner)}'
        f' A {inner} {inner} 0 0 0 {at(first, inner)} Z" fill="none" stroke="{_GOOD}" stroke-width="3"/>'
    )


def _headstamp() -> str:
    def disc(x: float) -> str:
        letters = [("AB", 0), ("7", 120), ("&#9733;", 240)]
        text = "".join(
            f'<text x="{x}" y="{95 - 46}" text-anchor="middle" font-size="20" fill="{_EDGE}"'
            f' transform="rotate({turn} {x} 95)">{letter}</text>'
            for letter, turn in letters
        )
        rim = f'<circle cx="{x}" cy="95" r="74" fill="#cfc6a8" stroke="{_EDGE}"/>'
        return rim + f'<circle cx="{x}" cy="95" r="24" fill="#b7ad8c" stroke="{_EDGE}"/>' + text

    left, right = _LEFT + 142.0, _RIGHT + 142.0
    pieces = "".join(_segment((left, 95), turn, 24, 38, 68) for turn in (0, 120, 240))
    circle = (
        f'<circle cx="{left}" cy="95" r="77" fill="none" stroke="{_GOOD}" stroke-width="3" stroke-dasharray="7 5"/>'
    )
    return "\n".join(
        [
            _half(_LEFT, good=True, caption="Pieces of the ring, and a circle"),
            disc(left) + pieces + circle,
            _half(_RIGHT, good=False, caption="One upright box around all"),
            disc(right) + _box(right - 60, 32, 120, 80, good=False),
        ]
    )


def _marking() -> str:
    def label(left: float) -> str:
        return (
            f'<rect x="{left + 35}" y="45" width="215" height="100" rx="8" fill="{_THING}" stroke="{_EDGE}"/>'
            f'<text x="{left + 60}" y="85" font-size="24" fill="#ffffff">WORKS</text>'
            f'<text x="{left + 60}" y="128" font-size="24" fill="#ffffff">No 48?51</text>'
        )

    return "\n".join(
        [
            _half(_LEFT, good=True, caption="One box each; ? if unreadable"),
            label(_LEFT) + _box(_LEFT + 55, 62, 96, 28, good=True) + _box(_LEFT + 55, 105, 120, 28, good=True),
            _half(_RIGHT, good=False, caption="Two markings in one box"),
            label(_RIGHT) + _box(_RIGHT + 55, 62, 130, 72, good=False),
        ]
    )


def _cover() -> str:
    def sheet(left: float) -> str:
        lines = "".join(
            f'<rect x="{left + 100}" y="{y}" width="{width}" height="6" fill="#9aa0a6"/>'
            for y, width in ((55, 80), (72, 90), (89, 60), (106, 85))
        )
        return f'<rect x="{left + 88}" y="38" width="112" height="96" fill="#fdfdfb" stroke="{_EDGE}"/>{lines}'

    return "\n".join(
        [
            _half(_LEFT, good=True, caption="All that could be read"),
            sheet(_LEFT) + _box(_LEFT + 82, 32, 124, 108, good=True),
            _half(_RIGHT, good=False, caption="A line stays readable"),
            sheet(_RIGHT) + _box(_RIGHT + 94, 48, 100, 50, good=False),
        ]
    )


def _usable() -> str:
    blurred = "".join(
        f'<rect x="{_RIGHT + 85 - n}" y="{62 - n}" width="{110 + 2 * n}" height="{60 + 2 * n}" rx="{9 + n}" fill="{_THING}"'
        ' opacity="0.08"/>'
        for n in range(0, 36, 4)
    )
    return "\n".join(
        [
            _half(_LEFT, good=True, caption="Usable: edges can be seen"),
            _plate(_LEFT + 85, 62),
            _half(_RIGHT, good=False, caption="Cannot be labelled: blurred"),
            blurred,
        ]
    )


def _two_answers() -> str:
    def answer(left: float, letter: str, box: str) -> str:
        return f'{_plate(left + 85, 62)}{box}<text x="{left + 14}" y="40" font-size="24" fill="{_EDGE}">{letter}</text>'

    return "\n".join(
        [
            _half(_LEFT, good=True, caption="A is right: the box is tight"),
            answer(_LEFT, "A", _box(_LEFT + 83, 60, 114, 64, good=True)),
            _half(_RIGHT, good=False, caption="B stays on record as dissent"),
            answer(_RIGHT, "B", _box(_RIGHT + 60, 45, 80, 64, good=False)),
        ]
    )


_PICTURES: Mapping[str, Callable[[], str]] = {
    "tight-box": _tight_box,
    "polygon-or-box": _polygon_or_box,
    "one-object": _one_object,
    "hidden-part": _hidden_part,
    "headstamp": _headstamp,
    "marking": _marking,
    "cover": _cover,
    "usable": _usable,
    "two-answers": _two_answers,
}
