"""A whole campaign in browsers: three labellers, one in Arabic, a hidden check, a disagreement, and who decides about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench import tables
from workbench.adapters.label_studio import LabelStudioServer
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]

PASSWORD = "a-long-password"  # noqa: S105 -- of a server that lives as long as this test
SIZE_WH = (640, 480)

#: Each labeller's language, with what its page calls a barrel.
LABELLERS = {"eve": ("en", "Barrel"), "fay": ("fr", "Canon"), "gul": ("ar", "السبطانة")}

#: What the one who is mistaken calls it.
WRONG = {"eve": "Hand tool", "fay": "Outil", "gul": "أداة يدوية"}


@pytest.fixture(scope="module")
def site(label_studio: Any, workbench: Run, draw_photograph: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs admitted, one of them with settled labels, and the campaign pushed."""
    root: Path = label_studio.layout.root
    at = ("--workspace", root)
    delivery = tmp_path_factory.mktemp("partner") / "delivery"
    for number in range(4):
        draw_photograph(delivery / f"{number}.jpg", seed=700 + number, size_wh=SIZE_WH)
    workbench("partner", "add", "south", "--name", "South", "--licence", "CC0-1.0", *at)
    workbench("receive", delivery, "--partner", "south", *at)
    workbench("intake", "--stage", *at)
    params = root / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("unreviewed: block", "unreviewed: allow"), "utf-8")
    settled = [{"image_id": _photographs(root)[0], "annotators": 2, "status": "agreed"}]
    tables.write_table(root / "data" / "03_adjudication" / "labelled.parquet", tables.LABELLED, settled)
    named = [word for name, (language, _) in LABELLERS.items() for word in ("--labeller", f"{name}:{language}")]
    chosen = ("--where", 'partner == "south"', "--gold-where", 'partner == "south"', "--gold-share", "0.3")
    made = workbench("labelling", "plan", "south", *named, *chosen, *at)
    assert (made["data"]["photographs"], made["data"]["new"]) == (3, 6 + 3)
    workbench("labelling", "push", "--campaign", "south", *at)
    return root


def _photographs(root: Path) -> list[str]:
    rows = tables.read_all_rows(sorted((root / "data" / "01_intake").glob("*/images.parquet")), tables.IMAGES)
    return sorted(row["image_id"] for row in rows if row["partner_id"] == "south")


