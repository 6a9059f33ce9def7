"""Jobs of the real renderer: the same bytes however they are split, interrupted or repeated; one image made anew."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from workbench.layout import Layout
from workbench.tables import POSES, RENDERS, read_rows, write_table

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 6
Run = Callable[..., dict[str, Any]]


def make(root: Path, **changes: Any) -> Path:
    """Make a workspace whose recipe renders some little images; neither git nor DVC is needed for a stage alone."""
    root.mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", root)
    shutil.copytree(ROOT / "label_configs", root / "label_configs")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["synthesis"] |= {"images": IMAGES, "size_px": 96, "samples_per_pixel": 2, **changes}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return root


def bytes_of(root: Path) -> dict[str, str]:
    """Return the hash of each file that the stage wrote."""
    folder = Layout(root).synthesis
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, workbench: Run) -> Path:
    """Return a workspace rendered by one process."""
    root = make(tmp_path_factory.mktemp("jobs") / "one")
    answer = workbench("synthesis", "--stage", "--workers", 1, "--workspace", root)
    assert answer["data"]["rendered"] == IMAGES
    return root


def test_any_number_of_processes_gives_the_same_bytes(rendered: Path, tmp_path: Path, workbench: Run) -> None:
    root = make(tmp_path / "three")
    # three single-threaded processes where the first run had one with all threads
    workbench("synthesis", "--stage", "--workers", 3, "--workspace", root)
    assert bytes_of(root) == bytes_of(rendered)
    # renders, instances, poses, images and what rendered, beside pictures and scenes
    assert len(bytes_of(root)) == 5 + 2 * IMAGES


def test_shards_of_two_workspaces_come_together_to_the_same_bytes(
    rendered: Path, tmp_path: Path, workbench: Run
) -> None:
    here, there = make(tmp_path / "here"), make(tmp_path / "there")
    assert workbench("synthesis", "--shard", "1/2", "--workers", 1, "--workspace", here)["data"]["rendered"] == 3
    answer = workbench("synthesis", "--shard", "2/2", "--workers", 1, "--workspace", there)
    assert answer["data"] == {"shard": "2/2", "images": 3, "rendered": 3}
    assert not (Layout(there).synthesis / "images.parquet").exists()
    planned = workbench("synthesis", "gather", there, "--dry-run", "--workspace", here)
    assert planned["data"] == {"taken": 3, "passed_over": 0, "dry_run": True}
    assert workbench("synthesis", "gather", there, "--workspace", here)["data"]["taken"] == 3
    assert workbench("synthesis", "gather", there, "--workspace", here)["data"]["taken"] == 0
    assert workbench("synthesis", "--stage", "--workspace", here)["data"]["rendered"] == 0
    assert bytes_of(here) == bytes_of(rendered)


def test_a_damaged_shard_is_refused_and_names_no_shard_is_usage(tmp_path: Path, workbench: Run) -> None:
    here, there = make(tmp_path / "here", images=1), make(tmp_path / "there", images=1)
    workbench("synthesis", "--shard", "1/1", "--workspace", there)
    picture = next((Layout(there).synthesis / "images").glob("*/*.jpg"))
    picture.write_bytes(picture.read_bytes()[:-1])
    answer = workbench("synthesis", "gather", there, "--workspace", here, expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["synthesis.shard-damaged"]
    assert not Layout(here).synthesis.exists()
    workbench("synthesis", "--shard", "3/2", "--workspace", here, expect=2)


def test_a_job_killed_in_the_middle_goes_on_and_ends_with_the_same_bytes(
    rendered: Path, tmp_path: Path, workbench: Run
) -> None:
    root = make(tmp_path / "killed")
    notes = Layout(root).state / "synthesis"
    line = [
        sys.executable,
        "-m",
        "workbench.cli.main",
        "synthesis",
        "--stage",
        "--workers",
        "2",
        "--workspace",
        str(root),
    ]
    job = subprocess.Popen(line, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(notes.glob("*.json"))) < 2 and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    left = len(list(notes.glob("*.json")))
    assert 2 <= left < IMAGES
    assert not (Layout(root).synthesis / "images.parquet").exists()
    answer = workbench("synthesis", "--stage", "--workers", 1, "--workspace", root)
    assert answer["data"]["rendered"] == IMAGES - left
    assert bytes_of(root) == bytes_of(rendered)


def test_one_image_is_rendered_anew_byte_for_byte_with_its_depth_and_normals(
    rendered: Path, tmp_path: Path, workbench: Run
) -> None:
    row = read_rows(Layout(rendered).synthesis / "renders.parquet", RENDERS)[0]
    out = tmp_path / "anew"
    again = ("synthesis", "render", row["image_id"][:10], "--workspace", rendered)
    answer = workbench(*again, "--out", out)
    assert (answer["data"]["same_labels"], answer["data"]["same_pixels"]) == (True, True)
    assert sha256((out / f"{row['image_id'][:16]}.jpg").read_bytes()).hexdigest() == row["image_id"]
    depth = np.load(out / f"{row['image_id'][:16]}.depth_m.npy")
    normals = np.load(out / f"{row['image_id'][:16]}.normals.npy")
    assert depth.shape == (96, 96)
    assert np.linalg.norm(normals, axis=2)[depth > 0] == pytest.approx(1, abs=1e-5)
    poses = read_rows(Layout(rendered).synthesis / "poses.parquet", POSES)
    pose = next(pose for pose in poses if pose["image_id"] == row["image_id"])
    down, across = np.mgrid[:96, :96] + 0.5
    rays = np.dstack(
        ((across - pose["cx_px"]) / pose["fx_px"], (down - pose["cy_px"]) / pose["fy_px"], np.ones((96, 96)))
    )
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    # All face the camera; the lens bends rays by less than what is allowed here.
    assert ((normals * rays).sum(axis=2)[depth > 0] <= 0.05).all()
    assert workbench("synthesis", "render", "no-such-id", "--workspace", rendered, expect=1)["findings"][0]["code"] == (
        "synthesis.image-unknown"
    )


def test_what_does_not_come_out_as_it_was_is_told(rendered: Path, tmp_path: Path, workbench: Run) -> None:
    root = tmp_path / "altered"
    shutil.copytree(rendered, root)
    path = Layout(root).synthesis / "renders.parquet"
    rows = read_rows(path, RENDERS)
    rows[0]["labels_sha256"] = "0" * 64
    rows[1]["samples_per_pixel"] = 1  # a single path a pixel gives other pixels, and the labels stay
    rows[2]["cpu_class"] = "another"
    write_table(path, RENDERS, rows)
    render = ("synthesis", "render", "--workspace", root)
    answer = workbench(*render, rows[0]["image_id"], expect=1)
    assert answer["findings"][0]["code"] == "synthesis.not-reproduced"
    assert "other labels" in answer["findings"][0]["message"]
    answer = workbench(*render, rows[1]["image_id"], expect=1)
    assert "other pixels" in answer["findings"][0]["message"]
    assert workbench(*render, rows[2]["image_id"])["data"]["made_otherwise"]


def test_a_preview_shows_the_recipe_small_and_writes_nothing_else(
    rendered: Path, tmp_path: Path, workbench: Run
) -> None:
    before = bytes_of(rendered)
    sheet = tmp_path / "preview.png"
    answer = workbench("synthesis", "preview", sheet, "--count", 2, "--workspace", rendered)
    assert answer["data"]["images"] == 2
    with Image.open(sheet) as picture:
        assert picture.size == (640, 320)
    assert bytes_of(rendered) == before


_ANOTHER_WIDTH = """
import ctypes, pathlib, sys
from workbench.adapters.mitsuba import MitsubaRenderer
renderer = MitsubaRenderer(samples_per_pixel=1)
renderer._mi
import drjit
library = ctypes.CDLL(str(pathlib.Path(drjit.__file__).parent / "libdrjit-core.so"))
target = library._Z19jit_llvm_set_targetPKcS0_j
target.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint32]
target(b"haswell", b"+avx2", 8)
from workbench.cli.rendering import resting_parts_of, studio_of
from workbench.cli.wiring import Workspace
from workbench.synthesis.again import compare, stored_image
from workbench.tables import RENDERS, read_rows
workspace = Workspace.find(pathlib.Path(sys.argv[1]))
studio = studio_of(workspace, resting_parts_of(workspace))
for row in read_rows(workspace.layout.synthesis / "renders.parquet", RENDERS)[:3]:
    stored = stored_image(workspace.layout, row["image_id"])
    told = compare(stored, studio.shoot(stored.planned))
    print(told.same_labels)
