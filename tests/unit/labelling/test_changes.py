"""What became of suggestions, and which photographs are worth labelling first."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench import tables
from workbench.domain.annotation import Instance, Pass, Shape
from workbench.domain.geometry import Box
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling import changes, ranking, snapshot
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.pairing import f1
from workbench.labelling.ranking import RankBy

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
IMAGE = "a" * 64


@pytest.fixture(scope="module")
def config() -> LabelConfig:
    taxonomy = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
    return read_label_config(CONFIGS / "parts", taxonomy)


def _box(name: str, left: float, *, category: str = "part.barrel", text: str | None = None) -> Instance:
    box = Box(x_min=left, y_min=10, x_max=left + 20, y_max=50)
    return Instance(instance_id=name, image_id=IMAGE, category=category, shape=Shape.BOX, box=box, transcription=text)


def _export(config: LabelConfig, before: list[Instance], after: list[Instance], **answer: Any) -> list[dict[str, Any]]:
    shown, _ = results_from_instances(before, config=config, size_wh=(200, 100))
    given, _ = results_from_instances(after, config=config, size_wh=(200, 100))
    shown = [{**item, "score": 0.75} for item in shown]
    annotation = {"id": 1, "unique_id": "u", "completed_by": "one@example.org", "result": given}
    annotation |= {"prediction": {"result": shown, "model_version": "m-1"} if before else {}} | answer
    return [{"id": 1, "data": {"sha256": IMAGE}, "annotations": [annotation]}]


def _rows(config: LabelConfig, exported: list[dict[str, Any]]) -> list[dict[str, Any]]:
    images = {IMAGE: {"image_id": IMAGE, "width_px": 200, "height_px": 100}}
    return changes.read_changes(exported, images=images, config=config, pseudonym=lambda email: email[:3])


def test_each_suggestion_is_told_by_what_became_of_it(config: LabelConfig, tmp_path: Path) -> None:
    before = [_box("left", 0), _box("moved", 25), _box("renamed", 50), _box("gone", 75), _box("text", 100, text="AB1")]
    before.append(_box("redrawn", 125))
    after = [_box("left", 0), _box("moved", 30), _box("renamed", 52, category="part.slide")]
    after += [_box("text", 100, text="A?1"), _box("by hand", 130), _box("new", 160)]
    rows = _rows(config, _export(config, before, after))
    told = {row["suggestion_id"]: (row["change"], row["iou"], row["score"]) for row in rows}
    assert told == {
        "left": ("untouched", 1.0, 0.75),
        "moved": ("moved", 0.6, 0.75),
        "renamed": ("reclassed", pytest.approx(18 / 22, abs=1e-4), 0.75),
        "gone": ("deleted", None, 0.75),
        "text": ("retyped", 1.0, 0.75),
        "redrawn": ("moved", 0.6, 0.75),
        None: ("added", None, None),
    }
    assert {row["model_version"] for row in rows} == {"m-1"}
    (summary,) = changes.summarise(rows)
    assert summary == {
        "model": "m-1",
        "answers": 1,
        "untouched": 1,
        "moved": 2,
        "reclassed": 1,
        "retyped": 1,
        "deleted": 1,
        "added": 1,
    }
    changes.write_changes(tmp_path, rows)
    assert tables.read_rows(tmp_path / "changes.parquet", tables.CHANGES) == rows


def test_blind_and_skipped_answers_and_unreadable_ones_tell_of_no_change(config: LabelConfig) -> None:
    assert _rows(config, _export(config, [], [_box("new", 0)])) == []
    shown = [_box("left", 0)]
    assert _rows(config, _export(config, shown, [], was_cancelled=True)) == []
    spoilt = copy.deepcopy(_export(config, shown, shown))
    spoilt[0]["annotations"][0]["result"][0]["value"]["rectanglelabels"] = ["part.made_up"]
    assert _rows(config, spoilt) == []


def test_models_are_told_apart_by_class_and_place() -> None:
    first, second = [_box("a", 0), _box("b", 60)], [_box("c", 2), _box("d", 60, category="part.slide")]
    assert f1(first, first, least_iou=0.5) == 1.0
    assert f1(first, second, least_iou=0.5) == 0.5
    assert f1([], [], least_iou=0.5) == 1.0
    assert f1(first, [], least_iou=0.5) == 0.0


def test_the_photograph_models_differ_about_or_are_unsure_of_comes_first() -> None:
    def seen(image_id: str, *scores: float | None) -> dict[str, Any]:
        return {"image_id": image_id, "objects": [{"instance_id": "x", "score": score} for score in scores]}

    unsure = ranking.uncertainty([seen("a", 0.99), seen("b", 0.99, 0.5), seen("c"), seen("a", None), seen("d", 0.9)])
    assert unsure["b"] == 1.0
    assert unsure["c"] == 0.0
    assert 0 < unsure["a"] < unsure["d"] < 1
    same, other = [_box("1", 0)], [_box("2", 60)]
    differ = ranking.disagreement([{"a": same, "b": same, "c": []}, {"a": same, "b": other}], [{"a": other, "e": same}])
    assert differ == {"a": 2 / 3, "b": 1.0}
    by = {kind: [row["image_id"] for row in ranking.rank(unsure, differ, by=kind)] for kind in RankBy}
    assert by == {"uncertainty": ["b", "d", "a", "c"], "disagreement": ["b", "a"], "both": ["b", "d", "a", "c"]}


def test_an_answer_given_with_a_suggestion_on_the_page_is_a_review_and_frozen_with_it(config: LabelConfig) -> None:
    shown = [_box("left", 0)]
    exported = _export(config, shown, shown, created_at="2026-01-01T00:00:00.000000Z", lead_time=1.0)
    blind = copy.deepcopy(exported[0]["annotations"][0]) | {"id": 2, "unique_id": "v", "prediction": {}}
    exported[0]["annotations"].append(blind)
    images = {IMAGE: {"image_id": IMAGE, "width_px": 200, "height_px": 100}}
    frozen = snapshot.read_answers(exported, images=images, config=config, pseudonym=str)
    assert sorted(answer.pass_ for answer in frozen.annotations) == [Pass.BLIND1, Pass.REVIEW]
    assert frozen.export is not None
    again = snapshot.read_answers(frozen.export, images=images, config=config, pseudonym=str)
    assert again == frozen
    assert [row["change"] for row in _rows(config, list(frozen.export))] == ["untouched"]
