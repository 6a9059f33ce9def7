"""The marked bases of ground truth as rows: each element with its clock position and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.adjudication.consensus import CANNOT_TELL
from workbench.domain.annotation import Instance
from workbench.domain.headstamp import HeadstampElement, normalised_text, read_headstamps


def headstamp_rows(image_id: str, truth: Sequence[Instance]) -> list[dict[str, Any]]:
    """Return the rows of `tables.HEADSTAMPS` for one photograph's ground truth, each base's in clockwise order."""
    return [_headstamp_row(image_id, read) for read in read_headstamps(truth)]


def _headstamp_row(image_id: str, read: HeadstampElement) -> dict[str, Any]:
    """Return the row of `tables.HEADSTAMPS`; what nobody could tell is null."""
    facets = {code: value for code, value in read.element.facets.items() if value != CANNOT_TELL}
    return {
        "image_id": image_id,
        "headstamp_id": read.headstamp.instance_id,
        "instance_id": read.element.instance_id,
        "ordinal": read.ordinal,
        "clock_deg": read.clock_deg,
        "orientation_basis": read.basis.value,
        "kind": facets.get("element_kind"),
        "text_raw": read.element.transcription,
        "text_normalised": normalised_text(read.element.transcription),
        "up_direction": facets.get("up_direction"),
        "legibility": facets.get("legibility"),
    }
