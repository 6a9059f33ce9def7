"""Comparing two releases of 100,000 images each, against reading their tables; the aim is 20 seconds."""

from __future__ import annotations

from pathlib import Path

import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_PER_IMAGE = 5


def draw_tables(folder: Path, images: int, *, later: bool) -> Path:
    """Write the two tables of a release; the later one lacks, adds and changes one per cent each."""
    from workbench.tables import IMAGES, INSTANCES

    rng = np.random.default_rng(8)
    numbers = np.arange(images) + (images // 100 if later else 0)
    ids = pa.array([f"{number:064x}" for number in numbers])
    splits = pa.array(np.array(["train", "val", "test"])[numbers % 3])
    folder.mkdir(parents=True)
    columns = {
        "image_id": ids,
        "origin": pa.array(["real"] * images),
        "path": ids,
        "file_sha256": ids,
        "width_px": pa.array([2000] * images),
        "height_px": pa.array([1500] * images),
        "licence": pa.array(["CC0-1.0"] * images),
        "work_key": ids,
        "split": splits,
    }
    pq.write_table(_filled(columns, IMAGES, images), folder / "images.parquet")
    count = images * _PER_IMAGE
    owner = np.repeat(numbers, _PER_IMAGE)
    place = np.tile(np.arange(_PER_IMAGE), images)
    left = 100.0 + 350 * place + owner % 40
    moved, renamed, reclassed = (later & (owner % 100 == rest) for rest in (1, 2, 3))
    category = np.where(reclassed, "part.slide", "part.frame")
    ring = np.stack([left, left * 0 + 50, left + 200, left * 0 + 60, left + 100, left * 0 + 300], axis=1)
    rings = pa.ListArray.from_arrays(
        pa.array(np.arange(count + 1, dtype=np.int32)),
        pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * 6), pa.array(ring.ravel())),
    )
    keys = [f"{o:x}-{p}{'r' if r else ''}" for o, p, r in zip(owner, place, renamed, strict=True)]
    columns = {
        "instance_id": pa.array(keys),
        "image_id": pa.array(np.repeat(np.array(ids), _PER_IMAGE)),
        "category": pa.array(category),
        "shape": pa.array(["polygon"] * count),
        "x_min": pa.array(left + 8 * moved),
        "y_min": pa.array(np.full(count, 50.0)),
        "x_max": pa.array(left + 200),
        "y_max": pa.array(np.full(count, 300.0)),
        "rings": rings,
        "facets": pa.array(['{"material":"polymer"}'] * count),
        "annotator": pa.array([f"person-{n}" for n in rng.integers(0, 9, count)]),
        "decided_by": pa.array(["agreement"] * count),
    }
    pq.write_table(_filled(columns, INSTANCES, count), folder / "instances.parquet")
    return folder


def _filled(columns: dict[str, pa.Array], schema: pa.Schema, rows: int) -> pa.Table:
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(rows, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def measure_diff(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench release diff` takes than reading the tables of both releases."""
    with measure.scratch() as folder:
        old, new = (draw_tables(folder / name, items, later=name == "new") for name in ("old", "new"))

        def floor(_turn: int) -> None:
            for place in (old, new):
                pq.read_table(place / "images.parquet")
                pq.read_table(place / "instances.parquet")

        def work(_turn: int) -> None:
            counts = measure.workbench("release", "diff", old, new)["data"]["counts"]
            if counts["instances_reclassed"] == 0 or counts["images_moved"] != 0:
                raise RuntimeError(f"the comparison did not find what was changed: {counts}")

        floor(0)
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
    return measure.Ratio(
        name="release diff",
        against="reading both releases' tables",
        items=items,
        unit="images, 5 objects each",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_diff, items=100_000)
