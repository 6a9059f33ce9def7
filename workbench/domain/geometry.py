"""Boxes, polygons and keypoints in absolute pixels of the upright working copy.

The origin is the top-left corner of the top-left pixel; edges are continuous, so a box that covers exactly the
first pixel is ``(0, 0, 1, 1)``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An axis-aligned box, in pixels.

    Raises
    ------
    ValueError
        If an extent is negative.

    Examples
    --------
    >>> Box(x_min=0, y_min=0, x_max=4, y_max=2).area_px2
    8

    """

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def __post_init__(self) -> None:
        """Refuse a box turned inside out."""
        if self.x_max < self.x_min or self.y_max < self.y_min:
            msg = f"box edges are out of order: {self.xyxy}"
            raise ValueError(msg)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The edges as ``(x_min, y_min, x_max, y_max)``, in pixels."""
        return (self.x_min, self.y_min, self.x_max, self.y_max)

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """The box as COCO writes it: ``(x_min, y_min, width, height)``, in pixels."""
        return (self.x_min, self.y_min, self.x_max - self.x_min, self.y_max - self.y_min)

    @property
    def area_px2(self) -> float:
        """The area, in square pixels; 0 for a degenerate box."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)

    def clipped(self, *, width_px: float, height_px: float) -> Box:
        """Return the part of the box inside an image of the given size; degenerate where they do not meet."""

        def clamp(value: float, upper: float) -> float:
            return min(max(value, 0.0), upper)

        return Box(
            x_min=clamp(self.x_min, width_px),
            y_min=clamp(self.y_min, height_px),
            x_max=clamp(self.x_max, width_px),
            y_max=clamp(self.y_max, height_px),
        )


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes, in [0, 1]; 0 when both are degenerate.

    Examples
    --------
    >>> box_iou(Box(x_min=0, y_min=0, x_max=2, y_max=2), Box(x_min=1, y_min=0, x_max=3, y_max=2))
    0.3333333333333333

    """
    width = min(first.x_max, second.x_max) - max(first.x_min, second.x_min)
    height = min(first.y_max, second.y_max) - max(first.y_min, second.y_min)
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / (first.area_px2 + second.area_px2 - overlap)


#: One polygon ring, flat as COCO writes it: ``x0, y0, x1, y1, ...`` in pixels, at least three points.
Ring = tuple[float, ...]


def ring_box(ring: Ring) -> Box:
    """Return the tight box of a ring.

    Raises
    ------
    ValueError
        If the ring has fewer than three points or an odd count of numbers.

    """
    if len(ring) < 6 or len(ring) % 2:  # noqa: PLR2004 -- three points of two coordinates
        msg = f"a polygon ring needs at least three x, y pairs, got {len(ring)} numbers"
        raise ValueError(msg)
    xs, ys = ring[0::2], ring[1::2]
    return Box(x_min=min(xs), y_min=min(ys), x_max=max(xs), y_max=max(ys))


def ring_area_px2(ring: Ring) -> float:
    """Return the area a simple ring encloses, in square pixels, by the shoelace formula (Gauss).

    Examples
    --------
    >>> ring_area_px2((0, 0, 4, 0, 4, 2, 0, 2))
    8.0

    """
    xs, ys = ring[0::2], ring[1::2]
    twice = sum(x * ys[i - 1] - xs[i - 1] * y for i, (x, y) in enumerate(zip(xs, ys, strict=True)))
    return abs(twice) / 2
