"""Server processes on this machine: started bound to this one, known again after a crash, stopped for certain."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.domain.findings import busy

#: The one address everything listens on.
ADDRESS = "127.0.0.1"

_PR_SET_PDEATHSIG = 1
_STOP_S = 15.0
_POLL_S = 0.2

#: Loaded before any fork: loading a library between fork and exec can deadlock.
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to start one server: its command, environment, folder, port and log."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    port: int
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A started server."""

    plan: Plan
    process: subprocess.Popen[bytes]
    create_time: float

    def to_json(self) -> dict[str, Any]:
        """Return what is needed to know this process again: a number alone may be another's by then."""
        return {"name": self.plan.name, "pid": self.process.pid, "create_time": self.create_time}


def plain_environment(home: Path) -> dict[str, str]:
    """Return an environment with PATH, HOME and LANG alone: the servers read many an unprefixed variable."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}


def spawn(plan: Plan) -> Child:
    """Start a server in a session of its own; the kernel ends it when this process ends, however that ends."""
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # databases are nobody else's to read
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    with plan.log.open("ab") as log:
        process = subprocess.Popen(
            list(plan.command),
            cwd=plan.folder,
            env=dict(plan.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 -- calls prctl alone, through a library loaded before the fork
        )
    try:
        create_time = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        create_time = 0.0
    return Child(plan=plan, process=process, create_time=create_time)


def _die_with(parent: int) -> Callable[[], None]:
    def bind() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl took hold
            os._exit(1)

    return bind


def wait_until(child: Child, ready: Callable[[], bool], *, deadline: float) -> None:
    """Return when the child listens on its port and ``ready()`` holds; ``deadline`` in `time.monotonic` seconds.

    Raises
    ------
    Busy
        ``servers.not-ready`` if it ends first or takes too long.

    """
    while time.monotonic() < deadline:
        if child.process.poll() is not None:
            raise _not_ready(child, f"ended with {child.process.returncode} while starting")
        if _listens(child) and ready():
            return
        time.sleep(_POLL_S)
    raise _not_ready(child, "did not answer in time")


def _listens(child: Child) -> bool:
    """Tell whether this very process has the port: a server that finds it taken may quietly take the next."""
    try:
        connections = psutil.Process(child.process.pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == child.plan.port for one in connections)


def _not_ready(child: Child, what: str) -> Exception:
    words = child.plan.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return busy(
        "servers.not-ready",
        child.plan.name,
        f"{what} ({words[-1][:200] if words else 'no word from it'}).",
        f"Read {child.plan.log}, then run `workbench up` again.",
    )


def stop(children: Sequence[Child]) -> None:
    """End the children and whatever they started: asked first, killed after 15 seconds."""
    _end([(child.process.pid, child.create_time) for child in children])
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(timeout=_STOP_S)


def stop_stale(records: Sequence[Mapping[str, Any]]) -> int:
    """End recorded processes that outlived their `workbench up`; return how many there were."""
    return _end([(int(record["pid"]), float(record["create_time"])) for record in records])


def _end(known: Sequence[tuple[int, float]]) -> int:
    alive: list[psutil.Process] = []
    for pid, create_time in known:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            # A fraction of a second apart is another process that was given the same number.
            if abs(process.create_time() - create_time) < 0.05:  # noqa: PLR2004 -- see above
                alive += [process, *process.children(recursive=True)]
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(alive, timeout=_STOP_S)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_STOP_S)
    return len(alive)


def require_free(port: int, *, server: str, option: str) -> None:
    """Refuse a port that something listens on.

    Raises
    ------
    Busy
        ``servers.port-busy``.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise busy(
                "servers.port-busy",
                f"Port {port}",
                f"is taken by another program, so {server} cannot listen on it.",
                f"Name another with {option} PORT, or let `workbench up --auto-ports` choose.",
            ) from error


def free_ports(count: int) -> list[int]:
    """Return so many ports that nothing listens on, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((ADDRESS, 0))
        return [int(one.getsockname()[1]) for one in sockets]
