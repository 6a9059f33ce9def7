"""What counts of people's answers about a whole photograph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.adjudication.accounts import dissent
from workbench.adjudication.answers import Said
from workbench.adjudication.consensus import CANNOT_TELL, Outcome, most_said
from workbench.adjudication.disputes import Case, question_dispute
from workbench.domain.adjudication import Decision, Dispute, Kind, Verdict
from workbench.domain.taxonomy import REJECT


def settle_tags(outcome: Outcome, said: Mapping[str, Said], case: Case) -> None:
    """Add what counts for each question: what all said, else what an adjudicator decided, else what most said.

    A tie is ``cannot_tell``. Of a question that takes several values, each value counts that more than half gave. Who did
    not answer a question says nothing about it.
    """
    for question in sorted({question for about in said.values() for question in about} - {REJECT}):
        given = {name: about[question] for name, about in sorted(said.items()) if question in about}
        if len(set(given.values())) == 1:
            values, by = next(iter(given.values())), "agreement" if len(given) > 1 else "single"
            outcome.tags += _rows(question, values, len(given), by)
            continue
        told = " and ".join(sorted({", ".join(values) for values in given.values()}))
        dispute = question_dispute(case, question, given, Kind.TAG, f"{question} was answered {told}.")
        decision = case.decision_about(dispute)
        values = _decided(dispute, decision) if decision else _majority(list(given.values()))
        by = "adjudication" if decision else "majority"
        outcome.tags += _rows(question, values, len(given), by, decision)
        outcome.dissent += [
            dissent(Kind.TAG.value, each, said=f"{question}: {', '.join(each.values)}", truth=None, decision=decision)
            for each in dispute.given
            if each.values != values
        ]
        outcome.decided += [decision] if decision else []
        if decision is None:
            outcome.disputes.append(dispute)
            outcome.disagreements.append({"kind": Kind.TAG.value, "instance_ids": [], "detail": dispute.detail})


def _decided(dispute: Dispute, decision: Decision) -> tuple[str, ...]:
    winner = dispute.by_letter(decision.verdict.letter)
    if winner is not None:
        return winner.values
    return decision.values if decision.verdict is Verdict.CORRECTED and decision.values else (CANNOT_TELL,)


def _majority(given: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the values that most gave; where nobody gave several, the one value given most often."""
    if all(len(values) == 1 for values in given):
        return (most_said([value for (value,) in given]),)
    counts = Counter(value for values in given for value in values)
    return tuple(sorted(value for value, count in counts.items() if 2 * count > len(given))) or (CANNOT_TELL,)


def _rows(
    question: str, values: Sequence[str], annotators: int, decided_by: str, decision: Decision | None = None
) -> list[dict[str, Any]]:
    return [
        {
            "question": question,
            "value": value,
            "annotators": annotators,
            "decided_by": decided_by,
            "decision_id": decision and decision.decision_id,
        }
        for value in values
    ]
