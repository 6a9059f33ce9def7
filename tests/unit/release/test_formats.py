"""Every format says the same: the same pictures, classes in the same order, the same coordinates."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from defusedxml.ElementTree import parse
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from workbench.adapters.masks import decode_mask, encode_mask
from workbench.cli.release_formats import real_draw
from workbench.domain.findings import BadUsage
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.foreign import read_foreign
from workbench.labelling.importing import map_labels
from workbench.layout import Layout
from workbench.release.charts import heat_counts
from workbench.release.formats import FORMATS
from workbench.release.formats.yolo import label_bytes, one_outline, oriented_corners
from workbench.release.former import Former
from workbench.release.increment import Increment
from workbench.release.layouts import require_layout, write_layout
from workbench.release.rle import rle_area_px2, rle_mask
from workbench.tables import IMAGES, INSTANCES, instance_row, read_rows, write_table

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def truth(assembled: Layout) -> dict[str, list[tuple[Any, ...]]]:
    """For each image, the boxes of its objects as the tables have them, in order of their ids."""
    images = pd.read_parquet(assembled.release / "images.parquet")
    found: dict[str, list[tuple[Any, ...]]] = {image_id: [] for image_id in images["image_id"]}
    for row in pd.read_parquet(assembled.release / "instances.parquet").sort_values("instance_id").itertuples():
        if row.x_min == row.x_min:
            found[row.image_id].append((row.category, row.x_min, row.y_min, row.x_max, row.y_max))
    return found


def by_name(images: list[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Return our own importer's reading as boxes by image."""
    found = {}
    for image in images:
        boxes = []
        for shape in image.shapes:
            xs, ys = [v for ring in shape.rings for v in ring[0::2]], [v for ring in shape.rings for v in ring[1::2]]
            edges = shape.box_xyxy or (min(xs), min(ys), max(xs), max(ys))
            scale = (320, 240) if image.normalised else (1, 1)
            boxes.append((shape.word, *(v * scale[i % 2] for i, v in enumerate(edges))))
        found[Path(image.name).stem] = boxes
    return found


def same(found: dict[str, Any], truth: dict[str, Any]) -> None:
    assert found.keys() == truth.keys()
    for image_id, boxes in truth.items():
        assert [box[0] for box in found[image_id]] == [box[0] for box in boxes]
        assert np.allclose([box[1:] for box in found[image_id]], [box[1:] for box in boxes], atol=1e-9)


def test_our_own_importer_reads_voc_back_to_the_very_numbers(assembled: Layout, truth: dict[str, Any]) -> None:
    assert by_name(read_foreign(assembled.release / "voc" / "Annotations", "voc")) == truth


@pytest.mark.parametrize("name", ["yolo", "yolo_segment"])
def test_our_own_importer_reads_yolo_back(
    assembled: Layout, truth: dict[str, Any], taxonomy: Taxonomy, tmp_path: Path, name: str
) -> None:
    write_layout(tmp_path / "out", assembled.release, name, taxonomy, outline=real_draw().outline)
    same(by_name(read_foreign(tmp_path / "out", "yolo")), truth)


def test_cvat_holds_boxes_polygons_masks_and_points_with_their_facets(assembled: Layout) -> None:
    rows = {row["instance_id"]: row for row in read_rows(assembled.release / "instances.parquet", INSTANCES)}
    seen: set[str] = set()
    for split in SPLITS:
        for image in parse(assembled.release / f"cvat_{split}.xml").getroot().iter("image"):
            assert (assembled.release / "images" / image.get("name")).is_file()
            for shape in image:
                told = {entry.get("name"): entry.text for entry in shape}
                row = rows[told["object_id"]]
                seen.add(row["instance_id"])
                assert shape.get("label") == row["category"]
                assert told["material"] == "polymer"
                if shape.tag == "box":
                    edges = [float(shape.get(name)) for name in ("xtl", "ytl", "xbr", "ybr")]
                    assert edges == [row["x_min"], row["y_min"], row["x_max"], row["y_max"]]
                elif shape.tag == "mask":
                    assert (_cvat_mask(shape) == decode_mask(row["mask_rle"], height_px=240, width_px=320)).all()
                else:
                    points = [float(v) for pair in shape.get("points").split(";") for v in pair.split(",")]
                    tip = [value for point in row["keypoints"] or () for value in (point["x_px"], point["y_px"])]
                    assert points == (row["rings"][0] if shape.tag == "polygon" else tip)
    assert seen == set(rows)


