"""The labels that a rendering carries: rows of images, instances and poses, pure of any tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.annotation import DecidedBy, Instance, Keypoint, Shape
from workbench.domain.geometry import Box
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.domain.photograph import Origin
from workbench.domain.scene import Card, Scene
from workbench.ports import Labels
from workbench.tables import instance_row

#: Encodes an image-sized mask, (h, w) bool, as COCO compressed RLE counts.
EncodeMask = Callable[[NDArray[np.bool_]], str]
#: Named points of parts, by part_id: name -> x, y, z in the part's own coordinates, metres.
Points = Mapping[str, Mapping[str, tuple[float, float, float]]]

#: Fewer visible pixels than this are no object anyone could label.
MIN_VISIBLE_PX = 12
#: A point counts as seen where the first surface on the way lies at most so far before it: points lie on surfaces, whose
#: facets cut corners off.
_BEFORE_M = 0.0008


def mask_extent(mask_hw: NDArray[np.bool_]) -> Box:
    """Return the tight box of a mask that is not empty, edges on pixel borders."""
    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    return Box(x_min=int(columns[0]), y_min=int(rows[0]), x_max=int(columns[-1]) + 1, y_max=int(rows[-1]) + 1)


def oriented_box(mask_hw: NDArray[np.bool_]) -> list[float]:
    """Return the rectangle of least area around the pixels of a mask that is not empty: x, y of its four corners.

    Rounded to a ten-thousandth of a pixel, because the last bits follow the geometry library.
    """
    rows = np.flatnonzero(mask_hw.any(axis=1))
    first = mask_hw[rows].argmax(axis=1)
    last = mask_hw.shape[1] - mask_hw[rows][:, ::-1].argmax(axis=1)
    ends = [np.stack([x, y], axis=1) for x in (first, last) for y in (rows, rows + 1)]
    rectangle = shapely.minimum_rotated_rectangle(shapely.MultiPoint(np.concatenate(ends)))
    return [round(float(value), 4) for xy in shapely.get_coordinates(rectangle)[:4] for value in xy]


def visible_indices(labels: Labels) -> list[int]:
    """Return which of the scene's instances show enough pixels to be labelled, in the scene's order."""
    seen = np.bincount(labels.instance_hw[labels.instance_hw >= 0], minlength=len(labels.alone_nhw))
    return [i for i, count in enumerate(seen) if count >= MIN_VISIBLE_PX]


def scene_points(scene: Scene, points: Points) -> NDArray[np.float64]:
    """Return the points of all parts of a scene in the world, (k, 3) metres, parts in the scene's order, by name."""
    placed = [np.zeros((0, 3))]
    for part in scene.parts:
        own = points.get(part.part_id, {})
        if own:
            pose = np.reshape(part.pose, (4, 4))
            placed.append(np.array([own[name] for name in sorted(own)]) @ pose[:3, :3].T + pose[:3, 3])
    return np.concatenate(placed)


def keypoints_of(scene: Scene, labels: Labels, points: Points) -> dict[int, list[dict[str, Any]]]:
    """Return the keypoints of each instance that has any: name, x_px, y_px and visibility (2 seen, 1 hidden, 0 outside).

    ``labels`` must have been asked about `scene_points`. A point behind the camera has no place and is left out.
    """
    eye = np.reshape(scene.camera.pose, (4, 4))[:3, 3]
    distances = np.linalg.norm(scene_points(scene, points) - eye, axis=1)
    placed, first, at = scene_points(scene, points), labels.first_m, 0
    found: dict[int, list[dict[str, Any]]] = {}
    for index, part in enumerate(scene.parts):
        for name in sorted(points.get(part.part_id, {})):
            x, y, z = (float(value) for value in placed[at])
            shown = scene.camera.project((x, y, z))
            free = bool(first[at] >= distances[at] - _BEFORE_M)
            at += 1
            if shown is None:
                continue
            inside = 0 <= shown[0] < scene.camera.width_px and 0 <= shown[1] < scene.camera.height_px
            row = {"name": name, "x_px": round(shown[0], 4), "y_px": round(shown[1], 4)}
            found.setdefault(index, []).append(row | {"visibility": (2 if free else 1) if inside else 0})
    return found


