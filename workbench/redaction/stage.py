"""The stage: faces are looked for in every working copy, each content once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.domain.findings import Refused, refused
from workbench.domain.geometry import Box
from workbench.domain.lineage import require_activity, work_key
from workbench.domain.redaction import Labelled, Unreviewed
from workbench.layout import Layout
from workbench.long_runs import Interim
from workbench.ports import Compute, Track
from workbench.tables import IMAGES, SEARCHED, read_all_rows, read_rows, write_table

#: Name and version of this activity: raise the number whenever an equal picture may give other faces.
ACTIVITY = "face-search/1"

#: Columns of an image's row that the search needs; all columns of 100,000 rows fill much memory.
_NEEDED = ("image_id", "path", "file_sha256")

#: Digits of a score that are kept: further ones may differ between processors.
_SCORE_DIGITS = 3

#: Finds the faces of the picture at a path: (box in its pixels, score), best first. Can be sent to another process. Paths
#: are texts: as many `Path` fill twice the memory.
Find = Callable[[str], Sequence[tuple[Box, float]]]


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be used.

    Raises
    ------
    Refused
        ``workspace.activity-version`` or ``workspace.params-invalid``.

    """
    require_activity(params, ACTIVITY, section="redaction")
    if not isinstance(params.get("faces"), bool):
        raise _bad_param("faces", params.get("faces"), "Set it to true or false.")
    longest, margin = params.get("longest_px"), params.get("margin_frac")
    if isinstance(longest, bool) or not isinstance(longest, int) or longest < 32:  # noqa: PLR2004 -- the network's step
        raise _bad_param("longest_px", longest, "Set it to a whole number of pixels, at least 32.")
    score = params.get("least_score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 < score <= 1:
        raise _bad_param("least_score", score, "Set it to a number above 0, at most 1.")
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin <= 1:
        raise _bad_param("margin_frac", margin, "Set it to a number from 0 to 1.")
    labelled = params.get("labelled")
    if not isinstance(labelled, Mapping) or not set(labelled.values()) <= {kind.value for kind in Labelled}:
        raise _bad_param("labelled", labelled, f"Map label codes to {', '.join(Labelled)}.")
    if params.get("unreviewed") not in {kind.value for kind in Unreviewed}:
        raise _bad_param("unreviewed", params.get("unreviewed"), f"Use one of {', '.join(Unreviewed)}.")


def _bad_param(name: str, value: object, remedy: str) -> Refused:
    return refused("workspace.params-invalid", f"params.yaml redaction.{name}", f"is {value!r}.", remedy)


def run_redaction(
    layout: Layout, params: Mapping[str, Any], *, find: Find, engine: Mapping[str, str], compute: Compute, track: Track
) -> int:
    """Write data/01_redaction for all images of data/01_intake; return how many had to be searched.

    Parameters
    ----------
    engine
        Names and versions of what finds faces; another version looks anew.

    Raises
    ------
    Refused
        ``workspace.activity-version``, ``workspace.params-invalid``, and what ``find`` raises.

    """
    check_params(params)
    images = _images(layout) if params["faces"] else {}
    shaping = {**{name: params[name] for name in ("longest_px", "least_score")}, "engine": dict(engine)}
    keys = {
        image_id: work_key(activity=ACTIVITY, parameters=shaping, inputs=(row["file_sha256"],))
        for image_id, row in images.items()
    }
    rows = {row["image_id"]: row for row in _former(layout) if keys.get(row["image_id"]) == row["work_key"]}
    todo = [images[image_id] for image_id in images if image_id not in rows]
    found = compute.map(find, [f"{layout.data}/{row['path']}" for row in todo])
    shown = track(found, total=len(todo), doing="Looking for faces")
    interim = Interim(lambda: _write(layout, rows))
    for row, faces in zip(todo, shown, strict=True):
        rows[row["image_id"]] = {
            "image_id": row["image_id"],
            "file_sha256": row["file_sha256"],
            "work_key": keys[row["image_id"]],
            "faces": [_face_row(box, score) for box, score in faces],
        }
        interim.step()
    _write(layout, rows)
    return len(todo)


def _images(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return the images of data/01_intake by id, in order; one that two contributions brought is one."""
    rows = read_all_rows(sorted(layout.intake.glob("*/images.parquet")), IMAGES, _NEEDED)
    return {row["image_id"]: row for row in sorted(rows, key=lambda row: str(row["image_id"]))}


def _former(layout: Layout) -> list[dict[str, Any]]:
    """Return the rows of a former run; none if there was none, or if its table is damaged."""
    try:
        return read_rows(layout.redaction / "searched.parquet", SEARCHED)
    except Refused:
        return []


def _face_row(box: Box, score: float) -> dict[str, float]:
    edges = dict(zip(("x_min", "y_min", "x_max", "y_max"), (round(float(v)) for v in box.xyxy), strict=True))
    return {**{name: float(edge) for name, edge in edges.items()}, "score": round(score, _SCORE_DIGITS)}


def _write(layout: Layout, rows: Mapping[str, Mapping[str, Any]]) -> None:
    write_table(layout.redaction / "searched.parquet", SEARCHED, [rows[image_id] for image_id in sorted(rows)])
