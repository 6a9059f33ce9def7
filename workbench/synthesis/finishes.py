"""The skin of one part, drawn by seeded code: its material's pattern, and what use and dust did to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from workbench.domain.scene import Material
from workbench.synthesis.materials import LAYERS
from workbench.synthesis.surfaces import seamless_noise

Field = NDArray[np.float64]

_SIZE_PX = 512
_DUST_RGB = (0.50, 0.47, 0.43)
#: Rows and columns of the texture that edges take theirs from, and the same as coordinates, a texel within.
_EDGE = np.s_[8:16, 8:104]
_EDGE_UV = (9 / _SIZE_PX, 9 / _SIZE_PX, 103 / _SIZE_PX, 15 / _SIZE_PX)
#: What shows where a finish is rubbed off: the metal below, or lighter, stressed plastic.
_BELOW = {"black_oxide": 0.45, "blued": 0.48, "anodised": 0.62, "lacquered_steel": 0.40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The textures of one part; they repeat seamlessly.

    Parameters
    ----------
    colour_hwc
        Reflectance, linear, in [0, 1].
    roughness_hw
        In [0, 1].
    relief_hw
        Height in [0, 1], times the material's ``relief_m``; null where the material has none.
    edge_uv
        Where the texture is rubbed through as edges are: least u and v, then most. Faces that break an edge take
        their coordinates from there. Null where the material has no finish to rub.

    """

    colour_hwc: NDArray[np.float32]
    roughness_hw: NDArray[np.float32]
    relief_hw: NDArray[np.float32] | None
    edge_uv: tuple[float, float, float, float] | None = None


@cache
def _stock() -> dict[str, Field]:
    """Return the fields that all finishes are mixed from, each (512, 512), seamless; drawn once a process."""
    rng = np.random.default_rng(20)
    stock = {
        name: seamless_noise(rng, scale, _SIZE_PX)
        for name, scale in {
            "grain": (0.7, 0.7), "speck": (1.3, 1.3), "blot": (9, 9), "cloud": (45, 45), "streak": (0.6, 60)
        }.items()
    }  # fmt: skip
    stock["scratch"] = _scratches(rng)
    return stock


def _scratches(rng: np.random.Generator) -> Field:
    """Return fine straight scratches, most of them faint, in [0, 1]."""
    from scipy import ndimage

    field = np.zeros((_SIZE_PX, _SIZE_PX))
    for _ in range(260):
        x, y, angle = rng.uniform(0, _SIZE_PX), rng.uniform(0, _SIZE_PX), rng.uniform(0, np.pi)
        step = np.arange(int(rng.exponential(60)) + 6)
        rows = (y + step * np.sin(angle)).astype(int) % _SIZE_PX
        columns = (x + step * np.cos(angle)).astype(int) % _SIZE_PX
        field[rows, columns] = np.maximum(field[rows, columns], rng.uniform(0.15, 1) ** 2)
    return np.asarray(np.clip(ndimage.gaussian_filter(field, 0.55, mode="wrap") * 1.8, 0, 1))


