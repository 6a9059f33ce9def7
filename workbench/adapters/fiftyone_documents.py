"""Rows of the tables as the documents that FiftyOne keeps in its database.

FiftyOne's own ``add_samples`` takes 1.2 ms a sample, half a minute for 20,000. The documents it writes are plain and
have not changed for years, so they are made here and inserted at once; a test holds them to what FiftyOne itself makes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.adapters.masks import decode_mask
from workbench.domain.lineage import seed_for

Row = Mapping[str, Any]

#: Text columns of the image table that become fields of a sample.
FIELDS = (
    "image_id",
    "split",
    "origin",
    "partner_id",
    "seizure_id",
    "group_id",
    "contribution_id",
    "licence",
    "excluded",
    "parent_image_id",
)

#: What may be noticed about an image: a field of texts each, a tag and a saved view of the same name.
NOTICES = ("quality", "outliers", "suspected_labels", "disagreements", "leaks", "decisions", "sent_back")

#: What is known of an object besides its shape: a field of its label and whether it is a number.
ABOUT = {"object_id": False, "transcription": False, "certainty": False, "decided_by": False, "agreement_iou": True}


def documents(
    media_root: Path,
    images: Iterable[Row],
    instances: Iterable[Row],
    duplicates: Iterable[Row],
    notices: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    dataset_id: Any,
    now: dt.datetime,
) -> Iterator[dict[str, Any]]:
    """Yield the document of each image, its labels in relative coordinates.

    Parameters
    ----------
    media_root
        The folder that the images' ``path`` is relative to.
    images, instances, duplicates
        Rows as `workbench.tables` describes them; shapes in pixels.
    notices
        What is noticed about each image, by kind (`NOTICES`).
    dataset_id, now
        The dataset's id in the database; when it is built.

    """
    drawn: defaultdict[str, list[Row]] = defaultdict(list)
    for row in instances:
        drawn[row["image_id"]].append(row)
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for row in duplicates:
        alike[row["image_id"]].add(row["other_image_id"])
        alike[row["other_image_id"]].add(row["image_id"])
    root = str(media_root)
    for row in images:
        image_id, width_px, height_px = row["image_id"], row["width_px"], row["height_px"]
        noticed = {kind: list(said) for kind, said in notices.get(image_id, {}).items() if said}
        tags = [row["origin"], row.get("split"), "excluded" if row.get("excluded") else None]
        tags += ["near_duplicate" if image_id in alike else None, *noticed]
        known = {column: row.get(column) for column in FIELDS}
        yield {
            "filepath": f"{root}/{row['path']}",
            "tags": [tag for tag in tags if tag],
            "metadata": {"_cls": "ImageMetadata", "width": width_px, "height": height_px, "num_channels": 3},
            "near_duplicates": sorted(alike[image_id]) if image_id in alike else [],
            **{column: value for column, value in known.items() if value is not None},
            **noticed,
            **_labels(drawn.get(image_id, ()), width_px, height_px),
            "_media_type": "image",
            "_rand": seed_for(image_id) / 2**32,
            "_dataset_id": dataset_id,
            "created_at": now,
            "last_modified_at": now,
        }


def facet_fields(instances: Iterable[Row]) -> list[str]:
    """Return the names under which facets are fields of a label, sorted."""
    codes = {code for text in {row.get("facets") or "{}" for row in instances} for code in json.loads(text)}
    return sorted(_facet_field(code) for code in codes)


def _labels(rows: Sequence[Row], width_px: int, height_px: int) -> dict[str, Any]:
    """Return an image's objects as FiftyOne labels: every box, and each polygon and set of points besides."""
    boxes, outlines, points = [], [], []
    for row in rows:
        about = _about(row)
        if row.get("x_min") is not None:
            left, top = row["x_min"] / width_px, row["y_min"] / height_px
            size = [(row["x_max"] - row["x_min"]) / width_px, (row["y_max"] - row["y_min"]) / height_px]
            box = _label("Detection", row, about) | {"bounding_box": [left, top, *size]}
            boxes.append(box | _mask_in_box(row, width_px, height_px))
        if row.get("rings"):
            rings = [
                [[x / width_px, y / height_px] for x, y in zip(ring[::2], ring[1::2], strict=True)]
                for ring in row["rings"]
            ]
            outlines.append(_label("Polyline", row, about) | {"points": rings, "closed": True, "filled": True})
        if row.get("keypoints"):
            places = [[point["x_px"] / width_px, point["y_px"] / height_px] for point in row["keypoints"]]
            names = [point["name"] for point in row["keypoints"]]
            points.append(_label("Keypoint", row, about) | {"points": places, "names": names, "confidence": None})
    return {
        "ground_truth": {"_cls": "Detections", "detections": boxes},
        "polylines": {"_cls": "Polylines", "polylines": outlines},
        "keypoints": {"_cls": "Keypoints", "keypoints": points},
    }


def _label(kind: str, row: Row, about: Mapping[str, Any]) -> dict[str, Any]:
    from bson import ObjectId

    return {"_id": ObjectId(), "_cls": kind, "attributes": {}, "tags": [], "label": row["category"], **about}


def _mask_in_box(row: Row, width_px: int, height_px: int) -> dict[str, Any]:
    """Return the part of an object's mask that its box covers, in FiftyOne's own coding; nothing if it has no mask."""
    if not row.get("mask_rle"):
        return {}
    from fiftyone.core.utils import serialize_numpy_array

    mask_hw = decode_mask(row["mask_rle"], height_px=height_px, width_px=width_px)
    left, top = math.floor(row["x_min"]), math.floor(row["y_min"])
    covered = mask_hw[top : math.ceil(row["y_max"]), left : math.ceil(row["x_max"])]
    return {"mask": serialize_numpy_array(covered)}


def _about(row: Row) -> dict[str, Any]:
    """Return what is known of an object besides its shape; a dot in a facet's code would nest, so it becomes _."""
    known = {
        "object_id": row.get("instance_id"),  # `instance_id` is reserved by FiftyOne
        "transcription": row.get("transcription"),
        "certainty": row.get("confidence"),  # FiftyOne's own `confidence` is a number
        "decided_by": row.get("decided_by"),
        "agreement_iou": row.get("agreement_iou"),
    }
    known |= _facets(row.get("facets") or "{}")
    return {key: value for key, value in known.items() if value is not None}


@lru_cache(maxsize=4096)  # few different ones stand in very many rows
def _facets(text: str) -> dict[str, Any]:
    return {_facet_field(code): value for code, value in json.loads(text).items()}


def _facet_field(code: str) -> str:
    return f"facet_{code.replace('.', '_')}"
