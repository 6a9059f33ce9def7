"""The labels that a composed picture carries: rows of images, instances and poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.composition.backgrounds import Source
from workbench.composition.placing import Placed
from workbench.composition.plan import PlannedPicture
from workbench.domain.annotation import DecidedBy, Instance, Shape
from workbench.domain.composition import Seen
from workbench.domain.photograph import Origin
from workbench.tables import instance_row

#: Fewer visible pixels than this are no object anyone could label.
_LEAST_VISIBLE_PX = 12

#: What a picture has of the photograph behind it.
_INHERITED = ("contribution_id", "partner_id", "seizure_id", "item_id", "group_id")
_EDGES = ("x_min", "y_min", "x_max", "y_max")


def image_row(planned: PlannedPicture, *, image_id: str, path: str) -> dict[str, Any]:
    """Return the row of `IMAGES`: a render, for training only, whose parent is the photograph behind it, if it is one."""
    background = planned.background
    row: dict[str, Any] = {
        "image_id": image_id,
        "origin": Origin.RENDERED.value,
        "path": path,
        "file_sha256": image_id,
        "width_px": planned.job.width_px,
        "height_px": planned.job.height_px,
        "licence": background.licence,
        "work_key": planned.work_key,
        "seed": planned.job.seed,
        "group_id": f"background:{background.background_id[:16]}",
        "split": "train",
    }
    if background.source is Source.PHOTOGRAPH:
        row |= {name: background.image[name] for name in _INHERITED}
        row["parent_image_id"] = background.background_id
    return row


def made_of_row(planned: PlannedPicture, *, image_id: str) -> dict[str, Any]:
    """Return the row of `MADE_OF`: what was put together."""
    return {
        "image_id": image_id,
        "source": planned.background.source.value,
        "background_id": planned.background.background_id,
        "cutouts": [one.cutout.work_key for one in planned.placed],
    }


def label_rows(planned: PlannedPicture, seen: Sequence[Seen], *, image_id: str) -> list[dict[str, Any]]:
    """Return the rows of `INSTANCES`: the parts that are seen, then what the background itself shows."""
    rows = []
    for index, (one, what) in enumerate(zip(planned.placed, seen, strict=True)):
        if what.visible_px >= _LEAST_VISIBLE_PX:
            instance = Instance(
                instance_id=f"{image_id[:16]}-{index:02d}",
                image_id=image_id,
                category=one.cutout.category,
                shape=Shape.MASK,
                box=what.box,
                mask_rle=what.mask_rle,
                decided_by=DecidedBy.RENDERED,
            )
            rows.append(instance_row(instance))
    scale = planned.job.width_px / planned.background.width_px, planned.job.height_px / planned.background.height_px
    for index, row in enumerate(planned.background.instances):
        rows.append(_carried(row, scale, instance_id=f"{image_id[:16]}-b{index:02d}", image_id=image_id))
    return rows


def _carried(row: Mapping[str, Any], scale: tuple[float, float], *, instance_id: str, image_id: str) -> dict[str, Any]:
    """Return a background's instance as the smaller picture shows it; nothing lies on it."""
    moved = {name: row[name] if row[name] is None else row[name] * scale[name[0] == "y"] for name in _EDGES}
    rings = row["rings"] and [[value * scale[i % 2] for i, value in enumerate(ring)] for ring in row["rings"]]
    points = row["keypoints"] and [
        {**point, "x_px": point["x_px"] * scale[0], "y_px": point["y_px"] * scale[1]} for point in row["keypoints"]
    ]
    return {
        **row,
        **moved,
        "rings": rings,
        "keypoints": points,
        "instance_id": instance_id,
        "image_id": image_id,
        "parent_instance_id": row["instance_id"],
    }


def pose_rows(planned: PlannedPicture, seen: Sequence[Seen], *, image_id: str) -> list[dict[str, Any]]:
    """Return the rows of `POSES`: moving and scaling a cut-out is moving and scaling its camera's picture, no more."""
    rows = []
    for index, (one, what) in enumerate(zip(planned.placed, seen, strict=True)):
        if what.visible_px >= _LEAST_VISIBLE_PX:
            rows.append(
                {
                    "image_id": image_id,
                    "instance_id": f"{image_id[:16]}-{index:02d}",
                    "part_id": one.cutout.part_id,
                    "object_to_camera": list(one.cutout.object_to_camera),
                    **_intrinsics(one),
                    "mesh_sha256": one.cutout.mesh_sha256,
                    "visible_px": what.visible_px,
                    "whole_px": what.whole_px,
                    "visible_frac": what.visible_px / what.alone_px,
                    "truncated_frac": 1 - what.alone_px / what.whole_px,
                    "amodal_rle": what.alone_rle,
                    **{f"amodal_{name}": edge for name, edge in zip(_EDGES, what.whole_xyxy, strict=True)},
                    "oriented_box": list(what.oriented_box),
                }
            )
    return rows


def _intrinsics(one: Placed) -> dict[str, float]:
    focal = one.cutout.focal_px * one.side_px / one.cutout.size_px
    half = one.side_px / 2
    return {"fx_px": focal, "fy_px": focal, "cx_px": one.left_px + half, "cy_px": one.top_px + half}
