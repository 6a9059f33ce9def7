"""What is still to be decided, in the order in which it should be, and which decisions no longer stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workbench.adjudication.consensus import Outcome
from workbench.domain.adjudication import Decision, Dispute
from workbench.domain.findings import Finding, Severity


def order_disputes(disputes: Iterable[Dispute], order: Sequence[str]) -> list[Dispute]:
    """Return the disputes whose kinds params.yaml lists, the most consequential first.

    A dispute goes by the first of its kinds in the order given; among those, the least overlap of shapes comes first, and
    ties go by photograph, so that what is disagreed about on one photograph stands together.
    """
    rank = {kind: number for number, kind in enumerate(order)}
    listed = [
        (min((rank[kind] for kind in dispute.kinds if kind in rank), default=None), dispute) for dispute in disputes
    ]
    return [
        dispute
        for _, dispute in sorted(
            ((place, dispute) for place, dispute in listed if place is not None),
            key=lambda pair: (pair[0], pair[1].least_iou or 0.0, pair[1].image_id, pair[1].dispute_id),
        )
    ]


def stale_decisions(decisions: Iterable[Decision], outcomes: Mapping[str, Outcome]) -> list[Decision]:
    """Return the latest decisions that were not followed, because the answers they judged are others by now."""
    followed = {decision.decision_id for outcome in outcomes.values() for decision in outcome.decided}
    latest = {decision.dispute_id: decision for decision in decisions}
    return [decision for decision in latest.values() if decision.decision_id not in followed]


def stale_finding(decision: Decision, *, queued_again: bool) -> Finding:
    """Return what to tell about a decision that no longer stands."""
    about = decision.question or "an object"
    told = "it is open again" if queued_again else "nothing is disagreed about it any more"
    return Finding(
        code="adjudication.stale-decision",
        subject=f"photograph {decision.image_id[:12]}, {about} ({decision.project})",
        message=f"was decided on {decision.decided_at[:10]}, but the answers have changed since; {told}.",
        remedy="Run `workbench adjudication queue`, and decide again." if queued_again else "Nothing is to be done.",
        severity=Severity.WARNING if queued_again else Severity.NOTE,
    )