def finish(material: Material) -> Finish:
    """Return the skin of a part; the same material gives the same one."""
    rng = np.random.default_rng(material.seed)
    stock = {name: _shifted(field, rng) for name, field in _stock().items()}
    base, relief = _patterned(material, stock, rng)
    wear, dust = material.wear, material.dust
    rough = material.roughness + 0.05 * wear * stock["blot"] + 0.06 * stock["cloud"] * (0.3 + wear)
    colour = base[..., None] * np.asarray(material.base_rgb)
    rubbed = _smooth_step(stock["cloud"] * 0.7 + stock["blot"] * 0.55 + stock["grain"] * 0.3, 2.9 - 1.9 * wear, 0.5)
    rubbed = np.maximum(rubbed * (material.name in _BELOW), 0.55 * stock["scratch"] * wear)
    if material.texture != "layers":
        # Elsewhere on the part this spot is one more blemish.
        edge = 0.35 + 0.3 * stock["blot"] + 0.25 * stock["grain"] + 0.6 * wear
        rubbed[_EDGE] = np.clip(edge, 0, 1)[_EDGE] * min(1.0, 2 * wear)
    below = _BELOW.get(material.name)
    if below is not None:
        colour += rubbed[..., None] * (below - colour) * 0.85
    else:
        colour += rubbed[..., None] * (colour + 0.05) * (0.22 if material.metallic else 0.35)
    # Stains and handling: metals tarnish in clouds, plastics grow greasy.
    stain = np.clip(stock["cloud"] + 0.4 * stock["blot"] - 0.2, 0, None) * wear
    colour *= (1 - (0.16 if material.metallic else 0.07) * np.clip(stain, 0, 2))[..., None]
    rough += 0.10 * rubbed - 0.05 * np.clip(stain, 0, 1.5)
    specks = _smooth_step(stock["speck"], 3.4 - 1.1 * dust, 0.5) * min(1.0, 3 * dust)
    film = 0.22 * dust * np.clip(0.5 + 0.4 * stock["cloud"], 0, 1)
    cover = np.clip(specks * 0.8 + film, 0, 1)
    colour += cover[..., None] * (np.asarray(_DUST_RGB) - colour)
    rough += cover * (0.9 - rough)
    return Finish(
        colour_hwc=np.clip(colour, 0.004, 0.97).astype(np.float32),
        roughness_hw=np.clip(rough, 0.08, 1).astype(np.float32),
        relief_hw=None if relief is None else relief.astype(np.float32),
        edge_uv=None if material.texture == "layers" else _EDGE_UV,
    )


def _shifted(field: Field, rng: np.random.Generator) -> Field:
    """Return a field moved and mirrored by chance."""
    down, across = rng.integers(_SIZE_PX, size=2)
    return np.roll(field, (int(down), int(across)), axis=(0, 1))[:: 1 - 2 * int(rng.integers(2))]


def _patterned(material: Material, stock: dict[str, Field], rng: np.random.Generator) -> tuple[Field, Field | None]:
    """Return what multiplies the colour, and the relief where there is one."""
    even = 1 + 0.02 * stock["grain"] + 0.02 * stock["cloud"]
    if material.texture == "brushed":
        return even * np.clip(1 + 0.09 * stock["streak"], 0.6, 1.3), None
    if material.texture == "layers":
        return _layered(even, stock, rng)
    return even, None


def _layered(even: Field, stock: dict[str, Field], rng: np.random.Generator) -> tuple[Field, Field]:
    """Return layers with their grooves, no two alike, and the seam where each layer begins.

    The grooves darken the colour as well: the denoiser sees colour, but not the relief.
    """
    row = np.arange(_SIZE_PX) * LAYERS / _SIZE_PX
    layer = np.floor(row).astype(int)
    offset, tone = rng.normal(0, 0.05, LAYERS)[layer], rng.normal(0, 0.025, LAYERS)[layer]
    ridge = np.abs(np.sin(np.pi * (row + offset))) ** 0.7
    relief = np.repeat(ridge[:, None], _SIZE_PX, axis=1)
    seam_at = _SIZE_PX * rng.uniform() + rng.normal(0, 1.5, LAYERS)[layer]
    away = np.abs((np.arange(_SIZE_PX)[None, :] - seam_at[:, None] + _SIZE_PX / 2) % _SIZE_PX - _SIZE_PX / 2)
    seam = np.exp(-((away / 1.6) ** 2)) * rng.uniform(0.3, 1, LAYERS)[layer][:, None]
    relief = relief * (1 + 0.04 * stock["blot"]) + 1.4 * seam
    colour = even * (0.80 + 0.20 * ridge[:, None]) * (1 + tone[:, None]) * (1 - 0.15 * seam)
    return np.asarray(colour), np.asarray(np.clip(relief / 2, 0, 1))


def _smooth_step(field: Field, start: float, width: float) -> Field:
    """Return 0 below ``start``, 1 from ``start + width`` on, and a smooth way between."""
    t = np.clip((field - start) / width, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
