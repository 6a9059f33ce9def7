"""What a push of a campaign would do: its photographs chosen, checks weighed, and a plan made for each desk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.domain.campaign import Campaign, Desk
from workbench.domain.findings import Finding, Refused, Severity
from workbench.labelling.assignment import Assignment, Slot, State, assign, choose_photographs
from workbench.labelling.candidates import COLUMNS
from workbench.labelling.query import QueryProblem, read_query
from workbench.labelling.tasks import TaskPlan, plan_tasks
from workbench.ports import LabellerTask

#: How many ids a finding shows.
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """What stands and what is to be added.

    Parameters
    ----------
    desks
        A plan for each desk that is there or is to be.
    assignment
        Who gets what.
    standing
        What lies on desks already.
    photographs
        The campaign's photographs, in order.
    sensitive, gold
        Which photographs are flagged, and which serve as checks.
    findings
        What is worth telling.

    """

    desks: Mapping[Desk, TaskPlan]
    assignment: Assignment
    standing: tuple[Slot, ...]
    photographs: tuple[str, ...]
    sensitive: frozenset[str]
    gold: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def settled(self) -> bool:
        """Whether the server holds all it should, and nothing twice."""
        return all(plan.settled for plan in self.desks.values())


def plan_campaign(
    campaign: Campaign,
    facts: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Mapping[str, Any]],
    there: Mapping[Desk, Sequence[LabellerTask]],
    *,
    scores: Mapping[str, float],
    predictions: Mapping[str, Mapping[str, Any]],
    data: Path,
    media_root: Path,
    today: str,
) -> CampaignPlan:
    """Return what each desk lacks.

    Parameters
    ----------
    facts
        What is known of every photograph (`candidates.read_candidates`).
    rows
        Rows of `tables.IMAGES` of photographs that labellers may be shown, by image_id.
    there
        The tasks of every desk that is on the server.
    predictions
        Pre-annotations by image_id; a blind campaign shows none.

    Raises
    ------
    Refused
        ``labelling.campaign-invalid`` if a query cannot be answered, ``labelling.outside-media``.

    """
    standing = tuple(slot for desk, tasks in there.items() for slot in _slots(desk, tasks))
    found = _matching(campaign, campaign.photographs.where, facts, "photographs.where")
    sensitive = sensitive_photographs(campaign, facts)
    checks = set(campaign.gold.photographs)
    able = {i for i in found if i in rows and (facts[i]["excluded"] is None or facts[i]["sent_back"])} - checks
    taken = {slot.image_id for slot in standing if slot.image_id in rows} - checks
    chosen = choose_photographs(able, taken, campaign.photographs, scores)
    gold, findings = _usable_gold(campaign, facts, rows, chosen)
    made = assign(campaign, chosen, standing, sensitive=sensitive, gold=gold, today=today)
    desks = {
        desk: _plan_desk(campaign, desk, tasks, made, rows, predictions, data, media_root)
        for desk, tasks in there.items()
    }
    for title in made.added:
        desk = campaign.desk(title)
        if desk is not None and desk not in desks:
            desks[desk] = _plan_desk(campaign, desk, (), made, rows, predictions, data, media_root)
    findings += _short(campaign, made.short)
    if not chosen:
        findings.append(_nothing_chosen(campaign))
    return CampaignPlan(
        desks=desks,
        assignment=made,
        standing=standing,
        photographs=tuple(chosen),
        sensitive=frozenset(sensitive),
        gold=frozenset(gold),
        findings=tuple(findings),
    )


def sensitive_photographs(campaign: Campaign, facts: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the photographs that the campaign's file flags as sensitive.

    Raises
    ------
    Refused
        ``labelling.campaign-invalid`` if the query cannot be answered.

    """
    where = campaign.exposure.where
    return _matching(campaign, where, facts, "exposure.where") if where else set()


