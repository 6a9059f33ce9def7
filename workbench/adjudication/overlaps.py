"""How far pairs of marks overlap, many at a time: boxes by arithmetic, polygons by GEOS, masks by their runs."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.adjudication.marks import SHAPES, Marks
from workbench.adjudication.mask_overlap import masks_iou
from workbench.adjudication.matching import points_likeness
from workbench.domain.annotation import Keypoint, Shape

_POLYGON, _MASK, _KEYPOINT = (SHAPES.index(shape) for shape in (Shape.POLYGON, Shape.MASK, Shape.KEYPOINT))


def pair_overlaps(marks: Marks, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the overlap in [0, 1] of each pair of marks, given by their numbers.

    Polygons are compared as areas, masks by their pixels, keypoints by distance; of two shapes drawn in different ways
    the boxes are compared, and a keypoint overlaps with nothing but a keypoint.
    """
    overlaps = boxes_iou_paired(marks.boxes_xyxy[first], marks.boxes_xyxy[second])
    shapes = marks.mark_shape[first], marks.mark_shape[second]
    overlaps[(shapes[0] == _KEYPOINT) != (shapes[1] == _KEYPOINT)] = 0.0
    alike = shapes[0] == shapes[1]
    areas = np.flatnonzero(alike & (shapes[0] == _POLYGON) & (overlaps > 0))
    if len(areas):
        overlaps[areas] = _areas_iou(marks, first[areas], second[areas])
    masks = np.flatnonzero(alike & (shapes[0] == _MASK) & (overlaps > 0))
    if len(masks):
        counts = [marks.carried["mask_rle"].take(which[masks]).to_pylist() for which in (first, second)]
        overlaps[masks] = [masks_iou(one, other) for one, other in zip(*counts, strict=True)]
    points = np.flatnonzero(alike & (shapes[0] == _KEYPOINT))
    if len(points):
        drawn = [marks.carried["keypoints"].take(which[points]).to_pylist() for which in (first, second)]
        overlaps[points] = [
            points_likeness([Keypoint(**each) for each in one or ()], [Keypoint(**each) for each in other or ()])
            for one, other in zip(*drawn, strict=True)
        ]
    return overlaps


def boxes_iou_paired(first_xyxy: NDArray[np.float64], second_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of each box with the other in its place, (n, 4) and (n, 4) in pixels; 0 where both are degenerate."""
    low = np.maximum(first_xyxy[:, :2], second_xyxy[:, :2])
    extent = np.clip(np.minimum(first_xyxy[:, 2:], second_xyxy[:, 2:]) - low, 0, None)
    shared = extent[:, 0] * extent[:, 1]
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (first_xyxy, second_xyxy)]
    union = areas[0] + areas[1] - shared
    ious: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ious


def _areas_iou(marks: Marks, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the IoU of each pair of polygons; a self-crossing ring counts as what it encloses."""
    needed, which = np.unique(np.concatenate([first, second]), return_inverse=True)
    areas = polygons(marks, needed)[which.reshape(-1)]
    one, other = areas[: len(first)], areas[len(first) :]
    shared = shapely.area(shapely.intersection(one, other))
    union = shapely.area(one) + shapely.area(other) - shared
    ious: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(first)), where=union > 0)
    return np.clip(ious, 0.0, 1.0)


def polygons(marks: Marks, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return the areas of polygon marks as shapely geometries, (n,)."""
    rings = marks.carried["rings"].take(rows).combine_chunks()
    of_ring = np.repeat(np.arange(len(rows)), rings.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    flat = rings.flatten()
    points = flat.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
    of_point = np.repeat(np.arange(len(flat)), flat.value_lengths().to_numpy(zero_copy_only=False) // 2)
    pieces = shapely.polygons(shapely.linearrings(points, indices=of_point))
    crossing = ~shapely.is_valid(pieces)
    if crossing.any():
        pieces[crossing] = shapely.make_valid(pieces[crossing])
    if len(pieces) == len(rows) and np.array_equal(of_ring, np.arange(len(rows))):
        return np.asarray(pieces)
    areas = np.full(len(rows), shapely.Polygon(), dtype=object)
    for row in np.unique(of_ring).tolist():
        areas[row] = shapely.union_all(pieces[of_ring == row])
    return areas
