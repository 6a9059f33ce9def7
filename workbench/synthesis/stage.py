"""The stage: plan the scenes of a recipe, render those that are not there yet, write the tables.

A finished render leaves a note in the workspace's state at once, so that an interrupted run goes on where it was, and
shards can be done apart; the tables are written at the end, from notes and former tables alike, in one order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.domain.findings import Refused, bad_usage
from workbench.domain.lineage import require_activity, seed_for, sha256_hex, work_key
from workbench.domain.scene import Scene, scene_from_mapping
from workbench.layout import Layout
from workbench.ports import Compute, Renderer, Track, silent
from workbench.synthesis.instances import EncodeMask
from workbench.synthesis.placement import Drop
from workbench.synthesis.props import prop_meshes
from workbench.synthesis.recipe import bad_param, recipe_of, recipe_problems
from workbench.synthesis.scene import RestingPart, sample_scene
from workbench.synthesis.studio import (
    EncodeJpeg,
    PlannedRender,
    Studio,
    points_of,
    read_notes,
    scene_path,
    write_whole,
)
from workbench.tables import IMAGES, INSTANCES, POSES, RENDERS, read_rows, write_table

#: Version of this stage's code; stands in params.yaml.
ACTIVITY = "synthesis/2"
#: Renders belong to whoever makes them; the built-in parts carry no other claim.
DEFAULT_LICENCE = "CC0-1.0"

#: Whole numbers of the section ``synthesis``, least and most.
_KEYS = {
    "images": (0, 1_000_000),
    "seed": (-(2**63), 2**63 - 1),
    "size_px": (32, 4096),
    "samples_per_pixel": (1, 4096),
}
#: The tables beside that of images: name, schema, and the columns that give the rows' order.
_TABLES = (
    ("instances", INSTANCES, "instance_id"),
    ("poses", POSES, "instance_id"),
    ("renders", RENDERS, "image_id"),
)
#: Numbers of a scene are settled to so many digits after the point: the last bits of a sine follow the processor.
_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A share of a recipe's images: those whose number leaves ``number - 1`` when divided by ``of``."""

    number: int
    of: int

    def has(self, planned: PlannedRender) -> bool:
        """Say whether an image belongs to this share."""
        return planned.number % self.of == self.number - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisOutcome:
    """What a run did: images of the recipe or shard, how many were rendered now, and objects in the tables."""

    images: int
    rendered: int
    instances: int


def shard_of(text: str) -> Shard:
    """Return the shard that ``2/8`` names.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.

    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found and 1 <= int(found[1]) <= int(found[2]):
        return Shard(number=int(found[1]), of=int(found[2]))
    raise bad_usage("usage.bad-argument", f"--shard {text}", "names no shard.", "Write it as 2/8: the second of eight.")


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse a section ``synthesis`` that cannot be used.

    Raises
    ------
    Refused
        ``workspace.params-invalid`` or ``workspace.activity-version``.

    """
    require_activity(params, ACTIVITY, section="synthesis")
    problems = []
    for key, (low, high) in _KEYS.items():
        value = params.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            problems.append(bad_param(key, f"must be a whole number from {low} to {high}, not {value!r}."))
    if not isinstance(params.get("environments"), str | None):
        problems.append(bad_param("environments", f"must name a folder or be null, not {params['environments']!r}."))
    if problems := [*problems, *recipe_problems(params)]:
        raise Refused(*problems)


def plan_renders(
    params: Mapping[str, Any],
    parts: Sequence[RestingPart],
    *,
    engine: Mapping[str, str],
    drop: Drop | None = None,
    environments: Mapping[str, Path] | None = None,
) -> list[PlannedRender]:
    """Return the images of a recipe in order; more images keep the former ones as they are.

    ``drop`` lets parts fall where a recipe says so; ``environments`` are the files that may surround the table.
    """
    around = {name: sha256_hex(path.read_bytes()) for name, path in (environments or {}).items()}
    renders = []
    shaping = {"samples_per_pixel": params["samples_per_pixel"], "engine": dict(engine)}
    for number in range(params["images"]):
        recipe = recipe_of(params, number)
        seed = seed_for(params["seed"], recipe, number)
        scene = settled(sample_scene(params, parts, seed=seed, recipe=recipe, drop=drop, environments=around))
        key = work_key(activity=ACTIVITY, parameters=shaping, inputs=(scene.digest,))
        renders.append(PlannedRender(number=number, scene=scene, work_key=key))
    return renders


