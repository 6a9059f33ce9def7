"""Renders as COCO, as pycocotools loads it (cocodataset.org, "Data format"), with what COCO has no field for beside it.

Beside ``bbox`` and ``segmentation`` of what is seen stand ``amodal_bbox``, ``amodal_segmentation``, ``visible_frac``,
``truncated_frac``, ``oriented_box`` and ``object_to_camera``. Numbers of classes are those of the releases' documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.synthesis.rendered import RenderedImage
from workbench.synthesis.studio import write_whole

_EDGES = ("x_min", "y_min", "x_max", "y_max")


def coco_document(images: Sequence[RenderedImage], taxonomy: Taxonomy, licences: Sequence[str]) -> dict[str, Any]:
    """Return the document: images in the order of the recipe, objects in the order of their ids."""
    names = _point_names(images)
    numbers = {category.code: number for number, category in enumerate(taxonomy.categories, start=1)}
    annotations: list[dict[str, Any]] = []
    for number, one in enumerate(images, start=1):
        for row, pose in one.objects:
            entry = _annotation(row, pose, one.size_wh, names.get(row["category"], ()))
            head = {"id": len(annotations) + 1, "image_id": number, "category_id": numbers[row["category"]]}
            annotations.append(head | entry)
    return {
        "info": {"description": "Rendered evidence photographs, for training only", "version": taxonomy.version},
        "licenses": [{"id": n, "name": name, "url": ""} for n, name in enumerate(licences, start=1)],
        "categories": [
            {
                "id": numbers[category.code],
                "name": category.code,
                "supercategory": category.code.split(".")[0],
                **({"keypoints": list(names[category.code]), "skeleton": []} if category.code in names else {}),
            }
            for category in taxonomy.categories
        ],
        "images": [
            {
                "id": number,
                "file_name": one.image["path"].rpartition("/")[2],
                "width": one.image["width_px"],
                "height": one.image["height_px"],
                "license": licences.index(one.image["licence"]) + 1,
                "image_id": one.image["image_id"],
                "origin": one.image["origin"],
                "group_id": one.image["group_id"],
            }
            for number, one in enumerate(images, start=1)
        ],
        "annotations": annotations,
    }


def _point_names(images: Sequence[RenderedImage]) -> dict[str, tuple[str, ...]]:
    """Return the names of points each category has in these images, sorted."""
    found: dict[str, set[str]] = {}
    for one in images:
        for row, pose in one.objects:
            if pose["keypoints"]:
                found.setdefault(row["category"], set()).update(point["name"] for point in pose["keypoints"])
    return {category: tuple(sorted(names)) for category, names in found.items()}


def _annotation(
    row: Mapping[str, Any], pose: Mapping[str, Any], size_wh: tuple[int, int], names: Sequence[str]
) -> dict[str, Any]:
    width, height = size_wh
    entry: dict[str, Any] = {
        "bbox": _xywh(row, ""),
        "area": float(pose["visible_px"]),
        "segmentation": {"size": [height, width], "counts": row["mask_rle"]},
        "iscrowd": 0,
        "amodal_bbox": _xywh(pose, "amodal_"),
        "amodal_segmentation": {"size": [height, width], "counts": pose["amodal_rle"]},
        "visible_frac": pose["visible_frac"],
        "truncated_frac": pose["truncated_frac"],
        "oriented_box": pose["oriented_box"],
        "object_to_camera": pose["object_to_camera"],
        "camera": {name: pose[f"{name}_px"] for name in ("fx", "fy", "cx", "cy")},
        "part_id": pose["part_id"],
        "object_id": row["instance_id"],
    }
    if names:
        # COCO: 0 not labelled (here: outside the frame), 1 labelled but hidden, 2 seen; what is 0 stands at 0, 0.
        inside = {
            p["name"]: (p["x_px"], p["y_px"], p["visibility"]) for p in pose["keypoints"] or () if p["visibility"]
        }
        entry["keypoints"] = [value for name in names for value in inside.get(name, (0, 0, 0))]
        entry["num_keypoints"] = len(inside)
    return entry


def _xywh(row: Mapping[str, Any], prefix: str) -> list[float]:
    x_min, y_min, x_max, y_max = (row[f"{prefix}{edge}"] for edge in _EDGES)
    return [x_min, y_min, x_max - x_min, y_max - y_min]


def write_coco(
    folder: Path,
    layout: Layout,
    images: Sequence[RenderedImage],
    taxonomy: Taxonomy,
    *,
    track: Callable[..., Iterable[Any]],
) -> int:
    """Write ``images/`` and ``annotations/instances_train.json`` into a folder; return how many objects are in it."""
    licences = sorted({one.image["licence"] for one in images})
    document = coco_document(images, taxonomy, licences)
    for one in track(images, total=len(images), doing="export"):
        source = layout.data / one.image["path"]
        write_whole(folder / "images" / source.name, source.read_bytes())
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    write_whole(folder / "annotations" / "instances_train.json", text.encode())
    return len(document["annotations"])
