"""Intake against SHA-256, one decode and one encode of the same files, with the same number of processes."""

from __future__ import annotations

import hashlib
import io
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import measure
from PIL import Image


def bare(path: Path) -> str:
    """Hash, decode and encode one file, in full colour resolution as a working copy is: what no intake can leave out."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(io.BytesIO(), "JPEG", quality=95, subsampling=0)
    return digest


def measure_intake(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench intake --stage` takes than the bare work."""
    with measure.scratch() as folder:
        warm = measure.new_workspace(folder / "warm")
        measure.receive(warm, measure.draw_photographs(folder / "one", 2, seed=0))
        measure.workbench("intake", "--stage", "--workspace", warm)
        delivery = measure.draw_photographs(folder / "delivery", items, seed=1)
        root = measure.new_workspace(folder / "ready")
        measure.receive(root, delivery)
        for turn in range(turns):
            shutil.copytree(root, folder / f"turn-{turn}", symlinks=True)

        def floor(_turn: int) -> None:
            with ProcessPoolExecutor(measure.PROCESSES) as pool:
                list(pool.map(bare, sorted(delivery.iterdir())))

        def work(turn: int) -> None:
            measure.workbench("intake", "--stage", "--workspace", folder / f"turn-{turn}")

        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
    return measure.Ratio(
        name="intake",
        against="SHA-256 + one decode + one encode",
        items=items,
        unit="photographs of 3 megapixels",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_intake, items=200)
