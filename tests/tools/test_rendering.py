"""The real renderer and CAD reader: labels against an independent ray caster, same bytes twice, hostile files refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from workbench.adapters.cad import mesh_from_bytes, mesh_to_bytes, read_mesh, resting_poses
from workbench.adapters.lens import world_rays
from workbench.adapters.masks import mask_box
from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.domain.findings import Refused
from workbench.domain.scene import PlacedPart
from workbench.synthesis.catalogue import builtin_parts
from workbench.synthesis.parts import bracket
from workbench.synthesis.prints import textures_of
from workbench.synthesis.props import prop_meshes
from workbench.synthesis.scene import sample_scene

pytestmark = pytest.mark.tools

PARAMS = {"recipe": "evidence-table", "size_px": 96, "objects_per_image": [3, 5]}


@pytest.fixture(scope="module")
def parts() -> Any:
    return builtin_parts(resting_poses)


@pytest.fixture(scope="module")
def meshes(parts: Any) -> Any:
    return prop_meshes() | {part.part_id: part.mesh for part in parts}


@pytest.fixture(scope="module")
def renderer() -> Any:
    return MitsubaRenderer(samples_per_pixel=2)


def cast_independently(scene: Any, meshes: Any) -> Any:
    """Return what each pixel centre sees by trimesh's own caster: instance index, -1 for table or nothing, and depth."""
    camera = scene.camera
    origin, direction, ahead = world_rays(camera)
    nearest = np.full(len(direction), np.inf)
    seen = np.full(len(direction), -1)
    things = []
    for i, thing in [*enumerate(scene.instances), *((-1, prop) for prop in scene.props)]:
        if isinstance(thing, PlacedPart):
            mesh = trimesh.Trimesh(meshes[thing.part_id].vertices_m, meshes[thing.part_id].faces, process=False)
        else:
            w, h = thing.width_m / 2, thing.height_m / 2
            mesh = trimesh.Trimesh(
                [[-w, -h, 0], [w, -h, 0], [w, h, 0], [-w, h, 0]], [[0, 1, 2], [0, 2, 3]], process=False
            )
        mesh.apply_transform(np.reshape(thing.pose, (4, 4)))
        things.append((i, mesh))
    table = trimesh.Trimesh(
        [[-1.5, -1.5, 0], [1.5, -1.5, 0], [1.5, 1.5, 0], [-1.5, 1.5, 0]], [[0, 1, 2], [0, 2, 3]], process=False
    )
    table.apply_transform(trimesh.transformations.rotation_matrix(np.radians(scene.table.turn_deg), [0, 0, 1]))
    for i, mesh in [*things, (-1, table)]:
        caster = trimesh.ray.ray_triangle.RayMeshIntersector(mesh)
        points, rays, _ = caster.intersects_location(
            np.tile(origin, (len(direction), 1)), direction, multiple_hits=True
        )
        distance = np.linalg.norm(np.reshape(points, (-1, 3)) - origin, axis=1)
        for ray, t in zip(rays, distance, strict=True):
            if t < nearest[ray]:
                nearest[ray], seen[ray] = t, i
    depth = np.where(np.isfinite(nearest), nearest * ahead, 0)
    shape = (camera.height_px, camera.width_px)
    return seen.reshape(shape), depth.reshape(shape)


@pytest.mark.parametrize("seed", [2, 5])
def test_labels_agree_with_an_independent_ray_caster(seed: Any, parts: Any, meshes: Any, renderer: Any) -> None:
    scene = sample_scene(PARAMS, parts, seed=seed)
    shot = renderer.render(scene, meshes=meshes, textures=textures_of(scene))
    seen, depth = cast_independently(scene, meshes)
    assert (seen >= 0).sum() > 200
    # Rays that graze an edge may fall either way in single precision; nothing else may differ.
    differing = shot.instance_hw != seen
    assert differing.mean() < 0.002
    assert np.abs(shot.depth_hw - depth)[~differing].max() < 2e-4


def test_what_is_seen_is_part_of_what_would_be_seen_alone(parts: Any, meshes: Any, renderer: Any) -> None:
    scene = sample_scene(PARAMS, parts, seed=5)
    shot = renderer.render(scene, meshes=meshes, textures=textures_of(scene))
    for i in range(len(scene.instances)):
        visible = shot.instance_hw == i
        assert not (visible & ~shot.alone_nhw[i]).any()
        box = mask_box(visible)
        if box is not None:
            assert visible[:, int(box.x_min)].any()
            assert visible[int(box.y_max) - 1].any()


def test_the_same_scene_gives_the_same_bytes_in_another_renderer(parts: Any, meshes: Any, renderer: Any) -> None:
    scene = sample_scene(PARAMS, parts, seed=9)
    textures = textures_of(scene)
    first = renderer.render(scene, meshes=meshes, textures=textures)
    second = MitsubaRenderer(samples_per_pixel=2).render(scene, meshes=meshes, textures=textures)
    assert first.image_hwc.tobytes() == second.image_hwc.tobytes()
    assert np.array_equal(first.instance_hw, second.instance_hw)
    assert first.image_hwc.std() > 10


def stl(count: int, claimed: int | None = None, scale: float = 10.0) -> bytes:
    """Return a binary STL of a fan of triangles, that claims another count if told."""
    record = b"".join(
        struct.pack("<12fH", 0, 0, 1, 0, 0, 0, scale, i * scale, 0, scale, (i + 1) * scale, scale, 0)
        for i in range(count)
    )
    return b"\0" * 80 + struct.pack("<I", count if claimed is None else claimed) + record


HOSTILE = {
    "claims-four-billion.stl": stl(4, claimed=2**32 - 1),
    "cut-off.stl": stl(4)[:-7],
    "no-triangle.stl": stl(0),
    "not-finite.stl": stl(4, scale=float("inf")),
    "a-kilometre.stl": stl(4, scale=1e6),
    "empty.obj": b"",
    "text.glb": b"this is no glTF",
    "text.3mf": b"PK\x03\x04 no archive",
    "text.step": b"ISO-10303-21; nothing follows",
    "part.exe": b"MZ",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_mesh_is_refused_in_one_sentence(name: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(Refused) as refusal:
        read_mesh(path, unit="mm")
    (finding,) = refusal.value.findings
    assert finding.code == "synthesis.mesh-refused"
    assert finding.subject == name
    assert "Traceback" not in finding.message
    assert "\n" not in finding.message


@pytest.mark.parametrize("suffix", ["stl", "obj", "glb"])
def test_a_good_file_is_read_in_metres(suffix: Any, tmp_path: Path) -> None:
    mesh = bracket()
    scale = 1.0 if suffix == "glb" else 1000.0
    path = tmp_path / f"bracket.{suffix}"
    trimesh.Trimesh(mesh.vertices_m * scale, mesh.faces, process=False).export(path)
    read = read_mesh(path, unit="mm")
    assert np.ptp(read.vertices_m, axis=0) == pytest.approx([0.05, 0.04, 0.04], abs=1e-6)
    assert len(read.faces) == len(mesh.faces)
    again = mesh_from_bytes(mesh_to_bytes(read))
    assert np.array_equal(again.vertices_m, read.vertices_m)
    assert np.array_equal(again.faces, read.faces)


def test_resting_poses_put_the_lowest_point_on_the_table(parts: Any) -> None:
    for part in parts:
        for pose in part.resting:
            matrix = np.reshape(pose, (4, 4))
            heights = part.mesh.vertices_m @ matrix[2, :3] + matrix[2, 3]
            assert heights.min() == pytest.approx(0, abs=1e-6)
