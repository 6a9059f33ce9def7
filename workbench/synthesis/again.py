"""One image made anew from what its row says, and compared; shards put together; scenes made small to look at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.domain.findings import refused
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.domain.scene import Scene, scene_from_mapping
from workbench.layout import Layout
from workbench.synthesis.props import prop_meshes
from workbench.synthesis.scene import RestingPart
from workbench.synthesis.studio import (
    PlannedRender,
    Shot,
    note_path,
    picture_path,
    read_notes,
    scene_path,
    write_whole,
)
from workbench.tables import IMAGES, RENDERS, read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A rendered image as it stands in the tables: its row of `IMAGES` and of `RENDERS`, and its scene."""

    image: Mapping[str, Any]
    render: Mapping[str, Any]
    scene: Scene

    @property
    def planned(self) -> PlannedRender:
        """The image as a piece of work to be done once more."""
        return PlannedRender(number=self.render["number"], scene=self.scene, work_key=self.image["work_key"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is the same and what is not in an image made anew: labels, pixels, and what it was made with."""

    same_labels: bool
    same_pixels: bool
    made_otherwise: tuple[str, ...]


def stored_image(layout: Layout, image_id: str) -> Stored:
    """Return the rendered image whose id begins with some letters.

    Raises
    ------
    Refused
        ``synthesis.image-unknown`` if there is none, or more than one.

    """
    rows = [row for row in read_rows(layout.synthesis / "renders.parquet", RENDERS) if _begins(row, image_id)]
    if len(rows) != 1:
        many = f"is the beginning of {len(rows)} rendered images." if rows else "is no rendered image."
        raise refused(
            "synthesis.image-unknown", image_id, many, "Give the id as data/05_synthesis/images.parquet has it."
        )
    images = read_rows(layout.synthesis / "images.parquet", IMAGES)
    image = next(row for row in images if row["image_id"] == rows[0]["image_id"])
    return Stored(image=image, render=rows[0], scene=read_scene(layout, rows[0]["scene_sha256"]))


def _begins(row: Mapping[str, Any], image_id: str) -> bool:
    return bool(image_id) and str(row["image_id"]).startswith(image_id.lower())


def read_scene(layout: Layout, digest: str) -> Scene:
    """Return a scene of the synthesis folder.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if it is not there, or not what its name says.

    """
    path = scene_path(layout, digest)
    data = path.read_bytes() if path.is_file() else b""
    if sha256_hex(data) != digest:
        raise refused(
            "workspace.input-missing", path, "is not there, or was changed.", "Restore it with `dvc checkout`."
        )
    return scene_from_mapping(json.loads(data))


def require_assets(stored: Stored, parts: Sequence[RestingPart]) -> None:
    """Refuse to render an image anew of other geometry than it was rendered of.

    Raises
    ------
    Refused
        ``synthesis.catalogue-invalid`` if the catalogue lacks one of its parts, or has another by that name.

    """
    held = {prop_id: prop_id for prop_id in prop_meshes()} | {part.part_id: part.mesh_sha256 for part in parts}
    for asset in stored.render["assets"]:
        if held.get(asset["part_id"]) != asset["mesh_sha256"]:
            raise refused(
                "synthesis.catalogue-invalid",
                asset["part_id"],
                f"is not in the catalogue with the geometry {asset['mesh_sha256'][:12]} that the image was rendered of.",
                "Restore data/00_catalogue and custody/ as they were.",
            )


def compare(stored: Stored, shot: Shot) -> Comparison:
    """Say how an image made anew differs from the stored one."""
    now = shot.record["render"]
    kinds = ("engine", "cpu_class", "activity", "samples_per_pixel")
    return Comparison(
        same_labels=now["labels_sha256"] == stored.render["labels_sha256"],
        same_pixels=shot.record["image"]["file_sha256"] == stored.image["file_sha256"],
        made_otherwise=tuple(
            f"{kind} {now[kind]}, was {stored.render[kind]}" for kind in kinds if now[kind] != stored.render[kind]
        ),
    )


def gather(layout: Layout, others: Iterable[Layout], plan: Iterable[PlannedRender]) -> tuple[int, int]:
    """Take over what shards rendered in other workspaces; return how many images were taken, and how many passed over.

    A note of no planned image is passed over: it is of other parameters, of another catalogue or of another engine.

    Raises
    ------
    Refused
        ``synthesis.shard-damaged`` if a picture is not there or has other bytes than its note says.

    """
    wanted = {planned.work_key for planned in plan}
    known = set(read_notes(layout))
    taken = passed = 0
    for other in others:
        for key, note in read_notes(other).items():
            if key not in wanted:
                passed += 1
            elif key not in known:
                _take_over(layout, other, key, note)
                known.add(key)
                taken += 1
    return taken, passed


def _take_over(layout: Layout, other: Layout, key: str, note: Mapping[str, Any]) -> None:
    """Copy a picture and its note, the picture first: a note stands for a picture that is there."""
    image_id = str(note["image"]["image_id"])
    source = picture_path(other, image_id)
    data = source.read_bytes() if source.is_file() else b""
    if sha256_hex(data) != note["image"]["file_sha256"] or note["image"]["file_sha256"] != image_id:
        raise refused(
            "synthesis.shard-damaged",
            source,
            "is not the picture its note names.",
            "Copy the shard again, or delete the note: its image is then rendered here.",
        )
    write_whole(picture_path(layout, image_id), data)
    write_whole(note_path(layout, key), canonical_json(note).encode())


def smaller(scene: Scene, *, size_px: int) -> Scene:
    """Return the scene as a camera of fewer pixels sees it: the same view, its longer side ``size_px``."""
    camera = scene.camera
    scale = size_px / max(camera.width_px, camera.height_px)
    if scale >= 1:
        return scene
    width, height = (max(1, round(side * scale)) for side in (camera.width_px, camera.height_px))
    return replace(scene, camera=replace(camera, width_px=width, height_px=height, focal_px=camera.focal_px * scale))


def write_passes(folder: Path, image_id: str, shot: Shot, arrays: Mapping[str, Any]) -> list[Path]:
    """Write a picture made anew, and arrays beside it as .npy files; return their paths."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{image_id[:16]}.jpg"]
    write_whole(paths[0], shot.jpeg)
    for name, array in arrays.items():
        paths.append(folder / f"{image_id[:16]}.{name}.npy")
        np.save(paths[-1], array, allow_pickle=False)
    return paths
