"""What an assembled release holds, in which formats, and what it refuses to hold."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from workbench.domain.findings import Refused
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.release.formats.yolo import yolo_line
from workbench.release.picture import stable_numbers
from workbench.tables import IMAGES, INSTANCES, ITEMS, LABELLED, POSES, read_rows, write_table


def load(folder: Path, split: str) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / "annotations" / f"coco_{split}.json"))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rewrite(path: Path, schema: Any, change: Callable[[dict[str, Any]], None]) -> None:
    rows = read_rows(path, schema)
    for row in rows:
        change(row)
    write_table(path, schema, rows)


def refusal(run: Callable[[], Any]) -> set[str]:
    with pytest.raises(Refused) as caught:
        run()
    return {finding.code for finding in caught.value.findings}


def test_pycocotools_loads_every_split_and_decodes_every_shape(assembled: Layout) -> None:
    images = 0
    for split in ("train", "val", "test"):
        coco = load(assembled.release, split)
        images += len(coco.imgs)
        shapes = {a["attributes"]["shape"]: a for a in coco.loadAnns(coco.getAnnIds(imgIds=[next(iter(coco.imgs))]))}
        assert coco.annToMask(shapes["mask"]).sum() == shapes["mask"]["area"] == 60 * 80
        assert coco.annToMask(shapes["polygon"]).sum() == pytest.approx(shapes["polygon"]["area"], rel=0.05)
        assert shapes["keypoint"]["attributes"]["points"] == [{"name": "tip", "x_px": 180.0, "y_px": 130.0}]
        assert shapes["box"]["attributes"]["facets"] == {"material": "polymer"}
        for image in coco.imgs.values():
            assert (assembled.release / "images" / image["file_name"]).is_file()
    assert images == 7


def test_coordinates_are_the_same_in_coco_yolo_and_the_tables(assembled: Layout) -> None:
    folder = assembled.release
    images = pd.read_parquet(folder / "images.parquet").set_index("image_id")
    instances = pd.read_parquet(folder / "instances.parquet").set_index("instance_id")
    codes = yaml.safe_load((folder / "data.yaml").read_text())["names"]
    for split in ("train", "val", "test"):
        for annotation in load(folder, split).anns.values():
            row = instances.loc[annotation["attributes"]["object_id"]]
            if row["shape"] == "keypoint":
                continue
            x, y, width, height = annotation["bbox"]
            assert (x, y, x + width, y + height) == (row.x_min, row.y_min, row.x_max, row.y_max)
    for image_id, image in images.iterrows():
        label = folder / "labels" / image.split / f"{image_id}.txt"
        boxed = instances[(instances.image_id == image_id) & instances.x_min.notna()]
        lines = [line.split() for line in label.read_text().splitlines()]
        assert len(lines) == len(boxed) == 3
        for line, row in zip(lines, boxed.itertuples(), strict=True):
            assert codes[int(line[0])] == row.category
            cx, cy, w, h = map(float, line[1:])
            back = [(cx - w / 2) * 320, (cy - h / 2) * 240, (cx + w / 2) * 320, (cy + h / 2) * 240]
            assert back == pytest.approx([row.x_min, row.y_min, row.x_max, row.y_max], abs=1e-9)


@given(
    st.tuples(*[st.floats(0, 5000, allow_nan=False)] * 4), st.tuples(st.integers(5000, 9000), st.integers(5000, 9000))
)
def test_a_yolo_line_gives_the_box_back(edges: tuple[float, ...], size_wh: tuple[int, int]) -> None:
    (x_min, x_max), (y_min, y_max) = sorted(edges[:2]), sorted(edges[2:])
    row = {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max}
    line = yolo_line(row, 0, width_px=size_wh[0], height_px=size_wh[1])
    assert line is not None
    cx, cy, w, h = (float(word) for word in line.split()[1:])
    assert all(0 <= value <= 1 for value in (cx, cy, w, h))
    back = ((cx - w / 2) * size_wh[0], (cy - h / 2) * size_wh[1], (cx + w / 2) * size_wh[0], (cy + h / 2) * size_wh[1])
    assert back == pytest.approx((x_min, y_min, x_max, y_max), abs=1e-8)


@given(st.sets(st.text(), max_size=30), st.sets(st.text(), max_size=30))
def test_a_coco_id_stays_when_the_dataset_grows(some: set[str], more: set[str]) -> None:
    few, many = stable_numbers(some), stable_numbers(some | more)
    assert {key: many[key] for key in some} == few
    assert len(set(many.values())) == len(some | more)


def test_images_left_out_are_counted_by_reason(assembled: Layout) -> None:
    facts = json.loads((assembled.release / "summary.json").read_text())
    assert facts["left_out"] == {"disagreed": 1, "exact duplicate": 1, "not labelled": 1}
    assert facts["images"] == 7
    page = (assembled.release / "card.html").read_text()
    assert "exact duplicate" in page
    assert "Drawn &lt;sample&gt; &amp; test" in page


def test_the_card_loads_nothing_from_elsewhere(assembled: Layout) -> None:
    page = (assembled.release / "card.html").read_text()
    for word in ("<script", "<link", "url(http", 'src="http', 'href="http'):
        assert word not in page


def test_transcriptions_are_masked_unless_asked_for(
    layout: Layout, run_assemble: Callable[..., Any], assembled: Layout
) -> None:
    masked = pd.read_parquet(assembled.release / "instances.parquet")
    assert masked["transcription"].isna().all()
    assert not [name for name, data in contents(assembled.release).items() if b"AB?2" in data]
    assert json.loads((assembled.release / "summary.json").read_text())["masked"] == ["transcription"]
    run_assemble(layout, transcriptions="without_serials")
    partly = pd.read_parquet(layout.release / "instances.parquet")
    hidden = partly[partly["category"] == "marking.serial"]["transcription"]
    assert hidden.isna().all()
    assert len(hidden)
    assert (partly["transcription"] == "AB?2").any()
    assert refusal(lambda: run_assemble(layout, transcriptions="no")) == {"workspace.params-invalid"}


def test_two_workspaces_give_the_same_bytes(
    tmp_path: Path, make_workspace: Callable[[Path], Layout], run_assemble: Callable[..., Any], assembled: Layout
) -> None:
    other = make_workspace(tmp_path / "somewhere" / "else")
    run_assemble(other)
    run_assemble(other)
    assert contents(other.release) == contents(assembled.release)


def test_sha256sum_accepts_the_manifest_and_every_file_is_in_it(assembled: Layout) -> None:
    subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", "MANIFEST.sha256"], cwd=assembled.release, check=True
    )
    listed = [line[66:] for line in (assembled.release / "MANIFEST.sha256").read_text().splitlines()]
    assert listed == sorted(set(contents(assembled.release)) - {"MANIFEST.sha256"})


def test_data_yaml_names_folders_that_are_there_and_classes_in_the_taxonomy_s_order(
    assembled: Layout, taxonomy: Taxonomy
) -> None:
    config = yaml.safe_load((assembled.release / "data.yaml").read_text())
    assert "path" not in config
    assert all((assembled.release / config[split]).is_dir() for split in ("train", "val", "test"))
    assert tuple(config["names"].values()) == taxonomy.codes


def test_splits_csv_lists_every_image_with_its_group(assembled: Layout) -> None:
    splits = pd.read_csv(assembled.release / "splits.csv")
    assert list(splits.columns) == ["image_id", "group_id", "split"]
    assert len(splits) == 7


def test_a_release_without_renders_and_copies_is_a_release(layout: Layout, run_assemble: Callable[..., Any]) -> None:
    for folder in (layout.synthesis, layout.augmentation):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        folder.rmdir()
    assert run_assemble(layout).facts["images"] == 5


@pytest.mark.parametrize("folder", ["05_synthesis", "06_augmentation"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_synthetic_images_outside_training_are_refused(
    layout: Layout, run_assemble: Callable[..., Any], folder: str, split: str
) -> None:
    rewrite(layout.data / folder / "images.parquet", IMAGES, lambda row: row.update(split=split))
    assert "release.synthetic-outside-training" in refusal(lambda: run_assemble(layout))
    assert not layout.release.exists()


@pytest.mark.parametrize("column", ["group_id", "seizure_id"])
def test_a_group_or_seizure_in_two_splits_is_refused(
    layout: Layout, run_assemble: Callable[..., Any], column: str
) -> None:
    rewrite(layout.curation / "images.parquet", IMAGES, lambda row: row.update({column: "one"}))
    assert refusal(lambda: run_assemble(layout)) == {"release.split-leakage"}


@pytest.mark.parametrize("made", ["augmentation", "synthesis"])
def test_what_was_made_of_an_image_outside_training_is_refused(
    layout: Layout, run_assemble: Callable[..., Any], made: str
) -> None:
    images = read_rows(layout.curation / "images.parquet", IMAGES)
    released = {row["image_id"] for row in read_rows(layout.adjudication / "labelled.parquet", LABELLED)}
    other = next(row["image_id"] for row in images if row["split"] == "val" and row["image_id"] in released)
    folder = getattr(layout, made)
    rewrite(folder / "images.parquet", IMAGES, lambda row: row.update(parent_image_id=other))
    assert refusal(lambda: run_assemble(layout)) == {"release.split-leakage"}


def test_a_render_on_a_photograph_leaves_with_it_and_stays_out_with_it(
    layout: Layout, run_assemble: Callable[..., Any]
) -> None:
    images = read_rows(layout.curation / "images.parquet", IMAGES)
    released = {row["image_id"] for row in read_rows(layout.adjudication / "labelled.parquet", LABELLED)}
    parent = next(row for row in images if row["split"] == "train" and row["image_id"] in released)
    on_it = {name: parent[name] for name in ("contribution_id", "partner_id", "group_id")}
    on_it["parent_image_id"] = parent["image_id"]
    shutil.move(layout.synthesis, layout.composition)
    rewrite(layout.composition / "images.parquet", IMAGES, lambda row: row.update(on_it))
    table = layout.composition / "images.parquet"
    made = {row["image_id"] for row in read_rows(table, IMAGES)}
    for row in read_rows(table, IMAGES):
        (layout.data / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        moved = layout.composition / Path(row["path"]).relative_to(layout.synthesis.name)
        shutil.copy(moved, layout.data / row["path"])
    run_assemble(layout)
    assert made <= set(pd.read_parquet(layout.release / "images.parquet")["image_id"])
    exclude = {"excluded": "near-duplicate of another"}
    rewrite(
        layout.curation / "images.parquet",
        IMAGES,
        lambda row: row.update(exclude if row["image_id"] == parent["image_id"] else {}),
    )
    run_assemble(layout)
    assert made.isdisjoint(pd.read_parquet(layout.release / "images.parquet")["image_id"])


def test_an_unknown_code_is_refused(layout: Layout, run_assemble: Callable[..., Any]) -> None:
    rewrite(layout.adjudication / "instances.parquet", INSTANCES, lambda row: row.update(category="part.nonesuch"))
    assert refusal(lambda: run_assemble(layout)) == {"release.unknown-code"}


def test_a_shape_outside_its_image_is_refused_and_one_that_sticks_out_by_rounding_is_clipped(
    layout: Layout, run_assemble: Callable[..., Any]
) -> None:
    path = layout.adjudication / "instances.parquet"
    rewrite(path, INSTANCES, lambda row: row.update(x_max=320.6) if row["shape"] == "box" else None)
    run_assemble(layout)
    assert pd.read_parquet(layout.release / "instances.parquet")["x_max"].max() == 320.0
    rewrite(path, INSTANCES, lambda row: row.update(x_max=400.0) if row["shape"] == "box" else None)
    assert refusal(lambda: run_assemble(layout)) == {"release.outside-image"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -2.0, 321.5])
def test_a_ring_with_a_point_nowhere_or_outside_is_refused(
    layout: Layout, run_assemble: Callable[..., Any], value: float
) -> None:
    def harm(row: dict[str, Any]) -> None:
        if row["rings"]:
            row["rings"][0][2] = value

    rewrite(layout.adjudication / "instances.parquet", INSTANCES, harm)
    assert refusal(lambda: run_assemble(layout)) == {"release.outside-image"}


def test_nothing_labelled_is_nothing_to_release(layout: Layout, run_assemble: Callable[..., Any]) -> None:
    for folder in ("05_synthesis", "06_augmentation", "04_curation"):
        write_table(layout.data / folder / "images.parquet", IMAGES, [])
    assert refusal(lambda: run_assemble(layout)) == {"release.empty"}


def test_an_altered_working_copy_is_refused_and_the_former_release_stays(
    layout: Layout, run_assemble: Callable[..., Any]
) -> None:
    run_assemble(layout)
    before = contents(layout.release)
    shutil.rmtree(layout.state)  # else the pictures in place, whose bytes are right, would not be read again
    for path in layout.intake.rglob("*.jpg"):
        path.write_bytes(path.read_bytes() + b"x")
    assert refusal(lambda: run_assemble(layout)) == {"release.image-altered"}
    assert contents(layout.release) == before


@pytest.mark.parametrize("made_by", ["synthesis", "composition"])
def test_a_render_of_a_design_that_is_tested_with_stays_out_and_is_counted(
    layout: Layout, run_assemble: Callable[..., Any], made_by: str
) -> None:
    (render,) = read_rows(layout.synthesis / "images.parquet", IMAGES)
    # Whatever else a pose must tell.
    told = {f.name: {"string": "-", "int64": 1, "double": 1.0}.get(str(f.type), [0.0] * 8) for f in POSES}
    told |= {"keypoints": None, "distortion": None, "mesh_sha256": None, "object_to_camera": [0.0] * 16}
    pose = {**told, "image_id": render["image_id"], "instance_id": "i", "part_id": "bracket"}
    write_table(getattr(layout, made_by) / "poses.parquet", POSES, [pose])
    assert "render of a design in val or test" not in run_assemble(layout).facts["left_out"]
    # The photograph of seizure 4 is in the test split.
    rewrite(layout.curation / "images.parquet", IMAGES, lambda row: row.update(item_id="1"))
    item = {"item_id": "1", "seizure_id": "seizure-4", "contribution_id": "c1", "replica_of": "bracket"}
    write_table(layout.deliveries / "c1" / "items.parquet", ITEMS, [item])
    made = run_assemble(layout)
    assert made.facts["left_out"]["render of a design in val or test"] == 1
    assert render["image_id"] not in (layout.release / "splits.csv").read_text(encoding="utf-8")
