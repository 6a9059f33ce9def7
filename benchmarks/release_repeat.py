"""Assembling a release anew after 1 % of its images got other labels, against its first assembling; aim: 0.05."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import measure
import numpy as np

#: As large as a working copy of a few megapixels. Its content is noise: a release copies bytes and decodes none.
_IMAGE_BYTES = 600_000


def prepare(root: Path, items: int) -> Path:
    """Make a workspace as adjudication and curation leave it: five objects an image; return the table of objects."""
    from workbench.domain.lineage import sha256_hex
    from workbench.layout import Layout
    from workbench.tables import IMAGES, INSTANCES, LABELLED, write_table

    layout = Layout(root)
    rng = np.random.default_rng(6)
    filler = rng.integers(0, 256, _IMAGE_BYTES, np.uint8).tobytes()
    images, objects, labelled = [], [], []
    for number in range(items):
        data = str(number).encode() + filler
        digest = sha256_hex(data)
        path = layout.intake / "c1" / "images" / digest[:2] / f"{digest}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        image_id = sha256_hex(str(number).encode())
        told = {"image_id": image_id, "origin": "real", "path": path.relative_to(layout.data).as_posix()}
        told |= {"file_sha256": digest, "width_px": 2000, "height_px": 1500, "licence": "CC0-1.0", "work_key": "k"}
        told |= {"contribution_id": "c1", "partner_id": "bench", "group_id": f"g{number}"}
        images.append(told | {"split": ("train", "train", "train", "val", "test")[number % 5]})
        for each in range(5):
            x, y, wide, high = (float(v) for v in rng.uniform((0, 0, 20, 20), (1500, 1000, 400, 400)))
            row: dict[str, Any] = {"instance_id": f"{image_id}-{each}", "image_id": image_id, "category": "part.frame"}
            row |= {"x_min": x, "y_min": y, "x_max": x + wide, "y_max": y + high, "facets": "{}", "shape": "box"}
            if each > 2:  # noqa: PLR2004 -- two of five
                row |= {"shape": "polygon", "rings": [[x, y, x + wide, y, x + wide, y + high, x, y + high]]}
            objects.append(row)
        labelled.append({"image_id": image_id, "annotators": 2, "status": "agreed"})
    write_table(layout.curation / "images.parquet", IMAGES, sorted(images, key=lambda row: row["image_id"]))
    table = layout.adjudication / "instances.parquet"
    write_table(table, INSTANCES, sorted(objects, key=lambda row: row["instance_id"]))
    write_table(layout.adjudication / "labelled.parquet", LABELLED, labelled)
    (layout.deliveries / "c1").mkdir(parents=True)
    (layout.deliveries / "c1" / "contribution.json").write_text("{}", encoding="utf-8")
    return table


def measure_release_repeat(items: int, turns: int) -> measure.Ratio:
    """Return the median time of repeats over that of the one first assembling."""
    from workbench.tables import INSTANCES, read_rows, write_table

    with measure.scratch() as folder:
        for name, count in (("warm", 10), ("workspace", items)):
            root = measure.new_workspace(folder / name)
            table = prepare(root, count)
            first_s, first_cpu_s = measure.timed(
                lambda root=root: measure.workbench("release", "assemble", "--workspace", root)
            )
        repeats = []
        for turn in range(turns):
            rows = read_rows(table, INSTANCES)
            chosen = set(sorted({row["image_id"] for row in rows})[turn::100])
            for row in rows:
                if row["image_id"] in chosen and row["shape"] == "box":
                    row["x_max"] += 1.0
            write_table(table, INSTANCES, rows)
            repeats.append(measure.timed(lambda: measure.workbench("release", "assemble", "--workspace", root)))
    work_s, work_cpu_s = (sorted(column)[len(column) // 2] for column in zip(*repeats, strict=True))
    return measure.Ratio(
        name="release after 1 % other labels",
        against="its first assembling",
        items=items,
        unit=f"images of {_IMAGE_BYTES // 1000} kB with {5 * items} objects",
        work_s=work_s,
        floor_s=first_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=first_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_release_repeat, items=2000)