def settled(scene: Scene) -> Scene:
    """Return the scene with its numbers rounded to a ten-thousand-millionth, so that every processor has the same."""
    return scene_from_mapping(_rounded(asdict(scene)))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def studio_for(
    layout: Layout,
    params: Mapping[str, Any],
    parts: Sequence[RestingPart],
    *,
    renderer: Renderer,
    encode_mask: EncodeMask,
    encode_jpeg: EncodeJpeg,
    machine: Mapping[str, str],
    environments: Mapping[str, Path] | None = None,
) -> Studio:
    """Return what renders the images of these parameters."""
    return Studio(
        layout=layout,
        renderer=renderer,
        meshes={**prop_meshes(), **{part.part_id: part.mesh for part in parts}},
        points=points_of(parts),
        encode_mask=encode_mask,
        encode_jpeg=encode_jpeg,
        activity=ACTIVITY,
        samples_per_pixel=params["samples_per_pixel"],
        licence=str(params.get("licence", DEFAULT_LICENCE)),
        machine=machine,
        environments=environments or {},
    )


def run_synthesis(
    studio: Studio,
    plan: Sequence[PlannedRender],
    *,
    compute: Compute,
    shard: Shard | None = None,
    track: Track = silent,
) -> SynthesisOutcome:
    """Render what is not there yet of a plan, and write the tables of ``data/05_synthesis``.

    With a shard, only its share is rendered, and the tables are left to the run that follows when all are done.

    Raises
    ------
    Busy
        ``synthesis.worker-lost`` if an image's processes ended again and again.

    """
    layout = studio.layout
    share = [planned for planned in plan if shard is None or shard.has(planned)]
    missing = renders_to_make(layout, share)
    done = compute.map(studio.photograph, missing)
    for _ in track(done, total=len(missing), doing="render"):
        pass
    if shard is not None:
        return SynthesisOutcome(images=len(share), rendered=len(missing), instances=0)
    former = _former_records(layout)
    records = [former[planned.work_key] for planned in plan]
    instances = _write_tables(layout, plan, records)
    _write_engine(layout, studio, records)
    return SynthesisOutcome(images=len(plan), rendered=len(missing), instances=instances)


def renders_to_make(layout: Layout, plan: Iterable[PlannedRender]) -> list[PlannedRender]:
    """Return the renders of a plan that are not there yet, or not whole."""
    former = {key: record["image"] for key, record in _former_records(layout).items()}
    return [planned for planned in plan if not (row := former.get(planned.work_key)) or not _is_whole(layout, row)]


def _former_records(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return what earlier runs made, by work key: from the tables, and from the notes of interrupted runs."""
    records = read_notes(layout)
    folder = layout.synthesis
    if not (folder / "images.parquet").is_file():
        return records
    try:
        images = read_rows(folder / "images.parquet", IMAGES)
        rows = {name: read_rows(folder / f"{name}.parquet", schema) for name, schema, _ in _TABLES}
    except Refused:  # written by a version that had other tables: nothing of it can be kept
        return records
    by_image: dict[str, dict[str, Any]] = {}
    for row in images:
        records[row["work_key"]] = {"image": row, "instances": [], "poses": []}
        by_image[row["image_id"]] = records[row["work_key"]]
    for name in ("instances", "poses"):
        for row in rows[name]:
            by_image[row["image_id"]][name].append(row)
    for row in rows["renders"]:
        by_image[row["image_id"]]["render"] = row
    return records


def _is_whole(layout: Layout, image: Mapping[str, Any]) -> bool:
    """Say whether an image's picture is there with the bytes it should have."""
    path = layout.data / image["path"]
    return path.is_file() and sha256_hex(path.read_bytes()) == str(image["file_sha256"])


def _write_tables(layout: Layout, plan: Sequence[PlannedRender], records: Sequence[Mapping[str, Any]]) -> int:
    """Write tables and scenes; remove pictures and scenes that no row names, and the notes; return the objects' count."""
    folder = layout.synthesis
    scenes = {planned.scene.digest: planned.scene.to_json() for planned in plan}
    for digest, text in scenes.items():
        write_whole(scene_path(layout, digest), text.encode())
    images = sorted((r["image"] for r in records), key=lambda row: row["image_id"])
    for name, schema, order in _TABLES:
        rows = [r["render"] for r in records] if name == "renders" else [row for r in records for row in r[name]]
        write_table(folder / f"{name}.parquet", schema, sorted(rows, key=lambda row: row[order]))
    write_table(folder / "images.parquet", IMAGES, images)
    named = {layout.data / row["path"] for row in images} | {scene_path(layout, digest) for digest in scenes}
    for path in [*(folder / "images").glob("*/*"), *(folder / "scenes").glob("*")]:
        if path not in named:
            path.unlink()
    for note in (layout.state / "synthesis").glob("*"):
        note.unlink()
    return sum(len(r["instances"]) for r in records)


def _write_engine(layout: Layout, studio: Studio, records: Sequence[Mapping[str, Any]]) -> None:
    """Record what rendered: the engine, and the classes of CPU whose pixels stand in the folder."""
    classes = {str(r["render"]["cpu_class"]) for r in records} or {studio.machine["cpu_class"]}
    facts = {**studio.renderer.engine, "cpu_classes": sorted(classes)}
    write_whole(layout.synthesis / "render.json", (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
