"""The plain form that existing labels are read into, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignShape:
    """One labelled object: its word and exactly one of box, rings, mask or point.

    ``box_xyxy`` are edges, ``rings`` flat polygons; ``mask_rle`` is COCO's ``{"size": [h, w], "counts": ...}``.
    """

    word: str
    box_xyxy: tuple[float, float, float, float] | None = None
    rings: tuple[tuple[float, ...], ...] = ()
    mask_rle: Mapping[str, Any] | None = None
    point_xy: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignImage:
    """One photograph's labels: the name it was delivered under, its size as the labels know it, and its shapes.

    Without ``size_wh`` the coordinates are fractions of width and height if ``normalised``, else pixels of the image
    at hand. A ``name`` without ending (YOLO) stands for whatever file has that stem.
    """

    name: str
    size_wh: tuple[int, int] | None = None
    normalised: bool = False
    shapes: tuple[ForeignShape, ...] = ()


def ring_of(numbers: Any) -> tuple[float, ...]:
    """Return a polygon's numbers ``x0, y0, x1, y1, ...``.

    Raises
    ------
    ValueError
        If they are no pairs, or fewer than three.

    """
    ring = tuple(map(float, numbers))
    if len(ring) < 6 or len(ring) % 2:  # noqa: PLR2004 -- three points of two coordinates
        raise ValueError(f"a polygon of {len(ring)} numbers")
    return ring