def test_our_own_importer_reads_cvat_back_to_the_very_shapes(
    layout: Layout, run_assemble: Callable[..., Any], taxonomy: Taxonomy
) -> None:
    two_rings = [[150.0, 40.0, 220.0, 60.0, 180.0, 130.0], [10.5, 10.0, 30.0, 10.0, 30.0, 30.25]]
    table = layout.adjudication / "instances.parquet"
    found = read_rows(table, INSTANCES)
    for row in found:
        if row["shape"] == "polygon":
            row |= {"rings": two_rings, "x_min": 10.5, "y_min": 10.0}
    write_table(table, INSTANCES, found)
    run_assemble(layout)
    rows = {row["image_id"]: row for row in read_rows(layout.release / "images.parquet", IMAGES)}
    truth = read_rows(layout.release / "instances.parquet", INSTANCES)
    shapes: list[Any] = []
    for split in SPLITS:
        foreign = read_foreign(layout.release / f"cvat_{split}.xml", "cvat")
        names = {image.name: Path(image.name).stem for image in foreign}
        classes = {code: code for code in taxonomy.codes}
        mapped = map_labels(foreign, classes=classes, names=names, images=rows, label_format="cvat", stored=False)
        assert mapped.findings == ()
        shapes += [instance_row(one) for annotation in mapped.annotations for one in annotation.instances]

    def told(row: Any) -> tuple[Any, ...]:
        edges = tuple(row[name] for name in ("x_min", "y_min", "x_max", "y_max"))
        points = [(point["x_px"], point["y_px"]) for point in row["keypoints"] or ()]
        return row["image_id"], row["category"], row["shape"], edges, str(row["rings"]), row["mask_rle"], str(points)

    assert sorted(map(repr, map(told, shapes))) == sorted(map(repr, map(told, truth)))


def _cvat_mask(shape: Any) -> Any:
    left, top, width, height = (int(shape.get(name)) for name in ("left", "top", "width", "height"))
    runs = [int(word) for word in shape.get("rle").split(",")]
    mask = np.zeros((240, 320), bool)
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask[top : top + height, left : left + width] = flat.reshape(height, width)
    return mask


