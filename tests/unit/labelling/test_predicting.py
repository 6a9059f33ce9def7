"""A model looks at photographs: each content once, whatever interrupts it, and no word gets through without a code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench import long_runs, tables
from workbench.adapters.processes import Processes
from workbench.domain.annotation import Shape
from workbench.domain.findings import Refused
from workbench.domain.geometry import Box
from workbench.domain.suggestion import ModelFacts, Suggestion
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling import predicting, predictions
from workbench.labelling.coco_results import read_coco_results
from workbench.labelling.label_config import read_label_config
from workbench.ports import silent

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
CLASSES = {"gear": "part.frame", "bolt": None}


class Counting:
    """A model that finds a gear and a bolt in each picture, and counts what it was shown."""

    facts = ModelFacts(name="counting", sha256="c" * 64, words=("bolt", "gear"))

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.shown: list[str] = []
        self._fails_at = fails_at

    def __call__(self, photograph: tuple[str, Path]) -> Sequence[Suggestion]:
        if len(self.shown) == self._fails_at:
            raise KeyboardInterrupt
        self.shown.append(photograph[0])
        box = Box(x_min=1.004, y_min=2, x_max=30, y_max=40)
        return [Suggestion(word=word, shape=Shape.BOX, box=box, score=0.87654321) for word in self.facts.words]


def _rows(count: int, **changes: Any) -> dict[str, dict[str, Any]]:
    rows = {}
    for number in range(count):
        image_id = f"{number:064x}"
        row = dict.fromkeys(tables.IMAGES.names) | {"image_id": image_id, "width_px": 200, "height_px": 100}
        rows[image_id] = row | {"path": f"{number}.jpg", "file_sha256": f"{number + 1000:064x}"} | changes
    return rows


def _run(folder: Path, rows: dict[str, dict[str, Any]], model: Counting, classes: Any = None) -> dict[str, str]:
    meanings = classes or CLASSES
    plan = predicting.plan_predicting(folder, rows, facts=model.facts, classes=meanings)
    return predicting.predict(
        folder, plan, data=folder, predictor=model, classes=meanings, compute=Processes(1), track=silent
    )


def test_only_what_is_new_or_another_picture_by_now_is_looked_at(tmp_path: Path) -> None:
    rows = _rows(5)
    _run(tmp_path, rows, Counting())
    rows |= _rows(7) | {"0" * 64: rows["0" * 64] | {"file_sha256": "f" * 64}}
    rows |= {name: row for name, row in _rows(5).items() if name != "0" * 64}
    again = Counting()
    _run(tmp_path, rows, again)
    assert again.shown == [f"{number:064x}" for number in (0, 5, 6)]
    assert len(tables.read_rows(tmp_path / "predictions.parquet", tables.INSTANCES)) == 7
    other_meaning = Counting()
    _run(tmp_path, rows, other_meaning, {"gear": "part.barrel", "bolt": None})
    assert len(other_meaning.shown) == 7
    stored = tables.read_rows(tmp_path / "predictions.parquet", tables.INSTANCES)
    assert {row["category"] for row in stored} == {"part.barrel"}


def test_an_interrupted_run_keeps_what_it_had_and_a_repeat_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_runs.Interim, "step", lambda self: self._write())
    rows = _rows(7)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path / "cut", rows, Counting(fails_at=5))
    rest = Counting()
    cut = _run(tmp_path / "cut", rows, rest)
    assert len(rest.shown) == 2
    assert cut == _run(tmp_path / "whole", rows, Counting())


def test_a_photograph_whose_objects_are_lost_is_looked_at_again(tmp_path: Path) -> None:
    _run(tmp_path, _rows(3), Counting())
    kept = tables.read_rows(tmp_path / "predictions.parquet", tables.INSTANCES)
    tables.write_table(tmp_path / "predictions.parquet", tables.INSTANCES, kept[1:])
    again = Counting()
    _run(tmp_path, _rows(3), again)
    assert again.shown == [kept[0]["image_id"]]


def test_words_without_a_code_and_codes_without_a_meaning_are_all_told_before_anything_is_done() -> None:
    taxonomy = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
    with pytest.raises(Refused) as refusal:
        predicting.check_classes(["gear", "bolt", "nut"], {"gear": "part.made_up", "bolt": None}, taxonomy)
    assert [finding.code for finding in refusal.value.findings] == [
        "labelling.import-unknown-word",
        "labelling.unknown-code",
    ]
    predicting.check_classes(["gear", "bolt"], CLASSES, taxonomy)


def test_suggestions_are_shown_with_their_scores_under_the_model_s_name(tmp_path: Path) -> None:
    taxonomy = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
    config = read_label_config(CONFIGS / "parts", taxonomy)
    folder = tmp_path / "predicted-counting-cccccccccccc"
    _run(folder, _rows(2), Counting())
    version, found = predictions.find_model(tmp_path, "count")
    rows, scores = predictions.read_predicted(found)
    shown, findings = predictions.plan_predictions(
        rows, config=config, images=_rows(2), model_version=version, scores=scores
    )
    assert findings == []
    first = shown["0" * 64]
    assert (first["model_version"], first["score"]) == ("counting-cccccccccccc", 0.8765)
    assert [item["score"] for item in first["result"]] == [0.8765]
    with pytest.raises(Refused, match="has predicted nothing here"):
        predictions.find_model(tmp_path, "other")


def _results(folder: Path, entries: object, *, sizes: bool = True) -> tuple[Path, Path]:
    images = [{"id": 7, "file_name": "sub/gear.jpg"} | ({"width": 100, "height": 50} if sizes else {})]
    images.append({"id": 8, "file_name": "gone.jpg", "width": 10, "height": 5})
    images.append({"id": 9, "file_name": "empty.jpg", "width": 200, "height": 100})
    dataset = {"images": images, "categories": [{"id": 3, "name": "gear"}]}
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    (folder / "found.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder / "found.json", folder / "dataset.json"


def _entry(image: object = 7, score: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": 3, "bbox": [10, 5, 20, 10], "score": score} | more


def test_coco_results_come_to_the_working_copy_s_pixels_best_first(tmp_path: Path) -> None:
    ring = [[10, 5, 30, 5, 30, 15]]
    path, dataset = _results(tmp_path, [_entry(), _entry(score=0.9, segmentation=ring), _entry(score=0.1), _entry(8)])
    rows = _rows(2)
    first, second = rows
    read = read_coco_results(
        path, dataset=dataset, images=rows, names={"sub/gear.jpg": first, "empty.jpg": second}, least_score=0.2
    )
    assert read.found.keys() == {first, second}  # the second was looked at, with nothing found
    best, other = read((first, tmp_path))
    assert (best.shape, best.score, best.rings) == (Shape.POLYGON, 0.9, ((20.0, 10.0, 60.0, 10.0, 60.0, 30.0),))
    assert (other.word, other.box.xyxy) == ("gear", (20.0, 10.0, 60.0, 30.0))
    assert read((second, tmp_path)) == ()
    assert [(finding.code, finding.subject) for finding in read.findings] == [
        ("labelling.import-unmatched", "gone.jpg")
    ]


def test_coco_results_may_name_photographs_by_their_own_id(tmp_path: Path) -> None:
    rows = _rows(1)
    path, _ = _results(tmp_path, [_entry("0" * 64)])
    read = read_coco_results(path, dataset=None, images=rows, names={}, least_score=0.0)
    assert read.facts.words == ("3",)
    assert read(("0" * 64, tmp_path))[0].box.xyxy == (10.0, 5.0, 30.0, 15.0)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda entries: {"results": entries}, "labelling.model-unreadable"),
        (lambda entries: [entries[0] | {"score": 1.5}], "labelling.model-unreadable"),
        (lambda entries: [entries[0] | {"score": float("nan")}], "labelling.model-unreadable"),
        (lambda entries: [entries[0] | {"category_id": 4}], "labelling.model-unreadable"),
        (lambda entries: [entries[0] | {"bbox": [1, 2]}], "labelling.model-unreadable"),
        (lambda entries: [entries[0] | {"image_id": 8}], "labelling.import-empty"),
        (lambda entries: [entries[0] | {"image_id": 99}], "labelling.import-empty"),
    ],
)
def test_results_that_cannot_be_used_are_refused_in_one_sentence(
    tmp_path: Path, spoil: Callable[[list[dict[str, Any]]], object], code: str
) -> None:
    path, dataset = _results(tmp_path, spoil([_entry()]))
    with pytest.raises(Refused) as refusal:
        read_coco_results(path, dataset=dataset, images=_rows(1), names={"gone-by-now.jpg": "0" * 64}, least_score=0.0)
    assert refusal.value.findings[0].code == code
