"""The curator's plugin in the real FiftyOne app, driven in a browser: decisions end up in the workspace's files."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from workbench.adapters import servers, servers_process
from workbench.cli.curation import eyes
from workbench.cli.workspace import create_workspace
from workbench.curation.decisions import read_decisions
from workbench.curation.outcome import write_curation
from workbench.curation.stage import plan_curation
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.tables import IMAGES, INSTANCES, read_rows, write_table

pytestmark = [pytest.mark.tools, pytest.mark.slow]

_CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A workspace with six curated photographs of two partners."""
    layout = create_workspace(tmp_path_factory.mktemp("app") / "workspace")
    rows = []
    for number in range(6):
        rng = np.random.default_rng(number)
        image = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize((640, 480), Image.NEAREST)
        name = sha256_hex(str(number).encode())
        path = layout.intake / "c1" / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        row: dict[str, Any] = {"image_id": name, "origin": "real", "path": path.relative_to(layout.data).as_posix()}
        row |= {"file_sha256": sha256_hex(path.read_bytes()), "width_px": image.width, "height_px": image.height}
        row |= {"licence": "CC0-1.0", "work_key": "k", "contribution_id": "c1", "partner_id": f"lab-{number % 2}"}
        rows.append(row)
    write_table(layout.intake / "c1" / "images.parquet", IMAGES, rows)
    write_table(layout.adjudication / "instances.parquet", INSTANCES, [])
    _curate(layout)
    return layout


def _curate(layout: Layout) -> list[dict[str, Any]]:
    from workbench.cli.wiring import Workspace

    params = Workspace(layout=layout).section("curation")
    write_curation(layout, plan_curation(layout, params, eyes=eyes(layout.state, workers=1), frozen={}))
    return read_rows(layout.curation / "images.parquet", IMAGES)


@pytest.fixture(scope="module")
def app_url(curated: Layout, mongod: str, workbench: Callable[..., Any]) -> Iterator[str]:
    """FiftyOne's app as `up` starts it, with the dataset rebuilt from the tables."""
    ports = servers.Ports.free()
    mongo_port = int(mongod.split(":")[2].split("/", maxsplit=1)[0])
    plan = servers._plan_fiftyone(curated, servers.Ports(fiftyone=ports.fiftyone, mongo=mongo_port))
    checkout = str(Path(__file__).resolve().parents[2])  # tests also run where the workbench is not installed
    child = servers_process.spawn(replace(plan, environment={**plan.environment, "PYTHONPATH": checkout}))
    url = f"http://127.0.0.1:{ports.fiftyone}"
    try:
        deadline = time.monotonic() + 120
        servers_process.wait_until(child, lambda: _answers(url), deadline=deadline)
        record = {"mongod": {"uri": mongod}, "fiftyone": {"url": url}}
        (curated.state / "servers.json").write_text(json.dumps(record), encoding="utf-8")
        assert workbench("curation", "app", "--workspace", curated.root)["data"]["samples"] == 6
        yield url
    finally:
        servers_process.stop([child])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def page(app_url: str) -> Iterator[Any]:
    if not Path(_CHROMIUM).exists():
        pytest.skip("Chromium is not installed: scripts/bootstrap.sh --browser installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        advert = page.get_by_text("Dismiss", exact=True)  # of FiftyOne's makers, over everything, whenever it likes
        page.add_locator_handler(advert, lambda found: found.click())
        page.goto(f"{app_url}/datasets/workbench")
        page.locator("[data-cy=looker]").first.wait_for(timeout=60_000)
        yield page
        browser.close()


def _picture(page: Any, name: str) -> None:
    if os.environ.get("WORKBENCH_PICTURES"):
        page.screenshot(path=Path(os.environ["WORKBENCH_PICTURES"]) / f"{name}.png")


def _decide(page: Any, action: str, reason: str) -> str:
    """Press the action's button, fill in its form and carry it out; return what the app then says."""
    page.locator(f"[data-item-id='@workbench/curation/{action}']").click()
    form = page.locator("[data-cy=operators-prompt-modal]")
    fields = form.locator("input[type=string], input[type=text]")
    fields.nth(0).fill(reason)
    fields.nth(1).fill("ada")
    _picture(page, f"form-{action}")
    form.get_by_role("button", name="Execute").click()
    done = page.locator("[data-cy=operators-prompt-modal]", has_text="Outcome")
    done.wait_for(timeout=90_000)
    _picture(page, f"outcome-{action}")
    return str(done.inner_text())


def test_a_curator_excludes_photographs_in_a_browser_and_the_stage_leaves_them_out(
    page: Any, curated: Layout, workbench: Callable[..., Any]
) -> None:
    for number in (0, 1):
        looker = page.locator("[data-cy=looker]").nth(number)
        looker.hover()
        looker.locator("label").click()
    _picture(page, "selected")
    assert "exclude for 2 photographs noted, by ada." in _decide(page, "exclude", "out of focus")
    (decision,) = read_decisions(curated.curation_decisions)
    assert (decision.action, decision.actor, decision.reason) == ("exclude", "ada", "out of focus")
    assert (curated.data / "04_decisions.dvc").is_file()
    left_out = {row["image_id"]: row["excluded"] for row in _curate(curated) if row["excluded"]}
    assert left_out == dict.fromkeys(decision.image_ids, "excluded by ada: out of focus")
    assert workbench("curation", "app", "--workspace", curated.root)["data"]["samples"] == 6
    import fiftyone as fo

    shown = fo.load_dataset("workbench").load_saved_view("excluded")
    assert set(shown.values("image_id")) == set(decision.image_ids)
    assert shown.first().decisions == ["exclude by ada: out of focus"]
