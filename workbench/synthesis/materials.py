"""What parts are made of: the shades, gloss and fine patterns each material may have, drawn for one part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workbench.domain.scene import PART_COLOURS, Material, Rgb
from workbench.synthesis.recipe import Recipe, draw

#: Layers in one period of the pattern of printed parts.
LAYERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The ranges of one material; ``relief_frac`` is the height of a layer's groove, of the layer's."""

    shades: tuple[Rgb, ...]
    roughness: tuple[float, float]
    metallic: float = 0.0
    texture: str | None = None
    period_m: float = 0.06
    relief_frac: float = 0.0


_PRINTED = Look(
    shades=(
        (0.72, 0.71, 0.66), (0.025, 0.025, 0.028), (0.62, 0.16, 0.03), (0.03, 0.12, 0.36), (0.30, 0.31, 0.33),
        (0.04, 0.24, 0.09), (0.10, 0.10, 0.11), (0.55, 0.04, 0.04), (0.78, 0.62, 0.10),
    ),
    roughness=(0.38, 0.55), texture="layers", relief_frac=0.9,
)  # fmt: skip

#: Materials by the name the catalogue gives. Metals' reflectances at normal incidence are rounded from the tables of
#: physicallybased.info (CC0).
MATERIALS: dict[str, Look] = {
    "pla": _PRINTED,
    "petg": replace(
        _PRINTED,
        shades=((0.45, 0.47, 0.48), (0.02, 0.02, 0.022), (0.05, 0.20, 0.45), (0.35, 0.05, 0.04)),
        roughness=(0.16, 0.28),
    ),
    "resin": Look(
        shades=((0.28, 0.29, 0.31), (0.55, 0.50, 0.40), (0.08, 0.08, 0.085), (0.10, 0.28, 0.30)),
        roughness=(0.22, 0.38),
    ),
    "polymer": Look(shades=((0.022, 0.022, 0.024), (0.10, 0.10, 0.09), (0.28, 0.25, 0.18)), roughness=(0.42, 0.62)),
    "gloss": Look(
        shades=((0.60, 0.03, 0.03), (0.02, 0.13, 0.48), (0.72, 0.48, 0.02), (0.02, 0.28, 0.08)),
        roughness=(0.14, 0.24),
    ),
    "steel": Look(shades=((0.56, 0.56, 0.57), (0.50, 0.49, 0.48)), roughness=(0.24, 0.42), metallic=1.0),
    "brushed_steel": Look(
        shades=((0.58, 0.58, 0.59), (0.52, 0.52, 0.53)), roughness=(0.28, 0.4), metallic=1.0, texture="brushed",
    ),
    "black_oxide": Look(shades=((0.06, 0.06, 0.065), (0.085, 0.08, 0.078)), roughness=(0.32, 0.48), metallic=1.0),
    "blued": Look(shades=((0.055, 0.062, 0.085), (0.07, 0.072, 0.085)), roughness=(0.2, 0.34), metallic=1.0),
    "anodised": Look(
        shades=((0.05, 0.05, 0.055), (0.30, 0.31, 0.33), (0.25, 0.03, 0.04), (0.03, 0.08, 0.28), (0.40, 0.30, 0.12)),
        roughness=(0.34, 0.5), metallic=0.85,
    ),
    "lacquered_steel": Look(
        shades=((0.16, 0.18, 0.12), (0.03, 0.03, 0.03), (0.24, 0.25, 0.25), (0.33, 0.05, 0.03)),
        roughness=(0.3, 0.45),
    ),
    "brass": Look(shades=((0.80, 0.61, 0.31), (0.66, 0.48, 0.25), (0.50, 0.36, 0.20)), roughness=(0.2, 0.38), metallic=1.0),
    # The part's own colours, as its file or its code gives them; the shade is for parts that bring none.
    "as_drawn": Look(shades=((0.5, 0.5, 0.5),), roughness=(0.3, 0.5), texture=PART_COLOURS),
    "metal_as_drawn": Look(shades=((0.5, 0.5, 0.5),), roughness=(0.2, 0.36), metallic=1.0, texture=PART_COLOURS),
    "copper": Look(shades=((0.84, 0.50, 0.37), (0.58, 0.33, 0.24)), roughness=(0.22, 0.4), metallic=1.0),
}  # fmt: skip


def sample_material(name: str, rng: np.random.Generator, recipe: Recipe) -> Material:
    """Return a material of the catalogue's name; shade, gloss, wear and dust are drawn.

    Raises
    ------
    KeyError
        If `MATERIALS` has no such name.

    """
    look = MATERIALS[name]
    shade = np.asarray(look.shades[int(rng.integers(len(look.shades)))]) * rng.uniform(0.9, 1.1)
    layer_m = draw(recipe.layer_mm, rng) / 1000
    printed = look.texture == "layers"
    return Material(
        name=name,
        base_rgb=(float(shade[0]), float(shade[1]), float(shade[2])),
        metallic=look.metallic,
        roughness=draw(look.roughness, rng),
        texture=look.texture,
        texture_period_m=LAYERS * layer_m if printed else look.period_m,
        relief_m=look.relief_frac * layer_m if printed else 0.0,
        wear=draw(recipe.wear, rng),
        dust=draw(recipe.dust, rng),
        seed=int(rng.integers(2**31)),
    )
