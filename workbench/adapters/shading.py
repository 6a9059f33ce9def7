"""What a renderer needs beside the engine: creased normals, primary rays, and the phone that develops the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.domain.scene import Camera
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


def world_rays(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the primary rays through all pixel centres, row by row.

    Returns
    -------
    origin
        (3,) metres.
    direction
        (h w, 3) unit vectors.
    ahead
        (h w,) cosine between each ray and the optical axis: distance times it is depth.

    """
    v, u = np.mgrid[0 : camera.height_px, 0 : camera.width_px] + 0.5
    cx, cy = camera.centre_px
    local = np.stack([(u - cx) / camera.focal_px, (v - cy) / camera.focal_px, np.ones_like(u)], axis=-1).reshape(-1, 3)
    local /= np.linalg.norm(local, axis=1, keepdims=True)
    pose = np.reshape(camera.pose, (4, 4))
    return pose[:3, 3], local @ pose[:3, :3].T, local[:, 2]


def developed(linear_hwc: NDArray[np.float32], camera: Camera) -> NDArray[np.float64]:
    """Return the picture as a phone's automatic exposure would set it, linear in about [0, 1] before the curve."""
    balanced = linear_hwc.astype(np.float64) * np.asarray(camera.white_balance_rgb)
    luminance = np.clip(balanced, 0, None) @ np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
    # By the log-average luminance (Reinhard et al., 2002), but its square root, so that a black cloth stays dark.
    key = np.exp(np.mean(np.log(luminance + 1e-3)))
    return np.asarray(balanced * (0.4 / np.sqrt(key)) * 2.0**camera.exposure_ev)


def to_photograph(linear_hwc: NDArray[np.float64], *, seed: int) -> NDArray[np.uint8]:
    """Return sRGB bytes with a soft shoulder, slight fall-off to the corners, and a sensor's noise."""
    height, width = linear_hwc.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    radius2 = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / (width**2 + height**2) * 4
    lit = np.clip(linear_hwc, 0, None) * (1 - 0.16 * radius2)[..., None]
    rng = np.random.default_rng(seed)
    lit += rng.standard_normal(lit.shape) * np.sqrt(lit * 4e-5 + 2e-6)
    lit = np.clip(lit, 0, None)
    # Highlights roll off from 0.6 on instead of clipping; the curve reaches 1 at infinity.
    knee = 0.6
    rolled = np.where(lit < knee, lit, knee + (1 - knee) * (1 - np.exp(-(lit - knee) / (1 - knee))))
    srgb = np.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled ** (1 / 2.4) - 0.055)  # noqa: PLR2004 -- IEC 61966-2-1
    return np.round(np.clip(srgb, 0, 1) * 255).astype(np.uint8)
