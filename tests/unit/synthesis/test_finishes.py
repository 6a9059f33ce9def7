"""Skins of parts: the same for the same material, within range, worn where wear is drawn, edges found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from workbench.adapters.shading import box_coordinates, corner_normals, edge_coordinates
from workbench.domain.scene import Material
from workbench.synthesis.finishes import finish
from workbench.synthesis.materials import MATERIALS, sample_material
from workbench.synthesis.recipe import Recipe
from workbench.synthesis.solids import prism

PLAIN = Material(name="blued", base_rgb=(0.06, 0.06, 0.08), metallic=1.0, roughness=0.3, seed=4)


@pytest.mark.parametrize("name", sorted(MATERIALS))
def test_a_skin_is_repeatable_and_within_range(name: str) -> None:
    material = sample_material(name, np.random.default_rng(2), Recipe())
    skin, again = finish(material), finish(material)
    assert np.array_equal(skin.colour_hwc, again.colour_hwc)
    assert 0 < skin.colour_hwc.min() <= skin.colour_hwc.max() < 1
    assert 0 < skin.roughness_hw.min() <= skin.roughness_hw.max() <= 1
    assert (skin.relief_hw is not None) == (material.relief_m > 0)


def test_wear_shows_the_metal_below_and_dust_lightens() -> None:
    new, worn, dusty = (finish(replace(PLAIN, **change)) for change in ({}, {"wear": 0.9}, {"dust": 1.0}))
    assert np.percentile(worn.colour_hwc, 99) > 3 * np.percentile(new.colour_hwc, 99)
    assert dusty.colour_hwc.mean() > 1.5 * new.colour_hwc.mean()
    assert dusty.roughness_hw.mean() > new.roughness_hw.mean()


def test_layers_run_across_and_have_grooves() -> None:
    printed = Material(
        name="pla",
        base_rgb=(0.5, 0.5, 0.5),
        metallic=0,
        roughness=0.4,
        texture="layers",
        texture_period_m=0.0128,
        relief_m=0.0002,
    )
    relief = finish(printed).relief_hw
    assert relief is not None
    assert relief.std(axis=0).mean() > 3 * relief.std(axis=1).mean()


def test_chamfers_take_their_skin_from_the_rubbed_place_and_flats_do_not() -> None:
    block = prism(shapely.box(0, 0, 0.04, 0.03), 0.01, 0.0006)
    corners, _ = corner_normals(block)
    uv = box_coordinates(corners, 0.06)
    place = (0.1, 0.2, 0.3, 0.25)
    moved = edge_coordinates(corners, block.faces, uv, place).reshape(-1, 3, 2)
    changed = (moved != uv.reshape(-1, 3, 2)).any(axis=(1, 2))
    triangles = corners.reshape(-1, 3, 3)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    slanted = np.abs(normal / np.linalg.norm(normal, axis=1, keepdims=True)).max(axis=1) < 0.9
    assert np.array_equal(changed, slanted)
    assert moved[changed].min(axis=(0, 1)) == pytest.approx(place[:2], abs=0.1)
    assert (moved[changed][..., 0] >= 0.1 - 1e-12).all()
    assert (moved[changed][..., 1] <= 0.25 + 1e-12).all()


def test_box_coordinates_keep_lengths_along_the_main_axes() -> None:
    block = prism(shapely.box(0, 0, 0.04, 0.03), 0.01, 1e-6)
    corners, _ = corner_normals(block)
    uv = box_coordinates(corners, 0.01)
    top = np.abs(corners[:, 2] - 0.01) < 1e-9
    assert np.ptp(uv[top][:, 0]) == pytest.approx(4, abs=0.01)
    assert np.ptp(uv[top][:, 1]) == pytest.approx(3, abs=0.01)
