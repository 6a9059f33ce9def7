"""Labelling with the real Label Studio: pushed once, answered over its interface and in a browser, pulled exactly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.adapters.label_studio import LabelStudioServer
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.domain.annotation import Instance, Keypoint, Shape
from workbench.domain.geometry import Box, ring_box
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import read_label_config

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]

_RING = (20.0, 20.0, 120.0, 30.0, 60.0, 140.0)


@pytest.fixture(scope="module")
def campaign(label_studio: Any, workbench: Run, draw_photograph: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs received, admitted and pushed, twice."""
    root: Path = label_studio.layout.root
    at = ("--workspace", root)
    delivery = tmp_path_factory.mktemp("partner") / "delivery"
    for number in range(3):
        draw_photograph(delivery / f"{number}.jpg", seed=40 + number, size_wh=(640, 480))
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", *at)
    workbench("receive", delivery, "--partner", "lab", *at)
    workbench("intake", *at)
    assert workbench("labelling", "push", *at)["data"]["new"] == 3
    assert workbench("labelling", "push", *at)["data"]["new"] == 0
    return root


@pytest.fixture
def server(campaign: Path) -> LabelStudioServer:
    return connect(Workspace.find(campaign))[0]


def _project(server: LabelStudioServer, campaign: Path) -> tuple[Any, int]:
    workspace = Workspace.find(campaign)
    config = read_label_config(workspace.layout.label_configs / "parts", workspace.taxonomy)
    project_id = server.find_project(config.title)
    assert project_id is not None
    return config, project_id


def _instance(shape: Shape, **more: Any) -> Instance:
    facts = {
        "category": "ammo.primer" if shape is Shape.KEYPOINT else "part.barrel",
        "facets": {"completeness": "fragment"},
    }
    return Instance(instance_id=f"drawn-{shape}", image_id="i", shape=shape, **facts, **more)


