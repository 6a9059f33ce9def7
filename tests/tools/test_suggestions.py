"""Suggestions on the real server: shown on the page with their scores, and told by what the labeller made of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench import tables
from workbench.adapters.label_studio import LabelStudioServer
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.labelling.label_config import read_label_config

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]


def _predict(root: Path, folder: Path, workbench: Run, *, name: str, score: float) -> str:
    """Have a file of results suggest a box on each of three photographs; return the model's version."""
    entries = [
        {"image_id": f"suggested-{number}.jpg", "category_id": 1, "bbox": [64, 48, 256, 240], "score": score}
        for number in range(3)
    ]
    (folder / f"{name}.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "classes.yaml").write_text('"1": marking.serial\n', encoding="utf-8")
    predict = ("labelling", "predict", "--model", folder / f"{name}.json", "--classes", folder / "classes.yaml")
    return str(workbench(*predict, "--workspace", root)["data"]["model_version"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suggestions")


@pytest.fixture(scope="module")
def version(label_studio: Any, workbench: Run, draw_photograph: Any, folder: Path) -> str:
    """Three photographs, suggested about by one model and pushed with its suggestions."""
    root = label_studio.layout.root
    at = ("--workspace", root)
    for number in range(3):
        draw_photograph(folder / "delivery" / f"suggested-{number}.jpg", seed=140 + number, size_wh=(640, 480))
    workbench("partner", "add", "second-lab", "--name", "Second lab", "--licence", "CC0-1.0", *at)
    workbench("receive", folder / "delivery", "--partner", "second-lab", *at)
    workbench("intake", *at)
    version = _predict(root, folder, workbench, name="first", score=0.75)
    pushed = workbench("labelling", "push", "--project", "markings", "--overlap", "1", "--suggest", version, *at)
    assert pushed["data"]["pre_annotated"] == 3
    return version


def _project(root: Path) -> tuple[LabelStudioServer, int]:
    """Return the server, and the number of the project that all labellers share."""
    workspace = Workspace.find(root)
    server, _ = connect(workspace)
    title = read_label_config(workspace.layout.label_configs / "markings", workspace.taxonomy).title
    project = server.find_project(title)
    assert project is not None
    return server, project


def test_a_labeller_submits_moves_deletes_and_adds_and_each_is_told(
    page: Any, label_studio: Any, workbench: Run, version: str
) -> None:
    root = label_studio.layout.root
    server, project = _project(root)
    suggested = sorted((task for task in server.tasks(project) if task.models == (version,)), key=lambda t: t.task_id)
    assert len(suggested) == 3
    with page.expect_response(lambda response: "/data/local-files/" in response.url and response.ok):
        page.goto(f"{server.url}/projects/{project}/data?task={suggested[0].task_id}")
    assert "0.75" in page.locator(".lsf-outliner-item").first.inner_text()
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as submitted:
        page.locator("[data-testid=bottombar-submit-button]").click()
    (box,) = submitted.value.request.post_data_json["result"]
    moved, added = copy.deepcopy(box), copy.deepcopy(box)
    moved["value"]["x"] += moved["value"]["width"] / 2
    added |= {"id": "drawn", "value": added["value"] | {"x": 80, "width": 10}}
    server.answer(suggested[1].task_id, [{**moved, "id": box["id"] + "x"}, added], lead_time_s=1.0)
    server.answer(suggested[2].task_id, [added], lead_time_s=1.0)
    pulled = workbench("labelling", "pull", "--project", "markings", "--workspace", root)
    (told,) = (row for row in pulled["data"]["suggestions"] if row["model"] == version)
    assert told == {"model": version, "answers": 3, "untouched": 1, "deleted": 2, "added": 3} | dict.fromkeys(
        ("moved", "reclassed", "retyped"), 0
    )
    rows = tables.read_rows(root / "data" / "02_labelling" / "markings" / "changes.parquet", tables.CHANGES)
    (kept,) = (row for row in rows if row["change"] == "untouched")
    assert (kept["score"], kept["iou"], kept["category_after"]) == (0.75, 1.0, "marking.serial")


def test_another_model_is_shown_in_tasks_that_are_there_already(
    label_studio: Any, workbench: Run, version: str, folder: Path
) -> None:
    root = label_studio.layout.root
    other = _predict(root, folder, workbench, name="other", score=0.5)
    push = ("labelling", "push", "--project", "markings", "--overlap", "1", "--workspace", root, "--suggest")
    assert workbench(*push, other)["data"]["pre_annotated"] == 3
    assert workbench(*push, other)["data"]["pre_annotated"] == 0
    server, project = _project(root)
    assert server._client.projects.get(project).model_version == other
    assert workbench(*push, version)["data"]["pre_annotated"] == 0
    assert server._client.projects.get(project).model_version == version
