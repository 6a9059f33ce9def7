"""Labels held against an independent ray caster, part by part: masks, depth, boxes, and points through the pose."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from workbench.adapters.cad import FileToRead, read_parts, resting_poses
from workbench.adapters.masks import decode_mask, encode_mask
from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.domain.findings import Refused
from workbench.ports import Mesh
from workbench.synthesis.instances import label_rows, pose_rows, scene_points
from workbench.synthesis.scene import RestingPart
from workbench.synthesis.turntable import turntable_scenes

pytestmark = pytest.mark.tools

#: All views of all parts and all files of the shared folder, larger, with their figures in a table.
FULL = bool(os.environ.get("WORKBENCH_EXACTNESS_FULL"))
SIZE_PX = 160 if FULL else 80
VIEWS = slice(None) if FULL else slice(1, None, 7)  # from the side and from above

caster: Any = sys.modules["independent_caster"]  # loaded by conftest.py


@dataclass
class Tally:
    frames: int = 0
    pixels: int = 0
    object_px: int = 0
    differing: int = 0
    off_edge: int = 0
    worst_share: float = 0.0

    def add(self, compared: Any) -> None:
        self.frames += 1
        self.pixels += compared.pixels
        self.object_px += compared.object_px
        self.differing += compared.differing
        self.off_edge += compared.off_edge
        self.worst_share = max(self.worst_share, compared.share)

    def write(self, name: str) -> None:
        """Keep the figures where WORKBENCH_EXACTNESS_FULL names a file."""
        out = os.environ.get("WORKBENCH_EXACTNESS_FULL", "")
        if out.endswith(".json"):
            known = json.loads(Path(out).read_text()) if Path(out).is_file() else {}
            Path(out).write_text(json.dumps(known | {name: vars(self)}, indent=1))


@pytest.fixture(scope="module")
def renderer() -> Any:
    return MitsubaRenderer(samples_per_pixel=1)


def views(part: RestingPart, *, size_px: int = SIZE_PX) -> list[Any]:
    return list(turntable_scenes(part, size_px=size_px))[VIEWS]


def test_masks_and_depth_of_every_catalogue_part_agree(parts: Any, renderer: Any) -> None:
    tally = Tally()
    for part in parts:
        for scene in views(part):
            meshes = {part.part_id: part.mesh}
            compared = caster.compare(renderer.label(scene, meshes=meshes), caster.cast(scene, meshes))
            assert compared.object_px > 60, part.part_id
            assert compared.share <= 0.001, part.part_id
            assert compared.off_edge == 0, part.part_id
            tally.add(compared)
    assert tally.frames == len(parts) * len(views(parts[0]))
    tally.write("catalogue")


def test_masks_and_depth_of_real_files_agree(shared_data: Path, renderer: Any) -> None:
    text = (shared_data / "cad" / "manifest.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    paths = [shared_data / "cad" / row["file"].partition("/")[2] for row in rows]
    paths = paths if FULL else [path for path in paths if path.suffix.lower() != ".gltf"][::6]
    files = [FileToRead(path=path, unit="mm") for path in paths]
    loaded = [(paths[i], part.mesh) for i, part in read_parts(files, workers=2) if not isinstance(part, Refused)]
    assert len(loaded) > (115 if FULL else 8)
    tally = Tally()
    for path, mesh in loaded:
        for scene, meshes in _scaled(mesh):
            compared = caster.compare(renderer.label(scene, meshes=meshes), caster.cast(scene, meshes))
            assert compared.share <= 0.001, path
            assert compared.off_edge == 0, path
            tally.add(compared)
    assert tally.object_px > 50 * tally.frames
    tally.write("shared files")


def _scaled(mesh: Mesh) -> Any:
    """Yield the views of a mesh brought to 10 cm: files of kilometres and of microns are looked at alike.

    It stands a tenth of a millimetre above the table: of two surfaces in one place, neither is the first that is hit.
    """
    middle = (mesh.vertices_m.min(axis=0) + mesh.vertices_m.max(axis=0)) / 2
    vertices = (mesh.vertices_m - middle) * (0.1 / np.ptp(mesh.vertices_m, axis=0).max())
    small = Mesh(vertices_m=vertices, faces=mesh.faces)
    poses, weights = resting_poses(small)
    poses = tuple((*pose[:11], pose[11] + 0.0001, *pose[12:]) for pose in poses)
    part = RestingPart(
        part_id="file",
        mesh_sha256="file",
        category="unknown",
        materials=("pla",),
        mesh=small,
        resting=poses,
        weights=weights,
    )
    for scene in views(part)[: 3 if FULL else 1]:
        yield scene, {"file": small}


def test_a_part_that_stands_elsewhere_than_labelled_is_seen(parts: Any, renderer: Any) -> None:
    part = next(part for part in parts if part.part_id == "bracket")
    scene, meshes = views(part)[0], {part.part_id: part.mesh}
    moved = {part.part_id: Mesh(vertices_m=part.mesh.vertices_m + np.array([0.01, 0, 0.005]), faces=part.mesh.faces)}
    compared = caster.compare(renderer.label(scene, meshes=moved), caster.cast(scene, meshes))
    assert compared.share > 0.001
    assert compared.off_edge > 0


def test_boxes_are_the_extents_of_what_the_independent_caster_sees(parts: Any, renderer: Any) -> None:
    for part in parts:
        scene, meshes = views(part)[0], {part.part_id: part.mesh}
        labels = renderer.label(scene, meshes=meshes)
        (row,) = label_rows(scene, labels, image_id="f" * 64, encode_mask=encode_mask, points={})
        mask = decode_mask(row["mask_rle"], height_px=SIZE_PX, width_px=SIZE_PX)
        ys, xs = np.nonzero(mask)
        assert (row["x_min"], row["y_min"], row["x_max"], row["y_max"]) == (
            xs.min(),
            ys.min(),
            xs.max() + 1,
            ys.max() + 1,
        )
        ys, xs = np.nonzero(caster.cast(scene, meshes).instance_hw == 0)
        independent = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        # A ray that grazes the outermost edge may fall either way.
        assert np.abs(independent - [row["x_min"], row["y_min"], row["x_max"], row["y_max"]]).max() <= 1, part.part_id


def test_the_pose_puts_keypoints_where_the_independent_caster_finds_them(parts: Any, renderer: Any) -> None:
    worst, count = 0.0, 0
    for part in parts:
        for scene in views(part)[:2]:
            labels = renderer.label(
                scene, meshes={part.part_id: part.mesh}, points_m=scene_points(scene, {part.part_id: part.keypoints})
            )
            points = {part.part_id: part.keypoints}
            (row,) = pose_rows(scene, labels, image_id="f" * 64, encode_mask=encode_mask, points=points)
            matrix = np.reshape(row["object_to_camera"], (4, 4))
            told = {point["name"]: (point["x_px"], point["y_px"]) for point in row["keypoints"]}
            for name, at in part.keypoints.items():
                x, y, z = (matrix @ [*at, 1.0])[:3]
                projected = np.array([row["fx_px"] * x / z + row["cx_px"], row["fy_px"] * y / z + row["cy_px"]])
                found = _found(scene, at)
                worst = max(worst, *np.abs(projected - found), *np.abs(np.array(told[name]) - found))
                count += 1
    assert count >= 60
    assert worst < 0.5
    Tally(frames=count, worst_share=float(worst)).write("keypoints: worst_share is the largest miss in pixels")


def _found(scene: Any, at_m: Any) -> Any:
    """Return where a small ball at a point of the part is seen by the independent caster: the middle of what it covers.

    The frame is searched by rays a pixel apart for a ball of two pixels; then that place by rays a sixteenth apart. No
    projection is used on the way.
    """
    pose, eye = np.reshape(scene.parts[0].pose, (4, 4)), np.reshape(scene.camera.pose, (4, 4))[:3, 3]
    middle = pose[:3, :3] @ at_m + pose[:3, 3]
    radius_m = 2.0 * float(np.linalg.norm(middle - eye)) / scene.camera.focal_px
    ball = trimesh.creation.icosphere(subdivisions=3, radius=radius_m)
    hits = caster.RayMeshIntersector(trimesh.Trimesh(ball.vertices + middle, ball.faces, process=False))
    size = scene.camera.width_px
    place, step = np.array([size / 2, size / 2]), 1.0
    for reach, finer in ((size / 2, 1.0), (4.0, 1 / 16)):
        step = finer
        offset = np.arange(-reach, reach + step / 2, step)
        at_px = place + np.stack(np.meshgrid(offset, offset), axis=-1).reshape(-1, 2)
        origin, direction = caster.rays(scene.camera, at_px=at_px)
        place = at_px[hits.intersects_any(np.tile(origin, (len(direction), 1)), direction)].mean(axis=0)
    return place
