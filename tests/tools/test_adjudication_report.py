"""The page about agreement in a real browser: choosing two labellers shows where they differ, and nothing is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.cli.workspace import create_workspace
from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, IMAGES, INSTANCES, instance_row, write_table

pytestmark = pytest.mark.tools

_CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one drawn photograph and two answers to it that differ in one object of two."""
    root = tmp_path_factory.mktemp("report") / "site"
    create_workspace(root)
    layout = Layout(root)
    picture = np.full((300, 400, 3), 160, np.uint8)
    cv2.rectangle(picture, (40, 40), (120, 120), (30, 60, 200), -1)
    cv2.rectangle(picture, (220, 150), (320, 230), (60, 140, 60), -1)
    path = Path("01_intake/c/images/aa/picture.jpg")
    (layout.data / path).parent.mkdir(parents=True)
    cv2.imwrite(str(layout.data / path), picture)
    row = {
        "image_id": "a" * 64,
        "origin": "real",
        "path": str(path),
        "file_sha256": "b" * 64,
        "width_px": 400,
        "height_px": 300,
        "licence": "CC0-1.0",
        "work_key": "c" * 64,
    }
    write_table(layout.intake / "c" / "images.parquet", IMAGES, [row])
    said, drawn = [], []
    for who, category in (("annotator-one", "negative.tool"), ("annotator-two", "negative.toy")):
        base = {"annotation_id": who, "image_id": row["image_id"], "annotator": who}
        fixed = {"project": "parts", "pass_": "blind1", "source": "label-studio", "taxonomy_version": "1.2.0"}
        said.append({**base, **fixed, "submitted_at": "2026-01-01T00:00:00Z", "lead_time_s": 20.0})
        for place, (code, x, y) in enumerate(((category, 40, 40), ("negative.plumbing_or_tube", 220, 150))):
            box = Box(x_min=x, y_min=y, x_max=x + 80, y_max=y + 80)
            drawn.append(
                instance_row(
                    Instance(instance_id=f"{who}{place}", category=code, shape=Shape.BOX, box=box, **base)  # type: ignore[arg-type]
                )
            )
    write_table(layout.labelling / "parts" / "annotations.parquet", ANNOTATIONS, said)
    write_table(layout.labelling / "parts" / "instances.parquet", INSTANCES, drawn)
    for line in (["adjudication", "--stage"], ["adjudication", "report", "--out", str(root / "agreement.html")]):
        result = CliRunner().invoke(app, [*line, "--workspace", str(root)])
        assert result.exit_code == 0, result.output
    return root


def test_choosing_two_labellers_shows_the_place_where_they_differ(site: Path) -> None:
    if not Path(_CHROMIUM).exists():
        pytest.skip("Chromium is not installed: scripts/bootstrap.sh --browser installs it")
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto((site / "agreement.html").as_uri())
        pair = page.locator("#pair-1-2")
        assert not pair.is_visible()
        page.locator(".matrix a").first.click()
        assert pair.is_visible()
        assert pair.locator("figure").count() == 1
        told = pair.locator("figcaption").inner_text()
        assert "negative.tool" in told
        assert "negative.toy" in told
        colour = pair.locator("rect.s0").evaluate("shape => getComputedStyle(shape).stroke")
        assert colour != "none"
        page.locator(".pair .close").first.click()
        assert not pair.is_visible()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


def test_a_dry_run_writes_no_page(site: Path) -> None:
    out = site / "other.html"
    result = CliRunner().invoke(
        app, ["adjudication", "report", "--dry-run", "--out", str(out), "--workspace", str(site)]
    )
    assert result.exit_code == 0
    assert "would be written" in result.output
    assert not out.exists()


def test_without_figures_it_says_what_to_run(tmp_path: Path) -> None:
    create_workspace(tmp_path / "bare")
    result = CliRunner().invoke(app, ["adjudication", "report", "--workspace", str(tmp_path / "bare")])
    assert result.exit_code == 1
    assert "workbench adjudication" in result.output
