"""The real servers, each started once for the tests that need it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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

# Test modules share the independent caster, and this folder is no package.
_spec = importlib.util.spec_from_file_location("independent_caster", Path(__file__).with_name("independent_caster.py"))
assert _spec is not None
assert _spec.loader is not None
sys.modules["independent_caster"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["independent_caster"])

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


@dataclass(frozen=True)
class RunningPostgres:
    """A PostgreSQL server that answers on 127.0.0.1, and the password of its one user, ``team``."""

    port: int
    password: str

    def address(self, name: str) -> str:
        """Return the address of one of its databases, without the password."""
        return f"postgresql://team@127.0.0.1:{self.port}/{name}"

    def make(self, name: str) -> str:
        """Make an empty database; return its address without the password."""
        with contextlib.closing(self._connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        return self.address(name)

    def _connect(self) -> Any:
        import psycopg2

        return psycopg2.connect(
            host="127.0.0.1", port=self.port, dbname="postgres", user="team", password=self.password
        )


@pytest.fixture(scope="session")
def team_database() -> Iterator[RunningPostgres]:
    """A real PostgreSQL of the system's, its data thrown away afterwards. It runs as nobody where tests run as root."""
    folder = _postgres_programs()
    as_nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="workbench-postgres-", ignore_cleanup_errors=True) as place:
        root, password = Path(place), "pa:ss/w@rd %1"
        (root / "password").write_text(password, encoding="utf-8")
        if as_nobody:
            for path in (root, root / "password"):
                os.chown(path, 65534, 65534)
        plain: dict[str, Any] = {"cwd": root, "env": {"PATH": os.defpath, "HOME": place}, **as_nobody}
        line = [folder / "initdb", "-D", root / "data", "-U", "team", "--pwfile", root / "password"]
        line += ["-A", "scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(line, check=True, capture_output=True, **plain)
        port = servers.Ports.free().label_studio
        line = [folder / "postgres", "-D", root / "data", "-p", str(port), "-k", "", "-c", "fsync=off"]
        with (root / "log").open("wb") as log:
            process = subprocess.Popen([*line, "-c", "listen_addresses=127.0.0.1"], stdout=log, stderr=log, **plain)
        try:
            running = RunningPostgres(port=port, password=password)
            _wait_for_postgres(process, running, root / "log")
            yield running
        finally:
            process.send_signal(signal.SIGINT)  # "fast": it does not wait for its clients
            process.wait(60)


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    program = str(found[-1]) if found else shutil.which("postgres")
    if not program:
        pytest.skip("PostgreSQL is not installed: scripts/bootstrap.sh --browser installs it")
    return Path(program).resolve().parent


def _wait_for_postgres(process: subprocess.Popen[bytes], running: RunningPostgres, log: Path) -> None:
    import psycopg2

    deadline = time.monotonic() + 60
    while True:
        try:
            return running._connect().close()
        except psycopg2.OperationalError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.2)


@pytest.fixture(scope="session")
def parts() -> Any:
    """Return the built-in parts of the catalogue, ready to be placed."""
    from workbench.adapters.cad import resting_poses
    from workbench.synthesis.catalogue import builtin_parts

    return builtin_parts(resting_poses)


@pytest.fixture(scope="session")
def meshes(parts: Any) -> Any:
    """Return every mesh that a scene may name, the things that lie about included."""
    from workbench.synthesis.props import prop_meshes

    return prop_meshes() | {part.part_id: part.mesh for part in parts}
