"""Photographs of empty tables drawn by seeded code, for workspaces that have no real ones to put parts on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.lineage import seed_for
from workbench.synthesis.surfaces import TABLES, table_surface

#: Metres of table that the picture's width shows.
_WIDTH_M = (0.28, 0.45)


def draw_bare_table(seed: int, number: int, *, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the photograph of an empty table from above, (h, w, 3) sRGB; kinds of table come in turn."""
    rng = np.random.default_rng(seed_for(seed, "bare-table", number))
    kind = sorted(TABLES)[number % len(TABLES)]
    texture, _ = table_surface(kind, int(rng.integers(2**31)))
    tiles = float(rng.uniform(*_WIDTH_M)) / float(rng.uniform(*TABLES[kind].tile_m))
    seen = _seen(texture, rng, width_px, height_px, tiles)
    linear = seen**2.2 * _light(rng, width_px, height_px)[..., None]
    warmth = float(rng.normal(0, 0.05))
    linear *= np.array([1 + warmth, 1, 1 - warmth]) * 2.0 ** float(rng.normal(-0.15, 0.25))
    blurred = ndimage.gaussian_filter(linear, (*([float(rng.uniform(0.4, 0.9))] * 2), 0))
    noisy = blurred + rng.standard_normal(blurred.shape) * np.sqrt(np.clip(blurred, 0, None) * 4e-5 + 2e-6)
    return np.asarray(np.round(np.clip(noisy, 0, 1) ** (1 / 2.2) * 255), np.uint8)


def _seen(
    texture: NDArray[np.float32], rng: np.random.Generator, width: int, height: int, tiles: float
) -> NDArray[np.float64]:
    """Return the texture, repeated without seams and turned, so many tiles wide, (height, width, 3)."""
    angle, size = float(rng.uniform(0, 2 * np.pi)), texture.shape[0]
    step = tiles * size / width
    shift = rng.uniform(0, size, 2)
    y, x = np.mgrid[0:height, 0:width] * step
    rows = np.cos(angle) * y + np.sin(angle) * x + shift[0]
    columns = -np.sin(angle) * y + np.cos(angle) * x + shift[1]
    planes = [ndimage.map_coordinates(texture[..., i], [rows, columns], order=1, mode="grid-wrap") for i in range(3)]
    return np.asarray(np.stack(planes, axis=-1), np.float64)


def _light(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Return a lamp's fall-off across the table and the lens's towards the corners, (height, width), about 1."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height) - 0.5
    place = rng.uniform(-0.9, 0.9, 2)
    lamp = 1 / (1 + ((x - place[0]) ** 2 + (y - place[1]) ** 2) * float(rng.uniform(0.2, 0.7)))
    return np.asarray(lamp / lamp.mean() * (1 - 0.35 * (x**2 + y**2)))
