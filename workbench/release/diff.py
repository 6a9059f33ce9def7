"""What changed between two releases, image by image and object by object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.geometry import Box, box_iou
from workbench.tables import IMAGES, INSTANCES, read_rows

#: Objects of two releases are the same object from this overlap on.
_SAME_IOU = 0.5
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """The changes from one release to another; every tuple is sorted.

    ``moved`` images are (image_id, former split, new split); ``reclassed`` objects (image_id, former code, new code);
    ``reshaped`` objects (image_id, code, IoU of former and new box in [0, 1]).
    """

    images_added: tuple[str, ...]
    images_removed: tuple[str, ...]
    images_moved: tuple[tuple[str, str, str], ...]
    images_kept: int
    instances_added: tuple[tuple[str, str], ...]
    instances_removed: tuple[tuple[str, str], ...]
    instances_reclassed: tuple[tuple[str, str, str], ...]
    instances_reshaped: tuple[tuple[str, str, float], ...]
    instances_kept: int

    def counts(self) -> dict[str, int]:
        """Return how many of each kind of change there are."""
        return {
            name: value if isinstance(value, int) else len(value)
            for name in self.__slots__
            for value in (getattr(self, name),)
        }


def read_release_rows(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the image and instance rows of a release folder or an exported bundle."""
    inside = folder / "data" if (folder / "data" / "images.parquet").is_file() else folder
    return read_rows(inside / "images.parquet", IMAGES), read_rows(inside / "instances.parquet", INSTANCES)


def diff_releases(old: tuple[Sequence[Row], Sequence[Row]], new: tuple[Sequence[Row], Sequence[Row]]) -> ReleaseDiff:
    """Return the changes from one release's (images, instances) to another's."""
    before = {row["image_id"]: row for row in old[0]}
    after = {row["image_id"]: row for row in new[0]}
    common = sorted(before.keys() & after.keys())
    objects_before, objects_after = _by_image(old[1]), _by_image(new[1])
    added, removed, reclassed, reshaped, kept = [], [], [], [], 0
    for image_id in sorted(before.keys() | after.keys()):
        former, later = objects_before[image_id], objects_after[image_id]
        pairs = match_instances(former, later)
        for i, j in pairs:
            was, now = former[i], later[j]
            if was["category"] != now["category"]:
                reclassed.append((image_id, was["category"], now["category"]))
            elif not _same_shape(was, now):
                reshaped.append((image_id, now["category"], round(_overlap(was, now), 6)))
            else:
                kept += 1
        matched_former, matched_later = {i for i, _ in pairs}, {j for _, j in pairs}
        removed += [(image_id, row["category"]) for i, row in enumerate(former) if i not in matched_former]
        added += [(image_id, row["category"]) for j, row in enumerate(later) if j not in matched_later]
    return ReleaseDiff(
        images_added=tuple(sorted(after.keys() - before.keys())),
        images_removed=tuple(sorted(before.keys() - after.keys())),
        images_moved=tuple(
            (image_id, before[image_id]["split"], after[image_id]["split"])
            for image_id in common
            if before[image_id]["split"] != after[image_id]["split"]
        ),
        images_kept=len(common),
        instances_added=tuple(sorted(added)),
        instances_removed=tuple(sorted(removed)),
        instances_reclassed=tuple(sorted(reclassed)),
        instances_reshaped=tuple(sorted(reshaped)),
        instances_kept=kept,
    )


def match_instances(former: Sequence[Row], later: Sequence[Row]) -> list[tuple[int, int]]:
    """Return index pairs of the same object in two releases of one image.

    Equal rows pair first, then objects of equal id, then the greatest total overlap (Hungarian method) of at least
    half; of equal overlap, the pair of equal code wins.
    """
    if not former or not later:
        return []
    gain = np.zeros((len(former), len(later)))
    for i, was in enumerate(former):
        for j, now in enumerate(later):
            overlap = _overlap(was, now)
            if was["instance_id"] == now["instance_id"]:
                gain[i, j] = 3 + overlap
            elif overlap >= _SAME_IOU:
                gain[i, j] = overlap + 0.25 * (was["category"] == now["category"])
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-gain)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gain[i, j] > 0]


def _by_image(rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["instance_id"])):
        grouped[row["image_id"]].append(row)
    return grouped


def _same_shape(was: Row, now: Row) -> bool:
    names = ("shape", "x_min", "y_min", "x_max", "y_max", "rings", "mask_rle", "keypoints")
    return all(was[name] == now[name] for name in names)


def _overlap(was: Row, now: Row) -> float:
    """Return the IoU of two instances' boxes; for lone keypoints 1 if they are the same points, else 0."""
    if was["x_min"] is None or now["x_min"] is None:
        return float(was["x_min"] is now["x_min"] and was["keypoints"] == now["keypoints"])
    boxes = [Box(**{name: row[name] for name in ("x_min", "y_min", "x_max", "y_max")}) for row in (was, now)]
    return box_iou(*boxes)
