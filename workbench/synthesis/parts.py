"""The built-in parts: everyday, benign shapes made by code, in metres.

Each is built from chamfered prisms and turned profiles, because sharp edges look drawn and real edges catch light.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.ports import Mesh

Points = NDArray[np.float64]


def merged(*meshes: Mesh) -> Mesh:
    """Return one mesh of several closed ones; they may interpenetrate."""
    offsets = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes[:-1])])
    return Mesh(
        vertices_m=np.concatenate([mesh.vertices_m for mesh in meshes]),
        faces=np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)]).astype(np.int32),
    )


def moved(mesh: Mesh, *, by_m: Sequence[float] = (0, 0, 0), turn_x_deg: float = 0, turn_y_deg: float = 0) -> Mesh:
    """Return the mesh turned about x, then about y, then moved."""
    a, b = np.radians(turn_x_deg), np.radians(turn_y_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return Mesh(vertices_m=mesh.vertices_m @ (about_y @ about_x).T + np.asarray(by_m, float), faces=mesh.faces)


def prism(profile: shapely.Polygon, height_m: float, chamfer_m: float = 0.0004) -> Mesh:
    """Return a profile drawn up along z, its edges broken by a chamfer.

    Parameters
    ----------
    profile
        A valid polygon in metres, holes allowed.
    height_m
        Its height; the mesh spans z from 0 to it.
    chamfer_m
        Leg of the chamfer, smaller than half the thinnest wall and half the height.

    """
    polygon = shapely.geometry.polygon.orient(profile)
    rings = [np.asarray(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)]
    inset = [_offset(ring, chamfer_m) for ring in rings]
    levels = [(inset, 0.0), (rings, chamfer_m), (rings, height_m - chamfer_m), (inset, height_m)]
    vertices = np.concatenate([np.c_[np.concatenate(r), np.full(sum(map(len, r)), z)] for r, z in levels])
    per_level = sum(map(len, rings))
    faces = [_walls(ring_start, len(ring), per_level) for ring_start, ring in _starts(rings)]
    cap = _triangulated(inset)
    return Mesh(vertices_m=vertices, faces=np.concatenate([*faces, cap[:, ::-1], cap + 3 * per_level]).astype(np.int32))


def _starts(rings: Sequence[Points]) -> list[tuple[int, Points]]:
    starts = np.cumsum([0, *(len(ring) for ring in rings[:-1])])
    return [(int(start), ring) for start, ring in zip(starts, rings, strict=True)]


def _walls(start: int, count: int, per_level: int) -> NDArray[np.int64]:
    """Return the triangles between the four levels of one ring."""
    near = start + np.arange(count)
    far = start + np.roll(np.arange(count), -1)
    out = []
    for level in range(3):
        low, high = level * per_level, (level + 1) * per_level
        out += [np.c_[near + low, far + low, far + high], np.c_[near + low, far + high, near + high]]
    return np.concatenate(out)


def _offset(ring: Points, by_m: float) -> Points:
    """Return the ring moved towards the material (its left side), corners mitred."""
    ahead = np.roll(ring, -1, axis=0) - ring
    normal = np.c_[-ahead[:, 1], ahead[:, 0]] / np.linalg.norm(ahead, axis=1, keepdims=True)
    before = np.roll(normal, 1, axis=0)
    # The mitre's length grows without bound as a corner sharpens; 0.3 caps it at about three times the chamfer.
    scale = by_m / np.maximum(1 + np.sum(normal * before, axis=1, keepdims=True), 0.3)
    return np.asarray(ring + (normal + before) * scale)


def _triangulated(rings: Sequence[Points]) -> NDArray[np.int64]:
    """Return triangles over the rings' points, counter-clockwise, numbered as the rings are concatenated."""
    polygon = shapely.Polygon(rings[0], [ring[::-1] for ring in rings[1:]])
    index = {tuple(point): i for i, point in enumerate(np.concatenate(rings).tolist())}
    triangles = []
    for triangle in shapely.constrained_delaunay_triangles(polygon).geoms:
        a, b, c = (index[point] for point in shapely.geometry.polygon.orient(triangle).exterior.coords[:3])
        triangles.append((a, b, c))
    return np.array(sorted(triangles), dtype=np.int64)


def turned(profile_rz_m: Sequence[tuple[float, float]], sections: int = 96) -> Mesh:
    """Return a solid of revolution about z from a closed profile of (radius, z), counter-clockwise, radii > 0."""
    profile = np.asarray(profile_rz_m, float)
    angle = np.arange(sections) * 2 * np.pi / sections
    ring = np.c_[np.cos(angle), np.sin(angle)]
    n = len(profile)
    vertices = np.concatenate([np.c_[ring * r, np.full(sections, z)] for r, z in profile])
    near = np.arange(sections)
    far = np.roll(near, -1)
    faces = []
    for i in range(n):
        low, high = i * sections, (i + 1) % n * sections
        faces += [np.c_[near + low, far + low, far + high], np.c_[near + low, far + high, near + high]]
    return Mesh(vertices_m=vertices, faces=np.concatenate(faces).astype(np.int32))


