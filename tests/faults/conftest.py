"""What the fault harnesses share: commands from a warmed process, workspaces to break, and what must hold after."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.custody.object_store import SealedStore

Invoke = Callable[..., dict[str, Any]]

#: `make faults` sets it: every harness then runs at the size of its acceptance figure.
FULL = os.environ.get("WORKBENCH_FAULTS") == "full"

#: A command that takes longer hangs.
_HANGS_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: exit code (negative: by that signal), what it said, and what it used."""

    code: int
    out: str
    err: str
    wall_s: float
    cpu_s: float
    rss_bytes: int

    @property
    def traceback(self) -> bool:
        """Whether it ended in a way that no user should see."""
        return "Traceback (most recent call last)" in self.err + self.out


class Running:
    """A command at work."""

    def __init__(self, host: ForkHost, pid: int, folder: Path) -> None:
        self.pid, self._host, self._folder, self._began = pid, host, folder, time.monotonic()

    def kill(self, *, group: bool) -> None:
        """End it by SIGKILL, alone or with everything it started."""
        try:
            (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def resume(self) -> None:
        """Let a held command take its first step."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> Ended:
        told = self._host.ask({"wait": self.pid})
        out, err = (
            path.read_text(errors="replace") if (path := self._folder / name).exists() else ""
            for name in ("stdout", "stderr")
        )
        shutil.rmtree(self._folder, ignore_errors=True)
        return Ended(
            code=told["code"],
            out=out,
            err=err,
            wall_s=time.monotonic() - self._began,
            cpu_s=told["cpu_s"],
            rss_bytes=told["rss_bytes"],
        )


class ForkHost:
    """Starts `workbench` commands by forking a warmed process (forkhost.py)."""

    def __init__(self) -> None:
        line = [sys.executable, str(Path(__file__).with_name("forkhost.py"))]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def start(self, *arguments: object, hold: bool = False, sabotage: Sequence[str] = ()) -> Running:
        folder = Path(tempfile.mkdtemp(prefix="forkhost-"))
        words = [str(argument) for argument in arguments]
        asked = {"arguments": words, "output": str(folder), "hold": hold, "sabotage": list(sabotage)}
        return Running(self, self.ask(asked)["pid"], folder)

    def run(self, *arguments: object, sabotage: Sequence[str] = ()) -> Ended:
        return self.start(*arguments, sabotage=sabotage).wait()

    def patient(self, *arguments: object) -> Ended:
        """Run a command; where it is told to wait (3), by what a killed one left running, do so and repeat."""
        deadline = time.monotonic() + _HANGS_S
        while (ended := self.run(*arguments)).code == 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        return ended

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def host() -> Iterator[ForkHost]:
    """The warmed process of this session."""
    made = ForkHost()
    yield made
    made.close()


@pytest.fixture(scope="session")
def empty(workbench: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a partner, `lab`, and nothing received; copy it, since making one takes seconds."""
    root = tmp_path_factory.mktemp("template") / "workspace"
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", root)
    return root


@dataclass
class Site:
    """A workspace under attack and what it has acknowledged so far."""

    root: Path
    host: ForkHost
    acknowledged: dict[str, set[str]] = field(default_factory=dict)

    def receive_line(self, delivery: Path) -> tuple[object, ...]:
        return ("receive", delivery, "--partner", "lab", "--workspace", self.root, "--json")

    def heard(self, ended: Ended, delivery: Path) -> bool:
        """Note what a reception acknowledged, however it ended after that; say whether it did."""
        try:
            told, _ = json.JSONDecoder().raw_decode(ended.out)
        except ValueError:
            return False
        if "received" not in told["summary"] or "contribution_id" not in told.get("data", {}):
            return False
        self.acknowledged[told["data"]["contribution_id"]] = {_sha256(path) for path in delivery.rglob("*.*")}
        return True

    def examine(self) -> list[str]:
        """Return what is lost, doubled or unsound: nothing acknowledged may be."""
        ended = self.host.run("ledger", "verify", "--objects", "--workspace", self.root, "--json")
        if ended.code != 0:
            return [ended.out + ended.err]
        entered: dict[str, list[str]] = {}
        told = self.host.run("ledger", "show", "--limit", 10**6, "--workspace", self.root, "--json")
        for entry in json.loads(told.out)["data"]["entries"]:
            if entry["kind"] == "receive":
                entered.setdefault(entry["contribution_id"], []).append(entry["object_sha256"])
        wrong = [f"{cid}: a file is entered twice" for cid, ids in entered.items() if len(ids) != len(set(ids))]
        store = SealedStore(self.root / "custody")
        for cid, wanted in self.acknowledged.items():
            folder = self.root / "data" / "00_deliveries" / cid
            if set(entered.get(cid, ())) != wanted:
                wrong.append(f"{cid}: {len(wanted)} files acknowledged, {len(entered.get(cid, ()))} entered")
            if lost := [object_id for object_id in wanted if not store.has(cid, object_id)]:
                wrong.append(f"{cid}: {len(lost)} originals lost")
            if not (folder / "contribution.json").is_file():
                wrong.append(f"{cid}: not recorded")
            elif set(pd.read_parquet(folder / "files.parquet")["image_id"]) != wanted:
                wrong.append(f"{cid}: its table of files is another")
            if not (self.root / "custody" / "receipts" / cid / "receipt.json").is_file():
                wrong.append(f"{cid}: no receipt")
        return wrong


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def site(host: ForkHost, empty: Path, tmp_path: Path) -> Callable[[], Site]:
    """Return fresh workspaces, each a copy of the empty one; an earlier one is removed."""
    taken = []

    def make() -> Site:
        for old in taken:
            shutil.rmtree(old)
        taken[:] = [tmp_path / f"site-{time.monotonic_ns()}"]
        shutil.copytree(empty, taken[0], symlinks=True)
        return Site(root=taken[0], host=host)

    return make


@pytest.fixture
def site_at(host: ForkHost) -> Callable[[Path], Site]:
    """Return the site of a workspace that lies somewhere already."""
    return lambda root: Site(root=root, host=host)


@pytest.fixture
def random_delivery(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of files of random bytes, named .jpg; the same seed gives the same bytes."""

    def make(seed: int, count: int, *, size_bytes: int = 3_000) -> Path:
        folder = tmp_path / f"delivery-{seed}"
        if not folder.exists():
            folder.mkdir()
            rng = random.Random(seed)
            for number in range(count):
                (folder / f"{seed}-{number:04d}.jpg").write_bytes(rng.randbytes(size_bytes + number))
        return folder

    return make


@pytest.fixture(scope="session")
def size() -> Callable[[str, int, int], int]:
    """Return how large a harness is: quick in `make test`, full in `make faults`, or as its variable says."""

    def choose(variable: str, quick: int, full: int) -> int:
        return int(os.environ.get(variable, full if FULL else quick))

    return choose


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[int, str, str], None]:
    """Write a measured line for the table of docs/reliability.md, where `make faults` asks for it."""

    def write(figure: int, measured: str, harness: str) -> None:
        line = {"figure": figure, "harness": harness, "measured": measured, "test": request.node.name}
        if table := os.environ.get("WORKBENCH_FAULTS_TABLE"):
            with Path(table).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    return write
