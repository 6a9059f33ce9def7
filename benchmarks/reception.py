"""Durable reception against writing each file and making it and its folder durable; here less than 0.1 is the aim.

What is compared is how often each waits for the disk. A disk in a virtual machine may answer a flush at once, and then both
are as fast as they can copy; so strace has every flush of both sides take as long as it takes a disk that really
flushes (6 ms gives the plain way the 81 files/s that a hard disk gave it).
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import measure

#: About what a phone's picture, scaled for a message, weighs.
_SIZE_BYTES = 200_000

#: How long a flush takes a disk that really flushes: 81 files/s of two flushes each were measured on one.
_FLUSH_MS = 6.0

#: Set in the environment of the benchmark that runs with delayed flushes.
_DELAYED = "WORKBENCH_FLUSHES_DELAYED"


def _how() -> str:
    return f"a flush taking {_FLUSH_MS:.0f} ms" if os.environ.get(_DELAYED) else "on this disk (there is no strace)"


def write_deliveries(folder: Path, count: int, *, seed: int) -> Path:
    """Write files of random bytes; return their folder."""
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    for number in range(count):
        (folder / f"{number:05d}.jpg").write_bytes(rng.randbytes(_SIZE_BYTES))
    return folder


def copy_durably(source: Path, target: Path) -> None:
    """Copy each file, and make it and its name durable before the next: the plain way to lose nothing."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        with (target / path.name).open("wb") as file:
            file.write(path.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(target, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def measure_reception(items: int, turns: int) -> measure.Ratio:
    """Return the time of `workbench receive` over that of a durable copy, file by file."""
    with measure.scratch() as folder:
        measure.receive(measure.new_workspace(folder / "warm"), write_deliveries(folder / "few", 4, seed=0))
        deliveries = [write_deliveries(folder / f"delivery-{turn}", items, seed=1 + turn) for turn in range(turns)]
        root = measure.new_workspace(folder / "workspace")
        os.sync()
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(
            lambda turn: measure.receive(root, deliveries[turn]),
            lambda turn: copy_durably(deliveries[turn], folder / f"copy-{turn}"),
            turns=turns,
        )
    return measure.Ratio(
        name="reception",
        against=f"a copy with fsync for each file and its folder, {_how()}",
        items=items,
        unit="files of 200 kB",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


def with_slow_flushes(flush_ms: float) -> None:
    """Start this benchmark anew with each flush delayed; return only where there is no strace."""
    strace = shutil.which("strace")
    if strace is None or os.environ.get(_DELAYED):
        return
    calls = "fsync,fdatasync,syncfs"
    delay = f"inject={calls}:delay_enter={round(flush_ms * 1000)}"
    line = [strace, "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", delay]
    os.execve(strace, [*line, sys.executable, *sys.argv], {**os.environ, _DELAYED: "1"})  # noqa: S606 -- this very program


if __name__ == "__main__":
    with_slow_flushes(_FLUSH_MS)
    measure.present(measure_reception, items=3000)
