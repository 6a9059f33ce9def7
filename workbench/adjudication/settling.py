"""One photograph's outcome: what people said about it, by the rules of params.yaml and the decisions of adjudicators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.adjudication.accounts import account, dissent
from workbench.adjudication.answers import Answers
from workbench.adjudication.consensus import Outcome, as_truth, disagreement, most_said, settle_objects
from workbench.adjudication.disputes import Case, question_dispute
from workbench.adjudication.tags import settle_tags
from workbench.adjudication.verdicts import put_object
from workbench.domain.adjudication import Decision, Dispute, Kind, Verdict
from workbench.domain.annotation import DecidedBy, Instance
from workbench.domain.taxonomy import REJECT, Taxonomy

#: What a photograph's status may be, the most settled first; the least settled of its projects is the photograph's. What one
#: project rejects may well be labelled in another.
STATUSES = ("rejected", "adjudicated", "agreed", "imported", "single", "disagreed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What settles a photograph: the section adjudication of params.yaml, decisions by photograph, and today's codes."""

    params: Mapping[str, Any]
    decisions: Mapping[str, Mapping[str, Decision]]
    taxonomy: Taxonomy | None = None

    def case(self, project: str, of: Answers) -> Case:
        """Return what is known of one photograph in one project."""
        delivered = next((row["image_id"] for row in of.rows.values()), "")
        return Case(
            image_id=delivered,
            project=project,
            annotations=of.latest,
            rows=of.rows,
            decisions=self.decisions.get(delivered, {}),
            taxonomy=self.taxonomy,
        )


def settle_photograph(projects: Mapping[str, Answers], rules: Rules) -> Outcome:
    """Return the outcome for one photograph over all projects it was answered in.

    Projects ask about different things, so answers are only compared within one; ground truth is what all of them
    settle, and the status is that of the least settled. Imported labels count only where nobody answered at all. A
    photograph that was only asked about, in projects where nothing is drawn, has no status: nobody labelled it.
    """
    answered = [name for name in sorted(projects) if projects[name].blind or projects[name].adjudicated]
    drawn = [name for name in answered if projects[name].draws]
    # The same photograph may have been labelled elsewhere more than once: the first source in order counts.
    imported = [name for name in sorted(projects) if projects[name].imported]
    asked = [name for name in answered if name not in drawn]
    whole = Outcome(status=None)
    for name in [*(drawn or imported[:1]), *asked]:
        outcome = _look_again(settle(projects[name], rules, project=name), projects[name])
        for part in ("truth", "disagreements", "disputes", "decided"):
            getattr(whole, part).extend(getattr(outcome, part))
        for part in ("accounts", "dissent", "tags"):
            getattr(whole, part).extend({**row, "project": name} for row in getattr(outcome, part))
        if name not in asked:
            statuses = [status for status in (whole.status, outcome.status) if status]
            whole.status = max(statuses, key=STATUSES.index)
    return whole


def _look_again(outcome: Outcome, of: Answers) -> Outcome:
    """Return the outcome, kept open where an object's code was split or deprecated since it was drawn."""
    if not of.stale:
        return outcome
    codes = ", ".join(sorted({instance.category for instance in of.stale}))
    detail = f"The taxonomy no longer has {codes} as one label: label these again."
    rows = [*outcome.disagreements, disagreement("relabel", of.stale, detail)]
    return replace(outcome, status="disagreed", disagreements=rows)


def settle(of: Answers, rules: Rules, *, project: str = "") -> Outcome:
    """Return the outcome for one photograph in one project; who decided later outweighs who answered first.

    The latest adjudicator's answer is the truth, and what it overrules stays as dissent. Then come people's blind answers;
    imported labels count only where nobody answered.
    """
    case = rules.case(project, of)
    if of.adjudicated:
        return _reviewed_whole(of, case)
    if not of.blind:
        first = min(of.imported)
        outcome = Outcome(status="imported")
        _keep_all(outcome, of.imported[first], DecidedBy.IMPORTED, "taken over as it was imported", case)
        return outcome
    outcome = _settle_rejection(of, case)
    if outcome.status is not None:
        return outcome
    outcome.status = "agreed"
    standing = _standing(of, case)
    settle_tags(outcome, {name: of.said.get(name, {}) for name in standing}, case)
    if not of.draws:
        return outcome
    answers = {name: of.blind[name] for name in standing}
    decided = len(standing) < len(of.blind)
    if len(answers) > 1:
        match_iou, accept_iou = rules.params["match_iou"], rules.params["accept_iou"]
        for settled in settle_objects(answers, match_iou=match_iou, accept_iou=accept_iou, case=case):
            put_object(outcome, settled, accept_iou=accept_iou, case=case)
    else:
        _settle_single(
            outcome, *answers.values(), accept=decided or rules.params["single_annotator"] == "accept", case=case
        )
    if decided and outcome.status in ("agreed", "single"):
        outcome.status = "adjudicated"
    return outcome


