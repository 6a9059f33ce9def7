"""Where cut-outs lie in a picture: drawn by chance, on the surface side by side, the nearest last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.composition import CutOut

#: The longest outline of a picture takes this share of its shorter side.
_SHARE = (0.24, 0.5)
#: No outline comes nearer to another than this share of the shorter side.
_GAP_FRAC = 0.012
_TRIES = 60
#: A cut-out is never enlarged, and not reduced below this: what is left would be no object anyone could label.
_LEAST_SCALE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A cut-out, its top-left corner in pixels of the picture, and its scale in (0, 1]."""

    cutout: CutOut
    left_px: int
    top_px: int
    scale: float

    @property
    def side_px(self) -> int:
        """Width and height of the scaled cut-out."""
        return scaled_side(self.cutout, self.scale)


def scaled_side(cutout: CutOut, scale: float) -> int:
    """Return width and height, in pixels, of a scaled cut-out."""
    return max(8, round(cutout.size_px * scale))


def place_cutouts(
    cutouts: Sequence[CutOut],
    rng: np.random.Generator,
    *,
    size_wh: tuple[int, int],
    taken_xyxy: Sequence[tuple[float, float, float, float]] = (),
) -> list[Placed]:
    """Return the cut-outs for which there is room, from the farthest to the nearest.

    All have one scale in pixels a metre, as they lie on one surface. Outlines on the surface never touch; a tall part
    may hide some of one behind it.

    Parameters
    ----------
    cutouts
        Of one setting.
    size_wh
        Of the picture, in pixels.
    taken_xyxy
        Boxes of things in the background that nothing may hide.

    """
    if not cutouts:
        return []
    shorter = min(size_wh)
    longest_m = max(_extent_px(cutout) / cutout.pixels_per_m for cutout in cutouts)
    wanted = float(rng.uniform(*_SHARE)) * shorter / longest_m
    pixels_per_m = min(wanted, *(cutout.pixels_per_m for cutout in cutouts))
    taken: list[shapely.Geometry] = []
    boxes = [shapely.box(*box) for box in taken_xyxy]
    placed: list[Placed] = []
    for cutout in cutouts:
        scale = pixels_per_m / cutout.pixels_per_m
        if scale < _LEAST_SCALE:
            continue
        one = _find_room(cutout, scale, rng, size_wh, taken, boxes)
        if one is not None:
            placed.append(one)
            taken.append(_outline(one).buffer(_GAP_FRAC * shorter))
    return sorted(placed, key=lambda one: (one.top_px + one.cutout.ground_px[1] * one.scale, one.cutout.work_key))


def _find_room(
    cutout: CutOut,
    scale: float,
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    taken: Sequence[shapely.Geometry],
    boxes: Sequence[shapely.Geometry],
) -> Placed | None:
    """Return the cut-out where its outline is free, or null when there is no such place."""
    ground = np.asarray(cutout.ground_px) * scale
    for _ in range(_TRIES):
        # Normal, wider than the frame's half: now and then a part is cut by the edge, as in real photographs.
        middle = np.asarray(size_wh) * (0.5 + rng.normal(0, 0.21, 2))
        left, top = (int(value) for value in np.round(middle - ground))
        one = Placed(cutout=cutout, left_px=left, top_px=top, scale=scale)
        outline, body = _outline(one), shapely.box(*_body(one))
        if not 0 <= middle[0] <= size_wh[0] or not 0 <= middle[1] <= size_wh[1]:
            continue
        if not any(outline.intersects(other) for other in taken) and not any(body.intersects(box) for box in boxes):
            return one
    return None


def _outline(one: Placed) -> shapely.Polygon:
    return shapely.Polygon(_points(one.cutout.footprint_px) * one.scale + (one.left_px, one.top_px))


def _body(one: Placed) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = (value * one.scale for value in one.cutout.box_xyxy)
    return (x_min + one.left_px, y_min + one.top_px, x_max + one.left_px, y_max + one.top_px)


def _points(flat: Sequence[float]) -> NDArray[np.float64]:
    return np.reshape(np.asarray(flat, np.float64), (-1, 2))


def _extent_px(cutout: CutOut) -> float:
    return float(np.ptp(_points(cutout.footprint_px), axis=0).max())