"""


@pytest.mark.skipif("avx2" not in Path("/proc/cpuinfo").read_text(), reason="this processor has no AVX2")
def test_masks_and_poses_do_not_depend_on_the_width_of_the_vectors(rendered: Path) -> None:
    # Dr.Jit is told to compile for eight lanes as an AVX2 processor does, whatever this one can do.
    done = subprocess.run(
        [sys.executable, "-c", _ANOTHER_WIDTH, str(rendered)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.split() == ["True"] * 3, done.stderr[-2000:]


def test_bop_is_laid_out_as_its_documentation_says(rendered: Path, tmp_path: Path, workbench: Run) -> None:
    out = tmp_path / "bop"
    export = ("synthesis", "export", out, "--format", "bop", "--workspace", rendered)
    assert workbench(*export, "--dry-run")["data"]["images"] == IMAGES
    assert not out.exists()
    count = workbench(*export)["data"]["objects"]
    assert count > IMAGES
    workbench(*export, expect=2)
    check_bop(out, images=IMAGES, objects=count)


def check_bop(root: Path, *, images: int, objects: int) -> None:
    """Hold a folder to bop_toolkit's docs/bop_datasets_format.md, and its figures to its pictures."""
    info = json.loads((root / "models" / "models_info.json").read_text())
    assert list((root / "models").iterdir()) == [root / "models" / "models_info.json"]  # no geometry
    for model in info.values():
        assert {"diameter", "min_x", "min_y", "min_z", "size_x", "size_y", "size_z"} <= set(model)
    assert set(json.loads((root / "camera.json").read_text())) >= {
        "cx",
        "cy",
        "depth_scale",
        "fx",
        "fy",
        "height",
        "width",
    }
    scene = root / "train_pbr" / "000000"
    camera, gt, gt_info = (
        json.loads((scene / f"{name}.json").read_text()) for name in ("scene_camera", "scene_gt", "scene_gt_info")
    )
    assert list(camera) == list(gt) == list(gt_info) == [str(number) for number in range(images)]
    assert sum(map(len, gt.values())) == objects
    for number in range(images):
        key, stem = str(number), f"{number:06d}"
        k = np.reshape(camera[key]["cam_K"], (3, 3))
        world = np.reshape(camera[key]["cam_R_w2c"], (3, 3))
        assert world @ world.T == pytest.approx(np.eye(3), abs=1e-6)
        with Image.open(scene / "rgb" / f"{stem}.jpg") as picture:
            size = picture.size
        with Image.open(scene / "depth" / f"{stem}.png") as picture:
            depth_mm = np.array(picture, np.float64) * camera[key]["depth_scale"]
            assert (picture.mode, picture.size) == ("I;16", size)
        for i, (pose, told) in enumerate(zip(gt[key], gt_info[key], strict=True)):
            assert str(pose["obj_id"]) in info
            whole, seen = (
                np.array(Image.open(scene / kind / f"{stem}_{i:06d}.png")) for kind in ("mask", "mask_visib")
            )
            assert {*np.unique(whole), *np.unique(seen)} <= {0, 255}
            assert not (seen & ~whole).any()
            assert told["px_count_visib"] == np.count_nonzero(seen)
            assert told["px_count_all"] >= np.count_nonzero(whole)
            assert told["px_count_valid"] == np.count_nonzero(depth_mm[whole > 0])
            assert told["visib_fract"] == pytest.approx(told["px_count_visib"] / told["px_count_all"])
            x, y, w, h = told["bbox_visib"]
            rows, columns = np.nonzero(seen)
            assert (x, y, x + w, y + h) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert told["bbox_obj"][0] <= x
            assert told["bbox_obj"][1] <= y
            check_pose(pose, info[str(pose["obj_id"])], k, told["bbox_obj"], depth_mm[seen > 0])


