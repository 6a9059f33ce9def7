"""Surroundings from files: CC0 rooms of the shared data light a scene; a file that changed is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workbench.adapters.cad import resting_poses
from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.domain.findings import Refused
from workbench.domain.lineage import sha256_hex
from workbench.synthesis.catalogue import builtin_parts
from workbench.synthesis.prints import textures_of
from workbench.synthesis.props import prop_meshes
from workbench.synthesis.rooms import environment_files
from workbench.synthesis.scene import sample_scene

pytestmark = pytest.mark.tools

PARAMS = {"recipe": "r", "size_px": 64, "recipes": {"r": {"rooms": {"files": 1}, "lamps": [0, 0], "flash": 0}}}


def test_a_room_from_a_file_lights_the_scene_and_must_stay_the_same(shared_data: Path, tmp_path: Path) -> None:
    parts = builtin_parts(resting_poses)[:4]
    files = environment_files(shared_data / "backgrounds" / "hdri-pmndrs" / "src" / "hdri")
    assert len(files) == 5
    digests = {name: sha256_hex(path.read_bytes()) for name, path in files.items()}
    scene = sample_scene(PARAMS, parts, seed=3, environments=digests)
    assert scene.environment.sha256 == digests[scene.environment.name]
    meshes = prop_meshes() | {part.part_id: part.mesh for part in parts}
    renderer = MitsubaRenderer(samples_per_pixel=2)
    lit = renderer.render(scene, meshes=meshes, textures=textures_of(scene, environments=files)).image_hwc
    assert lit.mean() > 20
    turned = replace(scene, environment=replace(scene.environment, turn_deg=scene.environment.turn_deg + 120))
    other = renderer.render(turned, meshes=meshes, textures=textures_of(scene, environments=files)).image_hwc
    assert not np.array_equal(lit, other)
    changed = tmp_path / scene.environment.name
    changed.write_bytes(b"another file")
    with pytest.raises(Refused) as refusal:
        textures_of(scene, environments={scene.environment.name: changed})
    assert refusal.value.findings[0].code == "synthesis.environment-missing"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert environment_files(None) == {}
    with pytest.raises(Refused, match="is no folder"):
        environment_files(tmp_path / "nowhere")
