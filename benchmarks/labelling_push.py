"""`labelling push` against the bare import of the same tasks in one POST, on a real Label Studio."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure

_READY_S = 300
_TIMEOUT_S = 300


@contextmanager
def servers(root: Path) -> Iterator[None]:
    """Run `workbench up` for the while."""
    line = [sys.executable, "-m", "workbench.cli.main", "up", "--auto-ports", "--workspace", str(root)]
    log = root / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(line, stdout=output, stderr=output, start_new_session=True)
    record = root / ".workbench" / "servers.json"
    try:
        deadline = time.monotonic() + _READY_S
        while not (record.is_file() and json.loads(record.read_text(encoding="utf-8") or "{}").get("ready")):
            if process.poll() is not None or time.monotonic() > deadline:
                msg = f"workbench up did not get ready: {log.read_text(encoding='utf-8', errors='replace')[-1000:]}"
                raise RuntimeError(msg)
            time.sleep(0.5)
        yield
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
            process.wait(60)


class Server:
    """Label Studio's API with the administrator's token, without an SDK."""

    def __init__(self, root: Path) -> None:
        """Read the address and the token that `workbench up` wrote."""
        known: dict[str, str] = {}
        for name in ("credentials.json", "servers.json"):
            document = json.loads((root / ".workbench" / name).read_text(encoding="utf-8"))
            known |= document.get("label_studio", {})
        self._url, self._token = known["url"].rstrip("/"), known["token"]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request; return the parsed answer."""
        request = urllib.request.Request(  # noqa: S310 -- a loopback address that `workbench up` wrote
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 -- as above
            text = answer.read()
        return json.loads(text) if text else None

    def projects(self) -> list[dict[str, Any]]:
        """Return all projects."""
        return list(self.ask("GET", "/api/projects/?page_size=100")["results"])

    def tasks(self, project_id: int) -> list[dict[str, Any]]:
        """Return all tasks of a project."""
        found: list[dict[str, Any]] = []
        number, total = 1, 1
        while len(found) < total:
            page = self.ask("GET", f"/api/tasks/?project={project_id}&page_size=2000&page={number}")
            found, total, number = [*found, *page["tasks"]], page["total"], number + 1
        return found


def photographs(folder: Path, items: int) -> Path:
    """Make a workspace with that many admitted photographs; return it."""
    root = measure.new_workspace(folder / "workspace")
    drawn = measure.draw_photographs(folder / "drawn", min(items, 50), seed=6, size_wh=(160, 160))
    measure.receive(root, measure.vary(drawn, folder / "delivery", items))
    params = root / "params.yaml"  # what is measured is the labelling, not the search for faces
    params.write_text(params.read_text(encoding="utf-8").replace("unreviewed: block", "unreviewed: allow"))
    measure.workbench("intake", "--stage", "--workspace", root)
    return root


def measure_push(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer a push takes than the bare import."""
    with measure.scratch() as folder:
        root = photographs(folder, items)
        with servers(root):
            server = Server(root)
            measure.workbench("labelling", "push", "--workspace", root)  # warms both, and makes the tasks to copy
            config = server.projects()[0]["label_config"]
            tasks = [{"data": task["data"]} for task in server.tasks(server.projects()[0]["id"])]
            if len(tasks) != items:
                msg = f"{len(tasks)} tasks were pushed for {items} photographs"
                raise RuntimeError(msg)
            bare: dict[int, int] = {}

            def before(turn: int) -> None:
                for project in server.projects():
                    server.ask("DELETE", f"/api/projects/{project['id']}/")
                made = server.ask("POST", "/api/projects/", {"title": f"bare {turn}", "label_config": config})
                bare[turn] = made["id"]

            def floor(turn: int) -> None:
                server.ask("POST", f"/api/projects/{bare[turn]}/import", tasks)

            def work(_turn: int) -> None:
                measure.workbench("labelling", "push", "--workspace", root)

            work_s, floor_s, _, _ = measure.in_turns(work, floor, turns=turns, before=before)
    return measure.Ratio(
        name="labelling push",
        against="the bare one-POST import",
        items=items,
        unit="tasks",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=None,
        floor_cpu_s=None,
    )


if __name__ == "__main__":
    measure.present(measure_push, items=10_000)
