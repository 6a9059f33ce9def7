"""Augmentation against decode, the same transforms and encode of the same photographs, with as many processes."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pandas as pd
import yaml

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"


@cache
def _compose(params_file: Path) -> Any:
    import albumentations

    parameters = yaml.safe_load(params_file.read_text(encoding="utf-8"))["augmentation"]
    steps = [
        getattr(albumentations, step["name"])(**{key: value for key, value in step.items() if key != "name"})
        for step in parameters["recipe"]
    ]
    boxes = albumentations.BboxParams(format="pascal_voc", label_fields=["labels"], clip=True)
    return albumentations.Compose(steps, bbox_params=boxes), parameters["size_px"], parameters["jpeg_quality"]


def bare(job: tuple[Path, Path, list[list[float]]]) -> int:
    """Decode, transform and encode one photograph with its boxes: what no augmentation can leave out."""
    import cv2

    cv2.setNumThreads(1)
    params_file, path, boxes = job
    compose, size_px, quality = _compose(params_file)
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    made = compose(image=image, bboxes=np.array(boxes), labels=list(range(len(boxes))))["image"]
    scale = size_px / max(made.shape[:2])
    if scale < 1:
        made = cv2.resize(made, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(made, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return int(encoded.size)


def prepare(root: Path, delivery: Path) -> Path:
    """Take a drawn delivery up to curation; return the workspace."""
    measure.new_workspace(root)
    measure.receive(root, delivery)
    measure.workbench("intake", "--stage", "--workspace", root)
    measure.import_labels(root, delivery)
    measure.workbench("adjudication", "--stage", "--workspace", root)
    measure.workbench_apart("curation", "--stage", "--workspace", root)
    return root


def jobs(root: Path) -> list[tuple[Path, Path, list[list[float]]]]:
    """Return the training photographs of a workspace with their boxes, as the floor takes them."""
    images = pd.read_parquet(root / "data" / "04_curation" / "images.parquet")
    truth = pd.read_parquet(root / "data" / "03_adjudication" / "instances.parquet").groupby("image_id")
    edges = ["x_min", "y_min", "x_max", "y_max"]
    train = images[images["split"] == "train"]
    return [
        (root / "params.yaml", root / "data" / row.path, truth.get_group(row.image_id)[edges].to_numpy().tolist())
        for row in train.itertuples()
        if row.image_id in truth.groups
    ]


def measure_augmentation(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench augmentation --stage` takes than the bare work."""
    with measure.scratch() as folder:
        root = prepare(folder / "ready", measure.draw_photographs(folder / "delivery", items, seed=2))
        todo = jobs(root)
        for turn in range(turns + 1):
            shutil.copytree(root, folder / f"turn-{turn}", symlinks=True)
        measure.workbench("augmentation", "--stage", "--workspace", folder / f"turn-{turns}")  # warms the imports

        def floor(_turn: int) -> None:
            with ProcessPoolExecutor(measure.PROCESSES) as pool:
                list(pool.map(bare, todo))

        def work(turn: int) -> None:
            measure.workbench("augmentation", "--stage", "--workspace", folder / f"turn-{turn}")

        floor(0)
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
    return measure.Ratio(
        name="augmentation",
        against="decode + transforms + encode",
        items=len(todo),
        unit="training photographs",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_augmentation, items=40)
