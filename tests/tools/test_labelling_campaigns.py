"""A campaign on the real Label Studio: desks, languages, hidden checks, blurring, skips, and what is pulled of it."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench import tables
from workbench.adapters.label_studio import LabelStudioServer
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import read_label_config

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def site(label_studio: Any, workbench: Run, draw_photograph: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photographs admitted, two of them with settled labels; on the server that other tests use too."""
    root: Path = label_studio.layout.root
    at = ("--workspace", root)
    delivery = tmp_path_factory.mktemp("partner") / "delivery"
    for number in range(10):
        draw_photograph(delivery / f"{number}.jpg", seed=400 + number, size_wh=(640, 480))
    workbench("partner", "add", "north", "--name", "North", "--licence", "CC0-1.0", *at)
    workbench("receive", delivery, "--partner", "north", *at)
    workbench("intake", "--stage", *at)
    params = root / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("unreviewed: block", "unreviewed: allow"), "utf-8")
    settled = [
        {"image_id": image_id, "annotators": 2, "status": "agreed"} for image_id in _photographs(root, "north")[:2]
    ]
    tables.write_table(root / "data" / "03_adjudication" / "labelled.parquet", tables.LABELLED, settled)
    return root


def _photographs(root: Path, partner: str) -> list[str]:
    rows = tables.read_all_rows(sorted((root / "data" / "01_intake").glob("*/images.parquet")), tables.IMAGES)
    return sorted(row["image_id"] for row in rows if row["partner_id"] == partner)


@pytest.fixture(scope="module")
def server(site: Path) -> LabelStudioServer:
    return connect(Workspace.find(site))[0]


def _tasks(server: LabelStudioServer, title: str) -> list[Any]:
    project_id = server.find_project(title)
    assert project_id is not None
    return server.tasks(project_id)


def _results(site: Path) -> list[dict[str, Any]]:
    workspace = Workspace.find(site)
    config = read_label_config(workspace.layout.label_configs / "parts", workspace.taxonomy)
    box = Box(x_min=10, y_min=20, x_max=200, y_max=300)
    drawn = Instance(instance_id="drawn", image_id="i", shape=Shape.BOX, category="part.barrel", box=box)
    results, _ = results_from_instances([drawn], config=config, size_wh=(640, 480))
    return results