def _settle_single(outcome: Outcome, answer: Sequence[Instance], *, accept: bool, case: Case) -> None:
    if accept:
        outcome.status = "single"
        _keep_all(outcome, answer, DecidedBy.SINGLE, "the only answer, accepted by single_annotator: accept", case)
        return
    outcome.status = "disagreed"
    outcome.disagreements.append(disagreement("single", answer, "Only one person answered so far."))


def _keep_all(
    outcome: Outcome,
    answer: Sequence[Instance],
    decided_by: DecidedBy,
    rule: str,
    case: Case,
    decision: Decision | None = None,
) -> None:
    """Make one answer's instances ground truth, as they are."""
    for instance in answer:
        truth = as_truth([instance], instance, decided_by)
        outcome.truth.append(truth)
        outcome.accounts.append(account(truth, [instance], rule=rule, case=case, decision=decision))


def _reviewed_whole(of: Answers, case: Case) -> Outcome:
    """Return the outcome where an adjudicator answered for the whole photograph."""
    name = list(of.adjudicated)[-1]
    outcome = Outcome(status="adjudicated")
    _keep_all(outcome, of.adjudicated[name], DecidedBy.ADJUDICATION, f"the whole answer of adjudicator {name}", case)
    overruled = [mark for answer in of.blind.values() for mark in answer]
    if overruled:
        outcome.disagreements.append(disagreement("dissent", overruled, "An adjudicator decided about these."))
    return outcome


def _rejecting(of: Answers) -> dict[str, tuple[str, ...]]:
    return {name: of.said[name][REJECT] for name in of.blind if REJECT in of.said.get(name, {})}


def _rejection_dispute(of: Answers, case: Case) -> Dispute | None:
    """Return the dispute about a photograph that some reject and others label, None if they are of one mind."""
    rejecting = _rejecting(of)
    if not rejecting or len(rejecting) == len(of.blind):
        return None
    reasons = ", ".join(sorted({value for values in rejecting.values() for value in values}))
    detail = f"{len(rejecting)} of {len(of.blind)} say it cannot be labelled ({reasons}), the others labelled it."
    return question_dispute(case, REJECT, {name: rejecting.get(name, ()) for name in of.blind}, Kind.REJECT, detail)


def _standing(of: Answers, case: Case) -> list[str]:
    """Return the annotators whose answers are compared: without those who were overruled in rejecting the photograph."""
    rejecting = _rejecting(of)
    return [name for name in of.blind if name not in rejecting] if _rejection_dispute(of, case) else list(of.blind)


def _settle_rejection(of: Answers, case: Case) -> Outcome:
    """Return the outcome of a photograph that somebody rejects; without a status if what was labelled on it counts."""
    rejecting = _rejecting(of)
    outcome = Outcome(status=None)
    dispute = _rejection_dispute(of, case)
    if rejecting and dispute is None:
        outcome.status = "rejected"
        values = [value for values in rejecting.values() for value in values]
        outcome.tags.append(_reject_tag(most_said(values), len(values), "agreement" if len(values) > 1 else "single"))
    if dispute is None:
        return outcome
    decision = case.decision_about(dispute)
    outcome.decided += [decision] if decision else []
    if decision is None or decision.verdict is Verdict.CANNOT_TELL:
        outcome.status = "disagreed"
        marks = [mark for answer in of.blind.values() for mark in answer]
        told = "" if decision is None else " An adjudicator could not tell."
        outcome.disagreements.append(disagreement(Kind.REJECT.value, marks, dispute.detail + told))
        outcome.disputes += [dispute] if decision is None else []
        return outcome
    return _decided_rejection(outcome, dispute, decision, of, case)


def _decided_rejection(outcome: Outcome, dispute: Dispute, decision: Decision, of: Answers, case: Case) -> Outcome:
    """Return the outcome of a decision: rejected, labelled by the adjudicator, or open to what was labelled."""
    winner = dispute.by_letter(decision.verdict.letter)
    values = winner.values if winner else decision.values
    if values:
        outcome.status = "rejected"
        outcome.tags.append(_reject_tag(values[0], len(dispute.given), "adjudication", decision))
    elif winner is None:
        outcome.status = "adjudicated"
        drawn = [replace(each, image_id=of.image_id) for each in decision.corrections]
        _keep_all(outcome, drawn, DecidedBy.ADJUDICATION, "an adjudicator labelled the photograph", case, decision)
    lost = [given for given in dispute.given if bool(given.values) != bool(values) or winner is None]
    outcome.dissent += [
        dissent(
            Kind.REJECT.value,
            given,
            said=f"cannot be labelled: {', '.join(given.values)}" if given.values else "labelled it",
            truth=None,
            decision=decision,
        )
        for given in lost
    ]
    return outcome


def _reject_tag(value: str, annotators: int, decided_by: str, decision: Decision | None = None) -> dict[str, Any]:
    return {
        "question": REJECT,
        "value": value,
        "annotators": annotators,
        "decided_by": decided_by,
        "decision_id": decision and decision.decision_id,
    }
