"""The adjudication stage: frozen answers in, ground truth, disagreements and agreement out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.adjudication.agreement import measure_agreement
from workbench.adjudication.consensus import Outcome, decide, keep_all
from workbench.adjudication.headstamps import headstamp_rows
from workbench.domain.annotation import DecidedBy, Instance, Pass
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.lineage import canonical_json, require_activity
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.tables import (
    ANNOTATIONS,
    DISAGREEMENTS,
    HEADSTAMPS,
    INSTANCES,
    LABELLED,
    instance_row,
    read_rows,
    read_stand_ins,
    row_instance,
    write_table,
)

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "adjudication/2"

#: What `single_annotator` may say in params.yaml.
_SINGLE = ("accept", "hold")

#: What a photograph's status may be, the most settled first; the least settled of its projects is the photograph's.
_STATUSES = ("adjudicated", "agreed", "imported", "single", "disagreed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What people said about one photograph in one project: by annotator, for each kind of pass, in order of time.

    ``stale`` holds the objects whose code was split or deprecated since: somebody has to look again.
    """

    blind: dict[str, list[Instance]]
    adjudicated: dict[str, list[Instance]]
    imported: dict[str, list[Instance]]
    stale: list[Instance] = field(default_factory=list)


def run_adjudication(layout: Layout, params: Mapping[str, Any], *, taxonomy: Taxonomy) -> dict[str, Any]:
    """Write data/03_adjudication from all snapshots in data/02_labelling; return the agreement figures.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``workspace.activity-version``, ``workspace.params-invalid``, ``tables.schema`` or
        ``taxonomy.unknown-code``.

    """
    check_params(params)
    answers = read_answers(layout, taxonomy)
    check_codes(answers, taxonomy)
    truth, dissent, labelled, headstamps = [], [], [], []
    for image_id in sorted(answers):
        of = answers[image_id]
        outcome = settle_photograph(of, params)
        truth += [instance_row(instance) for instance in outcome.truth]
        headstamps += headstamp_rows(image_id, outcome.truth)
        dissent += [{"image_id": image_id, **row} for row in outcome.disagreements]
        people = {name for given in of.values() for name in given.blind}
        people = people or {name for given in of.values() for name in given.adjudicated}
        labelled.append({"image_id": image_id, "annotators": len(people), "status": outcome.status})
    measured = measure_agreement(
        {
            f"{image_id}/{project}": given.blind
            for image_id, of in answers.items()
            for project, given in of.items()
            if len(given.blind) > 1
        },
        match_iou=params["match_iou"],
    )
    target = layout.adjudication
    write_table(target / "instances.parquet", INSTANCES, sorted(truth, key=lambda row: row["instance_id"]))
    write_table(target / "disagreements.parquet", DISAGREEMENTS, dissent)
    write_table(target / "labelled.parquet", LABELLED, labelled)
    write_table(target / "headstamps.parquet", HEADSTAMPS, headstamps)
    _write_text(target / "agreement.json", canonical_json(measured) + "\n")
    return measured


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


def _bad_param(name: str, value: object, remedy: str) -> Refused:
    return refused("workspace.params-invalid", f"params.yaml adjudication.{name}", f"is {value!r}.", remedy)


def settle_photograph(projects: Mapping[str, Answers], params: Mapping[str, Any]) -> Outcome:
    """Return the outcome for one photograph over all projects it was answered in.

    Projects ask about different things, so answers are only compared within one; ground truth is what all of them
    settle, and the status is that of the least settled. Imported labels count only where nobody answered at all.
    """
    answered = [projects[name] for name in sorted(projects) if projects[name].blind or projects[name].adjudicated]
    # The same photograph may have been labelled elsewhere more than once: the first source in order counts.
    outcomes = [_look_again(settle(of, params), of) for of in answered or [projects[min(projects)]]]
    return Outcome(
        status=max((outcome.status for outcome in outcomes), key=_STATUSES.index),
        truth=[instance for outcome in outcomes for instance in outcome.truth],
        disagreements=[row for outcome in outcomes for row in outcome.disagreements],
    )


def _look_again(outcome: Outcome, of: Answers) -> Outcome:
    """Return the outcome, kept open where an object's code was split or deprecated since it was drawn."""
    if not of.stale:
        return outcome
    codes = ", ".join(sorted({instance.category for instance in of.stale}))
    ids = sorted(instance.instance_id for instance in of.stale)
    detail = f"The taxonomy no longer has {codes} as one label: label these again."
    row = {"kind": "relabel", "instance_ids": ids, "detail": detail}
    return replace(outcome, status="disagreed", disagreements=[*outcome.disagreements, row])


def settle(of: Answers, params: Mapping[str, Any]) -> Outcome:
    """Return the outcome for one photograph in one project; who decided later outweighs who answered first.

    The latest adjudicator's answer is the truth, and what it overrules stays as dissent. Then come people's blind answers;
    imported labels count only where nobody answered.
    """
    if of.adjudicated:
        name = list(of.adjudicated)[-1]
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
    first = min(of.imported)
    return Outcome(status="imported", truth=keep_all(of.imported[first], DecidedBy.IMPORTED))


