"""Label Studio, mongod and the FiftyOne app of one workspace: started together, watched, stopped together.

All listen on 127.0.0.1 alone. While they run, ``.workbench/servers.json`` says where they are.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.adapters.postgres import Database
from workbench.adapters.servers_label_studio import label_studio_program, plan_label_studio
from workbench.adapters.servers_process import (
    ADDRESS,
    Child,
    Plan,
    free_ports,
    plain_environment,
    require_free,
    spawn,
    stop,
    stop_stale,
    wait_until,
)
from workbench.domain.findings import busy, refused
from workbench.layout import Layout

__all__ = ["Ports", "Servers", "label_studio_program", "mongod_program", "running"]

#: How often a server that ended by itself is started again.
_RESTARTS = 3

_ANSWER_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports on 127.0.0.1 that the servers listen on."""

    label_studio: int = 8080
    fiftyone: int = 5151
    mongo: int = 27117

    @classmethod
    def free(cls) -> Ports:
        """Return ports that nothing listens on now."""
        label_studio, fiftyone, mongo = free_ports(3)
        return cls(label_studio=label_studio, fiftyone=fiftyone, mongo=mongo)


def mongod_program() -> Path:
    """Return the mongod that FiftyOne's database package carries, without importing FiftyOne (seconds).

    Raises
    ------
    Refused
        ``servers.mongod-missing`` if it is not installed.

    """
    spec = importlib.util.find_spec("fiftyone")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        program = Path(folder) / "db" / "bin" / "mongod"
        if os.access(program, os.X_OK):
            return program
    raise refused(
        "servers.mongod-missing",
        "mongod",
        "is not there, so FiftyOne has no database.",
        "Run `make install`.",
    )


@dataclass(slots=True, kw_only=True)
class Servers:
    """The running servers of a workspace."""

    layout: Layout
    ports: Ports
    fiftyone: bool
    database: Database | None = None
    workers: int = 2
    children: list[Child] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)

    @property
    def addresses(self) -> dict[str, Any]:
        """Where each server is, as servers.json says it."""
        found: dict[str, Any] = {
            "label_studio": {
                "url": f"http://{ADDRESS}:{self.ports.label_studio}",
                "media_root": str(self.layout.intake),
                "database": self.database.shown if self.database else "sqlite",
            }
        }
        if self.fiftyone:
            found["mongod"] = {"uri": mongo_uri(self.ports.mongo)}
            found["fiftyone"] = {"url": f"http://{ADDRESS}:{self.ports.fiftyone}"}
        return found

    def start(self, *, ready_s: float) -> None:
        """Start every server and wait until all answer."""
        deadline = time.monotonic() + ready_s
        plans = {
            "label-studio": plan_label_studio(
                self.layout, self.ports.label_studio, database=self.database, workers=self.workers
            )
        }
        if self.fiftyone:
            plans["mongod"] = plan_mongod(self.layout, self.ports.mongo)
            plans["fiftyone"] = _plan_fiftyone(self.layout, self.ports)
        self._spawn(plans["label-studio"])
        if self.fiftyone:
            mongod = self._spawn(plans["mongod"])
            wait_until(mongod, lambda: True, deadline=deadline)
            self._spawn(plans["fiftyone"])
        for child in self.children:
            wait_until(child, lambda child=child: _answers(child.plan), deadline=deadline)  # type: ignore[misc]
        self._record(ready=True)

    def revive(self, *, ready_s: float) -> list[str]:
        """Start each server that has ended again; return their names.

        Raises
        ------
        Busy
            ``servers.keeps-ending`` if one has ended more than three times.

        """
        ended = [child for child in self.children if child.process.poll() is not None]
        for child in ended:
            name = child.plan.name
            self.restarts[name] = self.restarts.get(name, 0) + 1
            if self.restarts[name] > _RESTARTS:
                raise busy(
                    "servers.keeps-ending",
                    name,
                    f"ended {self.restarts[name]} times (last with {child.process.returncode}).",
                    f"Read {child.plan.log}, then run `workbench up` again.",
                )
            self.children.remove(child)
            again = self._spawn(child.plan)
            wait_until(again, lambda again=again: _answers(again.plan), deadline=time.monotonic() + ready_s)  # type: ignore[misc]
            self._record(ready=True)
        return [child.plan.name for child in ended]

    def _spawn(self, plan: Plan) -> Child:
        child = spawn(plan)
        self.children.append(child)
        self._record(ready=False)
        return child

    def _record(self, *, ready: bool) -> None:
        """Write servers.json; the addresses only once they answer, so that nobody asks too early."""
        document: dict[str, Any] = {"ready": ready, "processes": [child.to_json() for child in self.children]}
        if ready:
            document |= self.addresses
        path = _record_path(self.layout)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(document, indent=2), encoding="utf-8")
        os.replace(partial, path)


