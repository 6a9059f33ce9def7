from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from workbench.adapters.pixels import crop_jpeg, decode_rgb
from workbench.adjudication.differences import differences
from workbench.adjudication.marks import read_marks
from workbench.adjudication.objects import pair_answers
from workbench.adjudication.report_page import Measured, report_page
from workbench.adjudication.stage import ACTIVITY, run_adjudication
from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, CHANGES, INSTANCES, instance_row, write_table

TAXONOMY_FILE = Path(__file__).resolve().parents[3] / "label_configs" / "taxonomy.yaml"
TAXONOMY = Taxonomy.from_mapping(yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8")))
PARAMS = {
    "activity": ACTIVITY,
    "match_iou": 0.5,
    "accept_iou": 0.7,
    "single_annotator": "accept",
    "bootstrap_rounds": 20,
    "bootstrap_seed": 1,
    "session_gap_min": 30,
    "queue": ["category"],
}
Mark = tuple[float, float, str, str | None]


def _measured(tmp_path: Path, answers: dict[str, dict[str, list[Mark]]]) -> Measured:
    """Adjudicate answers, boxes of 20 pixels: for each photograph what each labeller marked where."""
    layout = Layout(tmp_path)
    said, drawn = [], []
    for image, of in answers.items():
        for name, marks in of.items():
            key = f"{image}-{name}"
            said.append(
                {
                    "annotation_id": key,
                    "image_id": image,
                    "project": "parts",
                    "annotator": name,
                    "pass_": "blind1",
                    "submitted_at": "2026-01-01T00:00:00Z",
                    "lead_time_s": 30.0,
                    "source": "label-studio",
                    "taxonomy_version": TAXONOMY.version,
                }
            )
            drawn += [
                instance_row(
                    Instance(
                        instance_id=f"{key}-{place}",
                        image_id=image,
                        category=category,
                        shape=Shape.BOX,
                        box=Box(x_min=x, y_min=y, x_max=x + 20, y_max=y + 20),
                        transcription=text,
                        annotation_id=key,
                        annotator=name,
                    )
                )
                for place, (x, y, category, text) in enumerate(marks)
            ]
    write_table(layout.labelling / "parts" / "annotations.parquet", ANNOTATIONS, said)
    write_table(layout.labelling / "parts" / "instances.parquet", INSTANCES, drawn)
    run_adjudication(layout, PARAMS, taxonomy=TAXONOMY)
    marks = read_marks(layout, TAXONOMY)
    found = differences(marks, pair_answers(marks, match_iou=0.5), accept_iou=0.7, each=8)
    read: dict[str, Any] = {
        name: json.loads((layout.adjudication / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("agreement", "labellers")
    }
    return Measured(
        **read,
        differences={(marks.annotators[one], marks.annotators[other]): rows for (one, other), rows in found.items()},
    )


ANSWERS: dict[str, dict[str, list[Mark]]] = {
    "i": {
        "p": [(100, 100, "part.barrel", None), (300, 100, "marking.maker", "WRA"), (100, 300, "part.grip", None)],
        "q": [(101, 100, "part.slide", None), (300, 101, "marking.maker", "WPA"), (102, 302, "part.grip", None)],
    },
    "j": {"p": [(50, 50, "part.barrel", None)], "q": []},
    "k": {"p": [(50, 50, "context.face", None), (60, 60, "part.barrel", None)], "q": [(50, 50, "context.face", None)]},
}


def _crop(_image_id: str, box: Box) -> tuple[bytes, tuple[int, int, int, int]]:
    return crop_jpeg(np.zeros((600, 800, 3), np.uint8), box.xyxy, side_px=64)


def test_every_kind_of_difference_is_found_where_it_is(tmp_path: Path) -> None:
    (rows,) = _measured(tmp_path, ANSWERS).differences.values()
    assert sorted((row.kind, row.image_id) for row in rows) == [
        ("category", "i"),
        ("missed", "j"),
        ("missed", "k"),
        ("shape", "i"),
        ("text", "i"),
    ]
    for row in rows:
        for drawn in row.drawn:
            assert drawn.box is not None
            assert row.around.x_min < drawn.box[0] < drawn.box[2] < row.around.x_max
    assert {row.image_id for row in rows if row.personal} == {"k"}


def test_the_page_opens_each_pair_and_shows_no_place_with_personal_data(tmp_path: Path) -> None:
    shown: list[str] = []

    def crop(image_id: str, box: Box) -> tuple[bytes, tuple[int, int, int, int]]:
        shown.append(image_id)
        return _crop(image_id, box)

    page = report_page(_measured(tmp_path, ANSWERS), crop=crop)
    assert 'href="#pair-1-2"' in page
    assert 'id="pair-1-2"' in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert set(shown) == {"i", "j"}
    assert "somebody marked personal data here" in page
    assert "marking.maker &#39;WPA&#39;" in page


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = report_page(_measured(tmp_path, ANSWERS), crop=_crop)
    assert "<script" not in page
    assert not re.search(r"\son\w+=", page)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page


def test_what_people_wrote_is_shown_as_text(tmp_path: Path) -> None:
    answers: dict[str, dict[str, list[Mark]]] = {
        "i": {
            "<b>p": [(0, 0, "marking.maker", "<script>alert(1)</script>")],
            "q": [(0, 0, "marking.maker", "x")],
        }
    }
    page = report_page(_measured(tmp_path, answers), crop=_crop)
    assert "<script" not in page
    assert "<b>p" not in page


def test_a_page_without_anything_to_compare_says_so(tmp_path: Path) -> None:
    page = report_page(_measured(tmp_path, {"i": {"p": []}}), crop=lambda _image_id, _box: None)
    assert "there is nothing to compare" in page


def test_a_picture_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    page = report_page(_measured(tmp_path, ANSWERS), crop=lambda _image_id, _box: None)
    assert page.count("the picture is not to be had") == 4


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        ((10.2, 20.9, 30.1, 40.0), (10, 20, 31, 40)),
        ((-50, -50, 900, 900), (0, 0, 200, 100)),
        ((500, 500, 600, 600), (199, 99, 200, 100)),
    ],
)
def test_a_place_is_cut_to_the_picture(box: tuple[float, ...], shown: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 255, (100, 200, 3), np.uint8)
    jpeg, pixels = crop_jpeg(image, box, side_px=50)  # type: ignore[arg-type]
    assert pixels == shown
    assert max(decode_rgb(jpeg, "a crop").shape[:2]) <= 50


def test_what_became_of_suggestions_is_told_of_each_labeller(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    base = {"image_id": "i", "model_version": "m", "suggestion_id": "s", "instance_id": "x"}
    rows = [
        base | {"annotation_id": f"i-{name}", "annotator": name, "change": change}
        for name, changes in {"p": ["untouched", "untouched", "moved", "added"], "q": ["deleted"]}.items()
        for change in changes
    ]
    write_table(layout.labelling / "parts" / "changes.parquet", CHANGES, rows)
    measured = _measured(tmp_path, ANSWERS)
    told = measured.labellers["p"]["suggestions"]
    assert told["kept_frac"] == pytest.approx(2 / 3)
    assert (told["answers"], told["added"], measured.labellers["q"]["suggestions"]["deleted"]) == (1, 1, 1)
    assert "66.7 %" in report_page(measured, crop=_crop)
    assert "Suggestions" not in report_page(_measured(tmp_path / "none", ANSWERS), crop=_crop)
