"""The adjudication stage: frozen answers in, ground truth, disagreements and agreement out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.adjudication.agreement import measure_agreement
from workbench.adjudication.consensus import Outcome, decide, keep_all
from workbench.domain.annotation import DecidedBy, Instance, Pass
from workbench.domain.findings import refused
from workbench.domain.lineage import canonical_json, require_activity
from workbench.layout import Layout
from workbench.tables import (
    ANNOTATIONS,
    DISAGREEMENTS,
    INSTANCES,
    LABELLED,
    instance_row,
    read_rows,
    row_instance,
    write_table,
)

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "adjudication/1"

#: What `single_annotator` may say in params.yaml.
_SINGLE = ("accept", "hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What people said about one photograph: by annotator, one set for each kind of pass."""

    blind: dict[str, list[Instance]]
    adjudicated: dict[str, list[Instance]]
    imported: dict[str, list[Instance]]


def run_adjudication(layout: Layout, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write data/03_adjudication from all snapshots in data/02_labelling; return the agreement figures.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``workspace.activity-version`` or ``workspace.params-invalid``.

    """
    require_activity(params, ACTIVITY, section="adjudication")
    if params["single_annotator"] not in _SINGLE:
        raise refused(
            "workspace.params-invalid",
            "params.yaml adjudication.single_annotator",
            f"is {params['single_annotator']!r}.",
            "Set it to accept or hold.",
        )
    answers = read_answers(layout)
    truth, dissent, labelled = [], [], []
    for image_id in sorted(answers):
        of = answers[image_id]
        outcome = settle(of, params)
        truth += [instance_row(instance) for instance in outcome.truth]
        dissent += [{"image_id": image_id, **row} for row in outcome.disagreements]
        people = len(of.blind) or len(of.adjudicated)
        labelled.append({"image_id": image_id, "annotators": people, "status": outcome.status})
    measured = measure_agreement(
        {image_id: of.blind for image_id, of in answers.items() if len(of.blind) > 1}, match_iou=params["match_iou"]
    )
    target = layout.adjudication
    write_table(target / "instances.parquet", INSTANCES, sorted(truth, key=lambda row: row["instance_id"]))
    write_table(target / "disagreements.parquet", DISAGREEMENTS, dissent)
    write_table(target / "labelled.parquet", LABELLED, labelled)
    _write_text(target / "agreement.json", canonical_json(measured) + "\n")
    return measured


def settle(of: Answers, params: Mapping[str, Any]) -> Outcome:
    """Return the outcome for one photograph; who decided later outweighs who answered first.

    An adjudicator's answer is the truth, and what it overrules stays as dissent. Then come people's blind answers;
    imported labels count only where nobody answered.
    """
    if of.adjudicated:
        name = max(of.adjudicated)
        truth = keep_all(of.adjudicated[name], DecidedBy.ADJUDICATION)
        overruled = sorted(item.instance_id for answer in of.blind.values() for item in answer)
        dissent = {"kind": "dissent", "instance_ids": overruled, "detail": "An adjudicator decided about these."}
        return Outcome(status="adjudicated", truth=truth, disagreements=[dissent] if overruled else [])
    if len(of.blind) > 1:
        return decide(of.blind, match_iou=params["match_iou"], accept_iou=params["accept_iou"])
    if of.blind:
        (answer,) = of.blind.values()
        if params["single_annotator"] == "accept":
            return Outcome(status="single", truth=keep_all(answer, DecidedBy.SINGLE))
        ids = sorted(item.instance_id for item in answer)
        held = {"kind": "single", "instance_ids": ids, "detail": "Only one person answered so far."}
        return Outcome(status="disagreed", disagreements=[held])
    # The same photograph may have been labelled elsewhere more than once: the first source in order counts.
    first = min(of.imported)
    return Outcome(status="imported", truth=keep_all(of.imported[first], DecidedBy.IMPORTED))


def read_answers(layout: Layout) -> dict[str, Answers]:
    """Return every photograph's answers from all snapshots, whatever order they lie in.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if there is no snapshot, ``tables.schema`` if one contradicts itself.

    """
    snapshots = sorted(path.parent for path in layout.labelling.glob("*/annotations.parquet"))
    if not snapshots:
        raise refused(
            "workspace.input-missing",
            "data/02_labelling",
            "holds no answers.",
            "Run `workbench labelling pull`, or `workbench labelling import` for existing labels.",
        )
    found: dict[str, Answers] = {}
    for folder in snapshots:
        annotations = read_rows(folder / "annotations.parquet", ANNOTATIONS)
        instances: dict[str, list[Instance]] = {row["annotation_id"]: [] for row in annotations}
        for row in read_rows(folder / "instances.parquet", INSTANCES):
            if row["annotation_id"] not in instances:
                raise refused(
                    "tables.schema",
                    folder / "instances.parquet",
                    f"has an instance of answer {row['annotation_id']}, which is not in annotations.parquet.",
                    "Restore the snapshot with `dvc checkout`, or pull it anew.",
                )
            instances[row["annotation_id"]].append(row_instance(row))
        for row in sorted(annotations, key=lambda row: (row["submitted_at"] or "", row["annotation_id"])):
            of = found.setdefault(row["image_id"], Answers(blind={}, adjudicated={}, imported={}))
            kind = {Pass.ADJUDICATION: of.adjudicated, Pass.IMPORTED: of.imported}.get(Pass(row["pass_"]), of.blind)
            given = sorted(instances[row["annotation_id"]], key=lambda item: item.instance_id)
            # Someone's later answer to the same photograph supersedes the earlier one; both stay in the snapshot.
            kind[row["annotator"]] = given
    return found


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
