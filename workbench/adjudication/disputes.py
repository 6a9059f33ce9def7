"""Disagreements as disputes that an adjudicator can decide about, and which of them are decided already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.domain.adjudication import LETTERS, Decision, Dispute, Given, Kind
from workbench.domain.annotation import Instance
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.domain.taxonomy import Taxonomy
from workbench.tables import instance_row

#: Columns that say what somebody marked and answered, apart from the category.
_CONTENT = ("shape", "x_min", "y_min", "x_max", "y_max", "rings", "mask_rle", "keypoints", "facets", "transcription")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One photograph in one project, with what was decided about it.

    Parameters
    ----------
    image_id
        The photograph as delivered, so that nothing is asked again when regions of it are covered.
    annotations
        For each annotator the id of the answer that counts.
    rows
        Rows of `tables.ANNOTATIONS` by answer.
    decisions
        The latest decision about each dispute of this photograph.
    taxonomy
        Under whose versions renamed codes are still the same.

    """

    image_id: str
    project: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    taxonomy: Taxonomy | None = None

    def decision_about(self, dispute: Dispute) -> Decision | None:
        """Return the decision about a dispute, if the answers are still those that were judged."""
        decision = self.decisions.get(dispute.dispute_id)
        return decision if decision and still_stands(decision, dispute, self.taxonomy) else None


def object_dispute(
    case: Case,
    members: Mapping[str, Instance],
    problems: Sequence[tuple[Kind, str]],
    *,
    least_iou: float | None,
    annotators: Sequence[str],
) -> Dispute:
    """Return the dispute about one object: ``members`` marked it, the other ``annotators`` did not."""
    said = {name: members.get(name) for name in annotators}
    marks = sorted(instance.instance_id for instance in members.values())
    given = [
        Given(
            letter="",
            annotator=name,
            annotation_id=case.annotations.get(name, ""),
            instance=instance,
            content=_content(instance),
        )
        for name, instance in said.items()
    ]
    return _dispute(case, ["object", *marks], problems, given, question=None, least_iou=least_iou)


def question_dispute(
    case: Case, question: str, values: Mapping[str, tuple[str, ...]], kind: Kind, detail: str
) -> Dispute:
    """Return the dispute about one question on the whole photograph, with each annotator's values."""
    given = [
        Given(
            letter="",
            annotator=name,
            annotation_id=case.annotations.get(name, ""),
            values=said,
            content=_short(canonical_json(list(said))),
        )
        for name, said in values.items()
    ]
    return _dispute(case, ["question", question], [(kind, detail)], given, question=question, least_iou=None)


def letters(image_id: str, project: str, annotators: Sequence[str]) -> dict[str, str]:
    """Return the letter of each annotator on one photograph; those beyond the last letter have none.

    The order follows from a hash of photograph and pseudonym: it is the same each time, and no annotator is A more often
    than chance has it, so that a letter says nothing about a person.
    """
    drawn = sorted(annotators, key=lambda name: sha256_hex(f"letter|{image_id}|{project}|{name}".encode()))
    return dict(zip(drawn, LETTERS, strict=False))


def still_stands(decision: Decision, dispute: Dispute, taxonomy: Taxonomy | None) -> bool:
    """Return whether a dispute is about the very answers that a decision judged; codes may have been renamed since."""
    if decision.answers_digest == dispute.answers_digest:
        return True
    judged = {(given["annotation_id"], given["instance_id"]): given for given in decision.given}
    today = {(given.annotation_id, given.instance and given.instance.instance_id): given for given in dispute.given}
    if taxonomy is None or judged.keys() != today.keys():
        return False
    for key, given in today.items():
        if given.content != judged[key]["content"]:
            return False
        code = judged[key]["category"]
        if given.instance and taxonomy.successors(code, decision.taxonomy_version) != (given.instance.category,):
            return False
    return True


def _dispute(
    case: Case,
    about: Sequence[str],
    problems: Sequence[tuple[Kind, str]],
    given: Sequence[Given],
    *,
    question: str | None,
    least_iou: float | None,
) -> Dispute:
    names = letters(case.image_id, case.project, [each.annotator for each in given])
    shown = sorted(
        (replace(each, letter=names.get(each.annotator, "")) for each in given),
        key=lambda each: (each.letter or "~", each.annotator),
    )
    judged = [[each.annotation_id, each.instance and each.instance.category, each.content] for each in shown]
    return Dispute(
        dispute_id=_short(canonical_json([case.image_id, case.project, *about])),
        answers_digest=_short(canonical_json(judged)),
        image_id=case.image_id,
        project=case.project,
        kinds=tuple(kind for kind, _ in problems),
        question=question,
        detail=" ".join(detail for _, detail in problems),
        least_iou=least_iou,
        given=tuple(shown),
    )


def _content(instance: Instance | None) -> str:
    """Return a hash of a mark and its answers, without its category; of nothing marked, the empty text's."""
    if instance is None:
        return _short("")
    row = instance_row(instance)
    return _short(canonical_json([row[name] for name in _CONTENT]))


def _short(text: str) -> str:
    return sha256_hex(text.encode())[:20]
