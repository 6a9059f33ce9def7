"""What is known of each photograph when a campaign chooses: one row of facts, put together from the stages' tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.layout import Layout

#: The columns a query may use, and what each says.
COLUMNS: Mapping[str, str] = {
    "image_id": "SHA-256 of the bytes delivered",
    "partner": "who gave it",
    "contribution": "the hand-over it came in",
    "seizure": "pseudonymous seizure",
    "item": "physical object",
    "view": "what of the item it shows, from the partner's table",
    "origin": "real or replica",
    "width_px": "width of the working copy",
    "height_px": "height of the working copy",
    "split": "train, val or test; None before curation",
    "group": "what it may not be parted from by splits; None before curation",
    "sent_back": "whether a curator sent it back to labelling",
    "categories": "list of the codes seen on it: by ground truth, answers and existing labels",
    "tags": "list of what was answered about it as a whole, each as question=value",
    "answers": "how many answers this project has about it, checks not counted",
    "annotators": "how many people gave them",
    "status": "agreed, disagreed, single, imported, adjudicated or rejected; None before adjudication",
    "disagreements": "how many disagreements there are about it",
    "truth": "whether its labels are settled: agreed or adjudicated",
}

#: How curation says that a photograph is left out because it is to be labelled again.
_SENT_BACK = "sent back to labelling"

#: How settled labels must be to check labellers against.
_SETTLED = ("agreed", "adjudicated")


def read_candidates(layout: Layout, images: Iterable[Mapping[str, Any]], *, project: str) -> dict[str, dict[str, Any]]:
    """Return the facts of each photograph by image_id, in that order.

    Besides the columns there is ``excluded``: why curation leaves it out. What is left out is never chosen, unless it was
    sent back to labelling.

    Parameters
    ----------
    images
        Rows of `tables.IMAGES` under the ids they were delivered with.
    project
        The labelling project whose answers are counted.

    Raises
    ------
    Refused
        ``tables.schema`` if a stage's table is of another shape.

    """
    delivered = {stand_in: first for first, stand_in in tables.read_stand_ins(layout.intake).items()}
    views = {
        row["image_id"]: row["view"]
        for path in sorted(layout.deliveries.glob("*/files.parquet"))
        for row in tables.read_rows(path, tables.FILES, ["image_id", "view"])
    }
    facts = {row["image_id"]: _bare(row, views) for row in images}
    for name, row in _later(layout, project):
        known = facts.get(delivered.get(row["image_id"], row["image_id"]))
        if known is not None:
            _enter(known, name, row)
    for known in facts.values():
        known["annotators"] = len(known["annotators"])
        known["categories"], known["tags"] = sorted(known["categories"]), sorted(known["tags"])
    return {image_id: facts[image_id] for image_id in sorted(facts)}


def _bare(row: Mapping[str, Any], views: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "image_id": row["image_id"],
        "partner": row["partner_id"],
        "contribution": row["contribution_id"],
        "seizure": row["seizure_id"],
        "item": row["item_id"],
        "view": views.get(row["source_image_id"] or row["image_id"]),
        "origin": row["origin"],
        "width_px": row["width_px"],
        "height_px": row["height_px"],
        "split": None,
        "group": None,
        "excluded": row["excluded"],
        "sent_back": False,
        "categories": set(),
        "tags": set(),
        "answers": 0,
        "annotators": set(),
        "status": None,
        "disagreements": 0,
        "truth": False,
    }


def _later(layout: Layout, project: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the stages after intake say of photographs: kind of row and row; as far as they have run."""
    for name, path, schema, columns in (
        ("labelled", layout.adjudication / "labelled.parquet", tables.LABELLED, ["image_id", "status"]),
        ("disagreement", layout.adjudication / "disagreements.parquet", tables.DISAGREEMENTS, ["image_id"]),
        ("instance", layout.adjudication / "instances.parquet", tables.INSTANCES, ["image_id", "category"]),
        ("curated", layout.curation / "images.parquet", tables.IMAGES, ["image_id", "split", "group_id", "excluded"]),
    ):
        for row in _rows(path, schema, columns):
            yield name, row
    for folder in sorted(path.parent for path in layout.labelling.glob("*/snapshot.json")):
        columns = ["image_id", "annotator", "pass_", "project"]
        for row in _rows(folder / "annotations.parquet", tables.ANNOTATIONS, columns):
            if row["project"] == project and row["pass_"] not in {"gold", "imported"}:
                yield "answer", row
        for row in _rows(folder / "instances.parquet", tables.INSTANCES, ["image_id", "category"]):
            yield "instance", row
        for row in _rows(folder / "tags.parquet", tables.TAGS, ["image_id", "question", "value"]):
            yield "tag", row


def _rows(path: Path, schema: Any, columns: list[str]) -> list[dict[str, Any]]:
    return tables.read_rows(path, schema, columns) if path.is_file() else []


def _enter(known: dict[str, Any], name: str, row: Mapping[str, Any]) -> None:
    match name:
        case "labelled":
            known["status"], known["truth"] = row["status"], row["status"] in _SETTLED
        case "disagreement":
            known["disagreements"] += 1
        case "instance":
            known["categories"].add(row["category"])
        case "curated":
            known["split"], known["group"], known["excluded"] = row["split"], row["group_id"], row["excluded"]
            known["sent_back"] = (row["excluded"] or "").startswith(_SENT_BACK)
        case "answer":
            known["answers"] += 1
            known["annotators"].add(row["annotator"])
        case "tag":
            known["tags"].add(f"{row['question']}={row['value']}")
