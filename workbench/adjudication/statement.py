"""The statement of how ground truth came to be: for one object or one photograph, for people to read, print and check."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from workbench.domain.findings import refused
from workbench.layout import Layout
from workbench.tables import (
    ACCOUNTS,
    DISAGREEMENTS,
    DISSENT,
    INSTANCES,
    LABELLED,
    PHOTOGRAPH_TAGS,
    read_rows,
    read_stand_ins,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is known of one photograph's ground truth, or of one object of it.

    Parameters
    ----------
    objects
        For each ground-truth object its row of `tables.ACCOUNTS` with ``answers`` parsed, its ``category`` and ``box``.
    dissent, disagreements, tags
        Rows of the tables about the same; those of other objects are left out when one object is asked about.

    """

    image_id: str
    status: str | None
    objects: Sequence[Mapping[str, Any]]
    dissent: Sequence[Mapping[str, Any]]
    disagreements: Sequence[Mapping[str, Any]]
    tags: Sequence[Mapping[str, Any]]


def state(layout: Layout, wanted: str) -> Statement:
    """Return the statement about an object or a photograph, named by its id or the beginning of one.

    Raises
    ------
    Refused
        ``adjudication.unknown-id`` if nothing or more than one thing is meant, ``workspace.input-missing`` before the stage
        ran.

    """
    folder = layout.adjudication
    accounts = read_rows(folder / "accounts.parquet", ACCOUNTS)
    labelled = {row["image_id"]: row["status"] for row in read_rows(folder / "labelled.parquet", LABELLED)}
    tags = read_rows(folder / "tags.parquet", PHOTOGRAPH_TAGS)
    photographs = labelled.keys() | {row["image_id"] for row in tags}
    stand_ins = read_stand_ins(layout.intake)
    objects = [row for row in accounts if row["instance_id"].startswith(wanted)]
    images = {name for name in photographs if name.startswith(wanted)}
    images |= {now for delivered, now in stand_ins.items() if delivered.startswith(wanted) and now in photographs}
    if len(objects) + len(images) != 1 or not wanted:
        told = "is no ground-truth object or labelled photograph" if not objects and not images else "could be several"
        raise refused(
            "adjudication.unknown-id",
            wanted,
            f"{told} (of {len(accounts)} and {len(photographs)}).",
            "Give the instance_id of data/03_adjudication/instances.parquet, or the photograph's image_id.",
        )
    image_id = images.pop() if images else objects[0]["image_id"]
    chosen = objects or [row for row in accounts if row["image_id"] == image_id]
    return _statement(folder, image_id, chosen, labelled.get(image_id), tags, one=bool(objects))


def _statement(
    folder: Path,
    image_id: str,
    chosen: Sequence[Mapping[str, Any]],
    status: str | None,
    tags: Sequence[Mapping[str, Any]],
    *,
    one: bool,
) -> Statement:
    drawn = {row["instance_id"]: row for row in read_rows(folder / "instances.parquet", INSTANCES)}
    ids = {row["instance_id"] for row in chosen}
    objects = [_object(row, drawn[row["instance_id"]]) for row in chosen]
    marks = {answer["instance_id"] for row in objects for answer in row["answers"]}
    dissent = read_rows(folder / "dissent.parquet", DISSENT)
    open_ = read_rows(folder / "disagreements.parquet", DISAGREEMENTS)
    return Statement(
        image_id=image_id,
        status=status,
        objects=objects,
        dissent=[r for r in dissent if r["image_id"] == image_id and (not one or r["truth_instance_id"] in ids)],
        disagreements=[r for r in open_ if r["image_id"] == image_id and (not one or marks & set(r["instance_ids"]))],
        tags=[] if one else [r for r in tags if r["image_id"] == image_id],
    )


def _object(account: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    edges = [drawn[name] for name in ("x_min", "y_min", "x_max", "y_max")]
    return {
        **account,
        "answers": json.loads(account["answers"]),
        "category": drawn["category"],
        "shape": drawn["shape"],
        "transcription": drawn["transcription"],
        "facets": json.loads(drawn["facets"]),
        "box": None if None in edges else edges,
    }


def write_page(page: Path, statement: Statement, *, image: Mapping[str, Any] | None, data: Path) -> None:
    """Write the statement as a page to print; it shows the picture where it lies.

    Parameters
    ----------
    image
        The row of `tables.IMAGES` of the picture, None if it is no longer there.
    data
        The folder that image paths are relative to.

    """
    boxes = []
    for number, each in enumerate(statement.objects, start=1):
        if image is not None and each["box"]:
            x_min, y_min, x_max, y_max = each["box"]
            width, height = image["width_px"] / 100, image["height_px"] / 100
            place = (x_min / width, y_min / height, (x_max - x_min) / width, (y_max - y_min) / height)
            boxes.append((number, *(f"{value:.3f}" for value in place)))
    source = quote(os.path.relpath(data / image["path"], page.absolute().parent)) if image else None
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("statement.html").render(of=statement, source=source, boxes=boxes)
    page.parent.mkdir(parents=True, exist_ok=True)
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)
