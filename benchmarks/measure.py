"""What the benchmarks share: photographs drawn by seeded code, a workspace to work in, timing, and one way to print.

A benchmark runs the real command in this process and, in the same run, a floor: the least that any program must do to
get the same result. It prints their ratio. Both sides are warmed once and then taken in turns, so that a busy machine
slows both alike; the median of the turns counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing.forkserver
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from typer.testing import CliRunner

#: How many processes both sides may use: the processors this process may run on.
PROCESSES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One benchmark's answer; CPU seconds are null where the work is done by a server."""

    name: str
    against: str
    items: int
    unit: str
    work_s: float
    floor_s: float
    work_cpu_s: float | None
    floor_cpu_s: float | None

    @property
    def ratio(self) -> float:
        """Wall-clock seconds of the work over those of the floor."""
        return self.work_s / self.floor_s

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a JSON object with the ratio in it."""
        return asdict(self) | {"ratio": self.ratio}


def cpu_s() -> float:
    """Return the CPU seconds of this process and of the children it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds that a call takes."""
    began, began_cpu = time.perf_counter(), cpu_s()
    function()
    wall_s = time.perf_counter() - began
    # The sandbox's workers belong to multiprocessing's fork server: only when that has ended is their time told.
    multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined] # noqa: SLF001 -- there is no other way
    return wall_s, cpu_s() - began_cpu


def in_turns(
    work: Callable[[int], object],
    floor: Callable[[int], object],
    *,
    turns: int,
    before: Callable[[int], object] = lambda _turn: None,
) -> tuple[float, float, float, float]:
    """Return the medians (work wall, floor wall, work CPU, floor CPU) of some turns of floor and work.

    Each is called with the number of the turn, so that it can use what ``before``, untimed, prepared for it.
    """
    worked, bare = [], []
    for turn in range(turns):
        before(turn)
        bare.append(timed(lambda turn=turn: floor(turn)))
        worked.append(timed(lambda turn=turn: work(turn)))
    (work_s, work_cpu), (floor_s, floor_cpu) = (
        [statistics.median(column) for column in zip(*side, strict=True)] for side in (worked, bare)
    )
    return work_s, floor_s, work_cpu, floor_cpu


def workbench(*arguments: object, allow: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Run a `workbench` command in this process; return its JSON answer.

    Raises
    ------
    RuntimeError
        If it ends with another exit code than those allowed.

    """
    from workbench.cli.main import app

    result = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code not in allow:
        msg = f"workbench {arguments[0]} ended with {result.exit_code}: {result.output[-500:]}"
        raise RuntimeError(msg)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def workbench_apart(*arguments: object) -> None:
    """Run a `workbench` command in a process of its own, as DVC does.

    For preparing: curation runs networks, whose threads a process keeps, and what is forked from such a process may wait
    for them for ever.
    """
    line = [sys.executable, "-m", "workbench.cli.main", *(str(argument) for argument in arguments), "--json"]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        msg = f"workbench {arguments[0]} ended with {done.returncode}: {done.stdout[-2000:]}"
        raise RuntimeError(msg)


def draw_photographs(folder: Path, count: int, *, seed: int, size_wh: tuple[int, int] = (2000, 1500)) -> Path:
    """Draw photographs of plain shapes on a grainy table, with their labels as COCO beside the folder; return it."""
    folder.mkdir(parents=True)
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "pipe"}]}
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        # grain at a third of the size costs an encoder about what a camera's noise does
        grain = rng.normal(165, 12, (size_wh[1] // 3, size_wh[0] // 3, 3)).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(grain).resize(size_wh, Image.Resampling.BILINEAR)
        brush = ImageDraw.Draw(image)
        name = f"IMG_{seed:03d}_{number:05d}.jpg"
        coco["images"].append({"id": number, "file_name": name, "width": size_wh[0], "height": size_wh[1]})
        most = min(size_wh) // 4
        for _ in range(3):
            left, top = (int(rng.integers(0, side - most)) for side in size_wh)
            width, height = (int(side) for side in rng.integers(most // 3, most, 2))
            brush.rectangle(
                (left, top, left + width, top + height), fill=tuple(int(c) for c in rng.integers(0, 255, 3))
            )
            box = {"bbox": [left, top, width, height], "area": width * height, "iscrowd": 0, "category_id": 1}
            coco["annotations"].append(box | {"id": len(coco["annotations"]), "image_id": number})
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 4 == 0 else 1
        image.save(folder / name, quality=92, exif=exif)
    folder.with_name(f"{folder.name}.labels.json").write_text(json.dumps(coco), encoding="utf-8")
    folder.with_name(f"{folder.name}.classes.yaml").write_text("pipe: negative.plumbing_or_tube\n", encoding="utf-8")
    return folder


def vary(folder: Path, into: Path, count: int, *, start: int = 0) -> Path:
    """Write many distinct photographs from a few drawn ones, quickly; return their folder.

    Each gets a quantisation table that differs in two of its finest steps, so that its pixels, and with them its
    working copy, are its own, and decoding it costs what decoding the drawn one does.
    """
    drawn = sorted(folder.glob("*.jpg"))
    into.mkdir(parents=True)
    for number in range(start, start + count):
        data = bytearray(drawn[number % len(drawn)].read_bytes())
        turn = number // len(drawn)
        table = data.index(b"\xff\xdb") + 5  # marker, length, precision and number; then 64 steps in zigzag order
        for place, digit in ((63, turn % 16), (62, turn // 16 % 16), (61, turn // 256)):
            data[table + place] = max(1, data[table + place] - 8) + digit
        (into / f"{number:06d}.jpg").write_bytes(data)
    return into


def new_workspace(root: Path) -> Path:
    """Make a workspace with one partner, `bench`; return it."""
    workbench("init", root)
    workbench("partner", "add", "bench", "--name", "Benchmark", "--licence", "CC0-1.0", "--workspace", root)
    return root


def receive(root: Path, delivery: Path) -> None:
    """Receive a drawn delivery into a workspace."""
    workbench("receive", delivery, "--partner", "bench", "--workspace", root)


def import_labels(root: Path, delivery: Path) -> None:
    """Import the labels drawn with a delivery."""
    labels, classes = (delivery.with_name(delivery.name + ending) for ending in (".labels.json", ".classes.yaml"))
    workbench(
        "labelling",
        "import",
        labels,
        "--format",
        "coco",
        "--classes",
        classes,
        "--coordinates",
        "stored",
        "--workspace",
        root,
    )


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as name:
        yield Path(name)


def present(measure: Callable[[int, int], Ratio], *, items: int) -> None:
    """Run one benchmark from the command line and print its line, or JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument(
        "--items", type=int, default=items, help="how many photographs or renders (default %(default)s)"
    )
    parser.add_argument("--turns", type=int, default=3, help="how often each side is measured (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    answer = measure(asked.items, asked.turns)
    if asked.json:
        print(json.dumps(answer.to_json()))
        return
    print(
        f"{answer.name}: {answer.ratio:.2f} times {answer.against} "
        f"({answer.work_s:.2f} s against {answer.floor_s:.2f} s for {answer.items} {answer.unit})"
    )
