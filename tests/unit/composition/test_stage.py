"""The stage of composition: incremental, resumable, the same bytes, and rows that say where everything is from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from workbench.adapters.compositing import prepare
from workbench.adapters.masks import decode_mask
from workbench.adapters.processes import Processes
from workbench.composition.added import add_pictures
from workbench.composition.stage import preview, run_composition
from workbench.domain.composition import CompositionJob, CutOutPictures
from workbench.domain.scene import Scene
from workbench.layout import Layout
from workbench.tables import CUTOUTS, IMAGES, INSTANCES, MADE_OF, POSES, read_rows

ONE = Processes(1)
SCHEMAS = {"images": IMAGES, "instances": INSTANCES, "poses": POSES, "made_of": MADE_OF, "cutouts": CUTOUTS}


def _bytes(layout: Layout) -> dict[str, bytes]:
    folder = layout.composition
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _rows(layout: Layout, name: str) -> list[dict[str, Any]]:
    return read_rows(layout.composition / f"{name}.parquet", SCHEMAS[name])


def test_out_of_the_box_tables_are_drawn_and_the_same_seed_gives_the_same_bytes(
    layout: Layout, recipe: Any, tools: Any, tmp_path: Path
) -> None:
    assert preview(layout, recipe, tools).pictures_missing == 3
    outcome = run_composition(layout, recipe, tools, compute=ONE)
    assert (outcome.pictures, outcome.made, outcome.cut_out) == (3, 3, 6)
    assert {row["source"] for row in _rows(layout, "made_of")} == {"drawn"}
    other = Layout(tmp_path / "elsewhere" / "workspace")
    run_composition(other, recipe, tools, compute=Processes(2))
    assert _bytes(layout) == _bytes(other)
    assert not list((layout.state / "composition").rglob("*.json*"))


def test_a_repeat_makes_nothing_and_one_picture_more_makes_one(layout: Layout, recipe: Any, tools: Any) -> None:
    run_composition(layout, recipe, tools, compute=ONE)
    before = _bytes(layout)
    assert preview(layout, recipe, tools).pictures_missing == 0
    repeat = run_composition(layout, recipe, tools, compute=ONE)
    assert (repeat.made, repeat.cut_out) == (0, 0)
    assert _bytes(layout) == before
    more = replace(recipe, images=4)
    assert preview(layout, more, tools).pictures_missing == 1
    assert run_composition(layout, more, tools, compute=ONE).made == 1
    assert {name for name in before if name.startswith("images/")} < set(_bytes(layout))


def test_pictures_that_are_gone_or_damaged_are_made_again(layout: Layout, recipe: Any, tools: Any) -> None:
    run_composition(layout, recipe, tools, compute=ONE)
    before = _bytes(layout)
    picture = next((layout.composition / "images").glob("*/*"))
    picture.write_bytes(b"damaged")
    next((layout.composition / "cutouts").glob("*/*")).unlink()
    outcome = run_composition(layout, recipe, tools, compute=ONE)
    assert (outcome.made, outcome.cut_out) == (1, 1)
    assert _bytes(layout) == before


def test_no_picture_asked_for_is_nothing_rendered_and_nothing_left(layout: Layout, recipe: Any, tools: Any) -> None:
    run_composition(layout, recipe, tools, compute=ONE)
    none = replace(recipe, images=0)
    refusing = replace(tools, draw_lone=_never, cut_out=_never, draw_table=_never)
    assert run_composition(layout, none, refusing, compute=ONE).pictures == 0
    assert {name.split("/")[0] for name in _bytes(layout)} == {f"{name}.parquet" for name in SCHEMAS}
    assert all(_rows(layout, name) == [] for name in SCHEMAS)


def _never(*_: object) -> Any:
    raise AssertionError


def test_a_run_cut_short_goes_on_where_it_was(layout: Layout, recipe: Any, tools: Any, tmp_path: Path) -> None:
    rendered: list[int] = []

    def failing_cut_out(scene: Scene) -> CutOutPictures:
        rendered.append(scene.seed)
        if len(rendered) == 4:
            raise KeyboardInterrupt
        return tools.cut_out(scene)  # type: ignore[no-any-return]

    with pytest.raises(KeyboardInterrupt):
        run_composition(layout, recipe, replace(tools, cut_out=failing_cut_out), compute=ONE)
    made: list[int] = []

    def failing_compose(job: CompositionJob) -> Any:
        made.append(job.seed)
        if len(made) == 2:
            raise KeyboardInterrupt
        return tools.compose(job)

    with pytest.raises(KeyboardInterrupt):
        run_composition(layout, recipe, replace(tools, compose=failing_compose), compute=ONE)
    with (layout.state / "composition" / "journal.jsonl").open("a") as journal:
        journal.write('{"image": {"pa')  # a line at which the power went
    outcome = run_composition(layout, recipe, tools, compute=ONE)
    assert (outcome.made, outcome.cut_out) == (2, 0)
    whole = Layout(tmp_path / "elsewhere")
    run_composition(whole, recipe, tools, compute=ONE)
    assert _bytes(layout) == _bytes(whole)


def test_a_picture_on_a_partners_photograph_stays_in_its_group_and_names_it(
    world: Any, recipe: Any, tools: Any
) -> None:
    world.contribution("c-1", ["background"])
    parents = {world.photograph("c-1", category="negative.tool") for _ in range(3)}
    world.photograph("c-1", split="test")
    world.write()
    layout = world.layout
    run_composition(layout, replace(recipe, images=8), tools, compute=ONE)
    known = {row["image_id"]: row for row in world.images}
    rows = _rows(layout, "images")
    assert len(rows) == 8
    for row in rows:
        parent = known[row["parent_image_id"]]
        assert row["parent_image_id"] in parents
        assert (row["origin"], row["split"]) == ("rendered", "train")
        for name in ("contribution_id", "partner_id", "group_id", "seizure_id", "licence"):
            assert row[name] == parent[name]
    assert {row["source"] for row in _rows(layout, "made_of")} == {"photograph"}
    assert not (layout.composition / "drawn.json").exists()


def test_what_the_photograph_shows_is_carried_along_and_nothing_hides_it(world: Any, recipe: Any, tools: Any) -> None:
    world.contribution("c-1", ["background"])
    world.photograph("c-1", category="negative.tool")
    world.write()
    run_composition(world.layout, replace(recipe, images=6), tools, compute=ONE)
    objects = _rows(world.layout, "instances")
    carried = [row for row in objects if row["category"] == "negative.tool"]
    assert len(carried) == 6
    assert {(row["x_min"], row["y_min"], row["x_max"], row["y_max"]) for row in carried} == {(5.0, 10.0, 45.0, 50.0)}
    assert {row["parent_instance_id"] for row in carried} == {world.instances[0]["instance_id"]}
    parts = [row for row in objects if row["category"] == "negative.toy"]
    assert parts
    for row in parts:
        mask = decode_mask(row["mask_rle"], height_px=120, width_px=160)
        assert not mask[10:50, 5:45].any()
        columns = np.flatnonzero(mask.any(axis=0))
        assert (row["x_min"], row["x_max"]) == (columns[0], columns[-1] + 1)


def test_poses_say_where_a_part_is_seen(layout: Layout, recipe: Any, tools: Any) -> None:
    run_composition(layout, recipe, tools, compute=ONE)
    boxes = {row["instance_id"]: row for row in _rows(layout, "instances")}
    poses = _rows(layout, "poses")
    assert len(poses) == len(boxes)
    for pose in poses:
        box = boxes[pose["instance_id"]]
        whole = min(box["x_min"], box["y_min"]) > 0 and box["x_max"] < 160 and box["y_max"] < 120
        if whole and pose["visible_frac"] == 1:
            # A disc in its cut-out's middle is seen around the principal point.
            assert pose["cx_px"] == pytest.approx((box["x_min"] + box["x_max"]) / 2, abs=1)
            assert pose["cy_px"] == pytest.approx((box["y_min"] + box["y_max"]) / 2, abs=1)
        assert 0 < pose["visible_frac"] <= 1


def test_a_photograph_that_may_be_used_no_longer_takes_its_pictures_with_it(
    world: Any, recipe: Any, tools: Any
) -> None:
    world.contribution("c-1", ["background"])
    first, second = (world.photograph("c-1") for _ in range(2))
    world.write()
    many = replace(recipe, images=8)
    run_composition(world.layout, many, tools, compute=ONE)
    before = {row["parent_image_id"]: row["path"] for row in _rows(world.layout, "images")}
    assert set(before) == {first, second}
    kept = {row["path"] for row in _rows(world.layout, "images") if row["parent_image_id"] == second}
    world.images[0]["split"] = "val"
    world.write()
    run_composition(world.layout, many, tools, compute=ONE)
    rows = _rows(world.layout, "images")
    assert {row["parent_image_id"] for row in rows} == {second}
    assert kept <= {row["path"] for row in rows}
    assert not (world.layout.data / before[first]).exists()


def test_added_pictures_take_the_place_of_drawn_ones(layout: Layout, recipe: Any, tools: Any, drawn: Any) -> None:
    run_composition(layout, recipe, tools, compute=ONE)
    jpeg = tools.encode_jpeg(drawn.table(77))
    add_pictures(layout, [(jpeg, 160, 120)], licence="CC0-1.0", source="a shelf")
    run_composition(layout, recipe, tools, compute=ONE)
    rows = _rows(layout, "images")
    assert {row["licence"] for row in rows} == {"CC0-1.0"}
    assert {(row["parent_image_id"], row["contribution_id"]) for row in rows} == {(None, None)}
    assert not list((layout.composition / "drawn").glob("*/*"))
    assert json.dumps([row["group_id"] for row in rows]).count("background:") == 3


@pytest.mark.timeout(60)
def test_several_processes_make_the_same_bytes_whatever_ran_in_this_one_before(
    layout: Layout, recipe: Any, tools: Any, tmp_path: Path
) -> None:
    many = replace(recipe, images=10)
    run_composition(layout, many, tools, compute=ONE)
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3.0)  # OpenCV has threads of its own from here on
    other = Layout(tmp_path / "elsewhere")
    prepare()
    run_composition(other, many, tools, compute=Processes(2))
    assert _bytes(layout) == _bytes(other)
