"""What the stage measures of people's answers: from the snapshots' files to agreement.json and labellers.json."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.adjudication.agreement import Bootstrap, measure_agreement
from workbench.adjudication.checks import check_figures, read_checks
from workbench.adjudication.labellers import labeller_figures
from workbench.adjudication.marks import read_marks
from workbench.adjudication.objects import object_of_marks, pair_answers
from workbench.adjudication.plot_tables import csv_text, plot_tables
from workbench.adjudication.questions import read_tags
from workbench.adjudication.suggestions import suggestion_figures
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


def measured(layout: Layout, taxonomy: Taxonomy, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return how far annotators agree, and how each of them works, over all snapshots in data/02_labelling."""
    bootstrap = Bootstrap(rounds=params["bootstrap_rounds"], seed=params["bootstrap_seed"])
    match_iou = params["match_iou"]
    marks = read_marks(layout, taxonomy)
    pairs, objects = pair_answers(marks, match_iou=match_iou), object_of_marks(marks, match_iou=match_iou)
    tags = read_tags(layout)
    agreement = measure_agreement(marks, pairs, objects, bootstrap=bootstrap, tags=tags)
    checks = check_figures(read_checks(layout, taxonomy), match_iou=match_iou, bootstrap=bootstrap)
    gap_s = 60.0 * params["session_gap_min"]
    labellers = labeller_figures(marks, pairs, objects, checks, gap_s=gap_s, bootstrap=bootstrap)
    for name, shown in suggestion_figures(layout).items():
        labellers.setdefault(name, {"answers": 0, "objects": 0})["suggestions"] = shown
    return {"agreement": agreement, "labellers": labellers}


def write_measured(layout: Layout, taxonomy: Taxonomy, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write agreement.json, labellers.json and the tables of the plots into data/03_adjudication; return the agreement.

    The ground truth must lie there already: hidden checks are held against it.
    """
    found = measured(layout, taxonomy, params)
    for name, document in found.items():
        _write_text(layout.adjudication / f"{name}.json", canonical_json(document) + "\n")
    for name, rows in plot_tables(found["agreement"], found["labellers"]).items():
        _write_text(layout.adjudication / f"{name}.csv", csv_text(rows))
    return found["agreement"]


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
