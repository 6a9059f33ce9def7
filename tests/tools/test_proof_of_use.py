"""The experiment of docs/proof-of-use.md, tiny, on drawn photographs: that it runs, splits honestly and tells intervals."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytestmark = [pytest.mark.tools, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def experiment() -> Any:
    """The script as a module."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import proof_of_use

        yield proof_of_use
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def _drawn(folder: Path) -> Path:
    """Draw photographs of three kinds of plain shape, each on a surface of its own, with YOLO labels."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    (folder / "data.yaml").write_text("names: [Wrench, Screwdriver, Hammer, Other]\n")
    rng = np.random.default_rng(1)
    for number in range(24):
        kind = number % 3
        # Surfaces so different that nobody takes two photographs for one: from flat to fine, dark to bright.
        rows = int(rng.choice([1, 2, 4, 9, 30, 120]))
        low = int(rng.integers(0, 200))
        image = rng.integers(low, low + int(rng.integers(10, 56)), (rows, rows + 1, 3), dtype=np.uint8)
        how = (cv2.INTER_NEAREST, cv2.INTER_CUBIC)[int(rng.integers(2))]
        image = cv2.resize(image, (320, 240), interpolation=how)
        x, y = int(rng.integers(90, 230)), int(rng.integers(90, 150))
        colour = [int(v) for v in rng.integers(0, 255, 3)]
        if kind == 0:
            cv2.circle(image, (x - 50, y), 14, colour, 6)
            cv2.line(image, (x - 40, y), (x + 60, y), colour, 7)
        elif kind == 1:
            cv2.line(image, (x - 60, y), (x, y), colour, 20)
            cv2.line(image, (x, y), (x + 60, y), colour, 5)
        else:
            cv2.line(image, (x - 60, y), (x + 50, y), colour, 8)
            cv2.line(image, (x + 50, y - 40), (x + 50, y + 40), colour, 18)
        cv2.imwrite(str(folder / "images" / f"{number:03d}.jpg"), image)
        box = f"{x / 320} {y / 240} {140 / 320} {100 / 240}"
        if number % 2:  # as a polygon
            box = (
                f"{(x - 70) / 320} {(y - 50) / 240} {(x + 70) / 320} {(y - 50) / 240} {(x + 70) / 320} {(y + 50) / 240}"
            )
        (folder / "labels" / f"{number:03d}.txt").write_text(f"{kind} {box}\n3 0.5 0.5 0.2 0.2\n")
    return folder


def test_the_experiment_runs_on_any_labelled_photographs_and_tells_what_renders_add(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = [_drawn(tmp_path / "real"), "--out", out, "--pictures", 8, "--splits", 2, "--draws", 20, "--small"]
    monkeypatch.setattr(sys, "argv", ["proof_of_use.py", *(str(part) for part in line)])
    assert experiment.main() == 0
    told = json.loads((out / "results.json").read_text())
    assert told["real_crops"] == [8, 8, 8]
    assert sum(told["rendered_crops"]) > 0
    for features in told["balanced_accuracy"].values():
        assert set(features) in ({"gradients", "embedding"}, set())  # none where all looks alike
        for scores in features.values():
            assert scores["real"].keys() == scores["both"].keys() == scores["gain"].keys()
            for one in (*scores["real"].values(), *scores["both"].values(), scores["renders"]):
                assert 0 <= one["low"] <= one["high"] <= 1
    assert "with renders" in capsys.readouterr().out
    assert told["balanced_accuracy"]["near-duplicates"]
    assert (out / "near-duplicates-embedding.svg").read_text().startswith("<svg")


def test_what_looks_alike_stands_on_one_side_and_no_more_than_allowed_is_learnt_from(experiment: Any) -> None:
    groups = np.repeat(np.arange(30), np.r_[np.full(29, 3), 40])
    for seed in range(20):
        train = experiment.split_groups(groups, np.random.default_rng(seed))
        assert not set(groups[train]) & set(groups[~train])
        assert 0.3 < train.mean() <= 0.6


def test_learning_from_labels_that_say_nothing_is_no_better_than_chance(experiment: Any) -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(600, 4, 20)).astype(np.float32)
    crops = experiment.Crops(
        kinds=rng.integers(0, 3, 600),
        groups={"near-duplicates": np.arange(600)},
        features={"noise": features},
    )
    scores = experiment.measured(crops, crops, "near-duplicates", splits=3, draws=50)["noise"]
    # Of the renders' crops, half are those tested on: that is seen too.
    assert all(abs(one["mean"] - 1 / 3) < 0.08 for one in scores["real"].values())
    assert scores["renders"]["mean"] > 0.355
