"""`workbench up` with the real servers: ready, confined, stopped for certain."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from workbench.adapters import servers, servers_process
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Busy, Refused
from workbench.layout import Layout

pytestmark = pytest.mark.tools

READY_S = 300


@contextlib.contextmanager
def started(layout: Layout, *options: str) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "workbench.cli.main", "up", "--auto-ports", *options]
    line += ["--workspace", str(layout.root)]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ValueError):  # a test may have read it to its end
            process.communicate(timeout=60)


def record(layout: Layout) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((layout.state / "servers.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def wait_for(process: subprocess.Popen[str], layout: Layout) -> dict[str, Any]:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout and process.stdout.read()
        # A record of a former `up` names other processes; only this one's children count.
        own = {child.pid for child in psutil.Process(process.pid).children()}
        found = record(layout)
        if found.get("ready") and {one["pid"] for one in found["processes"]} <= own:
            return found
        time.sleep(0.2)
    raise AssertionError("not ready in time")


def alive(found: dict[str, Any]) -> list[int]:
    pids = [one["pid"] for one in found["processes"]]
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def gone(found: dict[str, Any]) -> bool:
    deadline = time.monotonic() + 10
    while alive(found) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not alive(found)


def test_up_serves_working_copies_only_and_ctrl_c_leaves_no_process(bare_workspace: Layout) -> None:
    layout = bare_workspace
    copy = layout.intake / "c1" / "images" / "copy.png"
    copy.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(copy)
    (layout.data / "link.png").symlink_to("/etc/passwd")
    with started(layout) as process:
        found = wait_for(process, layout)
        credentials = layout.state / "credentials.json"
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
        token = json.loads(credentials.read_text(encoding="utf-8"))["label_studio"]["token"]
        asked = httpx.get(found["label_studio"]["url"] + "/api/projects", headers={"Authorization": f"Token {token}"})
        assert asked.status_code == 200
        _assert_confined(found["fiftyone"]["url"], copy, layout)
        _assert_local(found)
        with started(layout) as second:
            said, _ = second.communicate(timeout=60)
        assert second.returncode == 3
        assert "another command is working on its servers" in said
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert found["label_studio"]["url"] in said
    assert alive(found) == []
    assert record(layout) == {}


def _assert_confined(url: str, copy: Path, layout: Layout) -> None:
    served = httpx.get(f"{url}/media", params={"filepath": str(copy)})
    assert served.content == copy.read_bytes()
    outside = ["/etc/passwd", str(layout.params), f"{layout.data}/../params.yaml", str(layout.data / "link.png"), "\0"]
    for path in outside:
        assert httpx.get(f"{url}/media", params={"filepath": path}).status_code == 403, path
    twice = httpx.get(f"{url}/media?filepath={copy}&filepath=/etc/passwd")
    assert twice.status_code == 403
    assert httpx.get(f"{url}/%6dedia", params={"filepath": "/etc/passwd"}).status_code == 403
    assert "default-src 'self'" in httpx.get(url).headers["content-security-policy"]
    assert httpx.get(url, headers={"Host": "elsewhere.test"}).status_code == 403


def _assert_local(found: dict[str, Any]) -> None:
    for one in found["processes"]:
        listening = [c for c in psutil.Process(one["pid"]).net_connections() if c.status == psutil.CONN_LISTEN]
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}, one["name"]


def test_servers_end_with_a_killed_up_and_the_next_up_starts(bare_workspace: Layout) -> None:
    with started(bare_workspace, "--no-fiftyone") as process:
        first = wait_for(process, bare_workspace)
        process.kill()
        process.communicate(timeout=60)
    assert gone(first)
    with started(bare_workspace, "--no-fiftyone") as process:
        second = wait_for(process, bare_workspace)
        _assert_restarted(process, bare_workspace, second)
    assert alive(second) == []


def _assert_restarted(process: subprocess.Popen[str], layout: Layout, before: dict[str, Any]) -> None:
    killed = before["processes"][0]["pid"]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and record(layout).get("processes", [{}])[0].get("pid") == killed:
        time.sleep(0.2)
    after = wait_for(process, layout)
    assert after["label_studio"] == before["label_studio"]
    assert httpx.get(after["label_studio"]["url"] + "/health").status_code == 200


def test_a_busy_port_is_named_with_the_option_that_changes_it(bare_workspace: Layout) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = servers.Ports(label_studio=port)
        with (
            pytest.raises(Busy, match=rf"Port {port}: is taken .* Label Studio .*--label-studio-port"),
            servers.running(bare_workspace, ports=ports, fiftyone=False),
        ):
            pass


def test_a_missing_label_studio_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LABEL_STUDIO_BIN", "/nowhere/label-studio")
    with pytest.raises(Refused, match="make install"):
        servers.label_studio_program()


def test_a_leftover_is_ended_but_never_a_stranger_that_has_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        created = psutil.Process(stranger.pid).create_time()
        try:
            assert servers_process.stop_stale([{"pid": stranger.pid, "create_time": created - 100}]) == 0
            assert stranger.poll() is None
            assert servers_process.stop_stale([{"pid": stranger.pid, "create_time": created}]) == 1
            assert not psutil.pid_exists(stranger.pid)
        finally:
            stranger.kill()


def test_commands_reach_label_studio_and_it_serves_photographs_of_the_intake_only(label_studio: Any) -> None:
    layout = label_studio.layout
    copy = layout.intake / "c1" / "images" / "copy.png"
    copy.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(copy)
    (layout.data / "secret.txt").write_text("not for labellers", encoding="utf-8")
    server, media_root = connect(Workspace(layout=layout))
    project = server.ensure_project("media", label_config="<View></View>", instructions="", overlap=1)
    server.ensure_media(project, [media_root / "c1"])
    server._client._client_wrapper.httpx_client.httpx_client.close()  # the SDK has no close of its own
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers) as browser:
        served = browser.get("/data/local-files/", params={"d": "c1/images/copy.png"})
        assert served.content == copy.read_bytes()
        for outside in ("../secret.txt", str(layout.data / "secret.txt"), "c1/../../secret.txt"):
            answer = browser.get("/data/local-files/", params={"d": outside})
            assert answer.is_error, outside  # Label Studio says 500 to a path that climbs out
            assert "not for labellers" not in answer.text
