"""The stage: bring the library and the pictures of a recipe up to date, and write the tables.

A finished picture leaves a line in a journal at once, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.composition.backgrounds import Background, read_backgrounds
from workbench.composition.drawn import DrawTable, EncodeJpeg, draw_tables, forget_tables, known_tables, table_paths
from workbench.composition.library import (
    CutOutOf,
    DrawLone,
    PlannedCutOut,
    former_cutouts,
    make_library,
    picture_paths,
    plan_cutouts,
    write_library,
    write_whole,
)
from workbench.composition.plan import PlannedPicture, plan_pictures
from workbench.composition.recipe import Recipe
from workbench.composition.rows import image_row, label_rows, made_of_row, pose_rows
from workbench.domain.composition import Composed, CompositionJob, CutOut
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.layout import Layout
from workbench.ports import Compute, Track, silent
from workbench.tables import IMAGES, INSTANCES, MADE_OF, POSES, read_rows, write_table

#: Puts one picture together; a pure function of its job that can be sent to another process.
Compose = Callable[[CompositionJob], Composed]
_TABLES = {"image": ("images", IMAGES), "made_of": ("made_of", MADE_OF)}
_LISTS = {"instances": INSTANCES, "poses": POSES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the stage needs of the outside: scenes, the renderer, and what turns pixels.

    ``cutout_engine`` and ``engine`` tell the versions that cut-outs and pictures follow from.
    """

    draw_lone: DrawLone
    cut_out: CutOutOf
    cutout_engine: Mapping[str, str]
    draw_table: DrawTable
    encode_jpeg: EncodeJpeg
    compose: Compose
    engine: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionOutcome:
    """What a run did: pictures there are now, how many it made, and how many cut-outs it rendered."""

    pictures: int
    made: int
    cut_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionPlan:
    """What a run would do: cut-outs and pictures to make; these are known only once their cut-outs are there."""

    cutouts_missing: int
    pictures: int
    pictures_missing: int


def preview(layout: Layout, recipe: Recipe, tools: Tools) -> CompositionPlan:
    """Return what a run would do, and do nothing."""
    wanted = plan_cutouts(recipe, tools.draw_lone, engine=tools.cutout_engine)
    there = former_cutouts(layout)
    missing = sum(planned.work_key not in there for planned in wanted)
    backgrounds = read_backgrounds(layout) or known_tables(layout, recipe) or []
    todo = recipe.images
    if not missing and backgrounds:
        library = list({planned.work_key: there[planned.work_key] for planned in wanted}.values())
        plan = plan_pictures(layout, recipe, backgrounds, library, engine=tools.engine)
        former = _whole_records(layout)
        todo = sum(planned.work_key not in former for planned in plan)
    return CompositionPlan(cutouts_missing=missing, pictures=recipe.images, pictures_missing=todo)


def run_composition(
    layout: Layout, recipe: Recipe, tools: Tools, *, compute: Compute, track: Track = silent
) -> CompositionOutcome:
    """Write ``data/06_composition`` for a recipe, making only what is not there yet.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``composition.terms-unreadable``.

    """
    wanted: list[PlannedCutOut] = plan_cutouts(recipe, tools.draw_lone, engine=tools.cutout_engine)
    library, cut_out = make_library(layout, wanted, tools.cut_out, track=track)
    backgrounds = _backgrounds(layout, recipe, tools)
    plan = plan_pictures(layout, recipe, backgrounds, library, engine=tools.engine)
    former = _whole_records(layout)
    missing = [planned for planned in plan if planned.work_key not in former]
    journal = _journal_path(layout)
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as lines:
        made = compute.map(tools.compose, [planned.job for planned in missing])
        for planned, composed in zip(missing, track(made, total=len(missing), doing="compose"), strict=True):
            record = _store(layout, planned, composed)
            former[planned.work_key] = record
            lines.write(canonical_json(record) + "\n")
            lines.flush()
    records = {planned.work_key: former[planned.work_key] for planned in plan}
    _write_tables(layout, list(records.values()), plan)
    write_library(layout, library)
    _sweep(layout, library)
    journal.unlink()
    return CompositionOutcome(pictures=len(records), made=len(missing), cut_out=cut_out)


