"""What the built-in parts are built from: chamfered prisms and turned profiles, in metres.

Sharp edges look drawn, and real edges catch light: every prism has its edges broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.ports import Mesh

Points = NDArray[np.float64]


def merged(*meshes: Mesh) -> Mesh:
    """Return one mesh of several closed ones; they may interpenetrate."""
    offsets = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes[:-1])])
    colours = [mesh.face_rgb for mesh in meshes if mesh.face_rgb is not None]
    return Mesh(
        vertices_m=np.concatenate([mesh.vertices_m for mesh in meshes]),
        faces=np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)]).astype(np.int32),
        face_rgb=np.concatenate(colours) if len(colours) == len(meshes) else None,
    )


def moved(mesh: Mesh, *, by_m: Sequence[float] = (0, 0, 0), turn_x_deg: float = 0, turn_y_deg: float = 0) -> Mesh:
    """Return the mesh turned about x, then about y, then moved."""
    a, b = np.radians(turn_x_deg), np.radians(turn_y_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return Mesh(
        vertices_m=mesh.vertices_m @ (about_y @ about_x).T + np.asarray(by_m, float),
        faces=mesh.faces,
        face_rgb=mesh.face_rgb,
    )


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


def spun(profile_rz_m: Sequence[tuple[float, float]], sections: int = 96) -> Mesh:
    """Return a solid of revolution about z from an open profile of (radius, z), from the axis below to it above.

    The first and the last point lie on the axis (radius 0), all others off it.
    """
    profile = np.asarray(profile_rz_m, float)
    angle = np.arange(sections) * 2 * np.pi / sections
    ring = np.c_[np.cos(angle), np.sin(angle)]
    rings = [np.c_[ring * r, np.full(sections, z)] for r, z in profile[1:-1]]
    poles = np.c_[np.zeros((2, 2)), profile[[0, -1], 1]]
    near = np.arange(sections)
    far = np.roll(near, -1)
    faces = []
    for i in range(len(rings) - 1):
        low, high = i * sections, (i + 1) * sections
        faces += [np.c_[near + low, far + low, far + high], np.c_[near + low, far + high, near + high]]
    top, below = (len(rings) - 1) * sections, len(rings) * sections
    faces += [np.c_[far, near, np.full(sections, below)], np.c_[near + top, far + top, np.full(sections, below + 1)]]
    return Mesh(vertices_m=np.concatenate([*rings, poles]), faces=np.concatenate(faces).astype(np.int32))


def painted(mesh: Mesh, rgb: tuple[float, float, float]) -> Mesh:
    """Return the mesh with one colour (linear) on all its faces."""
    colours = np.tile(np.asarray(rgb, np.float32), (len(mesh.faces), 1))
    return Mesh(vertices_m=mesh.vertices_m, faces=mesh.faces, face_rgb=colours)


def circle(radius_m: float, *, at: tuple[float, float] = (0, 0), points: int = 72) -> shapely.Polygon:
    """Return a regular polygon that stands for a circle."""
    angle = np.arange(points) * 2 * np.pi / points
    return shapely.Polygon(np.c_[np.cos(angle), np.sin(angle)] * radius_m + at)


def rounded(width: float, height: float, radius: float) -> shapely.Polygon:
    """Return a rectangle from the origin with round corners."""
    return shapely.box(radius, radius, width - radius, height - radius).buffer(radius, quad_segs=8)
