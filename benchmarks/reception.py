"""Durable reception against writing each file and making it and its folder durable; here less than 0.1 is the aim."""

from __future__ import annotations

import os
import random
from pathlib import Path

import measure

#: About what a phone's picture, scaled for a message, weighs.
_SIZE_BYTES = 200_000


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
        against="a copy with fsync for each file and its folder",
        items=items,
        unit="files of 200 kB",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_reception, items=3000)