def _backgrounds(layout: Layout, recipe: Recipe, tools: Tools) -> list[Background]:
    """Return what pictures are put together on: real photographs where there are any, else drawn ones."""
    real = read_backgrounds(layout) if recipe.images else []
    if real or not recipe.images:
        forget_tables(layout)
        return real
    return draw_tables(layout, recipe, tools.draw_table, tools.encode_jpeg)


def _store(layout: Layout, planned: PlannedPicture, composed: Composed) -> dict[str, Any]:
    """Write a picture; return its rows."""
    image_id = sha256_hex(composed.jpeg)
    path = layout.composition / "images" / image_id[:2] / f"{image_id}.jpg"
    write_whole(path, composed.jpeg)
    return {
        "image": image_row(planned, image_id=image_id, path=path.relative_to(layout.data).as_posix()),
        "made_of": made_of_row(planned, image_id=image_id),
        "instances": label_rows(planned, composed.seen, image_id=image_id),
        "poses": pose_rows(planned, composed.seen, image_id=image_id),
    }


def _write_tables(layout: Layout, records: Sequence[Mapping[str, Any]], plan: Sequence[PlannedPicture]) -> None:
    """Write the tables; group, licence and partner of a picture are those of its background as they stand now."""
    now = {planned.work_key: planned for planned in plan}
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        image = record["image"]
        planned = now[image["work_key"]]
        rows["images"].append(image_row(planned, image_id=image["image_id"], path=image["path"]))
        rows["made_of"].append(record["made_of"])
        for name in _LISTS:
            rows[name] += record[name]
    folder = layout.composition
    for name, schema in _LISTS.items():
        write_table(folder / f"{name}.parquet", schema, sorted(rows[name], key=lambda row: row["instance_id"]))
    for name, schema in reversed(_TABLES.values()):  # the images last: without them nothing else counts
        write_table(folder / f"{name}.parquet", schema, sorted(rows[name], key=lambda row: row["image_id"]))


def _sweep(layout: Layout, library: Sequence[CutOut]) -> None:
    """Remove pictures that no row names any more."""
    folder = layout.composition
    named = {layout.data / row["path"] for row in read_rows(folder / "images.parquet", IMAGES)}
    named |= {path for cutout in library for path in picture_paths(layout, cutout)}
    named |= set(table_paths(layout))
    for kind in ("images", "cutouts", "drawn"):
        for path in (folder / kind).glob("*/*"):
            if path not in named:
                path.unlink()


def _journal_path(layout: Layout) -> Path:
    return layout.state / "composition" / "journal.jsonl"


def _whole_records(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return what earlier runs made and is there whole, by work key: from the tables, then from a broken run's journal."""
    found = {}
    for record in _records(layout):
        path = layout.data / record["image"]["path"]
        if path.is_file() and sha256_hex(path.read_bytes()) == record["image"]["file_sha256"]:
            found[record["image"]["work_key"]] = record
    return found


def _records(layout: Layout) -> Iterator[dict[str, Any]]:
    folder = layout.composition
    if (folder / "images.parquet").is_file():
        by_image: dict[str, dict[str, Any]] = defaultdict(lambda: {"instances": [], "poses": []})
        for key, (name, schema) in _TABLES.items():
            for row in read_rows(folder / f"{name}.parquet", schema):
                by_image[row["image_id"]][key] = row
        for name, schema in _LISTS.items():
            for row in read_rows(folder / f"{name}.parquet", schema):
                by_image[row["image_id"]][name].append(row)
        yield from (record for record in by_image.values() if "image" in record and "made_of" in record)
    journal = _journal_path(layout)
    if journal.is_file():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # the line at which the run broke off
                continue
