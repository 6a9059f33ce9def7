"""YOLO text labels as Ultralytics reads them, for three tasks: detect, segment and oriented boxes.

A text file an image, a line an object: class number, then numbers as shares of the image. Classes are numbered from 0
in the taxonomy's order. data.yaml names no absolute path, so the folder may lie anywhere.

``labels/`` is for detection: centre and size of the box. Ultralytics finds labels only there, beside ``images/``, so
the other tasks' labels lie in ``labels_segment/`` and ``labels_oriented/`` until `release export --format` lays them
out as a dataset of their own. An object without a box, a lone point, has no line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson
import shapely
import yaml

from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Picture, Row, Whole


def yolo_line(row: Row, class_number: int, *, width_px: int, height_px: int) -> str | None:
    """Return the line of an instance for detection, numbers in their shortest exact form; nothing if it has no box.

    Examples
    --------
    >>> yolo_line({"x_min": 0, "y_min": 0, "x_max": 50, "y_max": 50}, 3, width_px=100, height_px=200)
    '3 0.25 0.125 0.5 0.25'

    """
    if row["x_min"] is None:
        return None
    return _line(_detected(row, class_number, width_px, height_px))


def _detected(row: Row, class_number: int, width: int, height: int) -> list[float]:
    x_min, y_min, x_max, y_max = row["x_min"], row["y_min"], row["x_max"], row["y_max"]
    return [
        class_number,
        (x_min + x_max) / 2 / width,
        (y_min + y_max) / 2 / height,
        (x_max - x_min) / width,
        (y_max - y_min) / height,
    ]


def _line(numbers: Iterable[float]) -> str:
    return " ".join(map(repr, numbers))


def label_bytes(rows: Sequence[Sequence[float]]) -> bytes:
    r"""Return a line a row, its numbers as Python's ``repr`` writes them; written by orjson, which is several times faster.

    The two differ in numbers that Python writes with an exponent: a text that may hold one is written by Python.

    Examples
    --------
    >>> label_bytes([[3, 0.25, 1.0], [0, 0.00001, 0.5]])
    b'3 0.25 1.0\n0 1e-05 0.5\n'

    """
    if not rows:
        return b""
    text = orjson.dumps(rows)[2:-2].replace(b"],[", b"\n").replace(b",", b" ") + b"\n"
    if b"e" in text or b" 0.0000" in text:
        return "".join(f"{_line(row)}\n" for row in rows).encode()
    return text


def _detect(picture: Picture, whole: Whole) -> bytes:
    width, height = picture.image["width_px"], picture.image["height_px"]
    numbers = whole.class_numbers
    return label_bytes(
        [_detected(row, numbers[row["category"]], width, height) for row in picture.objects if row["x_min"] is not None]
    )


def one_outline(rings: Sequence[Sequence[float]]) -> list[float]:
    """Return several rings as one, joined by bridges of no width from each ring's first point to the first ring's.

    Examples
    --------
    >>> one_outline([[0, 0, 4, 0, 4, 4]])
    [0, 0, 4, 0, 4, 4]
    >>> one_outline([[0, 0, 4, 0, 4, 4], [9, 9, 10, 9, 10, 10]])
    [0, 0, 4, 0, 4, 4, 0, 0, 9, 9, 10, 9, 10, 10, 9, 9]

    """
    if len(rings) == 1:
        return list(rings[0])
    return [value for ring in rings for value in (*ring, *ring[:2])]


def _rings(row: Row, picture: Picture, whole: Whole) -> Sequence[Sequence[float]]:
    """Return the outlines of an object: as drawn, of its mask to within a pixel, or the corners of its box."""
    if row["rings"]:
        return row["rings"]  # type: ignore[no-any-return]
    if row["mask_rle"] is not None:
        size = {"width_px": picture.image["width_px"], "height_px": picture.image["height_px"]}
        rings = whole.outline(row["mask_rle"], **size)
        if rings:
            return rings
    return [
        (row["x_min"], row["y_min"], row["x_max"], row["y_min"], row["x_max"], row["y_max"], row["x_min"], row["y_max"])
    ]


def oriented_corners(points: Sequence[float]) -> list[float]:
    """Return the corners of the smallest rectangle, at any angle, around points ``x0, y0, x1, y1, ...``.

    They go clockwise as seen, from the corner nearest to the image's top-left.

    Examples
    --------
    >>> oriented_corners([0.0, 0.0, 4.0, 0.0, 4.0, 2.0, 0.0, 2.0])
    [0.0, 0.0, 4.0, 0.0, 4.0, 2.0, 0.0, 2.0]

    """
    pairs = list(zip(points[0::2], points[1::2], strict=True))
    around = shapely.oriented_envelope(shapely.MultiPoint(pairs))
    if around.geom_type != "Polygon":  # all points on one line
        around = shapely.box(*shapely.MultiPoint(pairs).bounds)
    ring = shapely.geometry.polygon.orient(around, sign=1.0)  # y points down: this is clockwise as seen
    corners = [(float(x), float(y)) for x, y in ring.exterior.coords[:-1]]
    first = min(range(len(corners)), key=lambda i: (sum(corners[i]), corners[i]))
    return [value for corner in corners[first:] + corners[:first] for value in corner]


def _polygons(outline: Callable[[Sequence[Sequence[float]]], list[float]]) -> Callable[[Picture, Whole], bytes]:
    def fragment(picture: Picture, whole: Whole) -> bytes:
        size_wh = picture.image["width_px"], picture.image["height_px"]
        lines: list[list[float]] = []
        for row in picture.objects:
            if row["x_min"] is None:
                continue
            # Ultralytics drops an image that has a number outside [0, 1]; a tilted rectangle may reach over the edge
            values = outline(_rings(row, picture, whole))
            shares = [min(max(value / size_wh[i % 2], 0.0), 1.0) for i, value in enumerate(values)]
            lines.append([whole.class_numbers[row["category"]], *shares])
        return label_bytes(lines)

    return fragment


def _corners(rings: Sequence[Sequence[float]]) -> list[float]:
    return oriented_corners([value for ring in rings for value in ring])


def _labels_in(folder: str) -> Callable[[Picture], str]:
    return lambda picture: f"{folder}/{picture.image['split']}/{picture.image['image_id']}.txt"


def _config(whole: Whole, _fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    yield "data.yaml", yolo_config(whole)


def yolo_config(whole: Whole) -> bytes:
    """Return data.yaml; a split without images is left out, save that val falls back on train as Ultralytics needs it."""
    document: dict[str, Any] = {split: f"images/{split}" for split in whole.splits}
    document.setdefault("train", document.get("val", "images/train"))
    document.setdefault("val", document["train"])
    document["names"] = dict(enumerate(whole.taxonomy.codes))
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()


DETECT = Format(
    name="yolo",
    fragment=_detect,
    path_of=_labels_in("labels"),
    files=_config,
    reader="Ultralytics, supervision, FiftyOne: boxes",
    where=("data.yaml", "labels/<split>/"),
)
SEGMENT = Format(
    name="yolo_segment",
    fragment=_polygons(one_outline),
    path_of=_labels_in("labels_segment"),
    files=lambda _whole, _fragments: (),
    reader="Ultralytics (segment), supervision: one outline an object; masks to within a pixel",
    where=("labels_segment/<split>/",),
)
ORIENTED = Format(
    name="yolo_oriented",
    fragment=_polygons(_corners),
    path_of=_labels_in("labels_oriented"),
    files=lambda _whole, _fragments: (),
    reader="Ultralytics (obb), supervision: the smallest rectangle around each object",
    where=("labels_oriented/<split>/",),
)
