"""The stage: everything a release holds, written as one folder that appears whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.domain.dataset import SPLITS
from workbench.domain.findings import refused
from workbench.domain.lineage import require_activity, sha256_hex
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.ports import Track, silent
from workbench.release import manifest
from workbench.release.card import Plots, write_card
from workbench.release.contents import TRANSCRIPTIONS, Contents, select_contents
from workbench.release.facts import facts_bytes, read_agreement, release_facts
from workbench.release.formats.coco import coco_bytes, coco_document, stable_numbers
from workbench.release.formats.yolo import yolo_config, yolo_labels
from workbench.release.gate import require_releasable
from workbench.tables import IMAGES, INSTANCES, LABELLED, read_rows, write_table

#: Version of this stage's code; stands in params.yaml.
ACTIVITY = "release/1"
#: How the augmented copies were made, for training loops that make them or more of them.
RECIPE = "augmentation.json"
#: Copying waits for the disk most of the time.
_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What was assembled: the manifest's digest, and the facts the card tells."""

    manifest_sha256: str
    files: int
    facts: Mapping[str, Any]


def read_contents(layout: Layout, params: Mapping[str, Any]) -> tuple[Contents, dict[str, str]]:
    """Return what the stages' tables give a release, and each photograph's label status.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``workspace.params-invalid``.

    """
    transcriptions = params.get("transcriptions", "masked")
    if transcriptions not in TRANSCRIPTIONS:
        raise refused(
            "workspace.params-invalid",
            "params.yaml release.transcriptions",
            f"is {transcriptions!r}.",
            f"Use one of {', '.join(TRANSCRIPTIONS)}.",
        )
    derived, instances = [], read_rows(layout.adjudication / "instances.parquet", INSTANCES)
    for folder in (layout.synthesis, layout.augmentation):
        if (folder / "images.parquet").is_file():  # a pipeline without renders has no such folder
            derived += read_rows(folder / "images.parquet", IMAGES)
            instances += read_rows(folder / "instances.parquet", INSTANCES)
    statuses = read_statuses(layout)
    photographs = read_rows(layout.curation / "images.parquet", IMAGES)
    return select_contents(photographs, derived, instances, statuses, transcriptions=transcriptions), statuses


def read_statuses(layout: Layout) -> dict[str, str]:
    """Return how settled the labels of each photograph are."""
    rows = read_rows(layout.adjudication / "labelled.parquet", LABELLED)
    return {row["image_id"]: row["status"] for row in rows}


def assemble(
    layout: Layout, params: Mapping[str, Any], taxonomy: Taxonomy, *, plots: Plots, track: Track = silent
) -> Assembled:
    """Write ``data/07_release`` anew.

    Raises
    ------
    Refused
        What the gate finds, ``release.image-altered``, ``workspace.input-missing``, ``workspace.activity-version``.

    """
    require_activity(params, ACTIVITY, section="release")
    contents, statuses = read_contents(layout, params)
    require_releasable(contents, taxonomy, statuses)
    part = layout.state / "release.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    digests = _copy_images(layout, contents, part, track)
    facts = release_facts(
        contents,
        taxonomy,
        title=str(params["title"]),
        purpose=str(params["purpose"]),
        agreement=read_agreement(layout.adjudication / "agreement.json"),
    )
    _write_formats(part, contents, taxonomy, facts)
    recipe = layout.augmentation / "recipe.json"
    if recipe.is_file():
        shutil.copyfile(recipe, part / RECIPE)
    write_card(part, facts, contents, taxonomy, plots)
    written = (path for path in part.rglob("*") if path.is_file())
    for path in written:
        name = path.relative_to(part).as_posix()
        if name not in digests:
            digests[name] = manifest.file_digest(path)
    listing = manifest.manifest_bytes(digests)
    (part / manifest.NAME).write_bytes(listing)
    _put_in_place(part, layout.release)
    return Assembled(manifest_sha256=sha256_hex(listing), files=len(digests), facts=facts)


