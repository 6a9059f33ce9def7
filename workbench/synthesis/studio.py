"""One render from plan to files: the piece of work that another process, or another machine, can do on its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.domain.scene import Scene
from workbench.layout import Layout
from workbench.ports import Mesh, Renderer, Rendering
from workbench.synthesis.instances import (
    EncodeMask,
    Points,
    assets_of,
    image_row,
    label_rows,
    labels_sha256,
    pose_rows,
    scene_points,
)
from workbench.synthesis.prints import textures_of
from workbench.synthesis.scene import RestingPart


class EncodeJpeg(Protocol):
    """Encodes a picture as JPEG bytes."""

    def __call__(self, image_hwc: NDArray[np.uint8], *, quality: int) -> bytes:
        """Return the bytes; ``quality`` is 1 to 100."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRender:
    """One image to be: which of the recipe, its scene, and the key of the work."""

    number: int
    scene: Scene
    work_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A finished render: its JPEG bytes, and the rows of the tables it gives, as `Studio.photograph` notes them."""

    jpeg: bytes
    record: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """Everything that turns a planned render into a picture with its labels; it can be sent to another process.

    Parameters
    ----------
    meshes, points
        Geometry and named points of the catalogue's parts, by part_id.
    activity, samples_per_pixel, licence
        What the manifest records of each image.
    machine
        More of that: ``workbench``, ``code_sha256`` and ``cpu_class`` of this installation.
    environments
        Files that may surround the table, by the name a scene calls them.

    """

    layout: Layout
    renderer: Renderer
    meshes: Mapping[str, Mesh]
    points: Points
    encode_mask: EncodeMask
    encode_jpeg: EncodeJpeg
    activity: str
    samples_per_pixel: int
    licence: str
    machine: Mapping[str, str]
    environments: Mapping[str, Path] = field(default_factory=dict)

    def photograph(self, planned: PlannedRender) -> str:
        """Render one image, put its picture in its place and leave a note of its rows; return the image's id."""
        shot = self.shoot(planned)
        write_whole(self.layout.data / shot.record["image"]["path"], shot.jpeg)
        write_whole(note_path(self.layout, planned.work_key), canonical_json(shot.record).encode())
        return str(shot.record["image"]["image_id"])

    def shoot(self, planned: PlannedRender) -> Shot:
        """Render one image and write nothing."""
        scene = planned.scene
        textures = textures_of(scene, environments=self.environments)
        points_m = scene_points(scene, self.points)
        seen = self.renderer.render(scene, meshes=self.meshes, textures=textures, points_m=points_m)
        jpeg = self.encode_jpeg(seen.image_hwc, quality=scene.camera.jpeg_quality)
        return Shot(jpeg=jpeg, record=self._record(planned, seen, sha256_hex(jpeg)))

    def _record(self, planned: PlannedRender, seen: Rendering, image_id: str) -> dict[str, Any]:
        scene = planned.scene
        path = picture_path(self.layout, image_id).relative_to(self.layout.data).as_posix()
        how: dict[str, Any] = {"image_id": image_id, "encode_mask": self.encode_mask, "points": self.points}
        instances, poses = label_rows(scene, seen, **how), pose_rows(scene, seen, **how)
        return {
            "image": image_row(scene, image_id=image_id, path=path, work_key=planned.work_key, licence=self.licence),
            "instances": instances,
            "poses": poses,
            "render": {
                "image_id": image_id,
                "recipe": scene.recipe,
                "number": planned.number,
                "seed": scene.seed,
                "scene_sha256": scene.digest,
                "activity": self.activity,
                "samples_per_pixel": self.samples_per_pixel,
                "engine": canonical_json(dict(self.renderer.engine)),
                **self.machine,
                "labels_sha256": labels_sha256(instances, poses),
                "assets": assets_of(scene),
            },
        }


def points_of(parts: Sequence[RestingPart]) -> Points:
    """Return the named points of the parts that have any."""
    return {part.part_id: part.keypoints for part in parts if part.keypoints}


def picture_path(layout: Layout, image_id: str) -> Path:
    """Return where the picture of an image stands."""
    return layout.synthesis / "images" / image_id[:2] / f"{image_id}.jpg"


def scene_path(layout: Layout, digest: str) -> Path:
    """Return where a scene stands."""
    return layout.synthesis / "scenes" / f"{digest}.json"


def note_path(layout: Layout, key: str) -> Path:
    """Return where the note of a finished render stands until the tables are written."""
    return layout.state / "synthesis" / f"{key}.json"


def read_notes(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return the notes that unfinished runs and shards left, by work key."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted((layout.state / "synthesis").glob("*.json"))}


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The writer's number keeps two processes that write the same file from writing into one another's.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    os.replace(part, path)
