"""Why an image that an earlier release held is in a later one no more, as far as the later state of the data tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.release.contents import SETTLED

#: What the reason of a withdrawn photograph begins with; its picture is shown nowhere any more.
WITHDRAWN = "withdrawn"


def removal_reasons(
    removed: Iterable[Mapping[str, Any]], photographs: Iterable[Mapping[str, Any]], statuses: Mapping[str, str]
) -> dict[str, str]:
    """Return the reason of each removed image, by image_id.

    Parameters
    ----------
    removed
        Rows of the earlier release's images that the later one lacks.
    photographs
        Curation's rows at the later release.
    statuses
        How settled the labels of each photograph were at the later release.

    """
    known = {row["image_id"]: row for row in photographs}
    rows = list(removed)
    gone = {row["image_id"] for row in rows}
    return {row["image_id"]: _reason(row, known, gone, statuses) for row in rows}


def _reason(
    row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], gone: set[str], statuses: Mapping[str, str]
) -> str:
    if row["origin"] not in {"real", "replica"}:
        parent_gone = row["parent_image_id"] in gone
        return "its photograph was removed" if parent_gone else "made anew by another recipe, code or engine"
    now = known.get(row["image_id"])
    if now is None:
        return f"{WITHDRAWN}, or no longer in the workspace"
    if now["excluded"] is not None:
        return f"excluded: {now['excluded']}"
    status = statuses.get(row["image_id"])
    if status not in SETTLED:
        return f"labels: {status or 'none'}"
    if now["split"] is None:
        return "no split"
    return "usage terms do not permit the release's purpose"
