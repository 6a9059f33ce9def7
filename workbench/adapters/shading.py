"""What a renderer needs of a mesh beside the engine: creased normals and texture coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.ports import Mesh

#: Edges between faces that differ by less than this are shaded smooth.
_CREASE_DEG = 32.0
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
