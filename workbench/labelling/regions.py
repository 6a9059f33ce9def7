"""Label Studio's regions, in percent of the picture, to shapes in pixels of the working copy and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workbench.domain.annotation import Instance, Keypoint, Shape
from workbench.domain.geometry import Box, Ring, ring_box

#: Pixels are kept to a millionth, far below what a hand can draw; this undoes the rounding of percentages.
_DECIMALS = 6

#: Points an ellipse is kept as, a multiple of four; its area is then 0.13 % too small (n/2 sin(2 pi/n) of pi).
_ELLIPSE_POINTS = 72

#: The name of the one point of a keypoint instance.
POINT_NAME = "point"

#: Width of a keypoint's dot on the page, in percent of the photograph's width.
_DOT_PERCENT = 0.5


def geometry_from_region(shape: Shape, region: Mapping[str, Any], size_wh: tuple[int, int]) -> dict[str, Any]:
    """Return the shape in pixels of the working copy.

    A box turned by hand is the polygon of its corners. Label Studio turns about the top-left corner, clockwise; an ellipse
    about its centre.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the region's numbers cannot be used.

    """
    width, height = size_wh
    stated = region.get("original_width") or width, region.get("original_height") or height
    if stated != (width, height):
        raise ValueError(f"drawn on {stated[0]}x{stated[1]} pixels, the working copy has {width}x{height}")
    if region.get("image_rotation"):
        raise ValueError("drawn on a turned photograph")
    value = region["value"]

    def pixels(x_percent: float, y_percent: float) -> tuple[float, float]:
        x_px, y_px = float(x_percent) * width / 100, float(y_percent) * height / 100
        if not (math.isfinite(x_px) and math.isfinite(y_px)):
            raise ValueError("not finite")
        return round(x_px, _DECIMALS), round(y_px, _DECIMALS)

    if shape is Shape.KEYPOINT:
        x_px, y_px = pixels(value["x"], value["y"])
        return {"shape": shape, "keypoints": (Keypoint(name=POINT_NAME, x_px=x_px, y_px=y_px),)}
    if shape is Shape.POLYGON:
        ring: Ring = tuple(v for x, y in value["points"] for v in pixels(x, y))
        return {"shape": shape, "box": ring_box(ring), "rings": (ring,)}
    if shape is Shape.ELLIPSE:
        centre, radii = pixels(value["x"], value["y"]), pixels(value["radiusX"], value["radiusY"])
        ring = _on_ellipse(centre, radii, float(value.get("rotation") or 0))
        return {"shape": Shape.POLYGON, "box": ring_box(ring), "rings": (ring,)}
    x_min, y_min = pixels(value["x"], value["y"])
    x_max, y_max = pixels(value["x"] + value["width"], value["y"] + value["height"])
    if value.get("rotation"):
        ring = _turned((x_min, y_min), x_max - x_min, y_max - y_min, float(value["rotation"]))
        return {"shape": Shape.POLYGON, "box": ring_box(ring), "rings": (ring,)}
    return {"shape": shape, "box": Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)}


def _turned(corner: tuple[float, float], width_px: float, height_px: float, degrees: float) -> Ring:
    """Return the corners of a rectangle turned clockwise (y points down) about its first corner."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(0.0, 0.0), (width_px, 0.0), (width_px, height_px), (0.0, height_px)]
    turned = [(corner[0] + x * cos - y * sin, corner[1] + x * sin + y * cos) for x, y in corners]
    return tuple(round(v, _DECIMALS) for point in turned for v in point)


def _on_ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float) -> Ring:
    """Return points on an ellipse turned clockwise about its centre, its four vertices among them."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ring = []
    for step in range(_ELLIPSE_POINTS):
        angle = 2 * math.pi * step / _ELLIPSE_POINTS
        x, y = radii[0] * math.cos(angle), radii[1] * math.sin(angle)
        ring += [centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos]
    return tuple(round(v, _DECIMALS) for v in ring)


def region_from_geometry(instance: Instance, shape: Shape, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Return the value that draws an instance in a shape, in percent of the working copy's size (width, height in pixels)."""
    width, height = size_wh
    if shape is Shape.KEYPOINT:
        (point,) = instance.keypoints
        return {"x": point.x_px * 100 / width, "y": point.y_px * 100 / height, "width": _DOT_PERCENT}
    if shape is Shape.POLYGON:
        ring = instance.rings[0]
        points = [[x * 100 / width, y * 100 / height] for x, y in zip(ring[0::2], ring[1::2], strict=True)]
        return {"points": points, "closed": True}
    box = instance.box
    if box is None:
        raise ValueError(f"instance {instance.instance_id} has no box")
    return {
        "x": box.x_min * 100 / width,
        "y": box.y_min * 100 / height,
        "width": (box.x_max - box.x_min) * 100 / width,
        "height": (box.y_max - box.y_min) * 100 / height,
        "rotation": 0,
    }
