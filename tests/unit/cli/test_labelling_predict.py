"""`labelling predict` and `rank` on admitted photographs, with the models that are installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench import tables

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def root(workbench: Run, draw_photograph: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three admitted photographs."""
    folder = tmp_path_factory.mktemp("predict")
    workspace = folder / "workspace"
    for number in range(3):
        draw_photograph(folder / "delivery" / f"{number}.jpg", seed=60 + number)
    workbench("init", workspace)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", workspace)
    workbench("receive", folder / "delivery", "--partner", "lab", "--workspace", workspace)
    workbench("intake", "--stage", "--workspace", workspace)
    params = workspace / "params.yaml"  # faces are not looked for here
    params.write_text(params.read_text(encoding="utf-8").replace("unreviewed: block", "unreviewed: allow"), "utf-8")
    return workspace


def _results(root: Path, name: str, left: int) -> Path:
    """Write COCO results about the three photographs, by the name they were delivered under."""
    entries = [
        {"image_id": f"{number}.jpg", "category_id": 1, "bbox": [left, 20, 60, 60], "score": 0.5 + 0.1 * number}
        for number in range(3)
    ]
    path = root.parent / f"{name}.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_a_model_looks_once_and_two_that_differ_put_photographs_in_order(workbench: Run, root: Path) -> None:
    at = ("--workspace", root)
    classes = root.parent / "classes.yaml"
    classes.write_text('"1": part.barrel\n', encoding="utf-8")
    assert workbench("labelling", "rank", *at, expect=1)["findings"][0]["code"] == "labelling.no-predictions"
    first = ("labelling", "predict", "--model", _results(root, "first", 20), "--classes", classes, *at)
    planned = workbench(*first, "--dry-run")
    assert (planned["data"]["new"], list((root / "data").glob("02_labelling/*"))) == (3, [])
    made = workbench(*first)
    assert (made["data"]["new"], made["data"]["objects"], made["exit_code"]) == (3, 3, 0)
    assert [workbench(*first)["data"][key] for key in ("new", "kept")] == [0, 3]
    workbench("labelling", "predict", "--model", _results(root, "second", 100), "--classes", classes, *at)
    ranked = workbench("labelling", "rank", "--by", "both", *at)
    assert ranked["data"]["models"] == [path.name[10:] for path in sorted(root.glob("data/02_labelling/predicted-*"))]
    rows = tables.read_rows(root / "data" / "02_labelling" / "ranking.parquet", tables.RANKING)
    assert [row["disagreement"] for row in rows] == [1.0, 1.0, 1.0]
    assert [round(row["uncertainty"], 3) for row in rows] == [1.0, 0.971, 0.881]  # of scores 0.5, 0.6, 0.7
    assert (root / "data" / "02_labelling.dvc").is_file()
    ordered = ("--order", "score", "--scores", "data/02_labelling/ranking.parquet", "--at-most", 2)
    planned = workbench("labelling", "plan", "unsure-first", "--labeller", "ana", "--labeller", "bo", *ordered, *at)
    assert planned["data"]["photographs"] == 2


def test_what_a_model_cannot_be_used_for_is_said_in_one_sentence(workbench: Run, root: Path) -> None:
    at = ("--workspace", root)
    results = _results(root, "third", 20)
    predict = ("labelling", "predict", *at, "--model")
    assert workbench(*predict, "guess", expect=2)["findings"][0]["code"] == "labelling.model-missing"
    assert "--classes" in workbench(*predict, results, expect=2)["findings"][0]["remedy"]
    assert workbench(*predict, root / "no.onnx", expect=1)["findings"][0]["code"] == "labelling.model-missing"
    classes = root.parent / "lacking.yaml"
    classes.write_text("gear: part.frame\n", encoding="utf-8")
    (finding,) = workbench(*predict, results, "--classes", classes, expect=1)["findings"]
    assert (finding["code"], finding["subject"]) == ("labelling.import-unknown-word", "1")
    altered = workbench(*predict, "saliency", "--sha256", "0" * 64, expect=1)
    assert altered["findings"][0]["code"] == "labelling.model-altered"
    assert (
        workbench(*predict, "saliency", "--sha256", "0", expect=2)["findings"][0]["code"] == "labelling.model-altered"
    )
    assert not list(root.glob("data/02_labelling/predicted-u2netp-*"))


def test_a_blind_campaign_takes_no_suggestions(workbench: Run, root: Path) -> None:
    at = ("--workspace", root)
    workbench("labelling", "plan", "blind-one", "--labeller", "ana", "--labeller", "bo", *at)
    told = workbench("labelling", "push", "--campaign", "blind-one", "--suggest", "first", *at, expect=2)
    assert told["findings"][0]["code"] == "labelling.blind"