def _keep(page: Any, name: str) -> None:
    if folder := os.environ.get("WORKBENCH_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def _open(page: Any, server: LabelStudioServer, project_id: int, task_id: int) -> Mapping[str, float]:
    """Open a task; return where its photograph is on the page."""
    with page.expect_response(lambda response: "/data/local-files/" in response.url and response.ok):
        page.goto(f"{server.url}/projects/{project_id}/data?task={task_id}")
    canvas = page.locator(".konvajs-content canvas").first
    canvas.wait_for()
    page.wait_for_timeout(500)
    place: Mapping[str, float] = canvas.bounding_box()
    return place


def _submit(page: Any) -> None:
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as submitted:
        page.locator("[data-testid=bottombar-submit-button]").click()
    assert submitted.value.status == 201


def _label(page: Any, place: Mapping[str, float], label: str, shift: float) -> None:
    """Draw one box with a label, and submit."""
    page.locator(".lsf-label:visible", has_text=re.compile(rf"^\s*{label}\s*\d?\s*$")).first.click()
    page.mouse.move(place["x"] + place["width"] * (0.2 + shift), place["y"] + place["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * (0.6 + shift), place["y"] + place["height"] * 0.7, steps=6)
    page.mouse.up()
    page.locator(".lsf-outliner-item").first.wait_for()
    _submit(page)


def _guidelines(page: Any, server: LabelStudioServer, project_id: int) -> None:
    """Begin as a labeller does: the guidelines stand before the first photograph, with their pictures."""
    page.goto(f"{server.url}/projects/{project_id}/data")
    page.get_by_text("Label All Tasks").first.click()
    picture = page.locator(".wb-picture").first
    picture.wait_for()
    shown = picture.evaluate("each => getComputedStyle(each).backgroundImage")
    assert shown.startswith('url("data:image/svg+xml')
    assert picture.bounding_box()["height"] > 100
    _keep(page, "campaign-guidelines")


def test_three_labellers_and_an_adjudicator_in_browsers_make_ground_truth(
    site: Path, sessions: Callable[[str, str], Any], workbench: Run
) -> None:
    at = ("--workspace", site)
    server = connect(Workspace.find(site))[0]
    gold, *others = _photographs(site)
    before = workbench("labelling", "pull", *at)["data"]["checks"]  # of other campaigns on this server
    pages = {name: _session(server, sessions, name) for name in LABELLERS}
    projects = {name: server.find_project(f"south · {name}") for name in LABELLERS}
    answered = {name: server.tasks(projects[name]) for name in LABELLERS}
    _guidelines(pages["eve"], server, projects["eve"])
    mistaken = next(name for name in ("gul", "fay") if any(task.sha256 == others[0] for task in answered[name]))
    for turn in range(3):
        for number, name in enumerate(LABELLERS):  # all three are logged in, and take turns
            task = answered[name][turn]
            wrong = task.sha256 == others[0] and name == mistaken
            place = _open(pages[name], server, projects[name], task.task_id)
            if name == "gul" and turn == 0:
                assert pages[name].locator(".wb-labels").evaluate("each => getComputedStyle(each).direction") == "rtl"
                _keep(pages[name], "campaign-arabic")
            _label(pages[name], place, WRONG[name] if wrong else LABELLERS[name][1], shift=number * 0.005)

    pulled = workbench("labelling", "pull", *at)
    assert pulled["data"]["checks"] == before + 3
    workbench("adjudication", "--stage", *at)
    assert _statuses(site, [gold, *others]) == {others[0]: "disagreed", others[1]: "agreed", others[2]: "agreed"}

    workbench("adjudication", "queue", *at)
    assert workbench("adjudication", "queue", *at)["data"]["new"] == 0
    judge = _session(server, sessions, "judge")
    _decide(judge, server, others[0])
    decided = workbench("adjudication", "decisions", *at)
    assert (decided["data"]["new"], decided["findings"]) == (1, [])
    workbench("adjudication", "--stage", *at)
    _check_outcome(site, others, workbench)


def _session(server: LabelStudioServer, sessions: Callable[[str, str], Any], name: str) -> Any:
    server.ensure_labeller(f"{name}@south.test", PASSWORD)
    return sessions(f"{name}@south.test", PASSWORD)


def _statuses(site: Path, photographs: list[str]) -> dict[str, str]:
    labelled = pd.read_parquet(site / "data" / "03_adjudication" / "labelled.parquet").set_index("image_id")["status"]
    return {image_id: labelled[image_id] for image_id in photographs if image_id in labelled}


def _decide(page: Any, server: LabelStudioServer, image_id: str) -> None:
    """Find the answer that says barrel, whichever letter it has, and say that it is right."""
    project_id = server.find_project("Adjudication")
    assert project_id is not None
    (task,) = (task for task in server.tasks(project_id) if task.sha256 == image_id)
    _open(page, server, project_id, task.task_id)
    letters = page.locator(".lsf-htx-richtext th, [class*=richtext] th").all_inner_texts()
    names = page.locator("[class*=richtext] tr").nth(1).locator("td").all_inner_texts()
    letter = letters[names.index("Barrel")]
    assert sorted(letters) == ["", "A", "B"]
    assert [text.split()[-1] for text in page.locator(".lsf-outliner-item").all_inner_texts()] == ["A", "B"]
    page.locator(".lsf-choice", has_text=f"{letter} is right").first.locator("input").check(force=True)
    for hint, text in (("Why?", "It is a tube."), ("Rests on", "guideline:parts#4")):
        field = page.locator(f"[placeholder^='{hint}']")
        field.fill(text)
        field.press("Enter")
    page.wait_for_timeout(300)
    _keep(page, "campaign-adjudication")
    assert (
        not any(name in page.content() for name in ("south.test", "annotator-")) or "judge@south.test" in page.content()
    )
    _submit(page)


def _check_outcome(site: Path, others: list[str], workbench: Run) -> None:
    """Ground truth of all three photographs, the losing answer as dissent, and how it came to be."""
    assert _statuses(site, others) == {others[0]: "adjudicated", others[1]: "agreed", others[2]: "agreed"}
    folder = site / "data" / "03_adjudication"
    truth = pd.read_parquet(folder / "instances.parquet").set_index("image_id").loc[others]
    assert set(truth["category"]) == {"part.barrel"}
    assert dict(truth["decided_by"]) == {others[0]: "adjudication", others[1]: "agreement", others[2]: "agreement"}
    dissent = pd.read_parquet(folder / "dissent.parquet")
    (lost,) = dissent[dissent["image_id"] == others[0]].to_dict("records")
    assert (lost["kind"], lost["said"], lost["reason"]) == ("category", "negative.tool (box)", "It is a tube.")
    page = site / "statement.html"
    told = workbench("adjudication", "explain", others[0], "--page", page, "--workspace", site)
    (account,) = told["data"]["objects"]
    assert (account["reason"], account["reference"]) == ("It is a tube.", "guideline:parts#4")
    assert {answer["pass"] for answer in account["answers"]} <= {"blind1", "blind2"}
    assert all(answer["guide_version"] and answer["submitted_at"] for answer in account["answers"])
    assert len({account["adjudicator"], *(answer["annotator"] for answer in account["answers"])}) == 3
    assert "It is a tube." in page.read_text(encoding="utf-8")
    checked = workbench("labelling", "check", "--workspace", site)
    (row,) = (row for row in checked["rows"] if row["project"] == "adjudication")
    assert row["answers_that_fit"] >= 1
