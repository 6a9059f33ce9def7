"""Table surfaces drawn by seeded code, and all textures of a scene.

Colours are float32 arrays (h, w, 3) in [0, 1], reflectances as sRGB; relief is (h, w), heights in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Texture = NDArray[np.float32]
Field = NDArray[np.float64]

_SIZE_PX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A kind of table: its gloss, the length one tile covers, the height of its relief, and the code that draws it.

    ``make`` takes a generator and returns what multiplies the tone, the tones to choose from, and the relief.
    """

    roughness: float
    tile_m: tuple[float, float]
    relief_m: float
    make: Callable[[np.random.Generator], tuple[Field, tuple[tuple[float, float, float], ...], Field]]
    metallic: float = 0.0


def table_surface(kind: str, seed: int) -> tuple[Texture, Texture]:
    """Return the seamless colours of one kind of table, (h, w, 3), and its relief, (h, w).

    Raises
    ------
    KeyError
        If no kind of table has this name.

    """
    rng = np.random.default_rng(seed)
    value, tones, relief = TABLES[kind].make(rng)
    tone = np.asarray(tones[int(rng.integers(len(tones)))])
    colour = np.clip((value * _used(rng))[..., None] * tone, 0.01, 0.97).astype(np.float32)
    low, high = relief.min(), relief.max()
    return colour, ((relief - low) / max(high - low, 1e-9)).astype(np.float32)


def seamless_noise(rng: np.random.Generator, sigma: tuple[float, float], size: int = _SIZE_PX) -> Field:
    """Return seamless smooth noise of mean 0 and deviation 1, (size, size); ``sigma`` is its scale down and across."""
    # A Gaussian's transform is a Gaussian: one multiplication, however wide the blur.
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    spectrum *= np.exp(-2 * np.pi**2 * ((down * sigma[0]) ** 2 + (across * sigma[1]) ** 2))
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray((field - field.mean()) / field.std())


def _used(rng: np.random.Generator) -> Field:
    """Return what use left on a table: faint clouds, a few spots and scuffs; multiplies the colour."""
    clouds = seamless_noise(rng, (70, 70))
    spots = np.clip(seamless_noise(rng, (5, 5)) - 2.6, 0, 0.8)
    return np.asarray(1 + 0.025 * clouds - rng.uniform(0.0, 0.25) * spots)


