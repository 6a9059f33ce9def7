"""Every step that touches the disk fails once: killed at it, or told by the kernel that it failed (strace -e inject)."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.tools,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

#: What a reception or an intake does to the disk; SQLite writes by pwrite64.
CALLS = (
    "openat", "read", "write", "pwrite64", "pread64", "rename", "fsync", "fdatasync", "syncfs", "mkdir", "unlink",
    "ftruncate", "chmod", "fchmod", "flock",
)  # fmt: skip
FAULTS = {"kill": "signal=KILL", "input/output error": "error=EIO", "disk full": "error=ENOSPC"}


def _traced(run: Any, log: Path, calls: str, inject: str | None, *, follow: bool = True) -> Any:
    """Let a held command go on under strace, with what it starts if it is to be followed; return how it ended."""
    _until(lambda: _status(run.pid, "State").startswith("T"))
    line = ["strace", "-qq", "-o", str(log), "-e", f"trace={calls}", "-e", "signal=none", "-p", str(run.pid)]
    line += ["-f"] * follow + (["-e", f"inject={inject}"] if inject else [])
    tracer = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    _until(lambda: _status(run.pid, "TracerPid") != "0")
    time.sleep(0.02)
    run.resume()
    ended = run.wait()
    tracer.wait(timeout=120)
    return ended


def _until(holds: Any, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def _status(pid: int, key: str) -> str:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{key}:"))


def _counts(log: Path, pid: int) -> Counter[str]:
    """Return how often a process made each call."""
    calls = re.findall(rf"^{pid} +(\w+)\(", log.read_text(errors="replace"), re.MULTILINE)
    return Counter(calls)


def _points(counts: Counter[str], wanted: int, rng: random.Random) -> list[tuple[str, int, str]]:
    """Return (call, how-manieth, fault): of rare calls each, of frequent ones every k-th, each with all faults."""
    points = []
    left, calls = max(wanted, len(FAULTS) * len(counts)) // len(FAULTS), len(counts)
    for call, made in sorted(counts.items(), key=lambda item: item[1]):
        share = min(made, left // calls)
        left, calls = left - share, calls - 1
        places = [1 + (step * made + rng.randrange(made)) // share for step in range(share)]
        points += [(call, place, fault) for place in places for fault in FAULTS]
    return points if len(points) <= wanted else rng.sample(points, wanted)


def _ended_well(ended: Any, fault: str) -> bool:
    """Say whether a command ended by the signal, or with a code and a sentence, and no traceback."""
    if fault == "kill":
        return ended.code in (-signal.SIGKILL, 0, 1, 3) and not ended.traceback
    return (
        ended.code in (0, 1, 3) and not ended.traceback and (ended.code == 0 or bool((ended.err + ended.out).strip()))
    )


def test_every_step_of_a_reception_may_fail(
    host: Any, site: Any, random_delivery: Any, record: Any, size: Any, tmp_path: Path
) -> None:
    earlier, delivery, log = random_delivery(1, 4), random_delivery(2, 12), tmp_path / "strace.log"
    ready = site()
    assert ready.heard(host.run(*ready.receive_line(earlier)), earlier)
    kept = tmp_path / "kept"
    shutil.copytree(ready.root, kept, symlinks=True)

    def again() -> Any:
        shutil.rmtree(ready.root)
        shutil.copytree(kept, ready.root, symlinks=True)
        place = type(ready)(root=ready.root, host=host, acknowledged=dict(ready.acknowledged))
        return place, host.start(*place.receive_line(delivery), hold=True)

    place, run = again()
    assert _traced(run, log, ",".join(CALLS), None).code == 0
    counts = _counts(log, run.pid)
    assert counts["fsync"] > 5
    assert counts["syncfs"] > 1
    ends: Counter[str] = Counter()
    struck = 0
    wrong = []
    for call, place_number, fault in _points(counts, size("WORKBENCH_INJECTIONS", 6, 300), random.Random(5)):
        place, run = again()
        # DVC, which it calls at its end, is struck too every fourth time: starting it under a tracer takes seconds.
        follow = struck % 4 == 3
        ended = _traced(run, log, call, f"{call}:{FAULTS[fault]}:when={place_number}", follow=follow)
        ends[f"{fault}: exit {ended.code}"] += 1
        struck += 1
        place.heard(ended, delivery)
        at = f"{fault} at {call} {place_number}"
        if not _ended_well(ended, fault):
            wrong.append((at, ended.code, ended.err[-1500:], ended.out[-300:]))
        wrong += [(at, problem) for problem in place.examine()]
        repeat = host.patient(*place.receive_line(delivery))
        if repeat.code != 0 or not place.heard(repeat, delivery):
            wrong.append((at, "the repeat did not complete", repeat.err + repeat.out))
        wrong += [(at, "after the repeat", problem) for problem in place.examine()]
    assert wrong == [], "\n".join(map(str, wrong))
    record(2, f"`receive`: {struck} injected faults ({_said(ends)}); each repeat completed", "strace -f -e inject=")


def _said(ends: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(ends.items()))


def test_every_step_of_an_intake_may_fail(
    host: Any, site: Any, draw_photograph: Any, record: Any, size: Any, tmp_path: Path
) -> None:
    place, log = site(), tmp_path / "strace.log"
    for seed in range(8):
        draw_photograph(tmp_path / "photographs" / f"{seed}.jpg", seed=seed)
    (tmp_path / "photographs" / "broken.jpg").write_bytes(b"no photograph")
    assert host.run(*place.receive_line(tmp_path / "photographs")).code == 0
    made = place.root / "data" / "01_intake"
    line = ("intake", "--stage", "--workspace", place.root, "--json")

    def state() -> dict[str, bytes]:
        return {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}

    run = host.start(*line, hold=True)
    assert _traced(run, log, ",".join(CALLS), None).code == 0
    counts, calm = _counts(log, run.pid), state()
    assert sum(name.endswith(".jpg") for name in calm) == 8
    ends: Counter[str] = Counter()
    wrong = []
    for call, place_number, fault in _points(counts, size("WORKBENCH_INJECTIONS", 6, 150), random.Random(6)):
        shutil.rmtree(made)
        run = host.start(*line, hold=True)
        follow = ends.total() % 4 == 3  # the workers that decode are struck too
        ended = _traced(run, log, call, f"{call}:{FAULTS[fault]}:when={place_number}", follow=follow)
        ends[f"{fault}: exit {ended.code}"] += 1
        at = f"{fault} at {call} {place_number}"
        if not _ended_well(ended, fault):
            wrong.append((at, ended.code, ended.err[-1500:], ended.out[-300:]))
        if ended.code == 0 and state() != calm and json.loads(ended.out)["data"]["admitted"] == 8:
            wrong.append((at, "said that all is admitted, but left other files"))
        repeat = host.patient(*line)
        if repeat.code != 0 or state() != calm:
            wrong.append((at, "the repeat did not complete", repeat.err + repeat.out, sorted(set(state()) ^ set(calm))))
    assert wrong == [], "\n".join(map(str, wrong))
    record(2, f"`intake`: {sum(ends.values())} injected faults ({_said(ends)}); each repeat completed", "strace")
