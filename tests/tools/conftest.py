"""The real servers, each started once for the tests that need it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mongoengine
import pytest

from workbench.adapters import servers, servers_label_studio, servers_process
from workbench.cli.workspace import create_workspace
from workbench.layout import Layout

_CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningLabelStudio:
    """A Label Studio that answers; ``layout`` is its workspace, with the template's parameters and label configs."""

    url: str
    email: str
    password: str
    token: str
    media_root: Path
    layout: Layout


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLabelStudio]:
    layout = create_workspace(tmp_path_factory.mktemp("label-studio") / "workspace")
    with servers.running(layout, ports=servers.Ports.free(), fiftyone=False) as up:
        known = servers_label_studio.credentials(layout)
        yield RunningLabelStudio(
            url=up.addresses["label_studio"]["url"],
            email=known["email"],
            password=known["password"],
            token=known["token"],
            media_root=layout.intake,
            layout=layout,
        )


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URI of a real, empty database."""
    layout = Layout(tmp_path_factory.mktemp("mongod"))
    port = servers.Ports.free().mongo
    child = servers_process.spawn(servers.plan_mongod(layout, port))
    try:
        servers_process.wait_until(child, lambda: True, deadline=time.monotonic() + 60)
        yield servers.mongo_uri(port)
        mongoengine.disconnect_all()  # FiftyOne keeps its connection until the process ends
    finally:
        servers_process.stop([child])


@pytest.fixture
def bare_workspace(tmp_path: Path) -> Layout:
    """Return a workspace without git and DVC: enough for the servers."""
    return _make_workspace(tmp_path / "workspace")


def _make_workspace(root: Path) -> Layout:
    root.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / "label_configs", root / "label_configs")
    return Layout(root)


@pytest.fixture
def sessions(label_studio: Any) -> Iterator[Callable[[str, str], Any]]:
    """Log somebody in, in a browser session of their own: ``sessions(email, password)`` is their page."""
    if not Path(_CHROMIUM).exists():
        pytest.skip("Chromium is not installed: scripts/bootstrap.sh --browser installs it")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=[*flags, "--disable-component-update", "--disable-sync"]
        )

        def log_in(email: str, password: str) -> Any:
            page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            page.goto(f"{label_studio.url}/user/login")
            page.fill("input[name=email]", email)
            page.fill("input[name=password]", password)
            page.click("button[type=submit]")
            page.wait_for_url(lambda url: "login" not in url)
            return page

        yield log_in
        browser.close()


@pytest.fixture
def page(label_studio: Any, sessions: Callable[[str, str], Any]) -> Any:
    """Return the administrator's browser page."""
    return sessions(label_studio.email, label_studio.password)
