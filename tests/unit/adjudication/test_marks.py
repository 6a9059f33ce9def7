"""What is read of snapshots in bulk is what the stage reads answer by answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from workbench.adapters.masks import encode_mask, mask_box
from workbench.adjudication.answers import read_answers
from workbench.adjudication.marks import SHAPES, Marks, read_marks
from workbench.adjudication.mask_overlap import masks_iou
from workbench.adjudication.matching import overlap_matrix
from workbench.adjudication.overlaps import pair_overlaps
from workbench.domain.annotation import Instance, Keypoint, Pass, Shape
from workbench.domain.geometry import Box, Ring, ring_box
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, INSTANCES, instance_row, write_table

TAXONOMY_FILE = Path(__file__).resolve().parents[3] / "label_configs" / "taxonomy.yaml"
DOCUMENT = yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8"))
TAXONOMY = Taxonomy.from_mapping(DOCUMENT)
SIZE_HW = (60, 80)


def _instance(rng: np.random.Generator, name: str, image: str, category: str, kind: Shape) -> Instance:
    x, y, wide, high = (*rng.uniform(0, 40, 2), *rng.uniform(4, 20, 2))
    base: dict[str, Any] = {"instance_id": name, "image_id": image, "category": category, "shape": kind}
    if kind is Shape.POLYGON:
        ring: Ring = (x, y, x + wide, y, x + wide, y + high, x, y + high / 2)
        second: Ring = (x + wide, y, x + wide + 5, y, x + wide + 5, y + 5)
        rings = (ring,) if rng.random() < 0.5 else (ring, second)
        boxes = [ring_box(each) for each in rings]
        box = Box(x_min=x, y_min=y, x_max=max(b.x_max for b in boxes), y_max=max(b.y_max for b in boxes))
        return Instance(**base, rings=rings, box=box)
    if kind is Shape.MASK:
        mask = np.zeros(SIZE_HW, bool)
        mask[int(y) : int(y + high), int(x) : int(x + wide)] = (
            rng.random((int(high + y) - int(y), int(x + wide) - int(x))) < 0.7
        )
        return Instance(**base, mask_rle=encode_mask(mask), box=mask_box(mask))
    if kind is Shape.KEYPOINT:
        return Instance(**base, keypoints=(Keypoint(name="a", x_px=x, y_px=y),))
    return Instance(**base, box=Box(x_min=x, y_min=y, x_max=x + wide, y_max=y + high))


def _snapshots(layout: Layout, rng: np.random.Generator, taxonomy_version: str) -> None:
    for project in ("parts", "markings"):
        said, drawn = [], []
        for number in range(24):
            image, who = f"i{rng.integers(0, 4)}", f"p{rng.integers(0, 3)}"
            key = f"{project}{rng.integers(0, 10**6):06d}-{number}"
            when = None if number % 7 == 0 else f"2026-01-{rng.integers(1, 28):02d}T00:00:00Z"
            said.append(
                {
                    "annotation_id": key,
                    "image_id": image,
                    "project": project,
                    "annotator": who,
                    "pass_": str(rng.choice(list(Pass))),
                    "submitted_at": when,
                    "lead_time_s": None if number % 5 == 0 else float(number),
                    "source": "label-studio",
                    "taxonomy_version": taxonomy_version,
                }
            )
            for place in range(int(rng.integers(0, 4))):
                category = str(rng.choice(["part.barrel", "part.grip", "unknown"]))
                kind = (Shape.BOX, Shape.POLYGON, Shape.MASK, Shape.KEYPOINT)[int(rng.integers(0, 4))]
                mark = _instance(rng, f"{key}-{place}", image, category, kind)
                drawn.append(instance_row(mark) | {"annotation_id": key, "annotator": who})
        write_table(layout.labelling / project / "annotations.parquet", ANNOTATIONS, said)
        write_table(layout.labelling / project / "instances.parquet", INSTANCES, drawn)


def _told(marks: Marks) -> dict[tuple[str, str, str], list[tuple[str, str, str]]]:
    """Each answer's marks as id, category and shape."""
    found: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for answer, task in enumerate(marks.answer_task):
        key = (
            marks.images[marks.task_image[task]],
            marks.projects[marks.task_project[task]],
            marks.annotators[marks.answer_annotator[answer]],
        )
        rows = range(marks.mark_bounds[answer], marks.mark_bounds[answer + 1])
        found[key] = [
            (
                marks.carried["instance_id"][row].as_py(),
                marks.categories[marks.mark_category[row]],
                SHAPES[marks.mark_shape[row]].value,
            )
            for row in rows
        ]
    return found


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=12)
def test_marks_are_the_answers_that_the_stage_counts(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    taxonomy = Taxonomy.from_mapping(
        DOCUMENT
        | {
            "categories": {
                code: {key: value for key, value in entry.items() if key != "confused_with"}
                for code, entry in DOCUMENT["categories"].items()
                if code not in {"part.barrel", "part.grip"}
            },
            "version": "9.0",
            "migrations": [
                {"to": "9.0", "rename": {"part.barrel": "part.slide"}, "deprecate": {"part.grip": "unclear"}},
            ],
        }
    )
    layout = Layout(tmp_path_factory.mktemp("ws"))
    _snapshots(layout, np.random.default_rng(seed), TAXONOMY.version)
    expected = {
        (image_id, project, who): [(mark.instance_id, mark.category, mark.shape.value) for mark in drawn]
        for image_id, projects in read_answers(layout, taxonomy).items()
        for project, of in projects.items()
        for who, drawn in of.blind.items()
    }
    assert _told(read_marks(layout, taxonomy)) == expected


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_overlaps_in_bulk_are_those_of_each_two(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    layout = Layout(tmp_path_factory.mktemp("ws"))
    _snapshots(layout, np.random.default_rng(seed), TAXONOMY.version)
    marks = read_marks(layout, TAXONOMY)
    held = {
        mark.instance_id: mark
        for projects in read_answers(layout, TAXONOMY).values()
        for of in projects.values()
        for drawn in of.blind.values()
        for mark in drawn
    }
    ids = marks.carried["instance_id"].to_pylist()
    rows = np.random.default_rng(seed).integers(0, max(1, len(ids)), (2, 60)) if ids else np.zeros((2, 0), np.int64)
    each = [
        overlap_matrix([held[ids[one]]], [held[ids[other]]])[0, 0] for one, other in zip(*rows.tolist(), strict=True)
    ]
    assert pair_overlaps(marks, rows[0], rows[1]) == pytest.approx(np.array(each), abs=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_masks_overlap_as_the_library_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = [encode_mask(rng.random(SIZE_HW) < share) for share in rng.uniform(0, 1, 2)]
    theirs = coco.iou(*([{"size": list(SIZE_HW), "counts": code.encode()}] for code in codes), [0])[0, 0]
    assert masks_iou(*codes) == pytest.approx(theirs)


def test_empty_masks_do_not_overlap() -> None:
    nothing = encode_mask(np.zeros(SIZE_HW, bool))
    everything = encode_mask(np.ones(SIZE_HW, bool))
    assert masks_iou(nothing, nothing) == 0
    assert masks_iou(nothing, everything) == 0
    assert masks_iou(everything, everything) == 1
