"""The lens: rays through the pixels of a distorted picture, and the straight picture that holds all they see.

The engine traces a straight picture somewhat larger than the photograph, from which the photograph is resampled.
Labels are not resampled: they are cast along the bent rays themselves, so they are exact at every pixel's centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.scene import Camera, distorted

Field = NDArray[np.float64]
Coefficients = tuple[float, float, float, float, float]

_ROUNDS = 12


def slopes(camera: Camera) -> tuple[Field, Field]:
    """Return the slopes x/z and y/z of the rays through all pixel centres, each (h, w), lens distortion undone.

    Brown's model has no inverse in closed form; fixed-point rounds, as in OpenCV's ``undistortPoints``, end within
    1e-9 for the lenses that recipes allow.
    """
    v, u = np.mgrid[0 : camera.height_px, 0 : camera.width_px] + 0.5
    cx, cy = camera.centre_px
    return undistorted((u - cx) / camera.focal_px, (v - cy) / camera.focal_px, camera.distortion)


def undistorted(seen_x: Field, seen_y: Field, coefficients: Coefficients) -> tuple[Field, Field]:
    """Return the slopes of the rays that a lens puts at (seen_x, seen_y): the inverse of `distorted`."""
    x, y = seen_x, seen_y
    if any(coefficients):
        for _ in range(_ROUNDS):
            bent_x, bent_y = distorted(x, y, coefficients)
            x, y = x + seen_x - bent_x, y + seen_y - bent_y
    return x, y


def straight_size(camera: Camera) -> tuple[int, int]:
    """Return the width and height of the straight picture, of the same focal length, that holds what the lens sees."""
    if not any(camera.distortion):
        return camera.width_px, camera.height_px
    x, y = slopes(camera)
    # Even sizes about the same middle; two pixels more for the filter.
    width = 2 * int(np.ceil(np.abs(x).max() * camera.focal_px + 2))
    height = 2 * int(np.ceil(np.abs(y).max() * camera.focal_px + 2))
    return width, height


def through_lens(straight_hwc: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Return the photograph's pixels, (h, w, c), resampled from the straight picture of `straight_size`."""
    if not any(camera.distortion):
        return straight_hwc
    x, y = slopes(camera)
    height, width = straight_hwc.shape[:2]
    rows, columns = y * camera.focal_px + height / 2 - 0.5, x * camera.focal_px + width / 2 - 0.5
    channels = [
        ndimage.map_coordinates(straight_hwc[..., i], (rows, columns), order=1, mode="nearest")
        for i in range(straight_hwc.shape[2])
    ]
    return np.stack(channels, axis=-1).astype(np.float32)
