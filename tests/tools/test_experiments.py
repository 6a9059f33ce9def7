"""DVC's own commands on a workspace: another parameter as an experiment, metrics and plots of what a stage says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.adapters import dvc, git
from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box
from workbench.tables import ANNOTATIONS, INSTANCES, instance_row, read_rows, write_table

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]
ROOT = Path(__file__).resolve().parents[2]


def _dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=dvc._environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _answers(folder: Path) -> None:
    """Two people draw one box each, 9 to 11 alike: their overlap is 0.818."""
    rows, marks = [], []
    for person, width in (("a", 90.0), ("b", 110.0)):
        box = Box(x_min=0, y_min=0, x_max=width, y_max=50)
        rows.append(
            {
                "annotation_id": f"answer-{person}",
                "image_id": "f" * 64,
                "project": "parts",
                "annotator": person,
                "pass_": "blind1",
                "submitted_at": "2026-01-01T00:00:00Z",
                "lead_time_s": 1.0,
                "source": "label-studio",
                "taxonomy_version": "1",
            }
        )
        marks.append(
            Instance(
                instance_id=f"mark-{person}",
                image_id="f" * 64,
                category="part.frame",
                shape=Shape.BOX,
                box=box,
                annotation_id=f"answer-{person}",
                annotator=person,
            )
        )
    write_table(folder / "annotations.parquet", ANNOTATIONS, rows)
    write_table(folder / "instances.parquet", INSTANCES, [instance_row(mark) for mark in marks])


def test_another_acceptance_is_tried_as_an_experiment(tmp_path: Path, workbench: Run) -> None:
    root = tmp_path / "workspace"
    workbench("init", root)
    pipeline = yaml.safe_load((root / "dvc.yaml").read_text())
    pipeline["stages"] = {"adjudication": pipeline["stages"]["adjudication"]}
    pipeline.pop("plots", None)
    pipeline.pop("metrics", None)
    (root / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    (root / "data" / "01_intake").mkdir(parents=True)  # nothing is covered, so labels stay where they are
    _answers(root / "data" / "02_labelling" / "parts")
    dvc.add(root, [root / "data" / "02_labelling"])
    dvc.repro(root, ["adjudication"])
    git.commit(root, [], "A first state")
    truth = root / "data" / "03_adjudication" / "instances.parquet"
    assert len(read_rows(truth, INSTANCES)) == 1
    said = _dvc(root, "exp", "run", "--name", "stricter", "-S", "adjudication.accept_iou=0.85")
    assert "stricter" in said
    assert len(read_rows(truth, INSTANCES)) == 0  # their boxes are not alike enough for it
    assert "stricter" in _dvc(root, "exp", "list", "--name-only")


def test_every_metric_and_plot_named_in_the_pipeline_lies_in_the_output_of_a_stage() -> None:
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    outs = [
        next(iter(out)) if isinstance(out, dict) else out
        for stage in pipeline["stages"].values()
        for out in stage["outs"]
    ]
    named = [*pipeline["metrics"], *(next(iter(plot)) for plot in pipeline["plots"])]
    assert "data/07_release/summary.json" in named
    assert [name for name in named if not any(name.startswith(f"{out}/") for out in outs)] == []