def test_pycocotools_loads_the_named_points(assembled: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    for split in SPLITS:
        coco = COCO(str(assembled.release / "annotations" / f"coco_keypoints_{split}.json"))
        instances = COCO(str(assembled.release / "annotations" / f"coco_{split}.json"))
        assert set(coco.imgs) == set(instances.imgs)
        assert len(coco.anns) == len(coco.imgs)
        for number, annotation in coco.anns.items():
            assert instances.anns[number]["attributes"]["shape"] == "keypoint"
            assert annotation["keypoints"] == [180.0, 130.0, 2]
            assert coco.cats[annotation["category_id"]]["keypoints"] == ["tip"]
    capsys.readouterr()


def test_image_folder_metadata_names_every_picture_and_its_objects(assembled: Layout, truth: dict[str, Any]) -> None:
    found = {}
    for split in SPLITS:
        table = pd.read_parquet(assembled.release / "images" / split / "metadata.parquet")
        assert {p.name for p in (assembled.release / "images" / split).glob("*.jpg")} == set(table["file_name"])
        for row in table.itertuples():
            boxes = [(o["category"], *o["bbox"]) for o in row.objects if o["shape"] != "keypoint"]
            found[row.image_id] = [(c, x, y, x + w, y + h) for c, x, y, w, h in boxes]
    same(found, truth)
    settings = yaml.safe_load((assembled.release / "README.md").read_text().split("---")[1])
    assert settings["pretty_name"] == "Drawn <sample> & test"
    assert {entry["split"] for entry in settings["configs"][0]["data_files"]} == {"train", "validation", "test"}


def test_classes_are_numbered_alike_everywhere(assembled: Layout, taxonomy: Taxonomy) -> None:
    folder = assembled.release
    assert tuple((folder / "classes.txt").read_text().split()) == taxonomy.codes
    assert tuple(yaml.safe_load((folder / "data.yaml").read_text())["names"].values()) == taxonomy.codes
    coco = json.loads((folder / "annotations" / "coco_test.json").read_text())
    assert tuple(c["name"] for c in sorted(coco["categories"], key=lambda c: c["id"])) == taxonomy.codes
    labels = [line.split(":")[0] for line in (folder / "voc" / "labelmap.txt").read_text().splitlines()[1:]]
    assert tuple(labels) == taxonomy.codes
    meta = parse(folder / "cvat_test.xml").getroot().iter("label")
    assert tuple(label.findtext("name") for label in meta) == taxonomy.codes
    table = pd.read_parquet(folder / "images" / "test" / "metadata.parquet")
    assert all(taxonomy.codes[o["category_id"]] == o["category"] for row in table["objects"] for o in row)


def test_croissant_names_the_tables_by_their_digests_and_tells_who_should_beware(assembled: Layout) -> None:
    document = json.loads((assembled.release / "croissant.json").read_text())
    for entry in document["distribution"]:
        if entry["@type"] == "cr:FileObject":
            data = (assembled.release / entry["contentUrl"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert document["rai:dataUseCases"] == ["tests"]
    assert "Masked: transcription" in document["rai:personalSensitiveInformation"]
    assert any("BR: 4" in bias for bias in document["rai:dataBiases"])


def test_shards_are_the_same_bytes_twice_and_hold_the_very_pictures(
    assembled: Layout, taxonomy: Taxonomy, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        write_layout(tmp_path / name, assembled.release, "webdataset", taxonomy, outline=real_draw().outline)
    shards = sorted((tmp_path / "one" / "shards").glob("*.tar"))
    assert [shard.name for shard in shards] == ["test-000000.tar", "train-000000.tar", "val-000000.tar"]
    images = pd.read_parquet(assembled.release / "images.parquet").set_index("image_id")
    for shard in shards:
        assert shard.read_bytes() == (tmp_path / "two" / "shards" / shard.name).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(shard.read_bytes())) as tar:
            members = {member.name: tar.extractfile(member) for member in tar}
            for name, handle in members.items():
                assert handle is not None
                image_id, suffix = name.split(".")
                if suffix == "json":
                    told = json.loads(handle.read())
                    assert told["image_id"] == image_id
                    assert len(told["objects"]) == 4
                    assert all("transcription" not in item for item in told["objects"])
                else:
                    assert hashlib.sha256(handle.read()).hexdigest() == images.loc[image_id, "file_sha256"]


@pytest.mark.parametrize("name", [*FORMATS])
def test_each_format_is_laid_out_whole_with_a_manifest_of_its_own(
    assembled: Layout, taxonomy: Taxonomy, tmp_path: Path, name: str
) -> None:
    count = write_layout(tmp_path / "out", assembled.release, name, taxonomy, outline=real_draw().outline)
    listed = (tmp_path / "out" / "MANIFEST.sha256").read_text().splitlines()
    assert len(listed) == count > 7
    assert not list(tmp_path.glob(".out*"))


def test_a_format_nobody_writes_is_refused() -> None:
    with pytest.raises(BadUsage) as caught:
        require_layout("tfrecord")
    assert caught.value.findings[0].code == "release.unknown-format"


def test_only_the_formats_chosen_are_written(layout: Layout, run_assemble: Callable[..., Any]) -> None:
    run_assemble(layout)
    run_assemble(layout, formats=["coco"])
    found = {path.name for path in layout.release.iterdir()}
    assert "annotations" in found
    assert not found & {"labels", "voc", "croissant.json", "README.md", "data.yaml", "cvat_test.xml"}


def _millionths(limit_px: int) -> st.SearchStrategy[float]:
    """Coordinates as labelling keeps them: to a millionth of a pixel."""
    return st.integers(0, limit_px * 1_000_000).map(lambda value: value / 1_000_000)


ring = st.lists(st.tuples(_millionths(300), _millionths(200)), min_size=3, max_size=8)


@given(ring)
def test_the_oriented_rectangle_holds_every_point(points: list[tuple[float, float]]) -> None:
    corners = oriented_corners([value for point in points for value in point])
    around = shapely.Polygon(list(zip(corners[0::2], corners[1::2], strict=True))).buffer(1e-6)
    assert len(corners) == 8
    assert all(around.covers(shapely.Point(point)) or around.distance(shapely.Point(point)) < 1e-6 for point in points)


@given(st.lists(st.lists(st.floats(0, 1) | st.floats(0, 2e-4), min_size=4, max_size=9), max_size=4))
def test_labels_are_written_number_by_number_as_python_writes_them(rows: list[list[float]]) -> None:
    told = [[number, *row] for number, row in enumerate(rows)]
    assert label_bytes(told) == "".join(f"{' '.join(map(repr, row))}\n" for row in told).encode()


def test_several_rings_become_one_of_the_same_area() -> None:
    rings = [[0, 0, 4, 0, 4, 4, 0, 4], [10, 10, 12, 10, 12, 12, 10, 12]]
    joined = one_outline(rings)
    outline = shapely.Polygon(list(zip(joined[0::2], joined[1::2], strict=True)))
    assert outline.area == 16 + 4


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_a_mask_is_read_without_a_tool_as_pycocotools_wrote_it(width: int, height: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    counts = encode_mask(mask)
    assert (rle_mask(counts, width_px=width, height_px=height) == mask).all()
    assert rle_area_px2(counts) == mask.sum()


def test_a_heat_map_counts_the_boxes_over_each_cell() -> None:
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 1.0, 1.0]])
    assert heat_counts(boxes, cells=4).tolist() == [[1, 1, 0, 0], [1, 2, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]]


def test_one_changed_label_rewrites_its_files_and_gives_the_bytes_of_a_fresh_release(
    layout: Layout, make_workspace: Callable[[Path], Layout], run_assemble: Callable[..., Any], tmp_path: Path
) -> None:
    run_assemble(layout)
    before = {path: path.stat().st_mtime_ns for path in layout.release.rglob("*") if path.is_file()}
    other = make_workspace(tmp_path / "fresh")
    for place in (layout, other):
        path = place.adjudication / "instances.parquet"
        rows = read_rows(path, INSTANCES)
        changed = next(row for row in rows if row["category"] == "negative.plumbing_or_tube" and row["shape"] == "box")
        changed["x_max"] += 1.0
        write_table(path, INSTANCES, rows)
    again = run_assemble(layout)
    run_assemble(other)
    assert _bytes(layout.release) == _bytes(other.release)
    pictures = [path for path in before if path.suffix in {".jpg", ".txt"} or "Annotations" in path.parts]
    rewritten = [path for path in pictures if path.stat().st_mtime_ns != before[path]]
    assert len(rewritten) == 4  # its VOC file and its three YOLO files
    assert again.written < 25


@pytest.mark.parametrize("harm", ["edit", "remove", "add", "link"])
def test_a_release_folder_that_was_meddled_with_is_mended(
    layout: Layout, run_assemble: Callable[..., Any], harm: str
) -> None:
    run_assemble(layout)
    sound = _bytes(layout.release)
    victim = next((layout.release / "labels" / "train").iterdir())
    if harm == "edit":
        victim.write_text("0 0 0 0 0\n")
    elif harm == "add":
        (layout.release / "stray" / "file.txt").parent.mkdir()
        (layout.release / "stray" / "file.txt").write_text("stray")
    else:
        victim.unlink()
        if harm == "link":
            victim.symlink_to(layout.params)
    run_assemble(layout)
    assert _bytes(layout.release) == sound


@pytest.mark.parametrize("at", [1, 3, 10])
def test_an_interrupted_change_is_completed_by_the_next_run(
    layout: Layout, run_assemble: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    run_assemble(layout)
    sound = _bytes(layout.release)
    run_assemble(layout, title="Another title")
    from workbench.release import increment

    calls = 0
    real = increment.os.replace

    def broken(source: Any, target: Any) -> None:
        nonlocal calls
        calls += "fragments" not in str(source)
        if calls == at:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(increment.os, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        run_assemble(layout)
    monkeypatch.undo()
    run_assemble(layout)
    assert _bytes(layout.release) == sound


@pytest.mark.parametrize("then", ["as changed", "as before"])
@pytest.mark.parametrize("broken_off", ["before it is in place", "after"])
def test_what_an_interrupted_run_made_is_never_taken_for_what_other_labels_make(
    layout: Layout, run_assemble: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, broken_off: str, then: str
) -> None:
    table = layout.adjudication / "instances.parquet"
    run_assemble(layout)
    before = table.read_bytes()
    rows = read_rows(table, INSTANCES)
    next(row for row in rows if row["shape"] == "box")["x_max"] = 99.0
    write_table(table, INSTANCES, rows)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    if broken_off == "after":
        monkeypatch.setattr(Former, "note", interrupted)
    else:
        monkeypatch.setattr(Increment, "apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_assemble(layout)
    monkeypatch.undo()
    if then == "as before":
        table.write_bytes(before)
    run_assemble(layout)
    repeated = _bytes(layout.release)
    shutil.rmtree(layout.release)
    shutil.rmtree(layout.state / "release")
    run_assemble(layout)
    assert repeated == _bytes(layout.release)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
