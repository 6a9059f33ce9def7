"""What a renderer needs of a mesh beside the engine: creased normals and texture coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.ports import Mesh

#: Edges between faces that differ by less than this are shaded smooth.
_CREASE_DEG = 32.0
#: A face as narrow as this may be a chamfer.
_EDGE_M = 0.0013
#: Beyond this many faces, smoothing costs more than it shows.
_SMOOTH_FACES = 400_000


def corner_normals(mesh: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of all faces and their normals, each (3 m, 3).

    A corner's normal is the area-weighted mean over the faces that meet there at less than the crease angle.
    """
    corners = mesh.vertices_m[mesh.faces].reshape(-1, 3)
    triangles = corners.reshape(-1, 3, 3)
    scaled = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-30)
    unit = scaled / length
    if len(unit) > _SMOOTH_FACES:
        return corners, np.repeat(unit, 3, axis=0)
    count = corners.shape[0]
    incidence = sparse.csr_matrix((np.ones(count), (np.arange(count), mesh.faces.ravel())))
    pairs = (incidence @ incidence.T).tocoo()
    first, second = pairs.row, pairs.col
    near = np.sum(unit[first // 3] * unit[second // 3], axis=1) > np.cos(np.radians(_CREASE_DEG))
    total = np.zeros_like(corners)
    np.add.at(total, first[near], scaled[second[near] // 3])
    size = np.linalg.norm(total, axis=1, keepdims=True)
    return corners, np.where(size > 0, total / np.maximum(size, 1e-30), np.repeat(unit, 3, axis=0))


def box_coordinates(
    corners: NDArray[np.float64], period_m: float, *, across: float = 1.0, printed: bool = False
) -> NDArray[np.float64]:
    """Return texture coordinates of all corners, (3 m, 2), projected along each face's main axis.

    Parameters
    ----------
    corners
        (3 m, 3), in the part's own coordinates.
    period_m
        Length over which the texture repeats down; across, ``across`` times that.
    printed
        Faces that look up or down then show the paths of the nozzle, twice as wide as a layer is high and askew.

    """
    triangles = corners.reshape(-1, 3, 3)
    normal = np.abs(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]))
    axis = np.repeat(normal.argmax(axis=1), 3)
    u = np.where(axis == 0, corners[:, 1], corners[:, 0])
    v = np.where(axis == 2, corners[:, 1], corners[:, 2])  # noqa: PLR2004 -- the z axis
    if printed:
        flat = axis == 2  # noqa: PLR2004 -- the z axis
        askew = np.sqrt(0.5)
        u, v = (
            np.where(flat, askew * (corners[:, 0] + corners[:, 1]), u),
            np.where(flat, askew * (corners[:, 1] - corners[:, 0]) / 2, v),
        )
    return np.stack([u / (period_m * across), v / period_m], axis=1)


def edge_coordinates(
    corners: NDArray[np.float64],
    faces: NDArray[np.int32],
    uv: NDArray[np.float64],
    edge_uv: tuple[float, float, float, float],
) -> NDArray[np.float64]:
    """Return texture coordinates in which the faces that break an edge, a chamfer's, are moved to a place of their own.

    Parameters
    ----------
    corners, faces
        As in `corner_normals`: (3 m, 3) metres, and (m, 3).
    uv
        Coordinates of all corners, (3 m, 2).
    edge_uv
        The place: least u and v, then most.

    """
    chosen = np.flatnonzero(_breaks_edge(corners, faces))
    if not len(chosen):
        return uv
    low_u, low_v, high_u, high_v = edge_uv
    triangles = corners.reshape(-1, 3, 3)[chosen]
    # Along the part's largest extent, so that what rubs one end of an edge does not rub the other.
    along = corners @ np.ones(3)
    share = (triangles @ np.ones(3) - along.min()) / max(float(np.ptp(along)), 1e-9)
    moved = uv.reshape(-1, 3, 2).copy()
    moved[chosen, :, 0] = low_u + share * (high_u - low_u)
    moved[chosen, :, 1] = np.array([low_v, high_v, (low_v + high_v) / 2])
    return moved.reshape(-1, 2)


def _breaks_edge(corners: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Say which faces are narrow and bend away from a neighbour along a long side, (m,)."""
    triangles = corners.reshape(-1, 3, 3)
    sides = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=2)
    area2 = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    double = np.linalg.norm(area2, axis=1)
    longest = sides.max(axis=1)
    narrow = (double / np.maximum(longest, 1e-12) < _EDGE_M) & (longest > 0)
    if not narrow.any():
        return np.asarray(narrow)
    unit = area2 / np.maximum(double, 1e-30)[:, None]
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    same = (ends[order[1:]] == ends[order[:-1]]).all(axis=1)
    first, second = order[:-1][same], order[1:][same]
    bent = np.sum(unit[first // 3] * unit[second // 3], axis=1) < np.cos(np.radians(_CREASE_DEG))
    # A side counts where it is no shorter than half the face's longest.
    long = sides.ravel() > 0.5 * np.repeat(longest, 3)
    creased = np.zeros(len(faces), bool)
    for one in (first[bent], second[bent]):
        creased[one[long[one]] // 3] = True
    return np.asarray(narrow & creased)
