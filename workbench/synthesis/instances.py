"""The labels that a rendering carries: rows of images, instances and poses, pure of any tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.annotation import DecidedBy, Instance, Shape
from workbench.domain.geometry import Box
from workbench.domain.photograph import Origin
from workbench.domain.scene import Card, Scene
from workbench.ports import Rendering
from workbench.tables import instance_row

#: Encodes an image-sized mask, (h, w) bool, as COCO compressed RLE counts.
EncodeMask = Callable[[NDArray[np.bool_]], str]

#: Fewer visible pixels than this are no object anyone could label.
MIN_VISIBLE_PX = 12


def mask_extent(mask_hw: NDArray[np.bool_]) -> Box:
    """Return the tight box of a mask that is not empty, edges on pixel borders."""
    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    return Box(x_min=int(columns[0]), y_min=int(rows[0]), x_max=int(columns[-1]) + 1, y_max=int(rows[-1]) + 1)


def visible_indices(rendering: Rendering) -> list[int]:
    """Return which of the scene's instances show enough pixels to be labelled, in the scene's order."""
    seen = np.bincount(rendering.instance_hw[rendering.instance_hw >= 0], minlength=len(rendering.alone_nhw))
    return [i for i, count in enumerate(seen) if count >= MIN_VISIBLE_PX]


def label_rows(scene: Scene, rendering: Rendering, *, image_id: str, encode_mask: EncodeMask) -> list[dict[str, Any]]:
    """Return the rows of `INSTANCES` for one rendering; none where nothing shows."""
    rows = []
    for index in visible_indices(rendering):
        mask = rendering.instance_hw == index
        instance = Instance(
            instance_id=f"{image_id[:16]}-{index:02d}",
            image_id=image_id,
            category=scene.instances[index].category,
            shape=Shape.MASK,
            box=mask_extent(mask),
            mask_rle=encode_mask(mask),
            transcription=_text(scene, index),
            decided_by=DecidedBy.RENDERED,
        )
        rows.append(instance_row(instance))
    return rows


def _text(scene: Scene, index: int) -> str | None:
    thing = scene.instances[index]
    return thing.text if isinstance(thing, Card) and thing.kind == "evidence_tag" else None


def pose_rows(scene: Scene, rendering: Rendering, *, image_id: str) -> list[dict[str, Any]]:
    """Return the rows of `POSES` for one rendering: one for each instance that `label_rows` lists."""
    camera = scene.camera
    to_camera = np.linalg.inv(np.reshape(camera.pose, (4, 4)))
    rows = []
    for index in visible_indices(rendering):
        thing = scene.instances[index]
        matrix = to_camera @ np.reshape(thing.pose, (4, 4))
        alone = max(int(rendering.alone_nhw[index].sum()), 1)
        rows.append(
            {
                "image_id": image_id,
                "instance_id": f"{image_id[:16]}-{index:02d}",
                "part_id": thing.kind if isinstance(thing, Card) else thing.part_id,
                # Rounded to a nanometre: the last bits of an inverse differ between linear-algebra libraries.
                "object_to_camera": [round(float(value), 9) for value in matrix.ravel()],
                "fx_px": camera.focal_px,
                "fy_px": camera.focal_px,
                "cx_px": camera.centre_px[0],
                "cy_px": camera.centre_px[1],
                "visible_frac": float(np.sum(rendering.instance_hw == index)) / alone,
            }
        )
    return rows


def image_row(scene: Scene, *, image_id: str, path: str, work_key: str, licence: str) -> Mapping[str, Any]:
    """Return the row of `IMAGES` for one render: for training only, in a group of its recipe."""
    return {
        "image_id": image_id,
        "origin": Origin.RENDERED.value,
        "path": path,
        "file_sha256": image_id,
        "width_px": scene.camera.width_px,
        "height_px": scene.camera.height_px,
        "licence": licence,
        "work_key": work_key,
        "seed": scene.seed,
        "group_id": f"render:{scene.recipe}",
        "split": "train",
    }
