"""The built-in parts: everyday, benign shapes made by code, in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely

from workbench.ports import Mesh
from workbench.synthesis.cartridges import CARTRIDGES
from workbench.synthesis.hardware import filament_spool, hex_nut, hinge, mounting_plate
from workbench.synthesis.solids import circle, merged, moved, prism, rounded, turned


def bracket() -> Mesh:
    """Return an angle bracket, two drilled plates at a right angle, 50 x 40 x 40 mm."""
    holes = [circle(0.0028, at=(x, 0.025)) for x in (0.012, 0.038)]
    plate = rounded(0.05, 0.04, 0.004).difference(shapely.union_all(holes))
    flat = prism(plate, 0.003)
    return merged(flat, moved(flat, by_m=(0, 0.003, 0), turn_x_deg=90))


def gear(teeth: int = 22, module_m: float = 0.002, height_m: float = 0.008) -> Mesh:
    """Return a spur gear with involute teeth of 20 degrees, a hub, a bore and lightening holes."""
    pitch = teeth * module_m / 2
    base, tip, root = pitch * np.cos(np.radians(20)), pitch + module_m, pitch - 1.2 * module_m
    radii = np.linspace(max(base, root) * 1.0005, tip, 6)
    # Half a tooth's angle at a radius: pi / 2 z on the pitch circle, and the involute function's change from there.
    pressure = np.arccos(base / radii)
    flank = np.pi / (2 * teeth) + np.tan(np.radians(20)) - np.radians(20) - (np.tan(pressure) - pressure)
    points = []
    for tooth in range(teeth):
        middle = 2 * np.pi * tooth / teeth
        left = [(root, middle - flank[0] * 1.12), *zip(radii, middle - flank, strict=True)]
        right = [*zip(radii[::-1], middle + flank[::-1], strict=True), (root, middle + flank[0] * 1.12)]
        points += [(float(r * np.cos(a)), float(r * np.sin(a))) for r, a in (*left, *right)]
    spokes = np.arange(5) * 2 * np.pi / 5
    holes = [circle(0.004), *(circle(0.0032, at=(0.0125 * np.cos(a), 0.0125 * np.sin(a)), points=48) for a in spokes)]
    disc = prism(shapely.Polygon(points).difference(shapely.union_all(holes)), height_m, 0.0003)
    bore, out, low, high = 0.004, 0.0078, height_m - 0.001, height_m + 0.003
    hub = turned(
        [
            (bore, low),
            (out, low),
            (out, high - 0.0004),
            (out - 0.0004, high),
            (bore + 0.0004, high),
            (bore, high - 0.0004),
        ]
    )
    return merged(disc, hub)


def hex_bolt(diameter_m: float = 0.008, length_m: float = 0.045) -> Mesh:
    """Return a hexagon-head bolt whose thread is a stack of rings of the right pitch."""
    head_flat = 1.625 * diameter_m
    corners = [
        (head_flat / np.sqrt(3) * np.cos(a), head_flat / np.sqrt(3) * np.sin(a)) for a in np.arange(6) * np.pi / 3
    ]
    head = prism(shapely.Polygon(corners), 0.65 * diameter_m, 0.0006)
    outer, core, pitch = diameter_m / 2, diameter_m * 0.42, 0.156 * diameter_m
    plain = length_m * 0.35
    profile: list[tuple[float, float]] = [(1e-5, -length_m), (core * 0.9, -length_m)]
    for start in np.arange(-length_m + pitch * 0.6, -plain, pitch):
        profile += [(core, float(start)), (outer, float(start + pitch / 2))]
    profile += [(outer, -plain), (outer, 0.001), (1e-5, 0.001)]
    return merged(head, turned(profile, 48))


def washer() -> Mesh:
    """Return a plain washer of 24 mm."""
    return prism(circle(0.012).difference(circle(0.0053)), 0.0022, 0.0003)


def tube() -> Mesh:
    """Return a straight pipe of 22 mm with a compression collar at one end."""
    r, w, n = 0.011, 0.0012, 0.085
    pipe = turned([(r - w, 0), (r - 0.0002, 0), (r, 0.0003), (r, n - 0.0003), (r - 0.0002, n), (r - w, n)])
    collar = [
        (r - 0.0005, 0.004),
        (r + 0.0025, 0.004),
        (r + 0.003, 0.0046),
        (r + 0.003, 0.0174),
        (r + 0.0025, 0.018),
        (r - 0.0005, 0.018),
    ]
    return merged(pipe, turned(collar))


def spool() -> Mesh:
    """Return an empty thread spool, 46 mm across."""
    f, c, h, t, b = 0.023, 0.009, 0.04, 0.003, 0.005
    lower = [(b, 0.0), (f - 0.0005, 0.0), (f, 0.0005), (f, t), (c + 0.002, t), (c, t + 0.002)]
    return turned([*lower, *((r, h - z) for r, z in reversed(lower))])


def open_box() -> Mesh:
    """Return a small open box, 60 x 40 x 22 mm."""
    outer = rounded(0.06, 0.04, 0.005)
    floor = prism(outer.buffer(-0.0004), 0.003, 0.0003)
    return merged(floor, prism(outer.difference(outer.buffer(-0.0022)), 0.022, 0.0004))


def spanner() -> Mesh:
    """Return an open-ended spanner, 120 mm."""
    shaft = shapely.LineString([(0, 0), (0.1, 0)]).buffer(0.0055, quad_segs=8)
    heads = [circle(0.0145), circle(0.0115, at=(0.1, 0))]
    jaws = [shapely.box(-0.03, -0.0068, 0.003, 0.0068), shapely.box(0.0975, -0.0053, 0.13, 0.0053)]
    jaws = [shapely.affinity.rotate(jaw, 15, origin=(x, 0)) for jaw, x in zip(jaws, (0, 0.1), strict=True)]
    outline = shapely.union_all([shaft, *heads]).difference(shapely.union_all(jaws)).simplify(0.0002)
    return prism(outline, 0.0052, 0.0008)


def toy_brick() -> Mesh:
    """Return a toy building brick with 2 x 4 studs."""
    pitch = 0.008
    body = prism(shapely.box(0, 0, 4 * pitch, 2 * pitch), 0.0096, 0.0003)
    stud = prism(circle(0.0024, points=48), 0.0118, 0.0002)
    studs = [moved(stud, by_m=((i + 0.5) * pitch, (j + 0.5) * pitch, 0)) for i in range(4) for j in range(2)]
    lifted = [Mesh(vertices_m=np.maximum(s.vertices_m, (-1, -1, 0.005)), faces=s.faces) for s in studs]
    return merged(body, *lifted)


def pipe_elbow() -> Mesh:
    """Return a 90 degree pipe elbow with collars."""
    bend, r, w, steps, sections = 0.02, 0.0095, 0.0015, 32, 64
    around = np.arange(sections) * 2 * np.pi / sections
    # The wall's section is a closed loop: out along the outer shell, back along the inner one, both ends bridged.
    path = [(radius, a) for radius, row in ((r, 1), (r - w, -1)) for a in np.linspace(0, np.pi / 2, steps)[::row]]
    rings = []
    for radius, a in path:
        reach = bend + radius * np.cos(around)
        rings.append(np.c_[reach * np.cos(a), reach * np.sin(a), radius * np.sin(around)])
    near = np.arange(sections)
    far = np.roll(near, -1)
    faces = []
    for i in range(len(rings)):
        low, high = i * sections, (i + 1) % len(rings) * sections
        faces += [np.c_[near + low, high + near, far + high], np.c_[near + low, far + high, far + low]]
    wall = Mesh(vertices_m=np.concatenate(rings), faces=np.concatenate(faces).astype(np.int32))
    collar = turned(
        [(r - w, 0), (r + 0.002, 0), (r + 0.0024, 0.0004), (r + 0.0024, 0.0096), (r + 0.002, 0.01), (r - w, 0.01)]
    )
    first = moved(collar, turn_x_deg=90, by_m=(bend, 0.004, 0))
    second = moved(collar, turn_y_deg=-90, by_m=(0.004, bend, 0))
    return merged(wall, first, second)


#: Built-in parts: id, what it is called, taxonomy code, materials it may be made of, and the code that makes it.
BUILTIN: tuple[tuple[str, str, str, tuple[str, ...], Callable[[], Mesh]], ...] = (
    ("bracket", "angle bracket", "unknown", ("steel", "brushed_steel", "pla"), bracket),
    *CARTRIDGES,
    ("filament-spool", "printed spool", "negative.printed_object_other", ("pla", "polymer"), filament_spool),
    ("gear", "spur gear", "negative.printed_object_other", ("pla",), gear),
    ("hex-bolt", "hexagon bolt", "unknown", ("steel", "black_oxide"), hex_bolt),
    ("hex-nut", "hexagon nut", "unknown", ("steel", "brass", "black_oxide"), hex_nut),
    ("hinge", "butt hinge", "unknown", ("brass", "steel", "brushed_steel"), hinge),
    ("mounting-plate", "mounting plate", "unknown", ("brushed_steel", "steel", "pla"), mounting_plate),
    ("open-box", "open box", "negative.printed_object_other", ("pla", "polymer"), open_box),
    ("pipe-elbow", "pipe elbow", "negative.plumbing_or_tube", ("brass", "copper"), pipe_elbow),
    ("spanner", "open-ended spanner", "negative.tool", ("brushed_steel", "steel"), spanner),
    ("spool", "thread spool", "negative.printed_object_other", ("pla", "polymer"), spool),
    ("toy-brick", "toy brick", "negative.toy", ("gloss",), toy_brick),
    ("tube", "pipe with collar", "negative.plumbing_or_tube", ("copper", "brass", "brushed_steel"), tube),
    ("washer", "washer", "unknown", ("steel", "brass"), washer),
)
