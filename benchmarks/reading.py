"""Opening a release and taking the first batch, in a new process, against pandas and OpenCV doing it unchecked by hand."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import measure
import numpy as np
import pyarrow.parquet as pq
from release_diff import draw_tables

_BATCH = 16
_WORK = """
import sys, workbench
samples = workbench.open_release(sys.argv[1]).split("train")
batch = [samples[index] for index in range(16)]
print(sum(len(sample.instances) for sample in batch))
"""
_FLOOR = """
import sys, cv2, pandas as pd
images = pd.read_parquet(sys.argv[1] + "/images.parquet")
instances = pd.read_parquet(sys.argv[1] + "/instances.parquet")
rows = images[images["split"] == "train"].head(16)
batch = [cv2.imread(sys.argv[1] + "/" + path) for path in rows["path"]]
print(instances["image_id"].isin(rows["image_id"]).sum())
"""


def draw_release(folder: Path, items: int) -> Path:
    """Write a release of that many images whose pictures are few, drawn by seeded code, and the manifest of it."""
    from workbench.release.manifest import NAME, manifest_bytes

    draw_tables(folder, items, later=False)
    table = pq.read_table(folder / "images.parquet")
    rng = np.random.default_rng(4)
    pictures = []
    for _ in range(8):
        grain = rng.integers(120, 200, (250, 333, 3), dtype=np.uint8)
        pictures.append(bytes(cv2.imencode(".jpg", cv2.resize(grain, (1333, 1000)))[1]))
    digests = {}
    rows = table.to_pylist()
    for number, row in enumerate(rows):
        row["path"] = f"images/{row['split']}/{row['image_id']}.jpg"
        path, data = folder / row["path"], pictures[number % len(pictures)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        row["file_sha256"] = digests[row["path"]] = hashlib.sha256(data).hexdigest()
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), folder / "images.parquet")
    (folder / "classes.txt").write_text("part.frame\npart.slide\n", encoding="utf-8")
    for name in ("images.parquet", "instances.parquet", "classes.txt"):
        digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / NAME).write_bytes(manifest_bytes(digests))
    return folder


def measure_reading(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer opening a release takes, with every byte checked, than reading it by hand."""
    with measure.scratch() as folder:
        release = draw_release(folder / "release", items)

        def run(script: str) -> None:
            said = subprocess.run(
                [sys.executable, "-c", script, str(release)], capture_output=True, text=True, check=True
            )
            if said.stdout.split() != [str(5 * _BATCH)]:
                raise RuntimeError(f"the batch is not what it should be: {said.stdout}")

        run(_WORK)
        run(_FLOOR)
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(
            lambda _turn: run(_WORK), lambda _turn: run(_FLOOR), turns=turns
        )
    return measure.Ratio(
        name="open_release + first batch",
        against="pandas + OpenCV by hand",
        items=items,
        unit="images, 16 in the batch",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_reading, items=10_000)