def circle(radius_m: float, *, at: tuple[float, float] = (0, 0), points: int = 72) -> shapely.Polygon:
    """Return a regular polygon that stands for a circle."""
    angle = np.arange(points) * 2 * np.pi / points
    return shapely.Polygon(np.c_[np.cos(angle), np.sin(angle)] * radius_m + at)


def _rounded(width: float, height: float, radius: float) -> shapely.Polygon:
    return shapely.box(radius, radius, width - radius, height - radius).buffer(radius, quad_segs=8)


def bracket() -> Mesh:
    """Return an angle bracket, two drilled plates at a right angle, 50 x 40 x 40 mm."""
    holes = [circle(0.0028, at=(x, 0.025)) for x in (0.012, 0.038)]
    plate = _rounded(0.05, 0.04, 0.004).difference(shapely.union_all(holes))
    flat = prism(plate, 0.003)
    return merged(flat, moved(flat, by_m=(0, 0.003, 0), turn_x_deg=90))


def gear(teeth: int = 22, module_m: float = 0.002, height_m: float = 0.008) -> Mesh:
    """Return a spur gear with a bore and lightening holes; trapezoid teeth stand for involutes."""
    pitch = teeth * module_m / 2
    step = 2 * np.pi / teeth
    points = []
    for tooth in range(teeth):
        for radius, share in (
            (pitch - 1.2 * module_m, -0.34),
            (pitch + module_m, -0.12),
            (pitch + module_m, 0.12),
            (pitch - 1.2 * module_m, 0.34),
        ):
            angle = (tooth + share) * step
            points.append((radius * np.cos(angle), radius * np.sin(angle)))
    holes = [circle(0.004)]
    holes += [
        circle(0.0032, at=(0.011 * np.cos(a), 0.011 * np.sin(a)), points=48) for a in np.arange(5) * 2 * np.pi / 5
    ]
    hub = turned(
        [(0.004, height_m - 0.001), (0.0075, height_m - 0.001), (0.0075, height_m + 0.003), (0.004, height_m + 0.003)]
    )
    return merged(prism(shapely.Polygon(points).difference(shapely.union_all(holes)), height_m), hub)


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
    outer = _rounded(0.06, 0.04, 0.005)
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
    shells = []
    for radius, flip in ((r, 1), (r - w, -1)):
        rows = []
        for a in np.linspace(0, np.pi / 2, steps):
            reach = bend + radius * np.cos(around)
            rows.append(np.c_[reach * np.cos(a), reach * np.sin(a), radius * np.sin(around)])
        near = np.arange(sections)
        far = np.roll(near, -1)
        faces = []
        for i in range(steps - 1):
            low, high = i * sections, (i + 1) * sections
            faces += [np.c_[near + low, high + near, far + high], np.c_[near + low, far + high, far + low]]
        shells.append(Mesh(vertices_m=np.concatenate(rows), faces=np.concatenate(faces).astype(np.int32)[:, ::flip]))
    collar = turned(
        [(r - w, 0), (r + 0.002, 0), (r + 0.0024, 0.0004), (r + 0.0024, 0.0096), (r + 0.002, 0.01), (r - w, 0.01)]
    )
    first = moved(collar, turn_x_deg=90, by_m=(bend, 0.004, 0))
    second = moved(collar, turn_y_deg=-90, by_m=(0.004, bend, 0))
    return merged(*shells, first, second)


#: Built-in parts: id, what it is called, taxonomy code, materials it may be made of, and the code that makes it.
BUILTIN: tuple[tuple[str, str, str, tuple[str, ...], Callable[[], Mesh]], ...] = (
    ("bracket", "angle bracket", "unknown", ("steel", "brushed_steel", "pla"), bracket),
    ("gear", "spur gear", "negative.printed_object_other", ("pla",), gear),
    ("hex-bolt", "hexagon bolt", "unknown", ("steel", "black_oxide"), hex_bolt),
    ("open-box", "open box", "negative.printed_object_other", ("pla", "polymer"), open_box),
    ("pipe-elbow", "pipe elbow", "negative.plumbing_or_tube", ("brass", "copper"), pipe_elbow),
    ("spanner", "open-ended spanner", "negative.tool", ("brushed_steel", "steel"), spanner),
    ("spool", "thread spool", "negative.printed_object_other", ("pla", "polymer"), spool),
    ("toy-brick", "toy brick", "negative.toy", ("gloss",), toy_brick),
    ("tube", "pipe with collar", "negative.plumbing_or_tube", ("copper", "brass", "brushed_steel"), tube),
    ("washer", "washer", "unknown", ("steel", "brass"), washer),
)
