"""Masks as COCO writes them: compressed run-length codes, and outlines for people who draw polygons."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.annotation import Instance
from workbench.domain.geometry import Box, Ring


def encode_mask(mask_hw: NDArray[np.bool_]) -> str:
    """Return the compressed RLE counts of an image-sized mask."""
    from pycocotools import mask as coco

    counts: bytes = coco.encode(np.asfortranarray(mask_hw, np.uint8))["counts"]
    return counts.decode("ascii")


def decode_mask(counts: str, *, height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Return the mask of compressed RLE counts, (height, width); the inverse of `encode_mask`."""
    from pycocotools import mask as coco

    decoded = coco.decode({"size": [height_px, width_px], "counts": counts.encode("ascii")})
    return np.asarray(decoded).astype(bool)


def mask_box(mask_hw: NDArray[np.bool_]) -> Box | None:
    """Return the tight box of a mask, edges on pixel borders; null for an empty mask."""
    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    if not len(rows):
        return None
    return Box(x_min=int(columns[0]), y_min=int(rows[0]), x_max=int(columns[-1]) + 1, y_max=int(rows[-1]) + 1)


def oriented_box(mask_hw: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return the rectangle of least area around the pixels of a mask: x, y of its four corners; none for an empty mask.

    Rounded to a ten-thousandth of a pixel, because the last bits follow the geometry library.
    """
    rows = np.flatnonzero(mask_hw.any(axis=1))
    if not len(rows):
        return ()
    starts = mask_hw[rows].argmax(axis=1)
    ends = mask_hw.shape[1] - mask_hw[rows][:, ::-1].argmax(axis=1)
    corners = np.concatenate([np.c_[x, y] for x in (starts, ends) for y in (rows, rows + 1)])
    rectangle = shapely.minimum_rotated_rectangle(shapely.MultiPoint(corners))
    return tuple(round(float(value), 4) for value in shapely.get_coordinates(rectangle)[:4].ravel())


def mask_rings(mask_hw: NDArray[np.bool_], *, tolerance_px: float = 1.0) -> tuple[Ring, ...]:
    """Return the outer outlines of a mask's pieces along pixel borders, largest first, simplified to a tolerance."""
    edges = np.diff(np.pad(mask_hw.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    if not len(rows):
        return ()
    whole = shapely.union_all(shapely.box(starts, rows, ends, rows + 1)).simplify(tolerance_px)
    pieces = sorted(shapely.get_parts(whole), key=lambda piece: -piece.area)
    return tuple(tuple(float(v) for xy in piece.exterior.coords[:-1] for v in xy) for piece in pieces)


def instance_mask(instance: Instance, *, height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Return the pixels of an instance, (height, width): its mask, else its polygon, else its box filled."""
    from pycocotools import mask as coco

    if instance.mask_rle is not None:
        return decode_mask(instance.mask_rle, height_px=height_px, width_px=width_px)
    rings = [list(ring) for ring in instance.rings]
    if not rings and instance.box is not None:
        x_min, y_min, x_max, y_max = instance.box.xyxy
        rings = [[x_min, y_min, x_max, y_min, x_max, y_max, x_min, y_max]]
    if not rings:
        return np.zeros((height_px, width_px), bool)
    whole = coco.merge(coco.frPyObjects(rings, height_px, width_px))
    return np.asarray(coco.decode(whole)).astype(bool)
