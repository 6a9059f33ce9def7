"""Renders in the layout of BOP, the benchmark of object poses (bop_toolkit, docs/bop_datasets_format.md: scenewise).

Lengths are millimetres there. Geometry is sealed, so ``models`` holds extents, diameters and symmetries and no mesh. Only
parts are objects; printed cards are none. An object's origin and axes are those of its catalogue part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.scene import Scene
from workbench.layout import Layout
from workbench.synthesis.rendered import RenderedImage, scene_of
from workbench.synthesis.scene import RestingPart
from workbench.synthesis.studio import write_whole

#: A unit of a depth picture in millimetres: sixteen bits then reach six and a half metres.
DEPTH_SCALE = 0.1
#: BOP numbers the images of a scene in six digits; its rendered training sets have a thousand a scene.
_A_SCENE = 1000

#: Depth of a scene, (h, w) metres, 0 where nothing is seen.
DepthOf = Callable[[Scene], NDArray[np.float32]]
#: Encodes an (h, w) picture of 8 or 16 bits as PNG.
EncodePng = Callable[[NDArray[Any]], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class BopTools:
    """What the export needs beside the tables."""

    depth_of: DepthOf
    encode_png: EncodePng
    decode_mask: Callable[..., NDArray[np.bool_]]


def object_ids(parts: Sequence[RestingPart]) -> dict[str, int]:
    """Return the object's number of each part: from 1, by part_id."""
    return {part_id: number for number, part_id in enumerate(sorted(part.part_id for part in parts), start=1)}


def models_info(parts: Sequence[RestingPart]) -> dict[str, Any]:
    """Return models_info.json: extents, diameter and symmetries of each part, millimetres."""
    numbers, info = object_ids(parts), {}
    for part in sorted(parts, key=lambda part: part.part_id):
        low, size = part.mesh.vertices_m.min(axis=0) * 1000, np.ptp(part.mesh.vertices_m, axis=0) * 1000
        entry: dict[str, Any] = {"diameter": round(part.diameter_m * 1000, 6)}
        for axis, name in enumerate("xyz"):
            entry[f"min_{name}"] = round(float(low[axis]), 6)
            entry[f"size_{name}"] = round(float(size[axis]), 6)
        if part.symmetry.discrete:
            entry["symmetries_discrete"] = [_millimetres(pose) for pose in part.symmetry.discrete]
        if part.symmetry.continuous:
            entry["symmetries_continuous"] = [
                {"axis": list(axis.direction), "offset": [value * 1000 for value in axis.through_m]}
                for axis in part.symmetry.continuous
            ]
        info[str(numbers[part.part_id])] = entry
    return info


def _millimetres(pose: Sequence[float]) -> list[float]:
    """Return a 4x4 matrix in metres as one in millimetres, row by row."""
    return [value * 1000 if place in (3, 7, 11) else value for place, value in enumerate(pose)]


def write_bop(
    folder: Path,
    layout: Layout,
    images: Sequence[RenderedImage],
    parts: Sequence[RestingPart],
    *,
    tools: BopTools,
    track: Callable[..., Iterable[Any]],
) -> int:
    """Write a data set of BOP's layout into a folder; return how many objects it annotates."""
    numbers = object_ids(parts)
    scenes: dict[int, dict[str, dict[str, Any]]] = {}
    count = 0
    for position, one in enumerate(track(images, total=len(images), doing="export")):
        scene = scene_of(layout, one)
        number, image_number = divmod(position, _A_SCENE)
        here = folder / "train_pbr" / f"{number:06d}"
        told = scenes.setdefault(number, {"scene_camera": {}, "scene_gt": {}, "scene_gt_info": {}})
        depth = tools.depth_of(scene)
        objects = [(row, pose) for row, pose in one.objects if pose["part_id"] in numbers]
        told["scene_camera"][str(image_number)] = _camera(scene)
        told["scene_gt"][str(image_number)] = [_pose(pose, numbers) for _, pose in objects]
        told["scene_gt_info"][str(image_number)] = [
            _write_masks(here, f"{image_number:06d}_{i:06d}", row, pose, depth, tools)
            for i, (row, pose) in enumerate(objects)
        ]
        write_whole(here / "rgb" / f"{image_number:06d}.jpg", (layout.data / one.image["path"]).read_bytes())
        units = np.clip(np.round(depth.astype(np.float64) * 1000 / DEPTH_SCALE), 0, 65535).astype(np.uint16)
        write_whole(here / "depth" / f"{image_number:06d}.png", tools.encode_png(units))
        count += len(objects)
    for number, told in scenes.items():
        for name, document in told.items():
            _write_json(folder / "train_pbr" / f"{number:06d}" / f"{name}.json", document)
    _write_about(folder, images, parts)
    return count


