"""What changed between two releases, image by image and object by object, for releases of any size.

Tables are compared as columns; only images on which objects compete for one another are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workbench.ports import Files
from workbench.release.places import read
from workbench.release.same import same_values
from workbench.tables import IMAGES, INSTANCES, table_of

#: Objects of two releases are the same object from this overlap on.
_SAME_IOU = 0.5
#: Of equal overlap, the pair of equal category wins.
_SAME_CATEGORY = 0.25
_EDGES = ("x_min", "y_min", "x_max", "y_max")
#: An object is reshaped if one of these changed, restated if one of the others did.
_SHAPE = ("shape", *_EDGES, "rings", "mask_rle", "keypoints")
_STATEMENT = ("facets", "transcription", "confidence")
_TOLD = ("instance_id", "category", "annotator", "decided_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """The changes from one release to another.

    Parameters
    ----------
    images
        A row a changed image, sorted: ``image_id``, ``change`` (added, removed, moved: to another split, relabelled:
        objects on it changed), ``split_old``, ``split_new``, ``reason`` (of removed ones; null if not known here).
    instances
        A row a changed object, sorted: ``image_id``, ``change`` (added, removed, reclassed: another category, reshaped:
        another shape, restated: another facet, text or confidence), ``iou`` of former and new box in [0, 1], and
        ``category``, ``instance_id``, ``annotator`` and ``decided_by`` of both sides.
    classes
        A row a category: ``old`` and ``new`` count of objects.
    images_kept, instances_kept
        How many images are in both, and how many objects are in both unchanged.

    """

    images: pd.DataFrame
    instances: pd.DataFrame
    classes: pd.DataFrame
    images_kept: int
    instances_kept: int

    def counts(self) -> dict[str, int]:
        """Return how many of each kind of change there are."""
        images, instances = (frame["change"].value_counts() for frame in (self.images, self.instances))
        return {
            **{f"images_{kind}": int(images.get(kind, 0)) for kind in ("added", "removed", "moved", "relabelled")},
            "images_kept": self.images_kept,
            **{
                f"instances_{kind}": int(instances.get(kind, 0))
                for kind in ("added", "removed", "reclassed", "reshaped", "restated")
            },
            "instances_kept": self.instances_kept,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The two tables of a release."""

    images: pa.Table
    instances: pa.Table


def read_tables(files: Files) -> Tables:
    """Return the image and instance tables of a release."""
    return Tables(
        images=table_of(read(files, "images.parquet"), IMAGES, f"images.parquet of {files}"),
        instances=table_of(read(files, "instances.parquet"), INSTANCES, f"instances.parquet of {files}"),
    )


def diff_releases(old: Tables, new: Tables, *, reasons: Mapping[str, str] | None = None) -> ReleaseDiff:
    """Return the changes from one release to another.

    Parameters
    ----------
    reasons
        Why an image is in the newer release no more, by image_id, as far as it is known.

    """
    before, after = (_with_code(tables.instances) for tables in (old, new))
    pairs = _paired(before, after, old.instances, new.instances)
    changed = _changed_pairs(old.instances, new.instances, pairs)
    alone_before = np.setdiff1d(np.arange(len(before)), pairs[:, 0])
    alone_after = np.setdiff1d(np.arange(len(after)), pairs[:, 1])
    rows = pd.concat(
        [
            _told(old.instances, new.instances, pairs[changed != ""]).assign(change=changed[changed != ""]),
            _told(old.instances, None, np.column_stack([alone_before, alone_before])).assign(change="removed"),
            _told(None, new.instances, np.column_stack([alone_after, alone_after])).assign(change="added"),
        ],
        ignore_index=True,
    )
    rows["iou"] = np.concatenate(
        [
            _ious(before, after, pairs[changed != ""]).round(6),
            np.full(len(alone_before) + len(alone_after), np.nan),
        ]
    )
    order = ["image_id", "change", "category_old", "category_new", "instance_id_old", "instance_id_new"]
    instances = rows.sort_values(order, ignore_index=True)
    images, kept = _image_changes(old.images, new.images, instances, reasons or {})
    return ReleaseDiff(
        images=images,
        instances=instances,
        classes=_classes(old.instances, new.instances),
        images_kept=kept,
        instances_kept=int((changed == "").sum()),
    )


