"""The stage: plan the scenes of a recipe, render those that are not there yet, write the tables.

A finished render leaves a note in the workspace's state at once, so that an interrupted run goes on where it was; the
tables are written at the end, from notes and former tables alike.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused
from workbench.domain.lineage import canonical_json, require_activity, seed_for, sha256_hex, work_key
from workbench.domain.scene import Scene
from workbench.layout import Layout
from workbench.ports import Renderer, Track, silent
from workbench.synthesis.instances import EncodeMask, image_row, label_rows, pose_rows
from workbench.synthesis.scene import RestingPart, sample_scene
from workbench.synthesis.surfaces import textures_of
from workbench.tables import IMAGES, INSTANCES, POSES, read_rows, write_table

#: Version of this stage's code; stands in params.yaml.
ACTIVITY = "synthesis/1"
#: Renders belong to whoever makes them; the built-in parts carry no other claim.
DEFAULT_LICENCE = "CC0-1.0"

_KEYS = {"recipe": str, "images": int, "seed": int, "size_px": int, "samples_per_pixel": int, "objects_per_image": list}
#: Encodes a picture as JPEG bytes.
EncodeJpeg = Callable[[NDArray[np.uint8]], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRender:
    """One image to be: its scene and the key of the work."""

    scene: Scene
    work_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisOutcome:
    """What a run did."""

    images: int
    rendered: int
    instances: int


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse a section ``synthesis`` that cannot be used.

    Raises
    ------
    Refused
        ``workspace.params-invalid`` or ``workspace.activity-version``.

    """
    require_activity(params, ACTIVITY, section="synthesis")
    for key, kind in _KEYS.items():
        if not isinstance(params.get(key), kind) or isinstance(params.get(key), bool):
            raise _bad_params(key, f"must be given as {kind.__name__}, not {params.get(key)!r}.")
    ranges = {"images": (0, 1_000_000), "size_px": (32, 4096), "samples_per_pixel": (1, 4096)}
    for key, (low, high) in ranges.items():
        if not low <= params[key] <= high:
            raise _bad_params(key, f"must lie between {low} and {high}, not be {params[key]}.")
    counts = params["objects_per_image"]
    if len(counts) != 2 or not all(isinstance(c, int) for c in counts) or not 1 <= counts[0] <= counts[1] <= 30:  # noqa: PLR2004
        raise _bad_params("objects_per_image", f"must be [least, most] between 1 and 30, not {counts!r}.")


def _bad_params(key: str, message: str) -> Exception:
    return refused("workspace.params-invalid", f"params.yaml synthesis.{key}", message, "Correct it in params.yaml.")


def plan_renders(
    params: Mapping[str, Any], parts: Sequence[RestingPart], *, engine: Mapping[str, str]
) -> list[PlannedRender]:
    """Return the images of a recipe in order; more images keep the former ones as they are."""
    renders = []
    shaping = {"samples_per_pixel": params["samples_per_pixel"], "engine": dict(engine)}
    for index in range(params["images"]):
        scene = sample_scene(params, parts, seed=seed_for(params["seed"], params["recipe"], index))
        key = work_key(activity=ACTIVITY, parameters=shaping, inputs=(scene.digest,))
        renders.append(PlannedRender(scene=scene, work_key=key))
    return renders


def run_synthesis(
    layout: Layout,
    params: Mapping[str, Any],
    parts: Sequence[RestingPart],
    *,
    renderer: Renderer,
    encode_mask: EncodeMask,
    encode_jpeg: EncodeJpeg,
    cpu_class: str,
    track: Track = silent,
) -> SynthesisOutcome:
    """Write ``data/05_synthesis`` for a recipe, rendering only what is not there yet.

    Raises
    ------
    Refused
        ``workspace.params-invalid``, ``workspace.activity-version``, ``synthesis.catalogue-empty``.

    """
    check_params(params)
    plan = plan_renders(params, parts, engine=renderer.engine)
    former = _former_records(layout)
    meshes = {part.part_id: part.mesh for part in parts}
    records, rendered = [], 0
    for planned in track(plan, total=len(plan), doing="render"):
        record = former.get(planned.work_key)
        if record is None or not _is_whole(layout, record):
            shot = renderer.render(planned.scene, meshes=meshes, textures=textures_of(planned.scene))
            jpeg = encode_jpeg(shot.image_hwc)
            image_id = sha256_hex(jpeg)
            path = layout.synthesis / "images" / image_id[:2] / f"{image_id}.jpg"
            _write(path, jpeg)
            licence = str(params.get("licence", DEFAULT_LICENCE))
            relative = path.relative_to(layout.data).as_posix()
            record = {
                "image": image_row(
                    planned.scene, image_id=image_id, path=relative, work_key=planned.work_key, licence=licence
                ),
                "instances": label_rows(planned.scene, shot, image_id=image_id, encode_mask=encode_mask),
                "poses": pose_rows(planned.scene, shot, image_id=image_id),
            }
            _write(_note_path(layout, planned.work_key), canonical_json(record).encode())
            rendered += 1
        records.append(record)
    _write_tables(layout, plan, records)
    _write_engine(layout, renderer.engine, cpu_class, fresh=rendered > 0, kept=rendered < len(plan))
    return SynthesisOutcome(images=len(records), rendered=rendered, instances=sum(len(r["instances"]) for r in records))