def read_answers(layout: Layout, taxonomy: Taxonomy) -> dict[str, dict[str, Answers]]:
    """Return every photograph's answers by project, from all snapshots, whatever order they lie in, in today's codes.

    Answers are about the photograph as delivered. Where regions of it were covered since, they go with their coordinates
    to the image that stands for it: both have one geometry.

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
    stand_ins = read_stand_ins(layout.intake)
    found: dict[str, dict[str, Answers]] = {}
    for folder in snapshots:
        annotations, instances = _snapshot(folder)
        for row in sorted(annotations, key=lambda row: (row["submitted_at"] or "", row["annotation_id"])):
            if row["pass_"] == Pass.GOLD:
                continue  # a hidden check of the labeller decides nothing about the photograph
            image_id = stand_ins.get(row["image_id"], row["image_id"])
            projects = found.setdefault(image_id, {})
            of = projects.setdefault(row["project"], Answers(blind={}, adjudicated={}, imported={}))
            kind = {Pass.ADJUDICATION: of.adjudicated, Pass.IMPORTED: of.imported}.get(Pass(row["pass_"]), of.blind)
            drawn = sorted(instances[row["annotation_id"]], key=lambda item: item.instance_id)
            moved = [replace(item, image_id=image_id) for item in drawn]
            given, stale = _in_todays_codes(moved, row["taxonomy_version"], taxonomy)
            of.stale.extend(stale)
            # Someone's later answer to the same photograph supersedes the earlier one; both stay in the snapshot.
            kind.pop(row["annotator"], None)
            kind[row["annotator"]] = given
    return found


def _in_todays_codes(
    drawn: Sequence[Instance], version: str, taxonomy: Taxonomy
) -> tuple[list[Instance], list[Instance]]:
    """Return the objects with the codes that stand for theirs today, and those for which no single code does."""
    given, stale = [], []
    for instance in drawn:
        codes = taxonomy.successors(instance.category, version)
        if len(codes) == 1:
            given.append(instance if codes[0] == instance.category else replace(instance, category=codes[0]))
        else:
            stale.append(instance)
    return given, stale


def _snapshot(folder: Path) -> tuple[list[dict[str, Any]], dict[str, list[Instance]]]:
    """Return one snapshot's answers and, by answer, their instances; refuse one that contradicts itself."""
    annotations = read_rows(folder / "annotations.parquet", ANNOTATIONS)
    images = {row["annotation_id"]: row["image_id"] for row in annotations}
    instances: dict[str, list[Instance]] = {annotation_id: [] for annotation_id in images}
    for row in annotations:
        if row["pass_"] not in set(Pass):
            raise _damaged(folder / "annotations.parquet", f"has an answer of the unknown pass {row['pass_']!r}.")
    for row in read_rows(folder / "instances.parquet", INSTANCES):
        path, answer = folder / "instances.parquet", row["annotation_id"]
        if answer not in images:
            raise _damaged(path, f"has an instance of answer {answer}, which is not in annotations.parquet.")
        if row["image_id"] != images[answer]:
            raise _damaged(path, f"has an instance of answer {answer} on another photograph than the answer is about.")
        try:
            instances[answer].append(row_instance(row))
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(path, f"has an instance that cannot be read: {row['instance_id']} ({error}).") from error
    return annotations, instances


def _damaged(path: Path, what: str) -> Refused:
    return refused("tables.schema", path, what, "Restore the snapshot with `dvc checkout`, or pull it anew.")


def check_codes(answers: Mapping[str, Mapping[str, Answers]], taxonomy: Taxonomy) -> None:
    """Refuse answers with a category, facet or facet value that the taxonomy does not have, each told once.

    Raises
    ------
    Refused
        ``taxonomy.unknown-code``.

    """
    codes = set(taxonomy.codes)
    facets = {(facet.code, value) for facet in taxonomy.facets for value in facet.values}
    unknown: Counter[str] = Counter()
    for projects in answers.values():
        for given in projects.values():
            for marks in (*given.blind.values(), *given.adjudicated.values(), *given.imported.values()):
                for mark in marks:
                    if mark.category not in codes:
                        unknown[mark.category] += 1
                    for code, value in mark.facets.items():
                        if (code, value) not in facets:
                            unknown[f"{code}={value}"] += 1
    if unknown:
        raise Refused(*(_unknown(code, count, taxonomy) for code, count in sorted(unknown.items())))


def _unknown(code: str, count: int, taxonomy: Taxonomy) -> Finding:
    return Finding(
        code="taxonomy.unknown-code",
        subject=code,
        message=f"is the code of {count} labelled objects, but taxonomy {taxonomy.version} does not have it.",
        remedy="Add it to label_configs/taxonomy.yaml, or correct the labels and pull them anew.",
    )


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
