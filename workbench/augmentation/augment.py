"""The stage: plan the copies, make those that are not there yet, write the tables.

A finished copy leaves a line in a journal at once, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.augmentation.recipe import ACTIVITY, Recipe
from workbench.domain.lineage import canonical_json, seed_for, sha256_hex, work_key
from workbench.domain.photograph import Origin
from workbench.layout import Layout
from workbench.ports import Compute, CopyJob, MadeCopy, MakeCopy, Track, silent
from workbench.tables import IMAGES, INSTANCES, LABELLED, instance_row, read_rows, row_instance, write_table

#: The recipe as params.yaml had it, so that whoever has the copies can make them, or more of them.
RECIPE = "recipe.json"
#: Statuses of a photograph whose labels may be learnt from; disagreed and held ones wait for a person.
_SETTLED = frozenset({"agreed", "single", "imported", "adjudicated"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCopy:
    """One copy to be: the job, the key of the work, and the parent's row."""

    job: CopyJob
    work_key: str
    parent: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationOutcome:
    """What a run did: copies there are now, how many of them were made by it, and objects in all of them."""

    copies: int
    made: int
    instances: int


def plan_copies(
    images: Sequence[Mapping[str, Any]],
    instances: Sequence[Mapping[str, Any]],
    settled: Iterable[str],
    recipe: Recipe,
    *,
    engine: Mapping[str, str],
    data: Path,
) -> list[PlannedCopy]:
    """Return the copies that a recipe asks for, sorted by parent and number.

    Parameters
    ----------
    images, instances
        Rows of curation's images and of the ground truth.
    settled
        Ids of the photographs whose labels are settled.
    engine
        Names and versions of what turns the pixels; another version makes the copies anew.
    data
        The folder that image paths are relative to.

    """
    known = set(settled)
    truth: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in instances:
        truth[row["image_id"]].append(row)
    plan = []
    for parent in sorted(images, key=lambda row: str(row["image_id"])):
        image_id = parent["image_id"]
        if parent["split"] != "train" or parent["excluded"] is not None or image_id not in known:
            continue
        labels = sorted(truth[image_id], key=lambda row: str(row["instance_id"]))
        inputs = (image_id, parent["file_sha256"], sha256_hex(canonical_json(labels).encode()))
        shaping = {**recipe.shaping, "engine": dict(engine)}
        for number in range(recipe.copies):
            key = work_key(activity=ACTIVITY, parameters=shaping, inputs=(*inputs, str(number)))
            job = CopyJob(
                path=data / parent["path"],
                image_id=image_id,
                number=number,
                instances=tuple(row_instance(row) for row in labels),
            )
            plan.append(PlannedCopy(job=job, work_key=key, parent=parent))
    return plan


def run_augmentation(
    layout: Layout,
    recipe: Recipe,
    *,
    make_copy: MakeCopy,
    engine: Mapping[str, str],
    compute: Compute,
    track: Track = silent,
) -> AugmentationOutcome:
    """Write ``data/06_augmentation`` for a recipe, making only the copies that are not there yet.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if curation or adjudication has not run, ``augmentation.unreadable-image``.

    """
    plan, former = read_plan(layout, recipe, engine=engine)
    missing = [planned for planned in plan if planned.work_key not in former]
    journal = _journal_path(layout)
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as lines:
        made = compute.map(make_copy, [planned.job for planned in missing])
        for planned, copy in zip(missing, track(made, total=len(missing), doing="augment"), strict=True):
            record = _store(layout, copy)
            former[planned.work_key] = record
            lines.write(canonical_json({"work_key": planned.work_key, "record": record}) + "\n")
            lines.flush()
    records = [(planned, former[planned.work_key]) for planned in plan]
    _write_tables(layout, recipe, records)
    journal.unlink()
    return AugmentationOutcome(
        copies=len(plan), made=len(missing), instances=sum(len(record["instances"]) for _, record in records)
    )


