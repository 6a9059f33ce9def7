"""The sandbox's workers are expendable, and what befalls them is not always the item's fault."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.adapters.sandbox import Lost, Sandbox
from workbench.domain.findings import Busy


def _ready() -> None:
    pass


def _cannot_get_ready() -> None:
    raise OSError(5, "Input/output error")


def _process(_: int) -> int:
    return os.getpid()


def _ends_itself(item: str) -> str:
    if item == "end":
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def _spins(item: float) -> float:
    until = time.monotonic() + item
    while time.monotonic() < until:
        pass
    return item


def _sleeps(item: float) -> float:
    time.sleep(item)
    return item


def _takes(item: int) -> int:
    return len(bytearray(item))


def _opens(path: str) -> str:
    try:
        with open(path, "wb") as file:  # noqa: PTH123 -- what a decoder's C code would do
            file.write(b"x")
            file.flush()
    except OSError as error:
        return type(error).__name__
    return "written"


def test_every_item_gets_an_answer_and_few_are_drawn_ahead() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(40):
            drawn.append(number)
            yield number

    with Sandbox(_process, prepare=_ready, workers=2, timeout_s=5) as box:
        seen = []
        for index, _ in box.map(items()):
            seen.append(index)
            assert len(drawn) - len(seen) <= 4
    assert sorted(seen) == list(range(40))


def test_an_item_that_could_not_be_handed_over_is_handed_to_another_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiprocessing.connection import Connection

    real, failed = Connection.send, []

    def send(pipe: Connection, item: object) -> None:
        if item == 3 and not failed:
            failed.append(item)
            raise OSError(5, "Input/output error")
        real(pipe, item)

    with Sandbox(_takes, prepare=_ready, workers=1, timeout_s=30) as box:
        monkeypatch.setattr(Connection, "send", send)
        began = time.monotonic()
        answers = dict(box.map([1, 2, 3, 4]))
    assert failed == [3]
    assert not [answer for answer in answers.values() if isinstance(answer, Lost)]
    assert time.monotonic() - began < 25  # long before the item's time would be over


def test_a_worker_that_died_while_idle_is_replaced() -> None:
    with Sandbox(_process, prepare=_ready, workers=2, timeout_s=5) as box:
        first = dict(box.map([1, 2]))
        for process_id in set(first.values()):
            os.kill(process_id, signal.SIGKILL)
        time.sleep(0.2)
        again = dict(box.map([1, 2, 3]))
    assert len(again) == 3
    assert all(isinstance(process_id, int) for process_id in again.values())
    assert not set(again.values()) & set(first.values())


def test_an_item_that_ends_its_worker_twice_is_told_from_its_neighbours() -> None:
    with Sandbox(_ends_itself, prepare=_ready, workers=2, timeout_s=5) as box:
        answers = dict(box.map(["a", "end", "b", "c"]))
    assert answers == {0: "a", 1: Lost(why="died"), 2: "b", 3: "c"}


def test_an_item_that_runs_too_long_is_stopped() -> None:
    began = time.monotonic()
    with Sandbox(_spins, prepare=_ready, workers=1, timeout_s=0.6) as box:
        answers = dict(box.map([0.01, 60.0, 0.01]))
    assert answers[1] == Lost(why="timeout")
    assert answers[0] == answers[2] == 0.01
    assert time.monotonic() - began < 15


def test_time_in_which_a_worker_could_not_run_is_not_held_against_its_item() -> None:
    # Sleeping looks from outside as a crowded machine does: wall clock without processor time.
    with Sandbox(_sleeps, prepare=_ready, workers=1, timeout_s=0.3) as box:
        assert dict(box.map([0.9])) == {0: 0.9}


def test_memory_and_written_bytes_are_limited(tmp_path: Path) -> None:
    with Sandbox(_takes, prepare=_ready, workers=1, timeout_s=20) as box:
        assert dict(box.map([1000, 1_800_000_000, 1000])) == {0: 1000, 1: Lost(why="died"), 2: 1000}
    with Sandbox(_opens, prepare=_ready, workers=1, timeout_s=5) as box:
        assert dict(box.map([f"{tmp_path}/x"])) in ({0: "OSError"}, {0: "PermissionError"})
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0, "the limits are the workers', not this process's"


_CONFINE = "from workbench.adapters.confinement import confine; print(*confine())"


def _tries(what: str) -> str:
    """Do what a decoder that was taken over might do; return how it went."""
    attempts = {
        "start a program": lambda: subprocess.run(["/bin/true"], check=False),
        "start a process": os.fork,
        "reach the network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "end another process": lambda: os.kill(os.getppid(), 0),
        "read a file": lambda: Path("/etc/passwd").read_bytes(),
        "list a folder": lambda: list(Path("/tmp").iterdir()),
        "load code": lambda: importlib.import_module("colorsys"),
        "start a thread": lambda: threading.Thread(target=_ready).start(),
    }
    try:
        attempts[what]()
    except OSError as error:
        return type(error).__name__
    return "done"


def test_a_worker_can_start_nothing_reach_nobody_and_read_no_file() -> None:
    said = subprocess.run([sys.executable, "-c", _CONFINE], capture_output=True, text=True, check=True)
    if said.stdout.split() != ["files", "programs"]:
        pytest.skip(f"this kernel gives up only: {said.stdout or 'nothing'}")
    refused = ["start a program", "start a process", "reach the network", "end another process", "read a file"]
    refused.append("list a folder")
    allowed = ["load code", "start a thread"]
    with Sandbox(_tries, prepare=_ready, workers=1, timeout_s=5) as box:
        answers = dict(box.map([*refused, *allowed]))
    assert answers == dict(enumerate(["PermissionError"] * len(refused) + ["done"] * len(allowed)))
    assert Path("/etc/passwd").read_bytes(), "the worker is confined, not this process"


def test_workers_that_cannot_start_are_the_machine_s_trouble_and_no_verdict(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        Sandbox(_process, prepare=_cannot_get_ready, workers=1, timeout_s=5) as sandbox,
        pytest.raises(Busy, match="before they were ready") as caught,
    ):
        list(sandbox.map([1]))
    assert caught.value.findings[0].code == "intake.no-workers"
    assert "Traceback" not in capfd.readouterr().err
