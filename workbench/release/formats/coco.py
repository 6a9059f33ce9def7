"""COCO object detection, as pycocotools loads it (cocodataset.org, "Data format").

What COCO has no field for (facets, named points, confidence, who decided) stands under ``attributes``; ids lead back
to the tables through ``image_id`` and ``instance_id`` there. No date is written: equal data gives equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench.domain.geometry import ring_area_px2
from workbench.domain.taxonomy import Taxonomy

#: Ids are 48 bits, which every JSON reader keeps exact.
_ID_BITS = 48


def stable_numbers(ids: Iterable[str]) -> dict[str, int]:
    """Return a positive number for each id that follows from the id, so that it stays as a dataset grows.

    Two ids with the same leading bits are told apart by the order of the ids.

    Examples
    --------
    >>> from workbench.domain.lineage import sha256_hex
    >>> stable_numbers(["a"])["a"] == int(sha256_hex(b"a")[:12], 16)
    True

    """
    from workbench.domain.lineage import sha256_hex

    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for key in sorted(set(ids)):
        number = int(sha256_hex(key.encode())[: _ID_BITS // 4], 16) or 1
        while number in taken:
            number += 1
        taken.add(number)
        numbers[key] = number
    return numbers


def coco_document(
    images: Sequence[Mapping[str, Any]],
    instances: Iterable[Mapping[str, Any]],
    taxonomy: Taxonomy,
    *,
    description: str,
    image_numbers: Mapping[str, int],
    instance_numbers: Mapping[str, int],
    licences: Sequence[str],
) -> dict[str, Any]:
    """Return the document of one split; categories are numbered from 1 in the taxonomy's order."""
    category_ids = {code: number for number, code in enumerate(taxonomy.codes, start=1)}
    sizes = {row["image_id"]: (row["width_px"], row["height_px"]) for row in images}
    return {
        "info": {"description": description, "version": f"taxonomy {taxonomy.version}"},
        "licenses": [{"id": number, "name": name, "url": ""} for number, name in enumerate(licences, start=1)],
        "categories": [
            {"id": category_ids[c.code], "name": c.code, "supercategory": c.code.split(".")[0]}
            for c in taxonomy.categories
        ],
        "images": [
            {
                "id": image_numbers[row["image_id"]],
                "file_name": row["path"].removeprefix("images/"),
                "width": row["width_px"],
                "height": row["height_px"],
                "license": licences.index(row["licence"]) + 1,
                "image_id": row["image_id"],
                "origin": row["origin"],
                "group_id": row["group_id"],
            }
            for row in images
        ],
        "annotations": [
            {
                "id": instance_numbers[row["instance_id"]],
                "image_id": image_numbers[row["image_id"]],
                "category_id": category_ids[row["category"]],
                **_shape(row, *sizes[row["image_id"]]),
                "iscrowd": 0,
                "attributes": _attributes(row),
            }
            for row in instances
            if row["image_id"] in sizes
        ],
    }


def coco_bytes(document: Mapping[str, Any]) -> bytes:
    """Return the document as JSON bytes; floats keep their shortest exact form."""
    return (json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n").encode()


def _shape(row: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """Return bbox, area and segmentation; a lone keypoint gets the box around its points, of no area."""
    if row["x_min"] is None:
        xs = [point["x_px"] for point in row["keypoints"] or ()] or [0.0]
        ys = [point["y_px"] for point in row["keypoints"] or ()] or [0.0]
        bbox = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        return {"bbox": bbox, "area": 0.0, "segmentation": []}
    bbox = [row["x_min"], row["y_min"], row["x_max"] - row["x_min"], row["y_max"] - row["y_min"]]
    if row["mask_rle"] is not None:
        segmentation = {"size": [height, width], "counts": row["mask_rle"]}
        return {"bbox": bbox, "area": float(rle_area_px2(row["mask_rle"])), "segmentation": segmentation}
    if row["rings"]:
        rings = [list(ring) for ring in row["rings"]]
        return {"bbox": bbox, "area": sum(ring_area_px2(tuple(ring)) for ring in rings), "segmentation": rings}
    return {"bbox": bbox, "area": bbox[2] * bbox[3], "segmentation": []}


def _attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("instance_id", "shape", "transcription", "confidence", "decided_by", "agreement_iou", "parent_instance_id")
    facts = {name: row[name] for name in names if row[name] is not None}
    facts["facets"] = json.loads(row["facets"])
    if row["keypoints"]:
        facts["keypoints"] = [dict(point) for point in row["keypoints"]]
    return facts


def rle_area_px2(counts: str) -> int:
    """Return the pixels set in compressed RLE counts (cocoapi, common/maskApi.c: rleFrString).

    Examples
    --------
    >>> rle_area_px2("22")
    2

    """
    runs: list[int] = []
    value = shift = 0
    for letter in counts:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # noqa: PLR2004 -- the format's own rule
        value = shift = 0
    return sum(runs[1::2])