def renders_to_make(layout: Layout, plan: Sequence[PlannedRender]) -> list[PlannedRender]:
    """Return the renders of a plan that are not there yet, or not whole."""
    former = _former_records(layout)
    return [planned for planned in plan if not (r := former.get(planned.work_key)) or not _is_whole(layout, r)]


def _note_path(layout: Layout, key: str) -> Path:
    return layout.state / "synthesis" / f"{key}.json"


def _former_records(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return what earlier runs made, by work key: from the tables, and from the notes of interrupted runs."""
    records: dict[str, dict[str, Any]] = {}
    for note in sorted((layout.state / "synthesis").glob("*.json")):
        records[note.stem] = json.loads(note.read_bytes())
    folder = layout.synthesis
    if not (folder / "images.parquet").is_file():
        return records
    by_image: dict[str, dict[str, Any]] = {}
    for row in read_rows(folder / "images.parquet", IMAGES):
        by_image[row["image_id"]] = records[row["work_key"]] = {"image": row, "instances": [], "poses": []}
    for name, schema in (("instances", INSTANCES), ("poses", POSES)):
        for row in read_rows(folder / f"{name}.parquet", schema):
            by_image[row["image_id"]][name].append(row)
    return records


def _is_whole(layout: Layout, record: Mapping[str, Any]) -> bool:
    """Say whether a record's picture is there with the bytes it should have."""
    path = layout.data / record["image"]["path"]
    return path.is_file() and sha256_hex(path.read_bytes()) == str(record["image"]["file_sha256"])


def _write_tables(layout: Layout, plan: Sequence[PlannedRender], records: Sequence[Mapping[str, Any]]) -> None:
    """Write the three tables and the scenes; remove pictures and scenes that no row names; clear the notes."""
    folder = layout.synthesis
    scenes = {planned.scene.digest: planned.scene.to_json() for planned in plan}
    for digest, text in scenes.items():
        _write(folder / "scenes" / f"{digest}.json", text.encode())
    images = sorted((r["image"] for r in records), key=lambda row: row["image_id"])
    instances = sorted((row for r in records for row in r["instances"]), key=lambda row: row["instance_id"])
    poses = sorted((row for r in records for row in r["poses"]), key=lambda row: row["instance_id"])
    write_table(folder / "instances.parquet", INSTANCES, instances)
    write_table(folder / "poses.parquet", POSES, poses)
    write_table(folder / "images.parquet", IMAGES, images)
    named = {layout.data / row["path"] for row in images} | {folder / "scenes" / f"{d}.json" for d in scenes}
    for path in [*(folder / "images").glob("*/*"), *(folder / "scenes").glob("*")]:
        if path not in named:
            path.unlink()
    for note in (layout.state / "synthesis").glob("*.json"):
        note.unlink()


def _write_engine(layout: Layout, engine: Mapping[str, str], cpu_class: str, *, fresh: bool, kept: bool) -> None:
    """Record what rendered: the engine, and the classes of CPU whose pixels stand in the folder."""
    path = layout.synthesis / "render.json"
    classes: set[str] = set()
    if kept and path.is_file():
        classes |= set(json.loads(path.read_text(encoding="utf-8")).get("cpu_classes", []))
    if fresh or not classes:
        classes.add(cpu_class)
    _write(path, (json.dumps({**engine, "cpu_classes": sorted(classes)}, indent=1, sort_keys=True) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