def test_the_real_server_keeps_the_contract_of_the_fake(label_studio: Any, server: LabelStudioServer) -> None:
    path = Path(__file__).resolve().parents[1] / "fakes" / "labeller.py"
    spec = importlib.util.spec_from_file_location("fake_labeller_here", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def acting_as(email: str) -> LabelStudioServer:
        return LabelStudioServer(server.url, server.ensure_labeller(email, "a-long-password"))

    module.check_contract(server, label_studio.media_root, acting_as)


def test_a_campaign_goes_from_its_file_to_labellers_and_back(
    site: Path, server: LabelStudioServer, workbench: Run
) -> None:
    at = ("--workspace", site)
    gold = _photographs(site, "north")[:2]
    named = ("--labeller", "ana", "--labeller", "bo:fr", "--labeller", "cy:ar")
    chosen = ("--where", 'partner == "north"', "--gold-where", 'partner == "north"', "--gold-share", "0.1")
    dry = workbench("labelling", "plan", "autumn", *named, *chosen, "--dry-run", *at)
    assert not (site / "campaigns").exists()
    made = workbench("labelling", "plan", "autumn", *named, *chosen, *at)
    assert made["data"] == dry["data"]
    assert (made["data"]["photographs"], made["data"]["new"]) == (8, 16 + 3)
    assert workbench("labelling", "push", "--campaign", "autumn", "--dry-run", *at)["data"]["new"] == 19
    assert server.find_project("autumn · ana") is None
    assert workbench("labelling", "push", "--campaign", "autumn", *at)["data"]["new"] == 19
    assert workbench("labelling", "push", "--campaign", "autumn", *at)["data"]["new"] == 0
    desks = {name: _tasks(server, f"autumn · {name}") for name in ("ana", "bo", "cy")}
    times = Counter(task.sha256 for tasks in desks.values() for task in tasks if task.sha256 not in gold)
    assert set(times.values()) == {2}
    assert all(sum(task.sha256 in gold for task in tasks) == 1 for tasks in desks.values())
    arabic = server._client.projects.get(server.find_project("autumn · cy"))
    assert "\u0645\u0627\u0633\u0648\u0631\u0629" in str(arabic.label_config) or "direction: rtl" in str(
        arabic.label_config
    )
    assert "taxonomy" in str(arabic.description)
    told = {key for task in server._plain.tasks(int(arabic.id), "id,data") for key in task["data"]}
    assert told == {"image", "sha256"}


def test_answers_skips_edits_and_deletions_of_a_campaign_are_pulled(
    site: Path, server: LabelStudioServer, workbench: Run
) -> None:
    at = ("--workspace", site)
    gold = _photographs(site, "north")[:2]
    ana = LabelStudioServer(server.url, server.ensure_labeller("ana@lab.test", "a-long-password"))
    other = LabelStudioServer(server.url, server.ensure_labeller("other@lab.test", "a-long-password"))
    tasks = _tasks(server, "autumn · ana")
    check = next(task for task in tasks if task.sha256 in gold)
    first, second, skipped = [task for task in tasks if task.sha256 not in gold][:3]
    numbers = [ana.answer(task.task_id, _results(site), lead_time_s=5) for task in (check, first, second)]
    ana._client.annotations.create(id=skipped.task_id, result=[], was_cancelled=True)
    pulled = workbench("labelling", "pull", *at)
    assert pulled["data"]["checks"] == 1
    folder = site / "data" / "02_labelling" / "parts"
    annotations = pd.read_parquet(folder / "annotations.parquet").set_index("image_id")
    assert annotations.loc[check.sha256, "pass_"] == "gold"
    assert annotations.loc[first.sha256, "pass_"] == "blind1"
    again = workbench("labelling", "push", "--campaign", "autumn", *at)
    assert again["data"]["new"] == 1  # the skipped photograph goes to the one who does not have it

    server._plain.send("PATCH", f"/api/annotations/{numbers[1]}/", {}, {"result": []})
    other._client.annotations.delete(id=numbers[2])
    late = ana.answer(next(t.task_id for t in tasks if t not in (check, first, second, skipped)), [], lead_time_s=1)
    told = workbench("labelling", "pull", *at)
    assert sorted(finding["code"] for finding in told["findings"]) == [
        "labelling.answer-deleted",
        "labelling.answer-edited",
    ]
    assert told["data"]["tasks_fetched"] <= 4
    history = pd.read_parquet(folder / "history.parquet")
    mine = history[history["place"] == "autumn · ana"]
    assert sorted(mine["event"]) == ["deleted", "edited", "given", "given", "given", "given", "skipped"]
    assert mine["guide_version"].notna().all()
    assert set(mine["taxonomy_version"]) == {Workspace.find(site).taxonomy.version}
    assert late
    quiet = workbench("labelling", "pull", *at)
    assert (quiet["findings"], quiet["data"]["sha256"]) == ([], told["data"]["sha256"])
    shown = workbench("labelling", "status", "--campaign", "autumn", *at)
    row = next(row for row in shown["rows"] if row["labeller"] == "ana")
    assert (row["answered"], row["skipped"], row["checks"]) == (3, 1, 1)


def test_a_check_decides_nothing_about_its_photograph(site: Path, workbench: Run) -> None:
    gold = _photographs(site, "north")[:2]
    workbench("adjudication", "--stage", "--workspace", site)
    labelled = pd.read_parquet(site / "data" / "03_adjudication" / "labelled.parquet")
    assert not set(labelled["image_id"]) & set(gold)


def test_a_sensitive_photograph_is_blurred_until_the_pointer_rests_on_it(
    page: Any, site: Path, server: LabelStudioServer, workbench: Run
) -> None:
    at = ("--workspace", site)
    workbench(
        "labelling", "plan", "veil", "--labeller", "dee", "--overlap", 1, "--sensitive-where", "width_px > 0", *at
    )
    path = site / "campaigns" / "veil.yaml"
    path.write_text(path.read_text("utf-8").replace("at_most_a_day: null", "at_most_a_day: 2"), "utf-8")
    answer = workbench("labelling", "push", "--campaign", "veil", *at)
    assert answer["data"]["desks"] == {"veil · dee · blurred": 2}
    assert [finding["code"] for finding in answer["findings"]] == ["labelling.too-few-labellers"]
    project_id = server.find_project("veil · dee · blurred")
    task = _tasks(server, "veil · dee · blurred")[0]
    with page.expect_response(lambda response: "/data/local-files/" in response.url and response.ok):
        page.goto(f"{server.url}/projects/{project_id}/data?task={task.task_id}")
    canvas = page.locator(".konvajs-content canvas").first
    canvas.wait_for()
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)
    place = page.locator(".wb-photo").first.bounding_box()
    hidden = page.screenshot(clip=place)
    _keep("veiled", hidden)
    spot = canvas.bounding_box()
    page.mouse.move(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    page.wait_for_timeout(2000)
    seen = page.screenshot(clip=place)
    _keep("unveiled", seen)
    assert _edges(seen) > 3 * _edges(hidden)


def _keep(name: str, png: bytes) -> None:
    if folder := os.environ.get("WORKBENCH_PICTURES"):
        (Path(folder) / f"{name}.png").write_bytes(png)


def _edges(png: bytes) -> float:
    """Return how much neighbouring pixels differ in the middle of a picture, in grey levels."""
    import io

    import numpy as np
    from PIL import Image

    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)
    height, width = grey.shape
    middle = grey[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    return float(np.abs(np.diff(middle, axis=1)).mean())
