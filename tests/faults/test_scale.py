"""Many photographs: memory stays bounded, and the hundred-thousandth costs what the first did."""

from __future__ import annotations

import json
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

pytestmark = [pytest.mark.tools, pytest.mark.slow]

#: Acceptance figure 11.
_MOST_BYTES = 1 << 30
_MOST_GROWTH_FRAC = 0.10
#: A few thousand photographs on a shared machine are timed less sharply.
_QUICK_GROWTH_FRAC = 0.5


def _draw(folder: Path, count: int) -> Path:
    """Draw small distinct photographs; what is measured is the cost that does not depend on their size."""
    rng = random.Random(1)
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (32, 24), rng.randbytes(32 * 24 * 3)).save(place / f"{number:06d}.jpg", quality=80)
    return folder


class _Tree:
    """Watches what a process and all it started hold together, bytes; pages that they share count once (PSS)."""

    def __init__(self, pid: int) -> None:
        self.most_bytes, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        self._thread.start()

    def _look(self, pid: int) -> None:
        while not self._stop.wait(0.1):
            held = 0
            try:
                root = psutil.Process(pid)
                for process in (root, *root.children(recursive=True)):
                    held += process.memory_full_info().pss
            except psutil.Error:
                continue
            self.most_bytes = max(self.most_bytes, held)

    def close(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.most_bytes


def _measured(host: Any, *arguments: object) -> tuple[Any, int]:
    run = host.start(*arguments)
    tree = _Tree(run.pid)
    ended = run.wait()
    return ended, tree.close()


def test_memory_is_bounded_and_each_photograph_costs_the_same(
    host: Any, site: Callable[[], Any], tmp_path: Path, record: Any, size: Any
) -> None:
    most = size("WORKBENCH_PHOTOGRAPHS", 4_000, 100_000)
    sizes = [1_000, most] if most <= 10_000 else [1_000, 10_000, most]
    lines = []
    # A few thousand photographs take so little time that one run tells little: of three the cheapest counts, since what
    # else the machine does only adds, and a dear beginning would hide that later ones cost more.
    runs = [count for count in sizes for _ in range(1 if len(sizes) == 2 or count == most else 3)]
    spent: dict[tuple[str, int], list[float]] = {}
    for turn, count in enumerate(runs):
        place = site()
        delivery = _draw(tmp_path / f"photographs-{turn}", count)
        at = ("--workspace", place.root, "--json")
        for name, line in (
            ("receive", ("receive", delivery, "--partner", "lab", *at)),
            ("intake", ("intake", "--stage", *at)),
            ("intake with DVC", ("intake", *at)),
        ):
            ended, held = _measured(host, *line)
            assert ended.code == 0, ended.err + ended.out[-2000:]
            assert held <= _MOST_BYTES, f"{name} of {count} photographs held {held / 2**20:.0f} MiB"
            spent.setdefault((name, count), []).append(ended.cpu_s)
            lines.append(f"{name} {count}: {ended.cpu_s:.1f} CPU-s, {ended.wall_s:.1f} s, {held / 2**20:.0f} MiB")
        assert json.loads(ended.out)["data"]["admitted"] == count
        shutil.rmtree(delivery)
    cost = {name: [min(spent[name, count]) for count in sizes] for name in ("receive", "intake")}
    record(11, "; ".join(lines), "resident memory of the process tree, shared pages once, every 0.1 s; CPU by wait4")
    tolerated = []
    for name, least in cost.items():
        each = [
            (after - before) / (more - few)
            for (few, before), (more, after) in zip(
                zip(sizes, least, strict=True), list(zip(sizes, least, strict=True))[1:], strict=False
            )
        ]
        growth = each[-1] / each[0] - 1
        if len(each) > 1:
            record(
                11, f"{name}: {1e3 * each[0]:.2f} CPU-ms a photograph up to 10,000, {growth:+.1%} beyond", "linearity"
            )
            tolerated.append(growth <= _MOST_GROWTH_FRAC)
        else:
            # With two sizes only: what each of the many costs, against the average of the few.
            tolerated.append(each[0] <= (1 + _QUICK_GROWTH_FRAC) * least[0] / sizes[0])
    assert all(tolerated), (lines, cost)


def test_the_watch_sees_memory_that_grows() -> None:
    import subprocess
    import sys

    code = "import time; x = bytearray(300 << 20); time.sleep(0.6)"
    process = subprocess.Popen([sys.executable, "-c", code])
    tree = _Tree(process.pid)
    process.wait()
    assert tree.close() > 300 << 20
