"""Agreement as the stage tells it: from the snapshots' files to agreement.json."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.adjudication.agreement import Bootstrap, measure_agreement
from workbench.adjudication.marks import read_marks
from workbench.adjudication.questions import read_tags
from workbench.domain.findings import refused
from workbench.domain.lineage import canonical_json
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout

#: Whole numbers that measuring needs of params.yaml, and the least that each may be.
_LEAST = {"bootstrap_rounds": 0, "bootstrap_seed": 0, "session_gap_min": 1}


def check_measuring(params: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be used.

    Raises
    ------
    Refused
        ``workspace.params-invalid``.

    """
    for name, least in _LEAST.items():
        value = params.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise refused(
                "workspace.params-invalid",
                f"params.yaml adjudication.{name}",
                f"is {value!r}.",
                f"Set it to a whole number from {least} on.",
            )


def measured_agreement(layout: Layout, taxonomy: Taxonomy, *, match_iou: float, bootstrap: Bootstrap) -> dict[str, Any]:
    """Return how far annotators agree, over all snapshots in data/02_labelling."""
    marks = read_marks(layout, taxonomy)
    return measure_agreement(marks, match_iou=match_iou, bootstrap=bootstrap, tags=read_tags(layout, marks))


def write_measured(layout: Layout, taxonomy: Taxonomy, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write agreement.json into data/03_adjudication; return what it says."""
    bootstrap = Bootstrap(rounds=params["bootstrap_rounds"], seed=params["bootstrap_seed"])
    measured = measured_agreement(layout, taxonomy, match_iou=params["match_iou"], bootstrap=bootstrap)
    _write_text(layout.adjudication / "agreement.json", canonical_json(measured) + "\n")
    return measured


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
