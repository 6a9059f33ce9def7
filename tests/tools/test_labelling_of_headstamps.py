"""A headstamp labelled in a browser: ellipse, pieces of the ring, text, direction; its clock positions are computed."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.labelling.label_config import read_label_config

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]

#: Where the middle of the base is, and its radius, as parts of the photograph's width; the elements' angles from the top.
CENTRE, RADIUS = (0.438, 0.675), 0.093
ANGLES = {"AB?": 90, "87": 180}


@pytest.fixture(scope="module")
def campaign(label_studio: Any, workbench: Run, draw_photograph: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One photograph of a headstamp, a real one where there is one, pushed to the project ``headstamp``."""
    root: Path = label_studio.layout.root
    at = ("--workspace", root)
    delivery = tmp_path_factory.mktemp("partner") / "headstamps"
    photos = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos" / "headstamps"
    real = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if real:
        delivery.mkdir(parents=True)
        shutil.copy(real[0], delivery / "headstamp.jpg")
    else:
        draw_photograph(delivery / "headstamp.jpg", seed=77, size_wh=(900, 1200))
    workbench("partner", "add", "stamps", "--name", "Stamps", "--licence", "MIT", *at)
    workbench("receive", delivery, "--partner", "stamps", *at)
    workbench("intake", *at)
    workbench("labelling", "push", "--project", "headstamp", *at)
    return root


def test_a_headstamp_is_labelled_by_pieces_of_its_ring(page: Any, campaign: Path, workbench: Run) -> None:
    workspace = Workspace.find(campaign)
    config = read_label_config(campaign / "label_configs" / "headstamp", workspace.taxonomy)
    server = connect(workspace)[0]
    project_id = server.find_project(config.title)
    assert project_id is not None
    images = pd.concat(pd.read_parquet(path) for path in (campaign / "data" / "01_intake").glob("*/images.parquet"))
    image_id = images[images["partner_id"] == "stamps"]["image_id"].iloc[0]
    (task,) = (task for task in server.tasks(project_id) if task.sha256 == image_id)
    with page.expect_response(lambda response: "/data/local-files/" in response.url and response.ok):
        page.goto(f"{server.url}/projects/{project_id}/data?task={task.task_id}")
    canvas = page.locator(".konvajs-content canvas").first
    canvas.wait_for()
    page.wait_for_timeout(500)
    place = canvas.bounding_box()

    def at(x: float, y: float) -> tuple[float, float]:
        return place["x"] + x * place["width"], place["y"] + y * place["width"]

    def around(degrees: float, radii: float) -> tuple[float, float]:
        angle = math.radians(degrees)
        return at(CENTRE[0] + radii * RADIUS * math.sin(angle), CENTRE[1] - radii * RADIUS * math.cos(angle))

    for text, middle in ANGLES.items():
        page.keyboard.press("3")  # Other marking
        corners = [around(middle + turn, out) for turn, out in ((-15, 0.95), (15, 0.95), (15, 0.6), (-15, 0.6))]
        for x, y in [*corners, corners[0]]:  # closed by a click on its first point
            page.mouse.move(x, y)
            page.mouse.click(x, y)
            page.wait_for_timeout(200)
        page.locator(".lsf-outliner-item").last.click()
        field = page.locator("[placeholder='Text as it stands, ? for unreadable']")
        field.fill(text)
        field.press("Enter")
        page.locator(".lsf-choice:visible", has_text="Outward").first.locator("input").check(force=True)
        assert not page.locator(".lsf-choice:visible", has_text="The longest text").count()  # asked of the base alone
        page.locator(".lsf-outliner-item").last.click()  # let go of it
    page.locator(".ant-collapse-header", has_text="Ellipse").first.click()
    page.wait_for_timeout(600)  # until the panel is open
    page.locator(".lsf-label:visible", has_text="Headstamp").first.click()
    page.mouse.move(*at(*CENTRE))
    page.mouse.down()
    page.mouse.move(*at(CENTRE[0] + RADIUS, CENTRE[1] + RADIUS), steps=8)
    page.mouse.up()
    page.locator(".lsf-outliner-item", has_text="Headstamp").click()
    page.locator(".lsf-choice:visible", has_text="The longest text").first.locator("input").check(force=True)
    if os.environ.get("WORKBENCH_PICTURES"):
        page.screenshot(path=Path(os.environ["WORKBENCH_PICTURES"]) / "headstamp.png")
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as submitted:
        page.locator("[data-testid=bottombar-submit-button]").click()
    assert submitted.value.status == 201
    workbench("labelling", "pull", "--project", "headstamp", "--workspace", campaign)
    workbench("adjudication", "--workspace", campaign)
    read = pd.read_parquet(campaign / "data" / "03_adjudication" / "headstamps.parquet").sort_values("ordinal")
    assert list(read["text_raw"]) == ["AB?", "87"]
    assert set(read["orientation_basis"]) == {"longest_text"}
    assert set(read["up_direction"]) == {"outward"}
    assert list(read["clock_deg"]) == pytest.approx([0, 90], abs=4)