def read_plan(
    layout: Layout, recipe: Recipe, *, engine: Mapping[str, str]
) -> tuple[list[PlannedCopy], dict[str, dict[str, Any]]]:
    """Return the copies that a recipe asks for, and by work key the records of those that are there, whole.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if curation or adjudication has not run.

    """
    plan = plan_copies(
        read_rows(layout.curation / "images.parquet", IMAGES),
        read_rows(layout.adjudication / "instances.parquet", INSTANCES),
        _settled_ids(layout),
        recipe,
        engine=engine,
        data=layout.data,
    )
    return plan, {key: record for key, record in _former_records(layout) if _is_whole(layout, record)}


def _settled_ids(layout: Layout) -> set[str]:
    rows = read_rows(layout.adjudication / "labelled.parquet", LABELLED)
    return {row["image_id"] for row in rows if row["status"] in _SETTLED}


def _store(layout: Layout, copy: MadeCopy) -> dict[str, Any]:
    """Write a copy's picture; return its record: the picture's facts and its objects' rows."""
    image_id = sha256_hex(copy.jpeg)
    path = layout.augmentation / "images" / image_id[:2] / f"{image_id}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(copy.jpeg)
    os.replace(part, path)
    return {
        "image_id": image_id,
        "path": path.relative_to(layout.data).as_posix(),
        "width_px": copy.width_px,
        "height_px": copy.height_px,
        "instances": [instance_row(instance) for instance in copy.instances],
    }


def _image_row(planned: PlannedCopy, record: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Return the row of a copy; group, licence and partner are the parent's as they stand now."""
    inherited = ("licence", "contribution_id", "partner_id", "seizure_id", "item_id", "group_id", "split")
    return {
        **{name: planned.parent[name] for name in inherited},
        "image_id": record["image_id"],
        "origin": Origin.AUGMENTED.value,
        "path": record["path"],
        "file_sha256": record["image_id"],
        "width_px": record["width_px"],
        "height_px": record["height_px"],
        "work_key": planned.work_key,
        "parent_image_id": planned.job.image_id,
        "seed": seed_for(recipe.seed, planned.job.image_id, planned.job.number),
    }


def _write_tables(layout: Layout, recipe: Recipe, records: Sequence[tuple[PlannedCopy, Mapping[str, Any]]]) -> None:
    """Write both tables and the recipe that explains them; remove pictures that no row names."""
    # A recipe that leaves a photograph untouched may give the same bytes twice: one picture is one row.
    rows = {record["image_id"]: _image_row(planned, record, recipe) for planned, record in records}
    objects = {row["instance_id"]: row for _, record in records for row in record["instances"]}
    folder = layout.augmentation
    write_table(folder / "instances.parquet", INSTANCES, [objects[key] for key in sorted(objects)])
    write_table(folder / "images.parquet", IMAGES, [rows[key] for key in sorted(rows)])
    explained = json.dumps(dict(recipe.params), indent=1, sort_keys=True) + "\n"
    (folder / RECIPE).write_text(explained, encoding="utf-8")
    named = {layout.data / row["path"] for row in rows.values()}
    for path in (folder / "images").glob("*/*"):
        if path not in named:
            path.unlink()


def _journal_path(layout: Layout) -> Path:
    return layout.state / "augmentation" / "journal.jsonl"


def _former_records(layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what earlier runs made, with its work key: from the tables, then from the journal of a broken run."""
    folder = layout.augmentation
    if (folder / "images.parquet").is_file() and (folder / "instances.parquet").is_file():
        objects: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in read_rows(folder / "instances.parquet", INSTANCES):
            objects[row["image_id"]].append(row)
        for row in read_rows(folder / "images.parquet", IMAGES):
            facts = {name: row[name] for name in ("image_id", "path", "width_px", "height_px")}
            yield row["work_key"], {**facts, "instances": objects[row["image_id"]]}
    journal = _journal_path(layout)
    if journal.is_file():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # the line at which the run broke off
                continue
            yield entry["work_key"], entry["record"]


def _is_whole(layout: Layout, record: Mapping[str, Any]) -> bool:
    """Say whether a record's picture is there with the bytes it should have."""
    path = layout.data / record["path"]
    return path.is_file() and sha256_hex(path.read_bytes()) == str(record["image_id"])