def _with_code(instances: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = instances.select(["image_id", "instance_id", "category", *_EDGES]).to_pandas()
    return frame


def _paired(before: pd.DataFrame, after: pd.DataFrame, old: pa.Table, new: pa.Table) -> NDArray[np.int64]:
    """Return row pairs (n, 2) of the same object: first of equal id, then of the greatest total overlap.

    Lone keypoints overlap wholly if they are the same points, else not at all.
    """
    names = ["image_id", "instance_id"]
    mine, theirs = (frame[names].assign(row=np.arange(len(frame))) for frame in (before, after))
    same_id = mine.merge(theirs, on=names, suffixes=("_old", "_new"))[["row_old", "row_new"]].to_numpy(np.int64)
    left, right = (
        frame[~frame["row"].isin(same_id[:, side])][["image_id", "row"]] for side, frame in enumerate((mine, theirs))
    )
    met = left.merge(right, on="image_id", suffixes=("_old", "_new"))
    candidates = met[["row_old", "row_new"]].to_numpy(np.int64)
    overlap = _ious(before, after, candidates)
    no_box = [frame["x_min"].isna().to_numpy()[candidates[:, side]] for side, frame in enumerate((before, after))]
    points = candidates[no_box[0] & no_box[1]]
    same_points = same_values(_column(old, "keypoints", points[:, 0]), _column(new, "keypoints", points[:, 1]))
    overlap[no_box[0] & no_box[1]] = same_points
    near = np.flatnonzero(overlap >= _SAME_IOU)
    close: NDArray[np.int64] = candidates[near]
    codes = [frame["category"].to_numpy()[close[:, side]] for side, frame in enumerate((before, after))]
    gain = overlap[near] + _SAME_CATEGORY * (codes[0] == codes[1])
    return np.concatenate([same_id, _assigned(close, gain, before["image_id"].to_numpy())])


def _assigned(candidates: NDArray[np.int64], gain: NDArray[np.float64], image_ids: Any) -> NDArray[np.int64]:
    """Return the candidate pairs of the greatest total gain, each row in one pair at most (Hungarian method)."""
    if not len(candidates):
        return candidates
    rivals = [np.unique(column, return_inverse=True, return_counts=True) for column in candidates.T]
    alone = np.logical_and(*(counts[inverse] == 1 for _, inverse, counts in rivals))
    chosen = [candidates[alone]]
    contested = pd.DataFrame({"old": candidates[~alone, 0], "new": candidates[~alone, 1], "gain": gain[~alone]})
    for _, group in contested.groupby(image_ids[contested["old"]]):
        (olds, i), (news, j) = (np.unique(group[side], return_inverse=True) for side in ("old", "new"))
        matrix = np.zeros((len(olds), len(news)))
        matrix[i, j] = group["gain"]
        a, b = linear_sum_assignment(-matrix)
        real = matrix[a, b] > 0
        chosen.append(np.column_stack([olds[a[real]], news[b[real]]]))
    return np.concatenate(chosen)


def _ious(before: pd.DataFrame, after: pd.DataFrame, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the IoU of the boxes of row pairs, (n,) in [0, 1]; 0 where one has no box."""
    one, other = (
        frame[list(_EDGES)].to_numpy(np.float64)[pairs[:, side]] for side, frame in enumerate((before, after))
    )
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ious = shared / (areas - shared)
    return np.asarray(np.nan_to_num(ious, nan=0.0), np.float64)


def _changed_pairs(old: pa.Table, new: pa.Table, pairs: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return for each pair of rows how the object changed, empty if not at all."""
    equal = {
        name: same_values(*(_column(table, name, pairs[:, side]) for side, table in enumerate((old, new))))
        for name in ("category", *_SHAPE, *_STATEMENT)
    }
    same_shape = np.logical_and.reduce([equal[name] for name in _SHAPE])
    same_statement = np.logical_and.reduce([equal[name] for name in _STATEMENT])
    kinds = np.select([~equal["category"], ~same_shape, ~same_statement], ["reclassed", "reshaped", "restated"], "")
    return np.asarray(kinds)


def _column(table: pa.Table, name: str, rows: NDArray[np.int64]) -> pa.Array:
    column = table[name].take(pa.array(rows))
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _told(old: pa.Table | None, new: pa.Table | None, pairs: NDArray[np.int64]) -> pd.DataFrame:
    """Return what is told of changed objects: a row a pair, null on a side that there is not."""
    columns: dict[str, Any] = {}
    for side, (ending, table) in enumerate((("old", old), ("new", new))):
        for name in _TOLD:
            columns[f"{name}_{ending}"] = (
                [None] * len(pairs) if table is None else _column(table, name, pairs[:, side]).to_pylist()
            )
    for side, table in enumerate((old, new)):
        if table is not None:
            columns["image_id"] = _column(table, "image_id", pairs[:, side]).to_pylist()
    return pd.DataFrame(columns, dtype=object)


def _image_changes(
    old: pa.Table, new: pa.Table, instances: pd.DataFrame, reasons: Mapping[str, str]
) -> tuple[pd.DataFrame, int]:
    names = ["image_id", "split"]
    both = (
        old.select(names)
        .to_pandas()
        .merge(new.select(names).to_pandas(), on="image_id", how="outer", suffixes=("_old", "_new"), indicator=True)
    )
    kept = both["_merge"] == "both"
    touched = both["image_id"].isin(instances["image_id"])
    split_old, split_new = (both[f"split_{side}"].fillna("") for side in ("old", "new"))
    kinds = {
        "added": both["_merge"] == "right_only",
        "removed": both["_merge"] == "left_only",
        "moved": kept & (split_old != split_new),
        "relabelled": kept & touched,
    }
    frames = [both[mask].assign(change=kind) for kind, mask in kinds.items()]
    rows = pd.concat(frames, ignore_index=True).drop(columns="_merge")
    rows["reason"] = [
        reasons.get(image_id) if change == "removed" else None
        for image_id, change in zip(rows["image_id"], rows["change"], strict=True)
    ]
    return rows.sort_values(["image_id", "change"], ignore_index=True), int(kept.sum())


def _classes(old: pa.Table, new: pa.Table) -> pd.DataFrame:
    sides = {}
    for name, table in (("old", old), ("new", new)):
        counted = pc.value_counts(table["category"])
        sides[name] = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    codes = sorted(set(sides["old"]) | set(sides["new"]))
    return pd.DataFrame(
        [{"category": code, "old": sides["old"].get(code, 0), "new": sides["new"].get(code, 0)} for code in codes],
        columns=["category", "old", "new"],
    )
