"""Which objects of two sets about one photograph are one object: for suggestions and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shapely import Polygon, make_valid
from shapely.geometry.base import BaseGeometry

from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import box_iou


def shape_iou(first: Instance, second: Instance) -> float:
    """Return how far two shapes cover each other, in [0, 1]: areas of two polygons, else boxes; two points by distance 0.

    Examples
    --------
    >>> from workbench.domain.geometry import Box
    >>> def box(x): return Instance(instance_id="", image_id="", category="", shape=Shape.BOX,
    ...     box=Box(x_min=x, y_min=0, x_max=x + 2, y_max=2))
    >>> round(shape_iou(box(0), box(1)), 3)
    0.333

    """
    if first.shape is second.shape is Shape.KEYPOINT:
        return 1.0 if first.keypoints == second.keypoints else 0.0
    if first.box is None or second.box is None:
        return 0.0
    boxes = box_iou(first.box, second.box)
    if not boxes or not first.shape is second.shape is Shape.POLYGON:
        return boxes
    one, other = _area(first), _area(second)
    union = float(one.union(other).area)
    return float(one.intersection(other).area) / union if union else 0.0


def pairs(
    first: Sequence[Instance], second: Sequence[Instance], *, least_iou: float, same_category: bool = False
) -> Iterable[tuple[int, int, float]]:
    """Yield the pairs of two sets, by position, with their IoU: those that overlap most first, each object once.

    With a pair of one category before any of two, so that a headstamp on a cartridge is not taken crosswise.
    """
    found = []
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            alike = one.category == other.category
            if (alike or not same_category) and (iou := shape_iou(one, other)) >= least_iou:
                found.append((not alike, -iou, row, column))
    rows, columns = set[int](), set[int]()
    for _, iou, row, column in sorted(found):
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            yield row, column, -iou


def f1(first: Sequence[Instance], second: Sequence[Instance], *, least_iou: float) -> float:
    """Return the F1 of two sets, in [0, 1]: twice the pairs of one category over the objects of both; 1 if both are empty."""
    if not first and not second:
        return 1.0
    hits = sum(1 for _ in pairs(first, second, least_iou=least_iou, same_category=True))
    return 2 * hits / (len(first) + len(second))


def _area(instance: Instance) -> BaseGeometry:
    area: BaseGeometry = Polygon()
    for ring in instance.rings:
        area = area.union(make_valid(Polygon(list(zip(ring[0::2], ring[1::2], strict=True)))))
    return area
