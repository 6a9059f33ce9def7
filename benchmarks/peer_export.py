"""A peer's export of the tables in a folder, labels only: wall and CPU seconds for each format and turn, as JSON.

Run by a Python that has the peer: peer_export.py PEER TABLES OUT TURNS FORMAT... The dataset is in the peer's own memory
or database before the clock starts. No module of the workbench is imported.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd


def rows(tables: Path) -> tuple[list[str], Any, dict[str, list[Any]]]:
    """Return the classes, the images, and the objects by image."""
    images = pd.read_parquet(tables / "images.parquet")
    objects: dict[str, list[Any]] = {}
    for row in pd.read_parquet(tables / "instances.parquet").itertuples():
        objects.setdefault(row.image_id, []).append(row)
    return (tables / "classes.txt").read_text(encoding="utf-8").split(), images, objects


def datumaro(tables: Path) -> dict[str, Callable[[Path], object]]:
    """Return datumaro's exports of a dataset that it holds in memory."""
    import datumaro as dm

    classes, images, objects = rows(tables)
    numbers = {code: number for number, code in enumerate(classes)}
    items = []
    for image in images.itertuples():
        shapes: list[Any] = []
        for o in objects[image.image_id]:
            if o.rings is not None:
                shapes.append(dm.Polygon(list(o.rings[0]), label=numbers[o.category]))
            else:
                shapes.append(
                    dm.Bbox(o.x_min, o.y_min, o.x_max - o.x_min, o.y_max - o.y_min, label=numbers[o.category])
                )
        media = dm.Image.from_file(f"{image.image_id}.jpg", size=(image.height_px, image.width_px))
        items.append(dm.DatasetItem(image.image_id, subset=image.split, media=media, annotations=shapes))
    data = dm.Dataset.from_iterable(items, categories=classes)
    names = {"coco": "coco_instances", "yolo": "yolo", "voc": "voc_detection"}
    return {
        name: (lambda out, kind=kind: data.export(str(out), kind, save_media=False)) for name, kind in names.items()
    }


def fiftyone(tables: Path) -> dict[str, Callable[[Path], object]]:
    """Return FiftyOne's exports of a dataset in its database."""
    import fiftyone as fo

    classes, images, objects = rows(tables)
    samples = []
    for image in images.itertuples():
        wide, high = image.width_px, image.height_px
        found = [
            fo.Detection(
                label=o.category,
                bounding_box=[o.x_min / wide, o.y_min / high, (o.x_max - o.x_min) / wide, (o.y_max - o.y_min) / high],
            )
            for o in objects[image.image_id]
        ]
        samples.append(
            fo.Sample(
                filepath=f"/pictures/{image.image_id}.jpg",
                metadata=fo.ImageMetadata(width=wide, height=high),
                truth=fo.Detections(detections=found),
            )
        )
    data = fo.Dataset("bench", overwrite=True)
    data.add_samples(samples, dynamic=False, progress=False)
    names: dict[str, tuple[Any, str]] = {
        "coco": (fo.types.COCODetectionDataset, "labels.json"),
        "yolo": (fo.types.YOLOv4Dataset, ""),
        "voc": (fo.types.VOCDetectionDataset, ""),
    }

    def export(out: Path, kind: Any, file: str) -> None:
        out.mkdir()
        where = {"labels_path": str(out / (file or "labels"))}
        data.export(dataset_type=kind, label_field="truth", classes=classes, progress=False, **where)

    return {name: (lambda out, of=of: export(out, *of)) for name, of in names.items()}


if __name__ == "__main__":
    peer, tables, out, turns, *formats = sys.argv[1:]
    seconds: dict[str, list[tuple[float, float]]] = {}
    # FiftyOne's own progress cannot have stdout put elsewhere; it says nothing there itself
    with contextlib.nullcontext() if peer == "fiftyone" else contextlib.redirect_stdout(sys.stderr):
        exports = {"datumaro": datumaro, "fiftyone": fiftyone}[peer](Path(tables))
        for _ in range(int(turns)):
            for name in formats:
                began, began_cpu = time.perf_counter(), time.process_time()
                exports[name](Path(out) / name)
                took = time.perf_counter() - began, time.process_time() - began_cpu
                seconds.setdefault(name, []).append(took)
                shutil.rmtree(Path(out) / name)
    print(json.dumps(seconds))
