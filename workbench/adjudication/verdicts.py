"""What a decision about an object makes of it: ground truth, and dissent that stays beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workbench.adjudication.accounts import account, dissent, in_words
from workbench.adjudication.consensus import CANNOT_TELL, Outcome, Settled, as_truth, disagreement, majority, merged
from workbench.adjudication.disputes import Case
from workbench.domain.adjudication import OPEN_KINDS, Decision, Dispute, Given, Kind, Verdict
from workbench.domain.annotation import DecidedBy, Instance

#: The category of an object of which an adjudicator could not tell what it is.
UNKNOWN = "unknown"


def put_object(outcome: Outcome, settled: Settled, *, accept_iou: float, case: Case) -> None:
    """Add one object to what is made of its photograph: accepted by rule, decided about, or left open."""
    cluster, dispute = settled.cluster, settled.dispute
    members = [instance for _, instance in sorted(cluster.members.items())]
    rule = f"marked alike by all {len(members)}: one category, every two shapes overlap by at least {accept_iou:g}"
    if dispute is not None and settled.decision is not None:
        _put_decided(outcome, settled, dispute, settled.decision, accept_iou=accept_iou, case=case)
        return
    for kind, detail in settled.problems:
        outcome.disagreements.append(disagreement(kind.value, members, detail))
    if dispute is not None:
        outcome.disputes.append(dispute)
    if settled.is_open:
        outcome.status = "disagreed"
        return
    truth = merged(cluster)
    if dispute is not None:
        rule += "; facets by majority, a tie is cannot_tell; a text is kept when all read the same"
        outcome.dissent += [
            dissent(kind, given, said=said, truth=truth) for kind, given, said in _outvoted(dispute, truth)
        ]
    kinds = tuple(dict.fromkeys(kind.value for kind, _ in settled.problems))
    outcome.truth.append(truth)
    outcome.accounts.append(
        account(truth, members, rule=rule, case=case, least_iou=cluster.least_iou, open_kinds=kinds)
    )


def _outvoted(dispute: Dispute, truth: Instance) -> list[tuple[str, Given, str]]:
    """Return who said otherwise than the rule of majority has it, with the kind and what was said."""
    found = []
    for given in dispute.given:
        mark = given.instance
        if mark is None:
            continue
        if mark.transcription != truth.transcription:
            found.append((Kind.TRANSCRIPTION.value, given, f"reads {mark.transcription!r}"))
        found += [
            (Kind.FACET.value, given, f"{code}: {value}")
            for code, value in sorted(mark.facets.items())
            if truth.facets.get(code) != value
        ]
    return found


def _put_decided(
    outcome: Outcome, settled: Settled, dispute: Dispute, decision: Decision, *, accept_iou: float, case: Case
) -> None:
    members = [instance for _, instance in sorted(settled.cluster.members.items())]
    outcome.decided.append(decision)
    truths = decided_truth(settled, dispute, decision, accept_iou=accept_iou)
    if truths is None:
        outcome.status = "disagreed"
        said = f"{dispute.detail} An adjudicator could not tell."
        outcome.disagreements.append(disagreement(dispute.kinds[0].value, members, said))
        return
    if outcome.status == "agreed":
        outcome.status = "adjudicated"
    winner = dispute.by_letter(decision.verdict.letter)
    for truth in truths:
        outcome.truth.append(truth)
        outcome.accounts.append(
            account(
                truth,
                members,
                rule=_rule(decision, winner),
                case=case,
                least_iou=settled.cluster.least_iou,
                decision=decision,
            )
        )
    replaced = truths[0] if len(truths) == 1 else None
    outcome.dissent += [
        dissent(dispute.kinds[0].value, given, said=in_words(given.instance), truth=replaced, decision=decision)
        for given in dispute.given
        if given is not winner and _differs(dispute.kinds[0], given, replaced)
    ]


def _differs(kind: Kind, given: Given, truth: Instance | None) -> bool:
    """Return whether an answer said something else than what became ground truth of it."""
    mark = given.instance
    if mark is None or truth is None:
        return (mark is None) != (truth is None)
    if kind in OPEN_KINDS:
        return kind is Kind.GEOMETRY or mark.category != truth.category
    other_facets = any(truth.facets.get(code) != value for code, value in mark.facets.items())
    return other_facets or mark.transcription != truth.transcription


def _rule(decision: Decision, winner: Given | None) -> str:
    if winner is not None:
        return f"an adjudicator found the answer of {winner.annotator} right"
    return {
        Verdict.CORRECTED: "an adjudicator drew it, no answer being right",
        Verdict.CANNOT_TELL: "an adjudicator could not tell",
    }.get(decision.verdict, "an adjudicator decided")


def decided_truth(
    settled: Settled, dispute: Dispute, decision: Decision, *, accept_iou: float
) -> list[Instance] | None:
    """Return what a decision makes ground truth, nothing if there is no such object, None if it stays undecided."""
    members = [instance for _, instance in sorted(settled.cluster.members.items())]
    mean_iou = settled.cluster.mean_iou
    if decision.verdict is Verdict.CORRECTED:
        image_id = members[0].image_id
        drawn = [replace(each, image_id=image_id) for each in decision.corrections]
        return [as_truth([each], each, DecidedBy.ADJUDICATION, mean_iou=mean_iou) for each in drawn]
    if decision.verdict is Verdict.NO_SUCH_OBJECT:
        return []
    if decision.verdict is Verdict.CANNOT_TELL:
        return _untold(settled, dispute, accept_iou=accept_iou)
    winner = dispute.by_letter(decision.verdict.letter)
    if winner is None or winner.instance is None:
        return []
    if not OPEN_KINDS.isdisjoint(dispute.kinds):
        return [as_truth(members, winner.instance, DecidedBy.ADJUDICATION, mean_iou=mean_iou)]
    facets = {**majority(members), **winner.instance.facets}
    text = winner.instance.transcription
    return [
        _as_decided(
            settled, facets, text if Kind.TRANSCRIPTION in dispute.kinds else merged(settled.cluster).transcription
        )
    ]


def _untold(settled: Settled, dispute: Dispute, *, accept_iou: float) -> list[Instance] | None:
    """Return the object where an adjudicator could not tell: with an unknown category, or what is disputed left out."""
    members = [instance for _, instance in sorted(settled.cluster.members.items())]
    one = merged(settled.cluster)
    if dispute.kinds[0] is Kind.CATEGORY and len(members) == len(dispute.given):
        shapes_agree = (settled.cluster.least_iou or 0.0) >= accept_iou
        return [replace(_as_decided(settled, one.facets, None), category=UNKNOWN)] if shapes_agree else None
    if not OPEN_KINDS.isdisjoint(dispute.kinds):
        return None
    disputed = {
        code: CANNOT_TELL
        for code in one.facets
        if len({member.facets[code] for member in members if code in member.facets}) > 1
    }
    text = None if Kind.TRANSCRIPTION in dispute.kinds else one.transcription
    return [_as_decided(settled, {**one.facets, **disputed}, text)]


def _as_decided(settled: Settled, facets: Mapping[str, str], transcription: str | None) -> Instance:
    """Return the object all marked alike, with facets and text as they were decided."""
    return replace(
        merged(settled.cluster),
        facets=dict(sorted(facets.items())),
        transcription=transcription,
        decided_by=DecidedBy.ADJUDICATION,
    )
