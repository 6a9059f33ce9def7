"""Labels as *CVAT for images 1.1* writes them: boxes, turned boxes, polygons, masks and points.

Lines, ellipses, cuboids and skeletons are refused rather than lost: a photograph whose labels lack some of its objects
would be released as if these were not there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.findings import refused
from workbench.labelling.coco_rle import encode
from workbench.labelling.foreign_shapes import ForeignImage, ForeignShape, ring_of

#: The elements of an image that are read; a ``tag`` says something of the whole picture and is no object.
_READ = frozenset({"box", "polygon", "mask", "points", "tag"})


def cvat_images(root: Any, path: Path) -> list[ForeignImage]:
    """Return the labels of a document.

    Raises
    ------
    Refused
        ``labelling.import-unreadable`` if it holds shapes that cannot be taken over; all their kinds are told at once.
    KeyError, ValueError
        If an element lacks an attribute or says what it cannot.

    """
    elements = list(root.iter("image"))
    strange = [(entry.tag, image.attrib["name"]) for image in elements for entry in image if entry.tag not in _READ]
    if strange:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kind for kind, _ in strange).items()))
        raise refused(
            "labelling.import-unreadable",
            path,
            f"holds shapes that cannot be taken over: {told}; the first in image {strange[0][1]!r}.",
            "Draw them as boxes, polygons, masks or points in CVAT, or export without them.",
        )
    return [_image(element) for element in elements]


def _image(element: Any) -> ForeignImage:
    size_wh = int(element.attrib["width"]), int(element.attrib["height"])
    shapes = tuple(_joined(_shapes(element, size_wh)))
    return ForeignImage(name=element.attrib["name"], size_wh=size_wh, shapes=shapes)


def _shapes(element: Any, size_wh: tuple[int, int]) -> Iterator[tuple[str | None, ForeignShape]]:
    """Yield each shape with the object that its attribute ``object_id`` says it is a piece of, as our own export does."""
    for entry in element:
        if entry.tag == "tag":
            continue
        word = entry.attrib["label"]
        owner = next((one.text for one in entry.iter("attribute") if one.attrib.get("name") == "object_id"), None)
        if entry.tag == "box":
            yield owner, _box(entry.attrib, word)
        elif entry.tag == "mask":
            yield owner, ForeignShape(word=word, mask_rle=_mask(entry.attrib, size_wh))
        else:
            numbers = [float(value) for pair in entry.attrib["points"].split(";") for value in pair.split(",")]
            if entry.tag == "polygon":
                yield owner, ForeignShape(word=word, rings=(ring_of(numbers),))
            else:
                pairs = zip(numbers[0::2], numbers[1::2], strict=True)
                yield from ((owner, ForeignShape(word=word, point_xy=pair)) for pair in pairs)


def _joined(shapes: Iterable[tuple[str | None, ForeignShape]]) -> Iterator[ForeignShape]:
    """Yield the shapes, polygons of one object joined into one shape of several rings."""
    waiting: ForeignShape | None = None
    waiting_for: str | None = None
    for owner, shape in shapes:
        if waiting is not None and shape.rings and owner is not None and owner == waiting_for:
            waiting = ForeignShape(word=waiting.word, rings=waiting.rings + shape.rings)
            continue
        if waiting is not None:
            yield waiting
        waiting, waiting_for = shape, owner if shape.rings else None
    if waiting is not None:
        yield waiting


def _box(told: Any, word: str) -> ForeignShape:
    """Return a box; a turned one as the polygon of its corners (CVAT turns clockwise about the centre, in degrees)."""
    left, top, right, bottom = (float(told[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    angle = math.radians(float(told.get("rotation", 0)))
    if not angle:
        return ForeignShape(word=word, box_xyxy=(left, top, right, bottom))
    x, y, cos, sin = (left + right) / 2, (top + bottom) / 2, math.cos(angle), math.sin(angle)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    turned = ((x + (u - x) * cos - (v - y) * sin, y + (u - x) * sin + (v - y) * cos) for u, v in corners)
    return ForeignShape(word=word, rings=(ring_of(value for corner in turned for value in corner),))


def _mask(told: Any, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Return a mask as COCO's: CVAT's runs go row by row inside the mask's box, unset first."""
    left, top, width, height = (int(told[key]) for key in ("left", "top", "width", "height"))
    runs = [int(run) for run in told["rle"].split(",")]
    inside = left >= 0 and top >= 0 and left + width <= size_wh[0] and top + height <= size_wh[1]
    if min(runs) < 0 or sum(runs) != width * height or not inside:
        raise ValueError(f"a mask of {sum(runs)} pixels for {width}x{height} at {left}, {top}")
    mask = np.zeros(size_wh[::-1], bool)
    box = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    mask[top : top + height, left : left + width] = box
    return {"size": [size_wh[1], size_wh[0]], "counts": encode(mask)}
