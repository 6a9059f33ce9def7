"""The decisions of adjudicators as they were frozen: read, and held against what is disagreed about today."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from workbench.domain.adjudication import Decision, Verdict
from workbench.domain.annotation import Instance
from workbench.domain.findings import Refused, refused
from workbench.tables import DECISIONS, INSTANCES, read_rows, row_instance

#: The folder of data/02_labelling that holds the queue and its decisions.
FOLDER = "adjudication"


def read_decisions(labelling: Path) -> dict[str, dict[str, Decision]]:
    """Return by photograph (as delivered) and dispute the latest decision; nothing before the first was pulled.

    Raises
    ------
    Refused
        ``tables.schema`` if the tables contradict themselves.

    """
    found: dict[str, dict[str, Decision]] = {}
    for decision in all_decisions(labelling):
        found.setdefault(decision.image_id, {})[decision.dispute_id] = decision
    return found


def all_decisions(labelling: Path) -> list[Decision]:
    """Return every decision that was ever pulled, in order of time."""
    path = labelling / FOLDER / "decisions.parquet"
    if not path.is_file():
        return []
    drawn: defaultdict[str, list[Instance]] = defaultdict(list)
    for row in read_rows(path.with_name("corrections.parquet"), INSTANCES):
        drawn[str(row["annotation_id"])].append(row_instance(row))
    rows = sorted(read_rows(path, DECISIONS), key=lambda row: (row["decided_at"], row["decision_id"]))
    try:
        return [_decision(row, drawn[row["decision_id"]]) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from error


def _decision(row: Mapping[str, object], drawn: Iterable[Instance]) -> Decision:
    facts = dict(row)
    facts["verdict"] = Verdict(str(row["verdict"]))
    facts["given"] = tuple(json.loads(str(row["given"])))
    facts["values"] = tuple(facts["values"])  # type: ignore[arg-type]
    return Decision(**facts, corrections=tuple(sorted(drawn, key=lambda each: each.instance_id)))  # type: ignore[arg-type]


def _damaged(path: Path, error: Exception) -> Refused:
    return refused(
        "tables.schema",
        path,
        f"has a decision that cannot be read ({error}).",
        "Restore it with `dvc checkout`, or run `workbench adjudication decisions` anew.",
    )