def _wood(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Planks: growth rings cut lengthwise, warped by slow noise, with pores along the grain."""
    y = np.linspace(0, 1, _SIZE_PX, endpoint=False)[:, None]
    plank = np.floor(y * 4).astype(int)
    shift = rng.uniform(0, 50, 4)[plank]
    warp = 0.55 * seamless_noise(rng, (14, 220)) + 0.12 * seamless_noise(rng, (4, 90))
    rings = np.sin(2 * np.pi * (y * 9 + warp + shift))
    grain = seamless_noise(rng, (0.7, 26))
    pores = np.clip(seamless_noise(rng, (0.6, 9)) - 1.7, 0, None)
    value = 1 + 0.07 * rings + 0.05 * grain - 0.16 * pores + rng.normal(0, 0.05, 4)[plank]
    joint = (np.abs((y * 4) % 1 - 0.5) > 0.4955) & (rng.uniform() < 0.5)  # noqa: PLR2004 -- half a plank less a 1 mm joint
    tones = ((0.68, 0.50, 0.34), (0.56, 0.38, 0.25), (0.78, 0.66, 0.50), (0.42, 0.30, 0.22), (0.60, 0.52, 0.44))
    return np.where(joint, value * 0.45, value), tones, 0.25 * grain - pores - 3.0 * joint


def _cloth(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Plain weave: warp over weft and weft over warp in turn, with uneven yarns and folds."""
    i, j = np.mgrid[0:_SIZE_PX, 0:_SIZE_PX] * (2 * np.pi * 128 / _SIZE_PX)
    weave = np.where(np.sin(i / 2) * np.sin(j / 2) > 0, np.abs(np.sin(i)), np.abs(np.sin(j)))
    yarn = 0.05 * seamless_noise(rng, (0.8, 40)) + 0.05 * seamless_noise(rng, (40, 0.8))
    folds = seamless_noise(rng, (60, 90)) + 0.5 * seamless_noise(rng, (25, 120))
    value = 0.80 + 0.20 * weave + yarn
    tones = ((0.28, 0.36, 0.46), (0.55, 0.55, 0.53), (0.32, 0.42, 0.34), (0.20, 0.20, 0.22), (0.62, 0.60, 0.56))
    return value, tones, 0.035 * weave + 0.25 * folds


def _cardboard(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Kraft board: faint flutes and short fibres."""
    x = np.linspace(0, 2 * np.pi, _SIZE_PX, endpoint=False)[None, :]
    fibres = np.clip(seamless_noise(rng, (0.6, 6)) - 1.5, 0, None) - np.clip(
        seamless_noise(rng, (5, 0.6)) - 1.6, 0, None
    )
    flutes = np.sin(x * 60) + np.zeros((_SIZE_PX, 1))
    value = (
        1 + 0.018 * flutes + 0.05 * fibres + 0.02 * seamless_noise(rng, (1, 1)) + 0.03 * seamless_noise(rng, (90, 70))
    )
    return value, ((0.72, 0.57, 0.41), (0.66, 0.52, 0.38), (0.78, 0.64, 0.48)), 0.15 * flutes + 0.1 * fibres


def _paper(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Evidence paper from the roll, white, grey or brown, lightly creased."""
    value = 1 + 0.012 * seamless_noise(rng, (1.2, 1.2)) + 0.018 * seamless_noise(rng, (60, 60))
    creases = np.abs(seamless_noise(rng, (50, 80))) + 0.7 * np.abs(seamless_noise(rng, (90, 40)))
    tones = ((0.86, 0.86, 0.84), (0.80, 0.78, 0.73), (0.74, 0.76, 0.78), (0.66, 0.53, 0.38), (0.90, 0.90, 0.90))
    return value, tones, creases


def _mat(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Measuring mat: a line every centimetre and a bolder one every four, true to scale (a tile is 24 cm)."""
    y, x = np.mgrid[0:_SIZE_PX, 0:_SIZE_PX] / _SIZE_PX * 24
    fine = np.minimum(np.minimum(x % 1, 1 - x % 1), np.minimum(y % 1, 1 - y % 1)) < 0.022  # noqa: PLR2004 -- line width
    bold = np.minimum(np.minimum(x % 4, 4 - x % 4), np.minimum(y % 4, 4 - y % 4)) < 0.05  # noqa: PLR2004 -- line width
    value = 1 + 0.03 * seamless_noise(rng, (0.8, 0.8)) + 0.04 * seamless_noise(rng, (50, 50)) + 0.45 * fine + 0.5 * bold
    tones = ((0.16, 0.36, 0.30), (0.18, 0.26, 0.40), (0.30, 0.30, 0.31), (0.13, 0.13, 0.14))
    return value, tones, 0.3 * seamless_noise(rng, (1.0, 1.0))


def _laminate(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Laminate bench with speckles."""
    specks = np.clip(seamless_noise(rng, (1.1, 1.1)) - 1.3, 0, 1) - 0.7 * np.clip(
        seamless_noise(rng, (1.6, 1.6)) - 1.6, 0, 1
    )
    tones = ((0.70, 0.71, 0.70), (0.62, 0.60, 0.56), (0.40, 0.43, 0.46), (0.82, 0.82, 0.80), (0.22, 0.22, 0.23))
    return 1 + rng.uniform(0.02, 0.12) * specks, tones, 0.2 * seamless_noise(rng, (1.5, 1.5))


def _metal(rng: np.random.Generator) -> tuple[Field, tuple[tuple[float, float, float], ...], Field]:
    """Brushed steel bench with scuffs across the brushing."""
    brushed = seamless_noise(rng, (0.6, 70))
    scuffs = np.clip(seamless_noise(rng, (3, 1.0)) - 2.2, 0, 1)
    value = 1 + 0.06 * brushed + 0.12 * scuffs
    return value, ((0.70, 0.70, 0.71), (0.62, 0.62, 0.64)), 0.2 * brushed


#: Kinds of table.
TABLES = {
    "wood": Surface(roughness=0.42, tile_m=(0.38, 0.6), relief_m=0.0003, make=_wood),
    "cloth": Surface(roughness=0.95, tile_m=(0.16, 0.24), relief_m=0.004, make=_cloth),
    "cardboard": Surface(roughness=0.9, tile_m=(0.3, 0.42), relief_m=0.0003, make=_cardboard),
    "paper": Surface(roughness=0.85, tile_m=(0.38, 0.6), relief_m=0.004, make=_paper),
    "mat": Surface(roughness=0.6, tile_m=(0.24, 0.24), relief_m=0.0002, make=_mat),
    "laminate": Surface(roughness=0.3, tile_m=(0.3, 0.45), relief_m=0.00008, make=_laminate),
    "metal": Surface(roughness=0.36, tile_m=(0.3, 0.5), relief_m=0.00005, make=_metal, metallic=1.0),
}
