"""COCO object detection, as pycocotools loads it (cocodataset.org, "Data format").

What COCO has no field for (facets, named points, confidence, who decided) stands under ``attributes``; ids lead back
to the tables: ``image_id`` of an image, ``object_id`` under attributes (``instance_id`` in the tables). No date is written: equal data gives equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from workbench.domain.geometry import ring_area_px2
from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Picture, Whole
from workbench.release.rle import rle_area_px2

#: Columns that go under ``attributes``, and their names there: FiftyOne takes attributes for fields of its own, of which
#: ``instance_id``, ``keypoints`` and a ``confidence`` in words are none.
_ATTRIBUTES = {
    "instance_id": "object_id",
    "shape": "shape",
    "transcription": "transcription",
    "confidence": "certainty",
    "decided_by": "decided_by",
    "agreement_iou": "agreement_iou",
    "parent_instance_id": "parent_object_id",
}


def fragment(picture: Picture, whole: Whole) -> bytes:
    """Return a picture as lines of JSON: its entry under images, then its annotations."""
    size_wh = picture.image["width_px"], picture.image["height_px"]
    lines = [orjson.dumps(image_entry(picture, whole))]
    lines += [
        orjson.dumps(
            {
                "id": number,
                "image_id": picture.number,
                "category_id": whole.class_numbers[row["category"]] + 1,
                **shape_entry(row, *size_wh),
                "iscrowd": 0,
                "attributes": _attributes(row),
            }
        )
        for row, number in zip(picture.objects, picture.object_numbers, strict=True)
    ]
    return b"\n".join(lines)


def image_entry(picture: Picture, whole: Whole) -> dict[str, Any]:
    """Return the entry of a picture under ``images``."""
    row = picture.image
    return {
        "id": picture.number,
        "file_name": row["path"].removeprefix("images/"),
        "width": row["width_px"],
        "height": row["height_px"],
        "license": whole.licences.index(row["licence"]) + 1,
        "image_id": row["image_id"],
        "origin": row["origin"],
        "group_id": row["group_id"],
    }


def files(whole: Whole, fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield annotations/coco_<split>.json; classes are numbered from 1 in the taxonomy's order."""
    categories = [
        {"id": whole.class_numbers[c.code] + 1, "name": c.code, "supercategory": c.code.split(".")[0]}
        for c in whole.taxonomy.categories
    ]
    yield from documents(whole, fragments, categories, "coco")


def documents(
    whole: Whole, fragments: Fragments, categories: Sequence[Mapping[str, Any]], stem: str
) -> Iterator[tuple[str, bytes]]:
    """Yield one document a split, put together from fragments: a line an image, a line an annotation."""
    for split in ("train", "val", "test"):
        head = {
            "info": {
                "description": f"{whole.facts['title']}: {split}",
                "version": f"taxonomy {whole.taxonomy.version}",
            },
            "licenses": [{"id": n, "name": name, "url": ""} for n, name in enumerate(whole.licences, start=1)],
            "categories": list(categories),
        }
        pieces = [fragments[picture.image["image_id"]].split(b"\n", 1) for picture in whole.of(split)]
        start = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
        images = _lines(piece[0] for piece in pieces)
        annotations = _lines(piece[1].replace(b"\n", b",\n") for piece in pieces if len(piece) > 1)
        body = b"".join((start, b',\n"images":[\n', images, b'],\n"annotations":[\n', annotations, b"]}\n"))
        yield f"annotations/{stem}_{split}.json", body


def _lines(pieces: Iterable[bytes]) -> bytes:
    joined = b",\n".join(pieces)
    return joined + b"\n" if joined else b""


def shape_entry(row: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """Return bbox, area and segmentation; a lone keypoint gets the box around its points, of no area."""
    bbox = bbox_of(row)
    if row["x_min"] is None:
        return {"bbox": bbox, "area": 0.0, "segmentation": []}
    if row["mask_rle"] is not None:
        segmentation = {"size": [height, width], "counts": row["mask_rle"]}
        return {"bbox": bbox, "area": float(rle_area_px2(row["mask_rle"])), "segmentation": segmentation}
    if row["rings"]:
        area = sum(ring_area_px2(tuple(ring)) for ring in row["rings"])
        return {"bbox": bbox, "area": area, "segmentation": row["rings"]}
    return {"bbox": bbox, "area": bbox[2] * bbox[3], "segmentation": []}


def bbox_of(row: Mapping[str, Any]) -> list[float]:
    """Return x, y, width and height of an object's box in pixels; of a lone keypoint, the box around its points."""
    if row["x_min"] is not None:
        return [row["x_min"], row["y_min"], row["x_max"] - row["x_min"], row["y_max"] - row["y_min"]]
    xs = [point["x_px"] for point in row["keypoints"] or ()] or [0.0]
    ys = [point["y_px"] for point in row["keypoints"] or ()] or [0.0]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {told: row[name] for name, told in _ATTRIBUTES.items() if row[name] is not None}
    facts["facets"] = orjson.loads(row["facets"])
    if row["keypoints"]:
        facts["points"] = row["keypoints"]
    return facts


FORMAT = Format(
    name="coco",
    fragment=fragment,
    files=files,
    shaped_by=lambda whole: "\n".join(whole.licences),
    reader="pycocotools, FiftyOne, Detectron2, torchvision: boxes, polygons and masks; facets under `attributes`",
    where=("annotations/coco_<split>.json",),
)
