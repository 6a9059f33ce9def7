"""Which instances of two answers to one photograph show the same object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from shapely import Polygon, make_valid
from shapely.geometry.base import BaseGeometry

from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box, box_iou

#: Two keypoints this far apart or farther are not the same point, in pixels of the working copy.
KEYPOINT_REACH_PX = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two instances taken for the same object: their positions in the two answers, and their IoU in [0, 1]."""

    first: int
    second: int
    iou: float


def match_instances(first: Sequence[Instance], second: Sequence[Instance], *, match_iou: float) -> list[Match]:
    """Return the pairing of two answers with the greatest total overlap, by position in the first.

    The assignment is Kuhn's (Hungarian method, 1955), through `scipy.optimize.linear_sum_assignment`; pairs below
    ``match_iou`` are no pairs. Categories play no part: a disagreement about the category is still about one object.
    """
    if not first or not second:
        return []
    overlaps = overlap_matrix(first, second)
    rows, columns = linear_sum_assignment(-np.where(overlaps >= match_iou, overlaps, 0.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [
        Match(first=row, second=column, iou=float(overlaps[row, column]))
        for row, column in pairs
        if overlaps[row, column] >= match_iou
    ]


def overlap_matrix(first: Sequence[Instance], second: Sequence[Instance]) -> NDArray[np.float64]:
    """Return the IoU of every pair, (len(first), len(second)), in [0, 1].

    Polygons are compared as areas, keypoints by distance, anything else by boxes. Areas are only computed for pairs
    whose boxes meet.
    """
    overlaps = np.zeros((len(first), len(second)))
    areas = {id(instance): _area(instance) for instance in (*first, *second) if instance.shape is Shape.POLYGON}
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            overlaps[row, column] = _overlap(one, other, areas)
    return overlaps


def _overlap(one: Instance, other: Instance, areas: dict[int, BaseGeometry]) -> float:
    if (one.shape is Shape.KEYPOINT) != (other.shape is Shape.KEYPOINT):
        return 0.0
    if one.shape is Shape.KEYPOINT:
        a, b = one.keypoints[0], other.keypoints[0]
        return max(0.0, 1.0 - math.hypot(a.x_px - b.x_px, a.y_px - b.y_px) / KEYPOINT_REACH_PX)
    boxes = _boxes_iou(one.box, other.box)
    if boxes == 0 or one.shape is not Shape.POLYGON or other.shape is not Shape.POLYGON:
        return boxes
    first, second = areas[id(one)], areas[id(other)]
    union = first.union(second).area
    return float(first.intersection(second).area / union) if union else 0.0


def _boxes_iou(one: Box | None, other: Box | None) -> float:
    return box_iou(one, other) if one is not None and other is not None else 0.0


def _area(instance: Instance) -> BaseGeometry:
    """Return the area of a polygon instance; a self-crossing ring counts as what it encloses."""
    area: BaseGeometry = Polygon()
    for ring in instance.rings:
        area = area.union(make_valid(Polygon(list(zip(ring[0::2], ring[1::2], strict=True)))))
    return area