def label_rows(
    scene: Scene, labels: Labels, *, image_id: str, encode_mask: EncodeMask, points: Points
) -> list[dict[str, Any]]:
    """Return the rows of `INSTANCES` for one rendering; none where nothing shows. Points that show are keypoints."""
    named = keypoints_of(scene, labels, points)
    rows = []
    for index in visible_indices(labels):
        mask = labels.instance_hw == index
        seen = [point for point in named.get(index, ()) if point["visibility"] == 2]  # noqa: PLR2004 -- seen
        instance = Instance(
            instance_id=_instance_id(image_id, index),
            image_id=image_id,
            category=scene.instances[index].category,
            shape=Shape.MASK,
            box=mask_extent(mask),
            mask_rle=encode_mask(mask),
            keypoints=tuple(Keypoint(name=p["name"], x_px=p["x_px"], y_px=p["y_px"]) for p in seen),
            transcription=_text(scene, index),
            decided_by=DecidedBy.RENDERED,
        )
        rows.append(instance_row(instance))
    return rows


def _instance_id(image_id: str, index: int) -> str:
    return f"{image_id[:16]}-{index:02d}"


def _text(scene: Scene, index: int) -> str | None:
    thing = scene.instances[index]
    return thing.text if isinstance(thing, Card) and thing.kind == "evidence_tag" else None


def pose_rows(
    scene: Scene, labels: Labels, *, image_id: str, encode_mask: EncodeMask, points: Points
) -> list[dict[str, Any]]:
    """Return the rows of `POSES` for one rendering: one for each instance that `label_rows` lists."""
    camera = scene.camera
    to_camera = np.linalg.inv(np.reshape(camera.pose, (4, 4)))
    named = keypoints_of(scene, labels, points)
    rows = []
    for index in visible_indices(labels):
        thing = scene.instances[index]
        matrix = to_camera @ np.reshape(thing.pose, (4, 4))
        seen, alone = labels.instance_hw == index, labels.alone_nhw[index]
        visible, inside = int(seen.sum()), int(alone.sum())
        # A ray that grazes an edge may hit in one scene and miss in the other: what is seen is there in any case.
        inside, whole = max(inside, visible), max(int(labels.whole_px[index]), inside, visible)
        edges = zip(("x_min", "y_min", "x_max", "y_max"), labels.whole_xyxy[index], strict=True)
        rows.append(
            {
                "image_id": image_id,
                "instance_id": _instance_id(image_id, index),
                "part_id": thing.kind if isinstance(thing, Card) else thing.part_id,
                "mesh_sha256": None if isinstance(thing, Card) else thing.mesh_sha256,
                # Rounded to a nanometre: the last bits of an inverse differ between linear-algebra libraries.
                "object_to_camera": [round(float(value), 9) + 0.0 for value in matrix.ravel()],
                "fx_px": camera.focal_px,
                "fy_px": camera.focal_px,
                "cx_px": camera.centre_px[0],
                "cy_px": camera.centre_px[1],
                "distortion": list(camera.distortion) if any(camera.distortion) else None,
                "visible_px": visible,
                "whole_px": whole,
                "visible_frac": visible / inside,
                "truncated_frac": 1 - inside / whole,
                "amodal_rle": encode_mask(alone),
                **{f"amodal_{name}": float(edge) for name, edge in edges},
                "oriented_box": oriented_box(seen),
                "keypoints": named.get(index),
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


def labels_sha256(instances: Sequence[Mapping[str, Any]], poses: Sequence[Mapping[str, Any]]) -> str:
    """Return one hash for what the labels of an image say, apart from its pixels: ids, which follow the file, stay out."""
    bare = [
        {key: value for key, value in row.items() if key not in ("image_id", "instance_id")}
        for row in (*instances, *poses)
    ]
    return sha256_hex(canonical_json(bare).encode())


def assets_of(scene: Scene) -> list[dict[str, str]]:
    """Return each geometry of a scene once: part and hash, by part."""
    parts = [*scene.parts, *scene.props]
    return [
        {"part_id": part_id, "mesh_sha256": sha256}
        for part_id, sha256 in sorted({(part.part_id, part.mesh_sha256) for part in parts})
    ]
