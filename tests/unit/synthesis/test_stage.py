"""The stage around a drawn stand-in of the renderer: labels, reuse, and going on after an interruption."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.adapters.masks import decode_mask, encode_mask, mask_box, mask_rings
from workbench.adapters.processes import Processes
from workbench.domain.findings import Refused
from workbench.domain.geometry import ring_area_px2, ring_box
from workbench.layout import Layout
from workbench.ports import Rendering
from workbench.synthesis.catalogue import builtin_index, ensure_builtin_catalogue, read_index
from workbench.synthesis.stage import ACTIVITY, check_params, plan_renders, run_synthesis, studio_for
from workbench.tables import IMAGES, INSTANCES, POSES, read_rows

PARAMS = {
    "activity": ACTIVITY,
    "recipe": "evidence-table",
    "images": 4,
    "seed": 7,
    "size_px": 48,
    "samples_per_pixel": 1,
    "objects_per_image": [2, 3],
}


class DrawnRenderer:
    """Draws each instance as a rectangle of its own; fails on demand after some images."""

    def __init__(self, fails_after: int = 10**9) -> None:
        self.calls = 0
        self._fails_after = fails_after

    @property
    def engine(self) -> Any:
        return {"engine": "drawn", "version": "1", "variant": "test"}

    def render(self, scene: Any, *, meshes: Any, textures: Any, points_m: Any = None) -> Any:  # noqa: ARG002 -- the port's signature
        if self.calls == self._fails_after:
            raise KeyboardInterrupt
        self.calls += 1
        size, count = scene.camera.width_px, len(scene.instances)
        index = np.full((size, size), -1, np.int32)
        alone = np.zeros((count, size, size), bool)
        boxes = np.array([(5 + i, 8 * i, 20 + 2 * i, 8 * i + 12) for i in range(count)])
        for i, (x_min, y_min, x_max, y_max) in enumerate(boxes):
            index[y_min:y_max, x_min:x_max], alone[i][y_min:y_max, x_min:x_max] = i, True
        return Rendering(
            image_hwc=np.random.default_rng(scene.seed).integers(0, 255, (size, size, 3), np.uint8),
            instance_hw=index,
            depth_hw=np.zeros((size, size), np.float32),
            alone_nhw=alone,
            # as if as much again lay beyond the left edge
            whole_px=2 * alone.sum(axis=(1, 2)),
            whole_xyxy=boxes - [100, 0, 0, 0],
            first_m=np.full(0 if points_m is None else len(points_m), np.inf),
        )


@pytest.fixture
def run(upright_parts: Any) -> Any:
    def run_stage(root: Path, renderer: Any, *, shard: Any = None, **changes: Any) -> Any:
        params = {**PARAMS, **changes}
        check_params(params)
        studio = studio_for(
            Layout(root),
            params,
            upright_parts,
            renderer=renderer,
            encode_mask=encode_mask,
            encode_jpeg=lambda image_hwc, quality: image_hwc.tobytes() + bytes([quality]),
            machine={"workbench": "0", "code_sha256": "0", "cpu_class": "test-cpu"},
        )
        plan = plan_renders(params, upright_parts, engine=renderer.engine)
        return run_synthesis(studio, plan, compute=Processes(1), shard=shard)

    return run_stage


def tree(root: Path) -> Any:
    return {p.relative_to(root).as_posix(): sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()}


def test_boxes_are_the_extents_of_their_masks_and_poses_stand_beside(tmp_path: Path, run: Any) -> None:
    outcome = run(tmp_path, DrawnRenderer())
    folder = Layout(tmp_path).synthesis
    images = {row["image_id"]: row for row in read_rows(folder / "images.parquet", IMAGES)}
    instances = read_rows(folder / "instances.parquet", INSTANCES)
    poses = read_rows(folder / "poses.parquet", POSES)
    assert outcome.images == len(images) == 4
    assert [row["instance_id"] for row in poses] == [row["instance_id"] for row in instances]
    for row in instances:
        mask = decode_mask(row["mask_rle"], height_px=48, width_px=images[row["image_id"]]["width_px"])
        assert mask_box(mask).xyxy == (row["x_min"], row["y_min"], row["x_max"], row["y_max"])
    assert all(0 < row["visible_frac"] <= 1 for row in poses)
    assert min(row["visible_frac"] for row in poses) < 1
    assert {(row["origin"], row["split"]) for row in images.values()} == {("rendered", "train")}


def test_a_repeat_renders_nothing_and_changes_no_byte(tmp_path: Path, run: Any) -> None:
    run(tmp_path, DrawnRenderer())
    before = tree(tmp_path)
    again = DrawnRenderer()
    assert run(tmp_path, again).rendered == 0
    assert again.calls == 0
    assert tree(tmp_path) == before


def test_more_images_keep_the_former_ones(tmp_path: Path, run: Any) -> None:
    run(tmp_path, DrawnRenderer())
    more = DrawnRenderer()
    assert run(tmp_path, more, images=6).images == 6
    assert more.calls == 2
    fewer = DrawnRenderer()
    assert run(tmp_path, fewer, images=1).images == 1
    assert fewer.calls == 0
    assert len(list((Layout(tmp_path).synthesis / "images").glob("*/*"))) == 1


def test_an_interrupted_run_goes_on_where_it_was_and_ends_with_the_same_bytes(tmp_path: Path, run: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", DrawnRenderer(fails_after=2))
    rest = DrawnRenderer()
    run(tmp_path / "cut", rest)
    assert rest.calls == 2
    run(tmp_path / "whole", DrawnRenderer())
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")


def test_a_damaged_picture_is_rendered_again(tmp_path: Path, run: Any) -> None:
    run(tmp_path, DrawnRenderer())
    before = tree(tmp_path)
    next((Layout(tmp_path).synthesis / "images").glob("*/*")).write_bytes(b"damaged")
    assert run(tmp_path, DrawnRenderer()).rendered == 1
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "change", [{"images": -1}, {"size_px": "big"}, {"objects_per_image": [3, 2]}, {"images": True}]
)
def test_params_that_cannot_be_used_are_refused(tmp_path: Path, run: Any, change: Any) -> None:
    with pytest.raises(Refused) as refusal:
        run(tmp_path, DrawnRenderer(), **change)
    assert refusal.value.findings[0].code == "workspace.params-invalid"


def test_the_built_in_catalogue_is_written_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert ensure_builtin_catalogue(layout)
    assert not ensure_builtin_catalogue(layout)
    assert read_index(layout) == sorted(builtin_index(), key=lambda row: row.part_id)


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ensure_builtin_catalogue(layout)
    (layout.catalogue / "catalogue.json").write_text(json.dumps([{"part_id": "x"}]))
    with pytest.raises(Refused) as refusal:
        read_index(layout)
    assert refusal.value.findings[0].code == "synthesis.catalogue-invalid"


def test_an_outline_encloses_its_mask() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:10, 5:25] = True
    (ring,) = mask_rings(mask)
    assert ring_box(ring).xyxy == (5, 4, 25, 10)
    assert ring_area_px2(ring) == mask.sum()
    assert mask_rings(np.zeros((4, 4), bool)) == ()
