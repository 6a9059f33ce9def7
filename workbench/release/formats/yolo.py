"""YOLO detection as Ultralytics finds it: images/<split>/x.jpg with labels/<split>/x.txt, and data.yaml beside both.

One line an object: class number, then centre and size of its box as shares of the image. Classes are numbered from 0
in the taxonomy's order. Every shape goes in as its box (polygons and masks are in COCO and the tables); an object
without a box, a lone keypoint, has no line. data.yaml names no absolute path, so the folder may lie anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from workbench.domain.dataset import SPLITS
from workbench.domain.taxonomy import Taxonomy


def yolo_line(row: Mapping[str, Any], class_number: int, *, width_px: int, height_px: int) -> str | None:
    """Return the line of an instance, numbers in their shortest exact form; nothing if it has no box.

    Examples
    --------
    >>> yolo_line({"x_min": 0, "y_min": 0, "x_max": 50, "y_max": 50}, 3, width_px=100, height_px=200)
    '3 0.25 0.125 0.5 0.25'

    """
    if row["x_min"] is None:
        return None
    centre_x = (row["x_min"] + row["x_max"]) / 2 / width_px
    centre_y = (row["y_min"] + row["y_max"]) / 2 / height_px
    wide, high = (row["x_max"] - row["x_min"]) / width_px, (row["y_max"] - row["y_min"]) / height_px
    return f"{class_number} {centre_x!r} {centre_y!r} {wide!r} {high!r}"


def yolo_labels(image: Mapping[str, Any], instances: Iterable[Mapping[str, Any]], taxonomy: Taxonomy) -> bytes:
    """Return the label file of one image; empty if nothing is seen in it."""
    numbers = {code: number for number, code in enumerate(taxonomy.codes)}
    lines = [
        yolo_line(row, numbers[row["category"]], width_px=image["width_px"], height_px=image["height_px"])
        for row in instances
    ]
    return "".join(f"{line}\n" for line in lines if line).encode()


def yolo_config(taxonomy: Taxonomy, splits: Sequence[str]) -> bytes:
    """Return data.yaml; a split without images is left out, save that val falls back on train as Ultralytics needs it."""
    document: dict[str, Any] = {split.value: f"images/{split.value}" for split in SPLITS if split.value in splits}
    document.setdefault("train", document.get("val", "images/train"))
    document.setdefault("val", document["train"])
    document["names"] = dict(enumerate(taxonomy.codes))
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
