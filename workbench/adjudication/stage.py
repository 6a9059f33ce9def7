"""The adjudication stage: frozen answers in, ground truth, disagreements and agreement out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workbench.adjudication.answers import (
    Answers,
    answered_images,
    check_codes,
    read_answers,
    refuse_unknown,
    unknown_codes,
)
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
    rows_table,
    write_columns,
)

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "adjudication/3"

#: Photographs held in memory at a time: some hundreds of megabytes with three answers of five objects.
_BLOCK = 8_000


@dataclass(frozen=True, slots=True)
class _Form:
    """A table's schema, and the column it is sorted by where that is not the order of photographs."""

    schema: pa.Schema
    order: str | None = None


_TABLES = {
    "instances": _Form(INSTANCES, "instance_id"),
    "disagreements": _Form(DISAGREEMENTS),
    "labelled": _Form(LABELLED),
    "headstamps": _Form(HEADSTAMPS),
    "accounts": _Form(ACCOUNTS, "instance_id"),
    "dissent": _Form(DISSENT),
    "tags": _Form(PHOTOGRAPH_TAGS),
}

#: What `single_annotator` may say in params.yaml.
_SINGLE = ("accept", "hold")


def run_adjudication(
    layout: Layout, params: Mapping[str, Any], *, taxonomy: Taxonomy, block: int = _BLOCK
) -> dict[str, Any]:
    """Write data/03_adjudication from all snapshots in data/02_labelling; return the agreement figures.

    Parameters
    ----------
    block
        How many photographs are held in memory at a time; it changes no byte.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``workspace.activity-version``, ``workspace.params-invalid``, ``tables.schema`` or
        ``taxonomy.unknown-code``.

    """
    check_params(params)
    rules = Rules(params=params, decisions=read_decisions(layout.labelling), taxonomy=taxonomy)
    images = answered_images(layout)
    unknown: Counter[str] = Counter()
    parts: list[dict[str, pa.Table]] = []
    # Some photographs at a time: the answers of a whole campaign as objects would not fit into memory.
    for start in range(0, max(1, len(images)), block):
        answers = read_answers(layout, taxonomy, only=set(images[start : start + block]))
        unknown += unknown_codes(answers, taxonomy)
        if not unknown:
            parts.append(_outcome_tables(settle_all(answers, rules), answers))
    refuse_unknown(unknown, taxonomy)
    for name, by in _TABLES.items():
        table = pa.concat_tables([part[name] for part in parts])
        write_columns(layout.adjudication / f"{name}.parquet", table.sort_by(by.order) if by.order else table)
    parts.clear()
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

    instances: list[dict[str, Any]] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    labelled: list[dict[str, Any]] = field(default_factory=list)
    headstamps: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    dissent: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)


def _outcome_tables(
    outcomes: Mapping[str, Outcome], answers: Mapping[str, Mapping[str, Answers]]
) -> dict[str, pa.Table]:
    """Return the rows of some photographs as tables, by name."""
    rows = _Rows()
    for image_id, outcome in outcomes.items():
        rows.instances += [instance_row(instance) for instance in outcome.truth]
        rows.headstamps += headstamp_rows(image_id, outcome.truth)
        for part in ("disagreements", "accounts", "dissent", "tags"):
            getattr(rows, part).extend({"image_id": image_id, **row} for row in getattr(outcome, part))
        if outcome.status is None:
            continue
        drawn = [given for given in answers[image_id].values() if given.draws]
        people = {name for given in drawn for name in given.blind}
        people = people or {name for given in drawn for name in given.adjudicated}
        rows.labelled.append({"image_id": image_id, "annotators": len(people), "status": outcome.status})
    return {name: rows_table(name, by.schema, getattr(rows, name)) for name, by in _TABLES.items()}


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