@contextmanager
def running(
    layout: Layout,
    *,
    ports: Ports,
    fiftyone: bool = True,
    ready_s: float = 240.0,
    database: Database | None = None,
    workers: int = 2,
) -> Iterator[Servers]:
    """Run the servers for the while; whatever happens, none is left when the block ends.

    Label Studio runs on SQLite, or on the PostgreSQL database given, served by so many worker processes. The caller holds the workspace's ``servers`` lock: what servers.json records is then a leftover, and is stopped.

    Raises
    ------
    Refused
        If a program is not installed.
    Busy
        ``servers.port-busy`` or ``servers.not-ready``.

    """
    layout.state.mkdir(parents=True, exist_ok=True)
    _stop_leftovers(layout)
    require_free(ports.label_studio, server="Label Studio", option="--label-studio-port")
    if fiftyone:
        require_free(ports.fiftyone, server="FiftyOne", option="--fiftyone-port")
        require_free(ports.mongo, server="mongod", option="--mongo-port")
    servers = Servers(layout=layout, ports=ports, fiftyone=fiftyone, database=database, workers=workers)
    try:
        servers.start(ready_s=ready_s)
        yield servers
    finally:
        # The app before its database, so that it ends without complaint.
        for child in reversed(servers.children):
            stop([child])
        _record_path(layout).unlink(missing_ok=True)


def _stop_leftovers(layout: Layout) -> None:
    path = _record_path(layout)
    try:
        records = json.loads(path.read_text(encoding="utf-8")).get("processes", [])
        stop_stale(records)
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # half a record names nobody
    path.unlink(missing_ok=True)


def _record_path(layout: Layout) -> Path:
    return layout.state / "servers.json"


def mongo_uri(port: int) -> str:
    """Return the URI of the mongod on a port of this machine."""
    return f"mongodb://{ADDRESS}:{port}/?journal=true&serverSelectionTimeoutMS=2000"


def plan_mongod(layout: Layout, port: int) -> Plan:
    """Return how to start mongod for a workspace."""
    folder = layout.state / "mongod"
    command = [str(mongod_program()), "--dbpath", str(folder), "--port", str(port), "--bind_ip", ADDRESS]
    command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.5"]
    log = layout.state / "logs" / "mongod.log"
    environment = plain_environment(folder)
    return Plan(name="mongod", command=command, environment=environment, folder=folder, port=port, log=log)


def _plan_fiftyone(layout: Layout, ports: Ports) -> Plan:
    folder = layout.state / "fiftyone"
    environment = {
        **plain_environment(folder),
        "FIFTYONE_DATABASE_URI": mongo_uri(ports.mongo),
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_DISABLE_SERVICES": "1",
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_PLUGINS_DIR": str(Path(__file__).with_name("fiftyone_plugins")),
        "WORKBENCH_WORKSPACE": str(layout.root),  # where the plugin's decisions go
    }
    module = "workbench.adapters.fiftyone_app"
    command = [sys.executable, "-m", module, str(ports.fiftyone), ADDRESS, str(layout.data)]
    log = layout.state / "logs" / "fiftyone.log"
    return Plan(name="fiftyone", command=command, environment=environment, folder=folder, port=ports.fiftyone, log=log)


def _answers(plan: Plan) -> bool:
    """Tell whether a server answers over HTTP; mongod speaks none and is ready when it listens."""
    if plan.name == "mongod":
        return True
    import httpx

    path = "/health" if plan.name == "label-studio" else "/"
    try:
        return httpx.get(f"http://{ADDRESS}:{plan.port}{path}", timeout=_ANSWER_S, trust_env=False).is_success
    except httpx.HTTPError:
        return False
