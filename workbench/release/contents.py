"""What goes into a release and what stays out, decided from the stages' tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

#: Statuses of a photograph whose labels may be learnt from; disagreed and held ones wait for a person.
SETTLED = frozenset({"agreed", "single", "imported", "adjudicated"})
#: How transcriptions leave: not at all, all but serial numbers, or as read.
TRANSCRIPTIONS = ("masked", "without_serials", "shown")
#: A shape may stick out of its image by this much, from rounding in labelling tools; it is clipped.
OVERHANG_PX = 1.0

_SERIAL = "marking.serial"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The rows of a release, sorted by id, and how many images stay out for which reason.

    ``source_paths`` maps an image_id to its file's path relative to the data folder; in ``images`` the path is the
    one inside the release.
    """

    images: tuple[dict[str, Any], ...]
    instances: tuple[dict[str, Any], ...]
    source_paths: Mapping[str, str]
    left_out: Mapping[str, int] = field(default_factory=dict)
    masked: tuple[str, ...] = ()


def select_contents(
    photographs: Sequence[Row],
    derived: Sequence[Row],
    instances: Iterable[Row],
    statuses: Mapping[str, str],
    *,
    transcriptions: str = "masked",
    accepted: Collection[str] = SETTLED,
    forbidden: Mapping[str | None, str] | None = None,
    held_back: Collection[str] = (),
) -> Contents:
    """Return what a release holds.

    Parameters
    ----------
    photographs
        Curation's rows, with group, split and why one is excluded.
    derived
        Rows of rendered and augmented images.
    instances
        Rows of all labelled objects; those of images left out stay out too.
    statuses
        How settled the labels of each photograph are.
    transcriptions
        One of `TRANSCRIPTIONS`.
    accepted
        Statuses whose labels may be released, of `SETTLED`.
    forbidden
        Why images of a contribution may not be released, by contribution_id.
    held_back
        Renders that show a design of which photographs of a stand-in are in val or test, by image_id.

    """
    left_out: Counter[str] = Counter()
    images, sources = [], {}
    outside: set[str] = set()
    for row in [*photographs, *derived]:
        reason = (forbidden or {}).get(row["contribution_id"]) or _why_left_out(row, statuses, accepted)
        if row["image_id"] in held_back:
            reason = "render of a design in val or test"
        if row["parent_image_id"] in outside and not reason:
            reason = "copy of an image left out"
        if reason:
            left_out[reason] += 1
            outside.add(row["image_id"])
            continue
        sources[row["image_id"]] = row["path"]
        suffix = PurePosixPath(row["path"]).suffix
        images.append({**row, "path": f"images/{row['split']}/{row['image_id']}{suffix}"})
    sizes = {row["image_id"]: (row["width_px"], row["height_px"]) for row in images}
    kept = [row for row in instances if row["image_id"] in sizes]
    shown = [_clipped(_masked(row, transcriptions), *sizes[row["image_id"]]) for row in kept]
    hidden = {"masked": ("transcription",), "without_serials": (f"transcription of {_SERIAL}",), "shown": ()}
    return Contents(
        images=tuple(sorted(images, key=lambda row: str(row["image_id"]))),
        instances=tuple(sorted(shown, key=lambda row: str(row["instance_id"]))),
        source_paths=sources,
        left_out=dict(sorted(left_out.items())),
        masked=hidden[transcriptions],
    )


def _why_left_out(row: Row, statuses: Mapping[str, str], accepted: Collection[str]) -> str | None:
    if row["excluded"] is not None:
        return str(row["excluded"]).split(" of ")[0]  # "near-duplicate of <image>": the kind counts
    if row["origin"] in {"real", "replica"}:
        status = statuses.get(row["image_id"])
        if status is None:
            return "not labelled"
        if status not in accepted:
            return f"labels {status}" if status in SETTLED else status
    return "no split" if row["split"] is None else None


def _masked(row: Row, transcriptions: str) -> dict[str, Any]:
    hide = transcriptions == "masked" or (transcriptions == "without_serials" and row["category"] == _SERIAL)
    return {**row, "transcription": None} if hide else dict(row)


def inside(row: Row, width: int, height: int) -> bool:
    """Say whether the box and the rings of an instance lie within an image; a lone keypoint's do."""
    if row["x_min"] is not None and not (
        0 <= row["x_min"] <= row["x_max"] <= width and 0 <= row["y_min"] <= row["y_max"] <= height
    ):
        return False
    return all(
        # the sum sees what is no number, which a comparison passes over
        math.isfinite(sum(ring)) and min(ring) >= 0 and max(ring[0::2]) <= width and max(ring[1::2]) <= height
        for ring in row["rings"] or ()
        if ring
    )


def _clipped(row: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    """Bring what sticks out by rounding back to the edge; the gate refuses what sticks out further."""
    if inside(row, width, height):
        return row

    def clamp(value: float, upper: int) -> float:
        return min(max(value, 0.0), float(upper)) if -OVERHANG_PX <= value <= upper + OVERHANG_PX else value

    if row["x_min"] is not None:
        row |= {name: clamp(row[name], width) for name in ("x_min", "x_max")}
        row |= {name: clamp(row[name], height) for name in ("y_min", "y_max")}
    if row["rings"]:
        row["rings"] = [[clamp(v, (width, height)[i % 2]) for i, v in enumerate(ring)] for ring in row["rings"]]
    return row
