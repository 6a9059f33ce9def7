"""Cut-outs by the real renderer, and the commands of composition as DVC and people call them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from workbench.adapters import dvc
from workbench.adapters.cad import resting_poses
from workbench.adapters.cutout_files import read_cutout
from workbench.adapters.cutouts import CutOutRenderer
from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.domain.composition import CutOutPictures, LoneScene
from workbench.synthesis.catalogue import builtin_parts
from workbench.synthesis.lone import draw_lone_scene
from workbench.synthesis.prints import textures_of
from workbench.tables import ADDED_BACKGROUNDS, IMAGES, MADE_OF, read_rows

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., dict[str, Any]]
_SIDE_PX = 96


@pytest.fixture(scope="module")
def cut() -> tuple[LoneScene, Callable[[], CutOutPictures], Any]:
    """A scene of one part alone, what cuts it out, and the labels that the renderer itself gives of it."""
    parts = [part for part in builtin_parts(resting_poses) if part.part_id == "toy-brick"]
    meshes = {part.part_id: part.mesh for part in parts}
    lone = draw_lone_scene(parts, recipe="cut-out", seed=5, setting=0, number=0, size_px=_SIDE_PX)
    textures = textures_of(lone.scene)
    renderer = CutOutRenderer(samples_per_pixel=16)
    rendering = MitsubaRenderer(samples_per_pixel=1).render(lone.scene, meshes=meshes, textures=textures)
    return lone, lambda: renderer(lone.scene, meshes=meshes, textures=textures), rendering


def _read(pictures: CutOutPictures, folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    paths = folder / "object.png", folder / "shadow.png"
    for path, data in zip(paths, (pictures.object_png, pictures.shadow_png), strict=True):
        path.write_bytes(data)
    return read_cutout(*paths)


def test_a_cutout_covers_what_the_renderer_labels_and_its_shadow_has_faded_at_the_border(
    cut: Any, tmp_path: Path
) -> None:
    _, cut_out, rendering = cut
    pictures = cut_out()
    part, shadow = _read(pictures, tmp_path)
    labelled = rendering.instance_hw == 0
    covered = part[..., 3] >= 0.5
    # One asks each pixel's centre, the other sixteen places in it: they may differ along the outline only.
    differing = labelled != covered
    inner = np.pad(labelled, 1)
    edge = np.zeros_like(labelled)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= inner[dy : dy + _SIDE_PX, dx : dx + _SIDE_PX] != labelled
    assert labelled.sum() > 300
    assert not (differing & ~edge).any()
    assert differing.sum() < 0.2 * edge.sum()
    assert (shadow[[0, -1]] == 1).all()
    assert (shadow[:, [0, -1]] == 1).all()
    assert shadow[~labelled].min() < 0.75  # beside the part the table is in its shadow
    assert (part[part[..., 3] == 0] == 0).all()  # nothing of the grey table stays
    rows, columns = np.flatnonzero((part[..., 3] > 0).any(axis=1)), np.flatnonzero((part[..., 3] > 0).any(axis=0))
    assert pictures.box_xyxy == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def test_a_parts_middle_and_its_outline_are_where_it_is_seen(cut: Any) -> None:
    lone, _, rendering = cut
    labelled = rendering.instance_hw == 0
    x, y = lone.ground_px
    assert labelled[int(y), int(x)]
    outline = np.reshape(lone.footprint_px, (-1, 2))
    rows, columns = np.nonzero(labelled)
    # Seen from above at a slant, a part reaches up beyond its outline on the table, never below it.
    assert abs(outline[:, 1].max() - rows.max()) < 2.5
    assert outline[:, 0].min() > columns.min() - 3
    assert outline[:, 0].max() < columns.max() + 4


def test_the_same_scene_gives_the_same_cutout(cut: Any) -> None:
    _, cut_out, _ = cut
    assert cut_out() == cut_out()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a small workspace whose recipe puts two little pictures together."""
    root = tmp_path / "workspace"
    root.mkdir()
    shutil.copy(ROOT / "dvc.yaml", root)
    shutil.copytree(ROOT / "label_configs", root / "label_configs")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["composition"] |= {
        "images": 2,
        "size_px": 96,
        "settings": 1,
        "cutouts_per_setting": 2,
        "cutout_px": 64,
        "samples_per_pixel": 2,
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    dvc.init(root)
    return root


def test_pictures_are_put_together_out_of_the_box_and_on_added_ones(
    workbench: Run, workspace: Path, tmp_path: Path, draw_photograph: Any, canary: str
) -> None:
    at = ("--workspace", workspace)
    planned = workbench("composition", "--dry-run", *at)
    assert planned["data"] == {"to_cut_out": 2, "to_make": 2, "known": 0, "dry_run": True}
    assert not (workspace / "data").exists()
    made = workbench("composition", *at)
    assert (made["data"]["made"], made["data"]["cut_out"], made["data"]["backgrounds"]) == (2, 2, {"drawn": 2})
    assert workbench("composition", *at)["data"]["made"] == 0
    folder = tmp_path / "tables"
    draw_photograph(folder / "one.jpg", seed=1)
    (folder / "two.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("passed over")
    add = ("composition", "add", folder, "--licence", "CC0-1.0", *at)
    assert workbench(*add, "--dry-run")["data"] == {"pictures": 1, "dry_run": True}
    added = workbench(*add)
    assert added["data"] == {"added": 1, "pictures": 1}
    assert [finding["code"] for finding in added["findings"]] == ["composition.picture-refused"]
    row = read_rows(workspace / "data" / "00_backgrounds" / "backgrounds.parquet", ADDED_BACKGROUNDS)[0]
    assert canary.encode() not in (workspace / "data" / row["path"]).read_bytes()
    remade = workbench("composition", *at)
    assert (remade["data"]["made"], remade["data"]["cut_out"]) == (2, 0)
    rows = read_rows(workspace / "data" / "06_composition" / "images.parquet", IMAGES)
    assert {one["split"] for one in rows} == {"train"}
    made_of = read_rows(workspace / "data" / "06_composition" / "made_of.parquet", MADE_OF)
    assert {one["background_id"] for one in made_of} == {row["image_id"]}
    for name, more in (("plain.png", ()), ("labels.png", ("--labels",))):
        workbench("composition", "sheet", tmp_path / name, *more, *at)
        assert (tmp_path / name).stat().st_size > 1000


def test_what_cannot_be_added_or_shown_is_refused(workbench: Run, workspace: Path, tmp_path: Path) -> None:
    at = ("--workspace", workspace)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = workbench("composition", "add", empty, "--licence", "CC0-1.0", *at, expect=1)
    assert refused["findings"][0]["code"] == "composition.no-picture"
    workbench("composition", "add", tmp_path / "nowhere", "--licence", "CC0-1.0", *at, expect=2)
    workbench("composition", "sheet", tmp_path / "sheet.txt", *at, expect=2)
    assert not (workspace / "data").exists()
