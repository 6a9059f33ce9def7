"""Coordinates of existing labels to pixels of the upright working copy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.annotation import Keypoint, Shape
from workbench.domain.findings import refused
from workbench.domain.geometry import Box, Ring, ring_box
from workbench.domain.photograph import UprightTransform
from workbench.labelling import coco_rle
from workbench.labelling.foreign_shapes import ForeignImage, ForeignShape
from workbench.labelling.regions import POINT_NAME

#: How far, in pixels, a stated size may be off the photograph's and still be the same picture.
_SIZE_SLACK_PX = 1.5

#: Takes a point of the labels to the working copy.
Point = Callable[[float, float], tuple[float, float]]


def mapping(image: ForeignImage, row: Mapping[str, Any], *, stored: bool) -> Point | None:
    """Return what takes the labels' coordinates to the working copy; None if they are of another picture's size."""
    own = UprightTransform(
        orientation=row["orientation"] or 1,
        original_width_px=row["original_width_px"] or row["width_px"],
        original_height_px=row["original_height_px"] or row["height_px"],
        scale=row["scale"] or 1.0,
    )
    width, height = own.original_width_px, own.original_height_px
    turned = own.orientation >= 5  # noqa: PLR2004 -- orientations 5 to 8 swap width and height
    if turned and not stored:
        width, height = height, width
    target = (width, height) if stored else (row["width_px"], row["height_px"])
    source = (1, 1) if image.normalised else image.size_wh or (width, height)
    if not image.normalised and not _same_picture(source, (width, height)):
        return None
    scale_x, scale_y = target[0] / source[0], target[1] / source[1]

    def point(x: float, y: float) -> tuple[float, float]:
        mapped = x * scale_x, y * scale_y
        return own.to_upright(*mapped) if stored else mapped

    return point


def _same_picture(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Say whether two sizes are of one picture, perhaps scaled."""
    if min(one) <= 0:
        return False
    scale = max(other) / max(one)
    return all(abs(a * scale - b) <= _SIZE_SLACK_PX * max(1.0, scale) for a, b in zip(one, other, strict=True))


def drawn_shape(
    shape: ForeignShape, point: Point, row: Mapping[str, Any], classes: Mapping[str, str], *, stored: bool
) -> dict[str, Any]:
    """Return the geometry of an instance, clipped to the picture."""
    size = row["width_px"], row["height_px"]
    base: dict[str, Any] = {"category": classes[shape.word]}
    if shape.mask_rle is not None:
        return base | _mask(shape.mask_rle, row, stored=stored)
    if shape.point_xy is not None:
        x_px, y_px = _inside(point(*shape.point_xy), size)
        return base | {"shape": Shape.KEYPOINT, "keypoints": (Keypoint(name=POINT_NAME, x_px=x_px, y_px=y_px),)}
    if shape.rings:
        rings: tuple[Ring, ...] = tuple(_ring(ring, point, size) for ring in shape.rings)
        boxes = [ring_box(ring) for ring in rings]
        return base | {"shape": Shape.POLYGON, "rings": rings, "box": _around(boxes)}
    if shape.box_xyxy is None:
        raise ValueError(f"a shape of {shape.word!r} has no geometry")
    (x0, y0), (x1, y1) = (_inside(point(x, y), size) for x, y in (shape.box_xyxy[:2], shape.box_xyxy[2:]))
    return base | {
        "shape": Shape.BOX,
        "box": Box(x_min=min(x0, x1), y_min=min(y0, y1), x_max=max(x0, x1), y_max=max(y0, y1)),
    }


def _ring(ring: Ring, point: Point, size: tuple[int, int]) -> Ring:
    pairs = zip(ring[0::2], ring[1::2], strict=True)
    return tuple(value for pair in pairs for value in _inside(point(*pair), size))


def _inside(xy: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    if not all(map(math.isfinite, xy)):
        raise refused(
            "labelling.import-unreadable", "the labels", "hold a coordinate that is no number.", "Correct it."
        )
    return round(min(max(xy[0], 0.0), size[0]), 6), round(min(max(xy[1], 0.0), size[1]), 6)


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        x_min=min(box.x_min for box in boxes),
        y_min=min(box.y_min for box in boxes),
        x_max=max(box.x_max for box in boxes),
        y_max=max(box.y_max for box in boxes),
    )


def _mask(rle: Mapping[str, Any], row: Mapping[str, Any], *, stored: bool) -> dict[str, Any]:
    """Return a mask on the working copy's grid (nearest pixel) and its box."""
    try:
        mask = coco_rle.decode(rle["counts"], (int(rle["size"][0]), int(rle["size"][1])))
    except (ValueError, TypeError, IndexError) as error:
        raise refused(
            "labelling.import-unreadable", "a COCO mask", f"cannot be read ({error}).", "Export the labels again."
        ) from error
    upright = _turn(mask, row["orientation"] or 1) if stored else mask
    height, width = row["height_px"], row["width_px"]
    if upright.shape != (height, width):
        ys = np.minimum(((np.arange(height) + 0.5) * upright.shape[0] / height).astype(int), upright.shape[0] - 1)
        xs = np.minimum(((np.arange(width) + 0.5) * upright.shape[1] / width).astype(int), upright.shape[1] - 1)
        upright = upright[np.ix_(ys, xs)]
    rows, columns = np.flatnonzero(upright.any(axis=1)), np.flatnonzero(upright.any(axis=0))
    box = Box(x_min=0.0, y_min=0.0, x_max=0.0, y_max=0.0)
    if rows.size:
        box = Box(
            x_min=float(columns[0]), y_min=float(rows[0]), x_max=float(columns[-1] + 1), y_max=float(rows[-1] + 1)
        )
    return {"shape": Shape.MASK, "mask_rle": coco_rle.encode(upright), "box": box}


def _turn(mask: NDArray[np.bool_], orientation: int) -> NDArray[np.bool_]:
    """Return a stored grid turned upright by its EXIF orientation (CIPA DC-008, tag 0x0112)."""
    turned = {
        1: mask,
        2: mask[:, ::-1],
        3: mask[::-1, ::-1],
        4: mask[::-1],
        5: mask.T,
        6: mask.T[:, ::-1],
        7: mask.T[::-1, ::-1],
        8: mask.T[::-1],
    }
    return turned[orientation]
