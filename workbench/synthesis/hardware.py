"""More built-in parts: plate, hinge, nut and a printed spool; everyday shapes made by code, in metres."""

from __future__ import annotations

import numpy as np
import shapely

from workbench.ports import Mesh
from workbench.synthesis.solids import circle, merged, moved, prism, rounded, turned


def mounting_plate() -> Mesh:
    """Return a plate of 80 x 50 x 4 mm with four countersunk corner holes, a centre hole and two slots."""
    corners = [(x, y) for x in (0.008, 0.072) for y in (0.008, 0.042)]
    slots = [shapely.LineString([(x, 0.016), (x, 0.034)]).buffer(0.0025, quad_segs=12) for x in (0.024, 0.056)]
    holes = [*(circle(0.0022, at=at, points=48) for at in corners), circle(0.007, at=(0.04, 0.025)), *slots]
    low = prism(rounded(0.08, 0.05, 0.005).difference(shapely.union_all(holes)), 0.0028, 0.0003)
    # The upper sheet has wider holes: with the step between them they are counterbored, as for cylinder heads.
    wide = [*(circle(0.0042, at=at, points=48) for at in corners), circle(0.007, at=(0.04, 0.025)), *slots]
    high = prism(rounded(0.08, 0.05, 0.005).difference(shapely.union_all(wide)), 0.0018, 0.0003)
    return merged(low, moved(high, by_m=(0, 0, 0.0022)))


def hinge(open_deg: float = 125.0) -> Mesh:
    """Return a butt hinge, two drilled leaves of 50 x 24 mm on a pin along y, opened by an angle."""
    thick, radius, width, length, knuckles = 0.002, 0.0032, 0.024, 0.05, 5
    lot = length / knuckles
    solids = []
    for side in (0, 1):
        own = [k for k in range(knuckles) if k % 2 == side]
        outline = shapely.box(radius + 0.0003, 0, width, length)
        tongues = [shapely.box(0.0005, k * lot + 0.0002, radius + 0.001, (k + 1) * lot - 0.0002) for k in own]
        holes = [circle(0.0021, at=(0.014, y), points=40) for y in (0.008, 0.025, 0.042)]
        leaf = prism(shapely.union_all([outline, *tongues]).difference(shapely.union_all(holes)), thick, 0.0003)
        rings = [_knuckle(radius, lot - 0.0004, at_m=k * lot + 0.0002) for k in own]
        turn = 0.0 if side == 0 else -open_deg
        solids += [moved(thing, turn_y_deg=turn) for thing in (moved(leaf, by_m=(0, 0, -thick / 2)), *rings)]
    pin = [(1e-5, -0.0012), (radius * 0.8, -0.0012), (radius * 0.95, -0.0006), (radius * 0.95, 0.0), (0.0016, 0.0)]
    pin += [(0.0016, length), (radius * 0.95, length), (radius * 0.95, length + 0.0006)]
    pin += [(radius * 0.8, length + 0.0012), (1e-5, length + 0.0012)]
    return merged(*solids, moved(turned(pin, 48), turn_x_deg=-90))


def _knuckle(radius: float, length: float, *, at_m: float) -> Mesh:
    """Return one rolled eye about y, its ends broken."""
    bore, edge = 0.0015, 0.0003
    profile = [(bore, 0.0), (radius - edge, 0.0), (radius, edge), (radius, length - edge), (radius - edge, length)]
    return moved(turned([*profile, (bore, length)], 64), turn_x_deg=-90, by_m=(0, at_m, 0))


def hex_nut(diameter_m: float = 0.008) -> Mesh:
    """Return a hexagon nut, its bore grooved like a thread, its corners turned down to a cone."""
    flat, height, pitch = 1.625 * diameter_m, 0.8 * diameter_m, 0.156 * diameter_m
    angle = np.arange(6) * np.pi / 3
    corners = shapely.Polygon(np.c_[np.cos(angle), np.sin(angle)] * flat / np.sqrt(3))
    bore, tap = diameter_m * 0.5, diameter_m * 0.43
    body = prism(corners.difference(circle(bore - 0.0002, points=48)), height, 0.0005)
    profile = [(bore + 0.0002, 0.0004), (bore + 0.0002, height - 0.0004)]
    inner: list[tuple[float, float]] = [(bore, height - 0.0004)]
    for z in np.arange(height - 0.0006 - pitch / 2, pitch / 2, -pitch):
        inner += [(tap, float(z)), (bore, float(z - pitch / 2))]
    inner = [point for point in inner if point[1] > 0.0004 + pitch / 4]
    return merged(body, turned([*profile, *inner, (bore, 0.0004)], 48))


def filament_spool() -> Mesh:
    """Return a printed spool, 70 mm across: two flanges with six windows each on a hub."""
    flange, hub, bore, height, thick = 0.035, 0.014, 0.007, 0.032, 0.0028
    windows = []
    for spoke in np.arange(6) * np.pi / 3:
        at = (0.0245 * np.cos(spoke), 0.0245 * np.sin(spoke))
        windows.append(shapely.affinity.rotate(rounded(0.0115, 0.0125, 0.003), np.degrees(spoke), origin=(0, 0)))
        middle = windows[-1].centroid
        windows[-1] = shapely.affinity.translate(windows[-1], at[0] - middle.x, at[1] - middle.y)
    disc = prism(circle(flange, points=120).difference(shapely.union_all([circle(bore), *windows])), thick, 0.0005)
    core = turned([(bore, thick / 2), (hub, thick / 2), (hub, height - thick / 2), (bore, height - thick / 2)])
    return merged(disc, core, moved(disc, by_m=(0, 0, height - thick)))
