"""An admitted picture: its identity, its origin, and how it was turned upright."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from workbench.domain.geometry import Box

#: SHA-256 of the bytes as delivered (a photograph) or as made (a derived image), 64 hexadecimal digits.
ImageId = NewType("ImageId", str)


class Origin(StrEnum):
    """Where an image comes from; never mixed up."""

    REAL = "real"
    REPLICA = "replica"
    RENDERED = "rendered"
    AUGMENTED = "augmented"


@dataclass(frozen=True, slots=True, kw_only=True)
class UprightTransform:
    """How the working copy was made from the original's pixel grid, so that shapes map back.

    Parameters
    ----------
    orientation
        The EXIF orientation that was applied, 1 to 8 (CIPA DC-008, tag 0x0112).
    original_width_px, original_height_px
        Size of the original's stored grid, before orientation.
    scale
        Working-copy pixels per original pixel, in (0, 1].

    """

    orientation: int
    original_width_px: int
    original_height_px: int
    scale: float

    def to_original(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return the point of the original's stored grid that shows at a point of the working copy, in pixels."""
        u, v = x_px / self.scale, y_px / self.scale
        w, h = self.original_width_px, self.original_height_px
        inverse = {
            1: (u, v),
            2: (w - u, v),
            3: (w - u, h - v),
            4: (u, h - v),
            5: (v, u),
            6: (v, h - u),
            7: (w - v, h - u),
            8: (w - v, u),
        }
        return inverse[self.orientation]

    def to_upright(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return the working-copy point that shows a point of the original's stored grid, in pixels."""
        w, h = self.original_width_px, self.original_height_px
        forward = {
            1: (x_px, y_px),
            2: (w - x_px, y_px),
            3: (w - x_px, h - y_px),
            4: (x_px, h - y_px),
            5: (y_px, x_px),
            6: (h - y_px, x_px),
            7: (h - y_px, w - x_px),
            8: (y_px, w - x_px),
        }
        u, v = forward[self.orientation]
        return (u * self.scale, v * self.scale)

    def box_to_original(self, box: Box) -> Box:
        """Return the box of the original's stored grid that shows as a box of the working copy, in pixels."""
        return _box_of(self.to_original(box.x_min, box.y_min), self.to_original(box.x_max, box.y_max))

    def box_to_upright(self, box: Box) -> Box:
        """Return the working-copy box that shows a box of the original's stored grid, in pixels."""
        return _box_of(self.to_upright(box.x_min, box.y_min), self.to_upright(box.x_max, box.y_max))


def _box_of(one: tuple[float, float], other: tuple[float, float]) -> Box:
    """Return the box with two opposite corners: a turn exchanges which of them is the upper left."""
    (x0, x1), (y0, y1) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return Box(x_min=x0, y_min=y0, x_max=x1, y_max=y1)
