"""An admitted picture: its identity, its origin, and how it was turned upright."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

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