def _slots(desk: Desk, tasks: Iterable[LabellerTask]) -> list[Slot]:
    """Return what lies on a desk, each photograph once."""
    found: dict[str, Slot] = {}
    for task in tasks:
        state = State.ANSWERED if task.answers else State.SKIPPED if task.skips else State.OPEN
        slot = Slot(desk=desk, image_id=task.sha256, state=state, day=task.made_at[:10])
        if task.sha256 not in found or state is State.ANSWERED:
            found[task.sha256] = slot
    return list(found.values())


def _plan_desk(
    campaign: Campaign,
    desk: Desk,
    tasks: Sequence[LabellerTask],
    made: Assignment,
    rows: Mapping[str, Mapping[str, Any]],
    predictions: Mapping[str, Mapping[str, Any]],
    data: Path,
    media_root: Path,
) -> TaskPlan:
    """Return what one desk lacks: what it has stays as it is and in its place, what is added comes after."""
    order = [*dict.fromkeys(task.sha256 for task in tasks), *made.added.get(desk.title, ())]
    return plan_tasks(
        [rows[image_id] for image_id in order if image_id in rows],
        tasks,
        data=data,
        media_root=media_root,
        predictions={} if campaign.blind else predictions,
        order=order,
        bare=True,
    )


def _matching(campaign: Campaign, query: str, facts: Mapping[str, Mapping[str, Any]], where: str) -> set[str]:
    try:
        asked = read_query(query, COLUMNS)
        return {image_id for image_id, known in facts.items() if asked.matches(known)}
    except QueryProblem as problem:
        finding = Finding(
            code="labelling.campaign-invalid",
            subject=f"campaigns/{campaign.name}.yaml",
            message=f"has a query in {where} that {problem}.",
            remedy="Correct the query.",
        )
        raise Refused(finding) from problem


def _usable_gold(
    campaign: Campaign,
    facts: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Mapping[str, Any]],
    chosen: Sequence[str],
) -> tuple[list[str], list[Finding]]:
    """Return the photographs that can serve as checks, and why others cannot.

    A task's address names the contribution that its photograph came in: a check from one that the campaign has no other
    photograph of could be told by it.
    """
    sources = {facts[image_id]["contribution"] for image_id in chosen if image_id in facts}
    reasons: dict[str, list[str]] = {}
    usable = []
    for image_id in campaign.gold.photographs:
        known = facts.get(image_id)
        if known is None or image_id not in rows:
            reason = "may not be shown to labellers, or are not there"
        elif not known["truth"]:
            reason = "have no settled labels to check against"
        elif chosen and known["contribution"] not in sources:
            reason = "come from contributions of which the campaign has no other photograph: that would give them away"
        else:
            usable.append(image_id)
            continue
        reasons.setdefault(reason, []).append(image_id)
    findings = [
        Finding(
            code="labelling.gold-unusable",
            subject=f"{len(ids)} checks of {campaign.name} ({', '.join(i[:12] for i in ids[:_SHOWN])})",
            message=f"{reason}.",
            remedy="Take them out of gold.photographs, or choose others.",
            severity=Severity.WARNING,
        )
        for reason, ids in reasons.items()
    ]
    return usable, findings


def _short(campaign: Campaign, short: Mapping[str, int]) -> list[Finding]:
    if not short:
        return []
    finding = Finding(
        code="labelling.too-few-labellers",
        subject=f"{len(short)} photographs of {campaign.name} ({', '.join(i[:12] for i in list(short)[:_SHOWN])})",
        message=f"lack {sum(short.values())} answers that nobody may be asked for: who is left has them already, has "
        "declined such photographs, or has reached a limit.",
        remedy="Add a labeller or raise a limit in the campaign's file; limits of a day are open again tomorrow.",
        severity=Severity.WARNING,
    )
    return [finding]


def _nothing_chosen(campaign: Campaign) -> Finding:
    return Finding(
        code="labelling.nothing-chosen",
        subject=f"campaigns/{campaign.name}.yaml",
        message="chooses no photograph.",
        remedy="Widen photographs.where, or admit photographs first; those excluded or held back are never chosen.",
        severity=Severity.WARNING,
    )
