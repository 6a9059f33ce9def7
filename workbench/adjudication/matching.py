"""Which instances of two answers to one photograph show the same object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon, make_valid
from shapely.geometry.base import BaseGeometry

from workbench.adjudication.mask_overlap import masks_iou
from workbench.domain.annotation import Instance, Keypoint, Shape

#: The likeness of two keypoints falls from 1 to 0 over this distance, in pixels of the working copy: at an overlap of
#: 0.5 asked for, points up to 20 px apart are the same point.
KEYPOINT_REACH_PX = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two instances taken for the same object: their positions in the two answers, and their IoU in [0, 1]."""

    first: int
    second: int
    iou: float


def match_instances(first: Sequence[Instance], second: Sequence[Instance], *, match_iou: float) -> list[Match]:
    """Return the best pairing of two answers, by position in the first.

    Pairs below ``match_iou`` are no pairs. The best pairing has the most pairs of one category, and among such the
    greatest total overlap. So two objects in nearly the same place (a cartridge seen from behind and its headstamp)
    are not crosswise taken for two disagreements, yet a pair of different categories is still about one object. The
    assignment is Kuhn's (Hungarian method, 1955), through `scipy.optimize.linear_sum_assignment`.
    """
    from scipy.optimize import linear_sum_assignment

    if not first or not second:
        return []
    overlaps = overlap_matrix(first, second)
    same = np.array([[one.category == other.category for other in second] for one in first])
    # A pair of one category outweighs any sum of overlaps, each of which is at most 1.
    worth = overlaps + same * (min(len(first), len(second)) + 1.0)
    rows, columns = linear_sum_assignment(np.where(overlaps >= match_iou, worth, 0.0), maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [
        Match(first=row, second=column, iou=float(overlaps[row, column]))
        for row, column in pairs
        if overlaps[row, column] >= match_iou
    ]


def overlap_matrix(first: Sequence[Instance], second: Sequence[Instance]) -> NDArray[np.float64]:
    """Return the IoU of every pair, (len(first), len(second)), in [0, 1].

    Polygons are compared as areas, masks by their pixels, keypoints by distance; of two shapes drawn in different ways the
    boxes are compared. Areas are only computed for pairs whose boxes meet.
    """
    if not first or not second:
        return np.zeros((len(first), len(second)))
    overlaps = boxes_iou(_boxes_xyxy(first), _boxes_xyxy(second))
    areas = {id(instance): _area(instance) for instance in (*first, *second) if instance.shape is Shape.POLYGON}
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            if Shape.KEYPOINT in (one.shape, other.shape):
                overlaps[row, column] = (
                    points_likeness(one.keypoints, other.keypoints) if one.shape is other.shape else 0.0
                )
            elif overlaps[row, column] and one.mask_rle and other.mask_rle:
                overlaps[row, column] = masks_iou(one.mask_rle, other.mask_rle)
            elif overlaps[row, column] and one.shape is other.shape is Shape.POLYGON:
                overlaps[row, column] = _areas_iou(areas[id(one)], areas[id(other)])
    return overlaps


def boxes_iou(first_xyxy: NDArray[np.float64], second_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of every pair of boxes, (n, 4) and (m, 4) in pixels, as (n, m); 0 where both are degenerate."""
    low = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    shared: NDArray[np.float64] = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first_xyxy, second_xyxy)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    ious: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ious


def _boxes_xyxy(instances: Sequence[Instance]) -> NDArray[np.float64]:
    """Return the instances' boxes, (n, 4); an instance without one gets a box of no area."""
    return np.array([item.box.xyxy if item.box is not None else (0.0,) * 4 for item in instances], dtype=np.float64)


def points_likeness(first: Sequence[Keypoint], second: Sequence[Keypoint]) -> float:
    """Return how near two sets of named keypoints are, in [0, 1]: 1 for the same places, 0 without a point.

    It is the mean over the names that either has, and 0 for a name that only one has. A lone point is compared whatever
    its name says.
    """
    if len(first) == len(second) == 1:
        return _likeness(first[0], second[0])
    ones, others = ({point.name: point for point in points} for points in (first, second))
    names = ones.keys() | others.keys()
    return (
        sum(_likeness(ones[name], others[name]) for name in ones.keys() & others.keys()) / len(names) if names else 0.0
    )


def _likeness(one: Keypoint, other: Keypoint) -> float:
    return max(0.0, 1.0 - math.hypot(one.x_px - other.x_px, one.y_px - other.y_px) / KEYPOINT_REACH_PX)


def _areas_iou(first: BaseGeometry, second: BaseGeometry) -> float:
    union = first.union(second).area
    return float(first.intersection(second).area / union) if union else 0.0


def _area(instance: Instance) -> BaseGeometry:
    """Return the area of a polygon instance; a self-crossing ring counts as what it encloses."""
    area: BaseGeometry = Polygon()
    for ring in instance.rings:
        area = area.union(make_valid(Polygon(list(zip(ring[0::2], ring[1::2], strict=True)))))
    return area
