"""A comparison of two releases as one page that needs nothing beside it: counts, classes, pictures side by side."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from workbench.domain.findings import WorkbenchError
from workbench.ports import Files
from workbench.release.diff import ReleaseDiff, Tables
from workbench.release.places import read
from workbench.release.reasons import WITHDRAWN

#: Returns an encoded picture made smaller, as JPEG, and the scale; arguments are its bytes and what it is called.
Thumbnail = Callable[[bytes, object], tuple[bytes, float]]
_NOT_SHOWN = {"withdrawn": "withdrawn: not shown", "gone": "the picture is not to be had any more"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two releases: its name, its tables and its files."""

    name: str
    tables: Tables
    files: Files


def diff_page(diff: ReleaseDiff, old: Side, new: Side, *, thumbnail: Thumbnail, pictures: int = 40) -> str:
    """Return the page as HTML; at most ``pictures`` images are shown, relabelled ones first."""
    order = {"relabelled": 0, "moved": 1, "added": 2, "removed": 3}
    ranked = diff.images.assign(rank=diff.images["change"].map(order)).sort_values(["rank", "image_id"])
    unique = ranked.drop_duplicates("image_id")
    shown = unique.head(pictures)
    wanted = set(shown["image_id"])
    sides = [_Drawing(side, wanted, diff.instances, ending, thumbnail) for side, ending in ((old, "old"), (new, "new"))]
    changes = {key: frame for key, frame in diff.instances.groupby("image_id") if key in wanted}
    rows = [
        {
            **{name: row[name] or "" for name in ("image_id", "change", "reason", "split_old", "split_new")},
            "old": sides[0].tile(row),
            "new": sides[1].tile(row),
            "said": [_sentence(change) for change in records_of(changes.get(row["image_id"]))],
        }
        for row in records_of(shown)
    ]
    page = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    removed = diff.images[diff.images["change"] == "removed"]
    return page.get_template("diff.html").render(
        old=old.name,
        new=new.name,
        counts=diff.counts(),
        classes=diff.classes.to_dict("records"),
        reasons=removed["reason"].fillna("not known here").value_counts().to_dict(),
        deciders=deciders(diff),
        rows=rows,
        unshown=len(unique) - len(rows),
    )


def deciders(diff: ReleaseDiff) -> list[dict[str, Any]]:
    """Return who stands behind the changes: a row a change, decision and annotator with its count, largest first."""
    frame = diff.instances
    by = frame["decided_by_new"].fillna(frame["decided_by_old"]).fillna("not known")
    who = frame["annotator_new"].fillna(frame["annotator_old"]).fillna("not known")
    counted = Counter(zip(frame["change"], by, who, strict=True))
    rows = [
        {"change": change, "decided_by": decided, "annotator": annotator, "count": count}
        for (change, decided, annotator), count in counted.items()
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["change"], row["decided_by"], row["annotator"]))


class _Drawing:
    """Draws the tiles of one side: a picture made small, and over it the outlines of its objects."""

    def __init__(
        self, side: Side, wanted: set[str], instances: pd.DataFrame, ending: str, thumbnail: Thumbnail
    ) -> None:
        self._files, self._thumbnail = side.files, thumbnail
        ids = sorted(wanted)
        images = side.tables.images.filter(pc.is_in(side.tables.images["image_id"], _strings(ids)))
        self._images = {row["image_id"]: row for row in images.to_pylist()}
        self._objects: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in side.tables.instances.filter(pc.is_in(side.tables.instances["image_id"], _strings(ids))).to_pylist():
            self._objects[row["image_id"]].append(row)
        changed = instances[instances["image_id"].isin(wanted)]
        self._change = dict(zip(changed[f"instance_id_{ending}"], changed["change"], strict=True))

    def tile(self, row: Mapping[str, Any]) -> dict[str, Any]:
        image = self._images.get(row["image_id"])
        if image is None:
            return {"note": "not in this release"}
        if str(row["reason"] or "").startswith(WITHDRAWN):
            return {"note": _NOT_SHOWN["withdrawn"]}
        try:
            jpeg, _ = self._thumbnail(read(self._files, image["path"]), image["path"])
        except WorkbenchError:
            return {"note": _NOT_SHOWN["gone"]}
        return {
            "note": "",
            "href": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
            "width": image["width_px"],
            "height": image["height_px"],
            "shapes": [self._shape(found) for found in self._objects[row["image_id"]]],
        }

    def _shape(self, row: Mapping[str, Any]) -> dict[str, Any]:
        box = [row[name] for name in ("x_min", "y_min", "x_max", "y_max")]
        return {
            "change": self._change.get(row["instance_id"], "kept"),
            "category": row["category"],
            "box": None if row["x_min"] is None or row["rings"] else [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "rings": [" ".join(f"{value:g}" for value in ring) for ring in row["rings"] or ()],
            "points": [(point["x_px"], point["y_px"]) for point in row["keypoints"] or ()],
        }


def _sentence(row: Mapping[str, Any]) -> str:
    """Return one change of an object in words, with who stands behind it."""
    old, new = row["category_old"], row["category_new"]
    what = {
        "added": f"{new} added",
        "removed": f"{old} removed",
        "reclassed": f"{old} became {new}",
        "reshaped": f"{new} reshaped (IoU {row['iou'] or 0:.2f})",
        "restated": f"{new}: facets, text or confidence changed",
    }[str(row["change"])]
    by = [row[f"{name}_new"] or row[f"{name}_old"] for name in ("decided_by", "annotator")]
    said = ", ".join(str(word) for word in by if word)
    return f"{what} ({said})" if said else what


def records_of(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return a frame's rows as JSON values, null as None."""
    if frame is None:
        return []
    rows: Sequence[Mapping[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]  # its keys are names
    return [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def _strings(values: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())
