"""Rebuilding the FiftyOne dataset against inserting the same documents into the same database and nothing else."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import measure

from workbench.adapters import servers, servers_process
from workbench.adapters.fiftyone import show_dataset
from workbench.adapters.fiftyone_documents import documents
from workbench.layout import Layout


def rows(items: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return image rows and, five an image, instance rows."""
    images = [
        {
            "image_id": f"{number:064x}",
            "origin": "real",
            "split": ("train", "val", "test")[number % 3],
            "path": f"01_intake/c/images/{number:064x}.jpg",
            "width_px": 2000,
            "height_px": 1500,
            "group_id": f"g-{number // 4}",
            "partner_id": f"lab-{number % 5}",
            "licence": "CC0-1.0",
        }
        for number in range(items)
    ]
    instances = [
        {
            "instance_id": f"{row['image_id']}-{number}",
            "image_id": row["image_id"],
            "category": "part.slide",
            "x_min": 10.0 * number,
            "y_min": 20.0,
            "x_max": 10.0 * number + 100,
            "y_max": 200.0,
            "facets": '{"completeness":"finished"}',
            "decided_by": "agreement",
        }
        for row in images
        for number in range(5)
    ]
    return images, instances


def measure_app(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `curation app` takes to rebuild than the bare insert."""
    images, instances = rows(items)
    with measure.scratch() as folder:
        layout = Layout(folder)
        port = servers.Ports.free().mongo
        child = servers_process.spawn(servers.plan_mongod(layout, port))
        uri = servers.mongo_uri(port)
        try:
            servers_process.wait_until(child, lambda: True, deadline=time.monotonic() + 60)

            def work(_turn: int) -> None:
                show_dataset(
                    name="b", media_root=folder, images=images, instances=instances, duplicates=(), mongo_uri=uri
                )

            def floor(_turn: int) -> None:
                _insert(uri, folder, images, instances)

            show_dataset(name="b", media_root=folder, images=images[:10], instances=[], duplicates=(), mongo_uri=uri)
            work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
        finally:
            servers_process.stop([child])
    return measure.Ratio(
        name="FiftyOne rebuild",
        against="the bare insert",
        items=items,
        unit="samples with 5 objects each",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


def _insert(uri: str, root: Path, images: list[dict[str, Any]], instances: list[dict[str, Any]]) -> None:
    import pymongo

    now = dt.datetime.now(dt.UTC)
    with pymongo.MongoClient(uri) as client:
        collection = client["bare"]["samples"]
        collection.drop()
        collection.insert_many(list(documents(root, images, instances, (), {}, dataset_id=None, now=now)))


if __name__ == "__main__":
    measure.present(measure_app, items=20_000)
