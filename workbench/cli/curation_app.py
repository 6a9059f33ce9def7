"""`workbench curation app`: the FiftyOne dataset, rebuilt from the tables."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from workbench import tables
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.curation.decisions import read_decisions, standing
from workbench.domain.findings import busy
from workbench.layout import Layout


def show(*, workspace: Workspace) -> Report:
    """Rebuild the FiftyOne dataset from the tables, and say where to look at it."""
    from workbench.adapters.fiftyone import show_dataset

    layout = workspace.layout
    try:
        addresses = json.loads((layout.state / "servers.json").read_text(encoding="utf-8"))
        mongo_uri, url = addresses["mongod"]["uri"], addresses["fiftyone"]["url"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise busy(
            "servers.not-running", "FiftyOne", "is not running in this workspace.", "Start it with `workbench up`."
        ) from error
    images = tables.read_rows(layout.curation / "images.parquet", tables.IMAGES)
    noticed = notices(layout)
    instances = tables.read_rows(layout.adjudication / "instances.parquet", tables.INSTANCES)
    for folder in (layout.synthesis, layout.augmentation, layout.composition):
        if (folder / "images.parquet").is_file():
            images += tables.read_rows(folder / "images.parquet", tables.IMAGES)
            instances += tables.read_rows(folder / "instances.parquet", tables.INSTANCES)
    shown = show_dataset(
        name="workbench",
        media_root=layout.data,
        images=images,
        instances=instances,
        duplicates=tables.read_rows(layout.curation / "duplicates.parquet", tables.DUPLICATES),
        notices=noticed,
        mongo_uri=mongo_uri,
    )
    return Report(
        summary=f"{shown} samples are in FiftyOne at {url} (dataset workbench).",
        data={"samples": shown, "url": url, "dataset": "workbench"},
        next_command="workbench release build NAME",
    )


def notices(layout: Layout) -> dict[str, dict[str, list[str]]]:
    """Return for each image what is noticed about it, by kind: quality, hints, disagreements, leaks, decisions."""
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(layout.curation / "quality.parquet", tables.QUALITY):
        if row["flags"]:
            found[row["image_id"]]["quality"] += row["flags"]
    for row in _rows(layout.curation / "hints.parquet", tables.HINTS):
        found[row["image_id"]][{"outlier": "outliers", "label": "suspected_labels"}[row["kind"]]].append(row["detail"])
    for row in _rows(layout.adjudication / "disagreements.parquet", tables.DISAGREEMENTS):
        found[row["image_id"]]["disagreements"].append(f"{row['kind']}: {row['detail']}")
    split_of = {row["image_id"]: row["split"] for row in _rows(layout.curation / "images.parquet", tables.IMAGES)}
    for row in _rows(layout.curation / "duplicates.parquet", tables.DUPLICATES):
        one, other = row["image_id"], row["other_image_id"]
        if split_of.get(one) and split_of.get(other) and split_of[one] != split_of[other]:
            found[one]["leaks"].append(f"{row['kind']} duplicate of {other[:12]} in {split_of[other]}")
            found[other]["leaks"].append(f"{row['kind']} duplicate of {one[:12]} in {split_of[one]}")
    for decision in read_decisions(layout.curation_decisions):
        for image_id in decision.image_ids:
            found[image_id]["decisions"].append(f"{decision.action.value} by {decision.actor}: {decision.reason}")
    for image_id in standing(read_decisions(layout.curation_decisions)).sent_back:
        found[image_id]["sent_back"].append("sent back to labelling")
    return {image_id: dict(kinds) for image_id, kinds in found.items()}


def _rows(path: Any, schema: Any) -> list[dict[str, Any]]:
    return tables.read_rows(path, schema) if path.is_file() else []
