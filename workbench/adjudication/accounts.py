"""How each ground-truth object came to be, and what was said that did not become ground truth: rows for two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.adjudication.disputes import Case
from workbench.domain.adjudication import Decision, Given
from workbench.domain.annotation import Instance
from workbench.domain.lineage import canonical_json

#: What an account says of an answer, from `tables.ANNOTATIONS`; what that table lacks is null.
_OF_ANSWER = ("pass_", "submitted_at", "lead_time_s", "source", "guide_version", "taxonomy_version")


def account(
    truth: Instance,
    members: Sequence[Instance],
    *,
    rule: str,
    case: Case,
    least_iou: float | None = None,
    open_kinds: Sequence[str] = (),
    decision: Decision | None = None,
) -> dict[str, Any]:
    """Return the row of `tables.ACCOUNTS` of one ground-truth object, without image_id and project.

    Parameters
    ----------
    members
        The marks it follows from; of a corrected one, those it replaces.
    rule
        Which rule was applied, with its numbers.

    """
    return {
        "instance_id": truth.instance_id,
        "decided_by": truth.decided_by and truth.decided_by.value,
        "rule": rule,
        "answers": canonical_json([_answer(mark, case) for mark in sorted(members, key=lambda m: m.instance_id)]),
        "mean_iou": truth.agreement_iou,
        "least_iou": least_iou,
        "open": list(open_kinds),
        **_decided(decision),
    }


def _answer(mark: Instance, case: Case) -> dict[str, Any]:
    row: Mapping[str, Any] = case.rows.get(mark.annotation_id or "", {})
    return {
        "annotator": mark.annotator,
        "annotation_id": mark.annotation_id,
        "instance_id": mark.instance_id,
        "said": in_words(mark),
        **{name.rstrip("_"): row.get(name) for name in _OF_ANSWER},
    }


def _decided(decision: Decision | None) -> dict[str, str | None]:
    if decision is None:
        return dict.fromkeys(("decision_id", "adjudicator", "decided_at", "verdict", "reason", "reference"))
    return {
        "decision_id": decision.decision_id,
        "adjudicator": decision.adjudicator,
        "decided_at": decision.decided_at,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "reference": decision.reference,
    }


def dissent(
    kind: str, given: Given, *, said: str, truth: Instance | None, decision: Decision | None = None
) -> dict[str, Any]:
    """Return the row of `tables.DISSENT` of one answer that was overruled, without image_id and project."""
    return {
        "kind": kind,
        "annotator": given.annotator,
        "annotation_id": given.annotation_id,
        "instance_id": given.instance and given.instance.instance_id,
        "said": said,
        "truth_instance_id": truth and truth.instance_id,
        "overruled_by": "adjudication" if decision else "majority",
        "decision_id": decision and decision.decision_id,
        "reason": decision and decision.reason,
    }


def in_words(mark: Instance | None) -> str:
    """Return what a mark says, as one line.

    Examples
    --------
    >>> in_words(None)
    'not marked'

    """
    if mark is None:
        return "not marked"
    parts = [f"{mark.category} ({mark.shape.value})"]
    parts += [f"reads {mark.transcription!r}"] if mark.transcription else []
    parts += [f"{code}: {value}" for code, value in sorted(mark.facets.items())]
    return ", ".join(parts)
