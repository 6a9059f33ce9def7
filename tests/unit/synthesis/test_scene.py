"""Scenes as data: drawn by seed, read back equal, nothing in anything else."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from workbench.domain.findings import Refused
from workbench.domain.scene import scene_from_mapping
from workbench.synthesis.parts import BUILTIN, bracket, prism, turned
from workbench.synthesis.photographer import look_at
from workbench.synthesis.placement import footprint
from workbench.synthesis.prints import lettering
from workbench.synthesis.scene import sample_scene
from workbench.synthesis.surfaces import TABLES, table_surface

PARAMS = {"recipe": "evidence-table", "size_px": 64, "objects_per_image": [2, 5]}


def test_a_scene_survives_json(upright_parts: Any) -> None:
    scene = sample_scene(PARAMS, upright_parts, seed=3)
    assert scene_from_mapping(json.loads(scene.to_json())) == scene


def test_the_same_seed_gives_the_same_scene_and_another_seed_another(upright_parts: Any) -> None:
    assert sample_scene(PARAMS, upright_parts, seed=3).digest == sample_scene(PARAMS, upright_parts, seed=3).digest
    assert sample_scene(PARAMS, upright_parts, seed=3).digest != sample_scene(PARAMS, upright_parts, seed=4).digest


def test_parts_never_stand_in_one_another(upright_parts: Any) -> None:
    meshes = {part.part_id: part.mesh for part in upright_parts}
    most = 0
    for seed in range(12):
        scene = sample_scene({**PARAMS, "objects_per_image": [5, 5]}, upright_parts, seed=seed)
        outlines = [footprint(meshes[p.part_id].vertices_m, np.reshape(p.pose, (4, 4))) for p in scene.parts]
        most = max(most, len(outlines))
        assert not any(a.intersects(b) for a, b in combinations(outlines, 2))
    assert most == 5


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        sample_scene(PARAMS, [], seed=1)
    assert refusal.value.findings[0].code == "synthesis.catalogue-empty"


def test_the_camera_sees_its_target_in_the_middle() -> None:
    pose = np.reshape(look_at(np.array([0.2, -0.3, 0.4]), np.array([0.01, 0.02, 0.0]), roll=0.3), (4, 4))
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    seen = np.linalg.inv(pose) @ [0.01, 0.02, 0.0, 1]
    assert seen[:2] == pytest.approx([0, 0], abs=1e-12)
    assert seen[2] > 0


def signed_volume(mesh: Any) -> Any:
    a, b, c = (mesh.vertices_m[mesh.faces[:, i]] for i in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def test_a_prism_is_closed_and_holds_its_volume() -> None:
    import shapely

    block = prism(shapely.box(0, 0, 0.02, 0.01), 0.005, 1e-6)
    assert signed_volume(block) == pytest.approx(0.02 * 0.01 * 0.005, rel=1e-3)


def test_a_turned_ring_holds_its_volume() -> None:
    ring = turned([(0.01, 0), (0.02, 0), (0.02, 0.005), (0.01, 0.005)], sections=360)
    assert signed_volume(ring) == pytest.approx(np.pi * (0.02**2 - 0.01**2) * 0.005, rel=1e-3)


@pytest.mark.parametrize("make", [entry[4] for entry in BUILTIN], ids=[entry[0] for entry in BUILTIN])
def test_built_in_parts_have_the_size_of_things_on_a_table(make: Any) -> None:
    mesh = make()
    assert np.isfinite(mesh.vertices_m).all()
    assert 0.01 < np.ptp(mesh.vertices_m, axis=0).max() < 0.2
    assert signed_volume(mesh) > 0


def test_a_bracket_spans_its_three_sides() -> None:
    assert np.ptp(bracket().vertices_m, axis=0) == pytest.approx([0.05, 0.04, 0.04])


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_every_table_has_a_repeatable_texture_within_range(kind: Any) -> None:
    texture, relief = table_surface(kind, 5)
    assert texture.shape[2] == 3
    assert relief.shape == texture.shape[:2]
    assert 0 < texture.min() < texture.max() < 1
    assert (relief.min(), relief.max()) == (0, 1)
    again, other = table_surface(kind, 5)[0], table_surface(kind, 6)[0]
    assert np.array_equal(texture, again)
    assert not np.array_equal(texture, other)


def test_lettering_draws_seven_rows_and_tells_letters_apart() -> None:
    assert lettering("A-17").shape == (7, 23)
    assert not np.array_equal(lettering("0"), lettering("8"))