def _copy_images(layout: Layout, contents: Contents, part: Path, track: Track) -> dict[str, str]:
    """Copy the pictures, each read once: what is hashed is what is written."""
    for split in SPLITS:
        (part / "images" / split.value).mkdir(parents=True)
        (part / "labels" / split.value).mkdir(parents=True)

    def copy(row: Mapping[str, Any]) -> tuple[str, str]:
        source = layout.data / contents.source_paths[row["image_id"]]
        if not source.is_file():
            raise refused("workspace.input-missing", source, "is not there.", "Restore it with `dvc checkout`.")
        data = source.read_bytes()
        digest = sha256_hex(data)
        if digest != row["file_sha256"]:
            raise refused(
                "release.image-altered",
                source,
                "has other bytes than its table says.",
                "Restore it with `dvc checkout --force`, or rerun the stage that made it.",
            )
        (part / row["path"]).write_bytes(data)
        return row["path"], digest

    with ThreadPoolExecutor(_THREADS) as pool:
        copied = pool.map(copy, contents.images)
        return dict(track(copied, total=len(contents.images), doing="copy images"))


def _write_formats(part: Path, contents: Contents, taxonomy: Taxonomy, facts: Mapping[str, Any]) -> None:
    """Write COCO, YOLO, the tables and the summary."""
    objects: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in contents.instances:
        objects[row["image_id"]].append(row)
    image_numbers = stable_numbers(row["image_id"] for row in contents.images)
    instance_numbers = stable_numbers(row["instance_id"] for row in contents.instances)
    licences = sorted({row["licence"] for row in contents.images})
    (part / "annotations").mkdir()
    for split in SPLITS:
        images = [row for row in contents.images if row["split"] == split.value]
        document = coco_document(
            images,
            [row for image in images for row in objects[image["image_id"]]],
            taxonomy,
            description=f"{facts['title']}: {split.value}",
            image_numbers=image_numbers,
            instance_numbers=instance_numbers,
            licences=licences,
        )
        (part / "annotations" / f"coco_{split.value}.json").write_bytes(coco_bytes(document))
        for image in images:
            path = part / "labels" / split.value / f"{image['image_id']}.txt"
            path.write_bytes(yolo_labels(image, objects[image["image_id"]], taxonomy))
    (part / "data.yaml").write_bytes(yolo_config(taxonomy, sorted({row["split"] for row in contents.images})))
    write_table(part / "images.parquet", IMAGES, contents.images)
    write_table(part / "instances.parquet", INSTANCES, contents.instances)
    (part / "splits.csv").write_bytes(splits_csv(contents))
    (part / "classes.csv").write_bytes(classes_csv(contents, taxonomy))
    (part / "classes.txt").write_text("".join(f"{code}\n" for code in taxonomy.codes), encoding="utf-8")
    (part / "summary.json").write_bytes(facts_bytes(facts))


def splits_csv(contents: Contents) -> bytes:
    """Return splits.csv: which image of which group stands in which split."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("image_id", "group_id", "split"))
    writer.writerows((row["image_id"], row["group_id"], row["split"]) for row in contents.images)
    return buffer.getvalue().encode()


def classes_csv(contents: Contents, taxonomy: Taxonomy) -> bytes:
    """Return classes.csv: objects by category, split and origin, which `dvc plots` draws; absent ones are left out."""
    places = {row["image_id"]: (row["split"], row["origin"]) for row in contents.images}
    counts = Counter((row["category"], *places[row["image_id"]]) for row in contents.instances)
    order = {code: number for number, code in enumerate(taxonomy.codes)}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("category", "split", "origin", "objects"))
    writer.writerows((*key, counts[key]) for key in sorted(counts, key=lambda key: (order[key[0]], *key[1:])))
    return buffer.getvalue().encode()


def _put_in_place(part: Path, target: Path) -> None:
    """Put the finished folder where the former one was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = part.with_name("release.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(part, target)
    shutil.rmtree(old, ignore_errors=True)
