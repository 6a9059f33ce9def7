"""Labels on their way into an augmented copy: where each shape is now, what of it lies in the frame, and its row.

Labels keep the workbench's convention of continuous edges; coordinates are pixels of the copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.adapters.masks import encode_mask, mask_box
from workbench.domain.annotation import DecidedBy, Instance, Keypoint, Shape
from workbench.domain.geometry import Box, Ring
from workbench.domain.lineage import sha256_hex

#: Coordinates are kept to a thousandth of a pixel: float32 inside the tool carries no more on large photographs.
_DECIMALS = 3
#: What is left of an object must be at least this wide and high.
_MIN_SIDE_PX = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An instance on its way: its parent and where its shapes are now."""

    parent: Instance
    box: tuple[float, float, float, float] | None
    rings: tuple[NDArray[np.float64], ...] = ()
    mask_hw: NDArray[np.uint8] | None = None
    points: tuple[tuple[str, float, float], ...] = ()

    def tight(self, width: int, height: int) -> tuple[Box | None, tuple[Ring, ...]]:
        """Return the box in the frame, tight to the shape where there is one, and the rings in the frame."""
        frame = shapely.box(0, 0, width, height)
        if self.rings:
            rings = _clipped_rings(self.rings, frame)
            edges = np.array([value for ring in rings for value in ring]).reshape(-1, 2)
            return (_box(*edges.min(axis=0), *edges.max(axis=0)) if rings else None), rings
        if self.mask_hw is not None:
            return mask_box(self.mask_hw.astype(bool)), ()
        if self.box is None:
            return None, ()
        x_min, y_min, x_max, y_max = self.box
        return _box(max(x_min, 0), max(y_min, 0), min(x_max, width), min(y_max, height)), ()

    def seen(self, width: int, height: int) -> bool:
        """Say whether enough of the instance is in the frame to be labelled."""
        if self.parent.shape is Shape.KEYPOINT:
            return any(0 <= x <= width and 0 <= y <= height for _, x, y in self.points)
        box, _ = self.tight(width, height)
        return box is not None and min(box.x_max - box.x_min, box.y_max - box.y_min) >= _MIN_SIDE_PX


def moved_instance(instance: Instance, box: Any, vertices: list[tuple[float, float]], mask: Any) -> Moved:
    """Return where an instance is after its shapes were moved.

    Parameters
    ----------
    instance
        As it is on the photograph.
    box
        Its box now (x_min, y_min, x_max, y_max), or null where it has none left.
    vertices
        The points of its rings one after another, then its keypoints, as the instance has them.
    mask
        Its mask now, (h, w) uint8, or null.

    """
    rings, start = [], 0
    for ring in instance.rings:
        end = start + len(ring) // 2
        rings.append(np.array(vertices[start:end], np.float64))
        start = end
    names = [point.name for point in instance.keypoints]
    points = tuple((name, x, y) for name, (x, y) in zip(names, vertices[start:], strict=True))
    return Moved(parent=instance, box=box, rings=tuple(rings), mask_hw=mask, points=points)


def copied_instance(moved: Moved, copy_id: str, width: int, height: int) -> Instance:
    """Return the instance that stands in a copy; its id follows from the copy and the parent."""
    box, rings = moved.tight(width, height)
    parent = moved.parent
    return replace(
        parent,
        instance_id=sha256_hex(f"{copy_id}|{parent.instance_id}".encode())[:32],
        image_id=copy_id,
        box=box,
        rings=rings,
        mask_rle=None if moved.mask_hw is None else encode_mask(moved.mask_hw.astype(bool)),
        keypoints=tuple(
            Keypoint(name=name, x_px=round(x, _DECIMALS), y_px=round(y, _DECIMALS))
            for name, x, y in moved.points
            if 0 <= x <= width and 0 <= y <= height
        ),
        decided_by=DecidedBy.AUGMENTED,
        parent_instance_id=parent.instance_id,
    )


def _clipped_rings(rings: Sequence[NDArray[np.float64]], frame: Any) -> tuple[Ring, ...]:
    """Return the parts of rings inside the frame, each ring for itself, as rings of rounded numbers."""
    clipped: list[Ring] = []
    for ring in rings:
        polygon = shapely.Polygon(ring)
        if polygon.is_valid and frame.contains(polygon):
            clipped.append(_flat(ring))  # untouched: keep the order of its points
            continue
        parts = shapely.get_parts(shapely.make_valid(polygon).intersection(frame))
        areas = [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
        clipped += [_flat(np.array(part.exterior.coords[:-1])) for part in areas]
    return tuple(clipped)


def _flat(ring: NDArray[np.float64]) -> Ring:
    return tuple(round(float(value), _DECIMALS) for value in ring.reshape(-1))


def _box(x_min: float, y_min: float, x_max: float, y_max: float) -> Box | None:
    if x_max <= x_min or y_max <= y_min:
        return None
    x_min, y_min, x_max, y_max = (round(float(value), _DECIMALS) for value in (x_min, y_min, x_max, y_max))
    return Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