def _camera(scene: Scene) -> dict[str, Any]:
    camera = scene.camera
    cx, cy = camera.centre_px
    pose = np.reshape(camera.pose, (4, 4))
    rotation = pose[:3, :3].T
    entry: dict[str, Any] = {
        "cam_K": [camera.focal_px, 0.0, cx, 0.0, camera.focal_px, cy, 0.0, 0.0, 1.0],
        "depth_scale": DEPTH_SCALE,
        "cam_R_w2c": rotation.ravel().tolist(),
        "cam_t_w2c": (-rotation @ pose[:3, 3] * 1000).tolist(),
    }
    if any(distortion := getattr(camera, "distortion", ())):
        entry["distortion"] = list(distortion)  # k1, k2, p1, p2, k3: no field of BOP's
    return entry


def _pose(row: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    matrix = np.reshape(row["object_to_camera"], (4, 4))
    return {
        "cam_R_m2c": matrix[:3, :3].ravel().tolist(),
        "cam_t_m2c": (matrix[:3, 3] * 1000).tolist(),
        "obj_id": numbers[row["part_id"]],
    }


def _write_masks(
    here: Path, stem: str, row: Mapping[str, Any], pose: Mapping[str, Any], depth: NDArray[np.float32], tools: BopTools
) -> dict[str, Any]:
    """Write an object's two masks; return its entry of scene_gt_info."""
    height, width = depth.shape
    whole = tools.decode_mask(pose["amodal_rle"], height_px=height, width_px=width)
    seen = tools.decode_mask(row["mask_rle"], height_px=height, width_px=width)
    for kind, mask in (("mask", whole), ("mask_visib", seen)):
        write_whole(here / kind / f"{stem}.png", tools.encode_png(mask.astype(np.uint8) * 255))
    return {
        "bbox_obj": _xywh(pose, "amodal_"),
        "bbox_visib": _xywh(row, ""),
        "px_count_all": pose["whole_px"],
        "px_count_valid": int(np.count_nonzero(depth[whole])),
        "px_count_visib": pose["visible_px"],
        "visib_fract": pose["visible_px"] / pose["whole_px"],
    }


def _xywh(row: Mapping[str, Any], prefix: str) -> list[int]:
    x_min, y_min, x_max, y_max = (int(row[f"{prefix}{edge}"]) for edge in ("x_min", "y_min", "x_max", "y_max"))
    return [x_min, y_min, x_max - x_min, y_max - y_min]


def _write_about(folder: Path, images: Sequence[RenderedImage], parts: Sequence[RestingPart]) -> None:
    """Write what stands at the root: camera, models without geometry, which object is which part, and a page."""
    numbers = object_ids(parts)
    width, height = images[0].size_wh
    pose = next((pose for one in images for _, pose in one.objects), None)
    if pose is not None:
        intrinsics = {name: pose[f"{name}_px"] for name in ("fx", "fy", "cx", "cy")}
        _write_json(
            folder / "camera.json", {**intrinsics, "width": width, "height": height, "depth_scale": DEPTH_SCALE}
        )
    _write_json(folder / "models" / "models_info.json", models_info(parts))
    _write_json(
        folder / "objects.json",
        {
            str(numbers[part.part_id]): {
                "part_id": part.part_id,
                "category": part.category,
                "mesh_sha256": part.mesh_sha256,
            }
            for part in sorted(parts, key=lambda part: part.part_id)
        },
    )
    write_whole(folder / "dataset_info.md", _PAGE.format(images=len(images), objects=len(parts)).encode())


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_whole(path, (json.dumps(document, indent=1) + "\n").encode())


def is_distorted(images: Sequence[RenderedImage], layout: Layout) -> int:
    """Return how many images were taken through a lens that bends lines, which BOP's camera matrix cannot say."""
    return sum(any(getattr(scene_of(layout, one).camera, "distortion", ())) for one in images)


_PAGE = """# Rendered evidence photographs in the layout of BOP

{images} images of {objects} objects, rendered from CAD: for training only. `train_pbr/SCENE/` holds `rgb` (JPEG), `depth`
(PNG, 16 bits, times `depth_scale` millimetres), `mask` (the whole silhouette inside the frame) and `mask_visib`.
`px_count_all` and `bbox_obj` count the silhouette beyond the frame too, at most a frame's size on each side. Objects that
show fewer than 12 pixels are left out. `objects.json` says which object is which part of the catalogue.

The geometry is sealed: `models/models_info.json` gives extents, diameters and symmetries, and there is no mesh. An
object's origin is its CAD file's, which need not be the middle of its box.
"""