def _pulled(campaign: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = campaign / "data" / "02_labelling" / "parts"
    return pd.read_parquet(folder / "annotations.parquet"), pd.read_parquet(folder / "instances.parquet")


def test_two_people_s_answers_come_back_exactly(campaign: Path, server: LabelStudioServer, workbench: Run) -> None:
    config, project_id = _project(server, campaign)
    drawn = [
        _instance(
            Shape.BOX,
            box=Box(x_min=10.5, y_min=20.25, x_max=200, y_max=333),
            transcription="A?7",
            confidence="probable",
        ),
        _instance(Shape.POLYGON, rings=(_RING,), box=ring_box(_RING)),
        _instance(Shape.KEYPOINT, keypoints=(Keypoint(name="point", x_px=300.5, y_px=7.25),)),
    ]
    results, simplified = results_from_instances(drawn, config=config, size_wh=(640, 480))
    assert not simplified
    task = min(server.tasks(project_id), key=lambda task: task.task_id)
    for email in ("one@example.org", "two@example.org"):
        session = LabelStudioServer(server.url, server.ensure_labeller(email, "a-long-password"))
        session.answer(task.task_id, results, lead_time_s=5)
    assert workbench("labelling", "pull", "--workspace", campaign)["data"]["answers"] == 2
    annotations, instances = _pulled(campaign)
    assert annotations["annotator"].nunique() == 2
    assert not annotations["annotator"].str.contains("@").any()
    for _, mine in instances.groupby("annotation_id"):
        box = mine[mine["shape"] == "box"].iloc[0]
        assert [box.x_min, box.y_min, box.x_max, box.y_max] == pytest.approx([10.5, 20.25, 200, 333], abs=1e-4)
        assert (box.transcription, box.confidence, box.facets) == ("A?7", "probable", '{"completeness":"fragment"}')
        polygon = mine[mine["shape"] == "polygon"].iloc[0]
        assert list(polygon.rings[0]) == pytest.approx(list(_RING), abs=1e-4)
        point = mine[mine["shape"] == "keypoint"].iloc[0].keypoints[0]
        assert (point["x_px"], point["y_px"]) == pytest.approx((300.5, 7.25), abs=1e-4)


def test_a_task_that_shows_another_file_by_now_keeps_its_name_and_its_answers(
    campaign: Path, server: LabelStudioServer
) -> None:
    _, project_id = _project(server, campaign)
    before = min(server.tasks(project_id), key=lambda task: task.task_id)
    known = {"sha256": before.sha256, "contribution": "", "partner": ""}
    server.update_task(before.task_id, known | {"image": "/data/local-files/?d=elsewhere.jpg"})
    moved = min(server.tasks(project_id), key=lambda task: task.task_id)
    assert (moved.sha256, moved.answers, moved.image[-13:]) == (before.sha256, before.answers, "elsewhere.jpg")
    server.update_task(before.task_id, known | {"image": before.image})
    assert min(server.tasks(project_id), key=lambda task: task.task_id) == before


def test_an_answer_edited_into_an_unknown_label_stays_out_and_is_named(
    campaign: Path, server: LabelStudioServer, workbench: Run
) -> None:
    config, project_id = _project(server, campaign)
    box = _instance(Shape.BOX, box=Box(x_min=10, y_min=20, x_max=200, y_max=300))
    results, _ = results_from_instances([box], config=config, size_wh=(640, 480))
    results[0]["value"]["rectanglelabels"] = ["part.made_up"]
    task = sorted(server.tasks(project_id), key=lambda task: task.task_id)[1]
    number = server.answer(task.task_id, results, lead_time_s=5)
    before = len(_pulled(campaign)[0]) if (campaign / "data" / "02_labelling" / "parts").is_dir() else 0
    answer = workbench("labelling", "pull", "--workspace", campaign, expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["labelling.unknown-label"]
    assert "part.made_up" in answer["findings"][0]["message"]
    assert len(_pulled(campaign)[0]) == before
    server._client.annotations.delete(id=number)


def test_frozen_answers_are_held_against_the_projects_as_they_are_now(campaign: Path, workbench: Run) -> None:
    at = ("--workspace", campaign)
    workbench("labelling", "pull", *at)
    sound = workbench("labelling", "check", *at)
    (parts,) = (row for row in sound["rows"] if row["project"] == "parts")
    assert parts["answers_that_fit"] == 2
    path = campaign / "label_configs" / "parts" / "config.yaml"
    text = path.read_text()
    path.write_text(text.replace('polygon: ["part.*", ', "polygon: ["))
    answer = workbench("labelling", "check", *at, expect=1)
    path.write_text(text)
    assert {finding["code"] for finding in answer["findings"]} == {"labelling.unknown-label"}
    assert "a polygon labelled part.barrel" in answer["findings"][0]["message"]


def test_a_labeller_draws_answers_and_submits_in_a_browser(
    page: Any, campaign: Path, server: LabelStudioServer, workbench: Run
) -> None:
    _, project_id = _project(server, campaign)
    task = sorted(server.tasks(project_id), key=lambda task: task.task_id)[2]
    with page.expect_response(lambda response: "/data/local-files/" in response.url and response.ok):
        page.goto(f"{server.url}/projects/{project_id}/data?task={task.task_id}")
    page.locator(".lsf-label:visible", has_text="Barrel").first.click()
    canvas = page.locator(".konvajs-content canvas").first
    canvas.wait_for()
    place = canvas.bounding_box()
    page.mouse.move(place["x"] + place["width"] * 0.25, place["y"] + place["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.6, place["y"] + place["height"] * 0.7, steps=8)
    page.mouse.up()
    page.locator(".lsf-outliner-item").first.click()
    text = page.locator("[placeholder='Text as it stands, ? for unreadable']")
    text.fill("AB?12")
    text.press("Enter")
    page.locator(".lsf-choice:visible", has_text="Machined").first.locator("input").check(force=True)
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as submitted:
        page.locator("[data-testid=bottombar-submit-button]").click()
    assert submitted.value.status == 201
    if os.environ.get("WORKBENCH_PICTURES"):
        page.screenshot(path=Path(os.environ["WORKBENCH_PICTURES"]) / "labelling.png")
    workbench("labelling", "pull", "--workspace", campaign)
    _, instances = _pulled(campaign)
    drawn = instances[instances["image_id"] == task.sha256]
    assert list(drawn["category"]) == ["part.barrel"]
    (row,) = drawn.to_dict("records")
    assert row["transcription"] == "AB?12"
    assert row["facets"] == '{"production_method_visible":"machined"}'
    edges = [row["x_min"] / 640, row["y_min"] / 480, row["x_max"] / 640, row["y_max"] / 480]
    assert edges == pytest.approx([0.25, 0.25, 0.6, 0.7], abs=0.02)


def test_a_label_studio_that_is_away_is_said_in_one_sentence(workbench: Run, tmp_path: Path, monkeypatch: Any) -> None:
    root = tmp_path / "workspace"
    workbench("init", root)
    answer = workbench("labelling", "pull", "--workspace", root, expect=1)  # nothing was admitted yet
    assert answer["findings"][0]["code"] == "workspace.input-missing"
    monkeypatch.setenv("WORKBENCH_LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WORKBENCH_LABEL_STUDIO_TOKEN", "0" * 40)
    with pytest.raises(Exception, match="does not answer"):
        connect(Workspace.find(root))[0].find_project("Parts")
