"""How a part rests on a table: on the faces of its convex hull above which its centre of mass stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from workbench.domain.scene import Pose
from workbench.ports import Mesh

#: A part whose least side is this share of its largest is a sheet: it lies on one side or the other.
_SHEET_FRAC = 1e-4
#: So high a sheet lies above the table: in it, it would flicker.
_SHEET_LIFT_M = 0.0002


def resting_poses(
    mesh: Mesh, *, most: int = 200, least_share: float = 0.002
) -> tuple[tuple[Pose, ...], tuple[float, ...]]:
    """Return the poses in which a part's convex hull rests on a table, likeliest first, and how likely each is.

    The likelihood of a face is the solid angle under which the centre of mass sees it (Goldberg et al., "Part pose
    statistics", 1999, without their correction for rolling on), of those on which the part does not tip over.
    """
    points = np.unique(mesh.vertices_m[np.unique(mesh.faces)], axis=0)
    shares: NDArray[np.float64]
    spread = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    if len(points) < 4 or spread.S[2] <= _SHEET_FRAC * spread.S[0]:  # noqa: PLR2004 -- fewer span no solid
        normals = np.array([spread.Vh[-1], -spread.Vh[-1]]) if len(points) > 2 else np.array([[0.0, 0, -1]])  # noqa: PLR2004
        shares, lift_m = np.full(len(normals), 1 / len(normals)), _SHEET_LIFT_M
    else:
        normals, shares = _stable_faces(points)
        lift_m = 0.0
    order = sorted(range(len(shares)), key=lambda i: (-round(float(shares[i]), 9), *np.round(normals[i], 6)))
    kept = [i for i in order if shares[i] >= least_share][:most] or order[:1]
    return tuple(_standing(points, normals[i], lift_m=lift_m) for i in kept), tuple(float(shares[i]) for i in kept)


def _stable_faces(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the outward normals of the hull's faces that a part can rest on, (k, 3), and their shares, (k,)."""
    try:
        hull = ConvexHull(points)
    except QhullError:
        hull = ConvexHull(points, qhull_options="QJ")  # nearly flat: joggled, it has a hull
    triangles = points[hull.simplices]
    normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
    # Tetrahedra from a point inside give the volume's centre of mass.
    inside = triangles.mean(axis=(0, 1))
    a, b, c = (triangles[:, i] - inside for i in range(3))
    volumes = np.abs(np.sum(a * np.cross(b, c), axis=1))
    centre = inside + (volumes[:, None] * (a + b + c) / 4).sum(axis=0) / max(volumes.sum(), 1e-300)
    a, b, c = (triangles[:, i] - centre for i in range(3))
    angle = _solid_angle(a, b, c)
    foot = -normals * (normals @ centre + offsets)[:, None]  # from the centre to each face's plane
    holds = _within(foot, a, b, c, normals)
    # Triangles of one flat face have one equation; the face holds if the foot is within any of them.
    _, face = np.unique(np.round(np.c_[normals, offsets / np.ptp(points)], 6), axis=0, return_inverse=True)
    face = face.ravel()
    shares = np.bincount(face, angle)
    stable = np.bincount(face, holds) > 0
    first = np.array([np.flatnonzero(face == i)[0] for i in np.flatnonzero(stable)], dtype=int)
    if not len(first):  # cannot be but by rounding: the lowest face always holds
        first = np.array([int(np.argmin(np.linalg.norm(foot, axis=1)))])
        return normals[first], np.ones(1)
    kept = shares[stable]
    return normals[first], kept / kept.sum()


def _solid_angle(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the solid angles of triangles seen from the origin (Van Oosterom and Strackee, 1983)."""
    la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    above = np.abs(np.sum(a * np.cross(b, c), axis=1))
    below = la * lb * lc + np.sum(a * b, axis=1) * lc + np.sum(b * c, axis=1) * la + np.sum(c * a, axis=1) * lb
    return np.asarray(2 * np.arctan2(above, below))


def _within(
    foot: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Say for each triangle whether a point of its plane lies in it; on its edge counts."""
    turn = np.sign(np.sum(np.cross(b - a, c - a) * normals, axis=1))
    sides = [np.sum(np.cross(q - p, foot - p) * normals, axis=1) * turn for p, q in ((a, b), (b, c), (c, a))]
    size = np.sum(np.cross(b - a, c - a) * normals, axis=1) * turn
    return np.asarray(np.min(sides, axis=0) >= -1e-9 * size)


def _standing(points: NDArray[np.float64], normal: NDArray[np.float64], *, lift_m: float) -> Pose:
    """Return the pose that turns a face down onto the table and its lowest point to z = ``lift_m``."""
    down = np.array([0.0, 0.0, -1.0])
    cosine = float(normal @ down)
    axis = np.cross(normal, down)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    # From one direction to another (Rodrigues); for opposite ones half a turn about x.
    turned = np.diag([1.0, -1.0, -1.0]) if cosine < -1 + 1e-12 else np.eye(3) + cross + cross @ cross / (1 + cosine)
    matrix = np.eye(4)
    matrix[:3, :3] = turned
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    matrix[:2, 3] = -(turned @ middle)[:2]
    matrix[2, 3] = lift_m - float((points @ turned[2]).min())
    return tuple(float(value) + 0.0 for value in np.round(matrix.ravel(), 12))