def check_pose(pose: Any, model: Any, k: Any, bbox: Any, depth_mm: Any) -> None:
    """Hold a pose to the silhouette it gives: the model's box, posed and projected, encloses it; depth lies in it too."""
    low = np.array([model[f"min_{axis}"] for axis in "xyz"])
    size = np.array([model[f"size_{axis}"] for axis in "xyz"])
    corners = low + size * np.array(list(product((0, 1), repeat=3)))
    placed = corners @ np.reshape(pose["cam_R_m2c"], (3, 3)).T + pose["cam_t_m2c"]
    at = placed @ k.T
    at = at[:, :2] / at[:, 2:]
    x, y, w, h = bbox
    assert (at.min(axis=0) <= np.array([x, y]) + 1).all()
    assert (at.max(axis=0) >= np.array([x + w, y + h]) - 1).all()
    assert depth_mm.min() > placed[:, 2].min() - 1
    assert depth_mm.max() < placed[:, 2].max() + 1


def test_coco_is_loaded_by_pycocotools_with_amodal_masks_beside(
    rendered: Path, tmp_path: Path, workbench: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from pycocotools import mask as rle
    from pycocotools.coco import COCO

    out = tmp_path / "coco"
    count = workbench("synthesis", "export", out, "--format", "coco", "--workspace", rendered)["data"]["objects"]
    coco = COCO(str(out / "annotations" / "instances_train.json"))
    capsys.readouterr()  # pycocotools tells how long it took
    assert (len(coco.getImgIds()), len(coco.getAnnIds())) == (IMAGES, count)
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(out / "images" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        assert mask.sum() == annotation["area"]
        assert rle.toBbox(annotation["segmentation"]).tolist() == annotation["bbox"]
        whole = annotation["amodal_segmentation"]
        amodal = rle.decode({**whole, "counts": whole["counts"].encode()})
        assert not (mask & ~amodal & 1).any()
        assert annotation["visible_frac"] == pytest.approx(mask.sum() / amodal.sum())
        assert annotation["category_id"] in coco.cats
