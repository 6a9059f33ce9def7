"""The adjudication stage: frozen answers in, ground truth, disagreements and agreement out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.adjudication.answers import Answers, check_codes, read_answers
from workbench.adjudication.consensus import Outcome
from workbench.adjudication.decisions import read_decisions
from workbench.adjudication.headstamps import headstamp_rows
from workbench.adjudication.measuring import check_measuring, write_measured
from workbench.adjudication.settling import Rules, settle_photograph
from workbench.domain.adjudication import Kind
from workbench.domain.findings import Refused, refused
from workbench.domain.lineage import require_activity
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.tables import (
    ACCOUNTS,
    DISAGREEMENTS,
    DISSENT,
    HEADSTAMPS,
    INSTANCES,
    LABELLED,
    PHOTOGRAPH_TAGS,
    instance_row,
    write_table,
)

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "adjudication/3"

#: What `single_annotator` may say in params.yaml.
_SINGLE = ("accept", "hold")


def run_adjudication(layout: Layout, params: Mapping[str, Any], *, taxonomy: Taxonomy) -> dict[str, Any]:
    """Write data/03_adjudication from all snapshots in data/02_labelling; return the agreement figures.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``workspace.activity-version``, ``workspace.params-invalid``, ``tables.schema`` or
        ``taxonomy.unknown-code``.

    """
    answers, rules = read_case_files(layout, params, taxonomy)
    _write_outcomes(layout.adjudication, settle_all(answers, rules), answers)
    return write_measured(layout, taxonomy, params)


def read_case_files(
    layout: Layout, params: Mapping[str, Any], taxonomy: Taxonomy
) -> tuple[dict[str, dict[str, Answers]], Rules]:
    """Return all answers by photograph and project, and what settles them, both checked.

    Raises
    ------
    Refused
        As `run_adjudication`.

    """
    check_params(params)
    answers = read_answers(layout, taxonomy)
    check_codes(answers, taxonomy)
    return answers, Rules(params=params, decisions=read_decisions(layout.labelling), taxonomy=taxonomy)


def settle_all(answers: Mapping[str, Mapping[str, Answers]], rules: Rules) -> dict[str, Outcome]:
    """Return the outcome of every photograph, sorted by image_id."""
    return {image_id: settle_photograph(answers[image_id], rules) for image_id in sorted(answers)}


@dataclass(slots=True)
class _Rows:
    """The rows of the stage's tables."""

    truth: list[dict[str, Any]] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    labelled: list[dict[str, Any]] = field(default_factory=list)
    headstamps: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    dissent: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)


def _write_outcomes(
    target: Path, outcomes: Mapping[str, Outcome], answers: Mapping[str, Mapping[str, Answers]]
) -> None:
    rows = _Rows()
    for image_id, outcome in outcomes.items():
        rows.truth += [instance_row(instance) for instance in outcome.truth]
        rows.headstamps += headstamp_rows(image_id, outcome.truth)
        for part in ("disagreements", "accounts", "dissent", "tags"):
            getattr(rows, part).extend({"image_id": image_id, **row} for row in getattr(outcome, part))
        if outcome.status is None:
            continue
        drawn = [given for given in answers[image_id].values() if given.draws]
        people = {name for given in drawn for name in given.blind}
        people = people or {name for given in drawn for name in given.adjudicated}
        rows.labelled.append({"image_id": image_id, "annotators": len(people), "status": outcome.status})
    for name, schema, listed in (
        ("instances", INSTANCES, sorted(rows.truth, key=lambda row: str(row["instance_id"]))),
        ("disagreements", DISAGREEMENTS, rows.disagreements),
        ("labelled", LABELLED, rows.labelled),
        ("headstamps", HEADSTAMPS, rows.headstamps),
        ("accounts", ACCOUNTS, sorted(rows.accounts, key=lambda row: str(row["instance_id"]))),
        ("dissent", DISSENT, rows.dissent),
        ("tags", PHOTOGRAPH_TAGS, rows.tags),
    ):
        write_table(target / f"{name}.parquet", schema, listed)


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be used.

    Raises
    ------
    Refused
        ``workspace.activity-version`` or ``workspace.params-invalid``.

    """
    require_activity(params, ACTIVITY, section="adjudication")
    for name in ("match_iou", "accept_iou"):
        value = params.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise _bad_param(name, value, "Set it to an overlap above 0, at most 1.")
    if params.get("single_annotator") not in _SINGLE:
        raise _bad_param("single_annotator", params.get("single_annotator"), "Set it to accept or hold.")
    queue = params.get("queue")
    if not isinstance(queue, list) or len(set(map(str, queue))) != len(queue) or not set(map(str, queue)) <= set(Kind):
        raise _bad_param("queue", queue, f"Give a list of {', '.join(Kind)}, the first to be decided first.")
    check_measuring(params)


def _bad_param(name: str, value: object, remedy: str) -> Refused:
    return refused("workspace.params-invalid", f"params.yaml adjudication.{name}", f"is {value!r}.", remedy)
