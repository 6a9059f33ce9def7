"""`workbench withdraw`: a contribution is taken back, everywhere; cut short at any moment, a repeat completes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from workbench.adapters import dvc_purge, git
from workbench.cli import revocations
from workbench.cli.acting import DryRunOption, actor
from workbench.cli.command import command
from workbench.cli.contributions import ContributionArgument, known_standings
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.cli.withdrawal_certificate import certify, enter_withdrawal
from workbench.cli.withdrawal_places import Place, places, staying_files, track_data
from workbench.cli.withdrawal_reach import judge, reach
from workbench.custody.ledger import Ledger
from workbench.custody.standing import Standing, require_standing
from workbench.custody.withdrawal import Found, Plan, plan_path, read_plan, write_plan
from workbench.domain.findings import Finding, Severity, WorkbenchError, bad_usage, refused

#: What a withdrawal writes to besides custody; none of it may change meanwhile.
_LOCKS = ("custody", "labelling", "decisions", "curation", "catalogue", "release")

#: The reason told where the one first given is lost; the ledger has it.
_RECORD_LOST = "repeated after its record was lost; the ledger has the reason"


def register(app: typer.Typer) -> None:
    """Add `withdraw`."""
    command(app, "withdraw")(withdraw)


def withdraw(
    contribution: ContributionArgument,
    *,
    workspace: Workspace,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, in a sentence; everybody who has a release may read it.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: destroy what is listed.")] = False,
    dry_run: DryRunOption = False,
) -> Report:
    """Take a contribution back: destroy its key, and delete it and all that was made from it, everywhere.

    A repeat completes what could not be reached the first time.
    """
    with ExitStack() as held:
        for purpose in _LOCKS:
            held.enter_context(workspace.exclusive(purpose))
        standing = require_standing(known_standings(workspace.layout), contribution)
        plan = reach(workspace, _planned(workspace, standing, reason), standing)
        listed = places(workspace, plan, held)
        surveyed = _surveyed(workspace, plan, listed)
        if dry_run:
            return _listed(surveyed, standing)
        if not yes:
            _ask(surveyed, standing)
        return _carried_out(workspace, surveyed, listed)


def complete_pending(workspace: Workspace) -> Iterator[Report]:
    """Repeat each withdrawal that some place still waits for; yield what came of it."""
    for standing in known_standings(workspace.layout).values():
        if standing.withdrawn:
            path = plan_path(workspace.layout.custody, standing.contribution_id, standing.withdrawals)
            plan = read_plan(path)
            if plan is None or plan.pending:
                yield withdraw(standing.contribution_id, workspace=workspace, reason=_RECORD_LOST, yes=True)


def _planned(workspace: Workspace, standing: Standing, reason: str) -> Plan:
    """Return the withdrawal as recorded, or a new one.

    Raises
    ------
    Refused
        ``custody.held``.

    """
    if standing.held:
        raise refused(
            "custody.held",
            standing.contribution_id,
            f"is under a legal hold ({standing.held}) and cannot be withdrawn.",
            f"When the hold may be lifted: workbench unhold {standing.contribution_id} --reason REASON",
        )
    number = standing.withdrawals + (0 if standing.withdrawn else 1)
    known = read_plan(plan_path(workspace.layout.custody, standing.contribution_id, number))
    return known or Plan(
        contribution_id=standing.contribution_id,
        number=number,
        partner_id=standing.partner_id or "unknown",
        reason=reason,
        actor=actor(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _surveyed(workspace: Workspace, plan: Plan, listed: Sequence[Place]) -> Plan:
    """Return the plan with what each place holds now; what it held before some of it was purged stays."""
    found = dict(plan.places)
    for place in listed:
        found[place.name] = _looked(place, found.get(place.name, Found(found=0)))
    with dvc_purge.stores(workspace.layout.root, workspace.layout.state) as stores:
        objects = dvc_purge.judged(stores, judge(plan.traces), used=_used(workspace, plan))
        for name, count in dvc_purge.present(stores, objects).items():
            # It counts as found only when it goes: what else is made of it may still change until then.
            found[name] = Found(found=found.get(name, Found(found=0)).found, left=count)
        for name, why in stores.unreachable.items():
            found[name] = Found(found=found.get(name, Found(found=0)).found, pending=why)
    return replace(plan, places=found, releases=revocations.concerned(workspace, plan, objects))


def _used(workspace: Workspace, plan: Plan) -> set[str]:
    """Return the DVC objects of the tables and texts that stay in the workspace."""
    return dvc_purge.objects_of(staying_files(workspace, plan))


def _looked(place: Place, was: Found) -> Found:
    try:
        left = place.find()
    except WorkbenchError as error:
        return Found(found=was.found, pending=f"{error.findings[0].subject} {error.findings[0].message}")
    return Found(found=max(was.found, left), left=left)


def _rows(plan: Plan) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, place in plan.places.items():
        state = place.pending or ("nothing left" if place.done else f"{place.left} to purge")
        rows.append({"place": name, "found": max(place.found, place.left or 0), "state": state})
    return rows


def _listed(plan: Plan, standing: Standing) -> Report:
    what = f"{len(standing.files)} files of {plan.partner_id}, {len(plan.images)} images with what was made from them"
    superseded = f"; superseded: {', '.join(plan.releases)}" if plan.releases else ""
    return Report(
        summary=f"Would withdraw contribution {plan.contribution_id}: {what}{superseded}.",
        data=_told(plan, dry_run=True),
        rows=_rows(plan),
        next_command=f"workbench withdraw {plan.contribution_id} --reason REASON",
    )


def _told(plan: Plan, **more: Any) -> dict[str, Any]:
    return {
        "contribution_id": plan.contribution_id,
        "images": len(plan.images),
        "releases": list(plan.releases),
        "places": {name: {"found": p.found, "left": p.left, "pending": p.pending} for name, p in plan.places.items()},
        **more,
    }


def _ask(plan: Plan, standing: Standing) -> None:
    """Ask a person; without one, refuse.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.

    """
    if sys.stdin.isatty():
        for row in _rows(plan):
            typer.echo(f"  {row['found']:>7}  {row['place']} ({row['state']})", err=True)
        typer.echo(f"  superseded releases: {', '.join(plan.releases) or 'none'}", err=True)
        question = f"Destroy contribution {plan.contribution_id} ({len(standing.files)} files) for good?"
        if typer.confirm(question, default=False, err=True):
            return
    raise bad_usage(
        "usage.bad-argument",
        f"the withdrawal of {plan.contribution_id}",
        "was not confirmed; nothing was destroyed.",
        "Look at what --dry-run lists, then repeat with --yes.",
    )


def _carried_out(workspace: Workspace, plan: Plan, listed: Sequence[Place]) -> Report:
    """Record, then destroy, then look again, then say so: in that order, so that a repeat knows what to look for."""
    custody = workspace.layout.custody
    ledger = Ledger.open(custody)
    write_plan(custody, plan)
    enter_withdrawal(ledger, plan)
    for place in listed:
        plan = _purged(place, plan)
        write_plan(custody, plan)
    changed = track_data(workspace, plan, withdrawn_at=plan.started_at)
    plan = _purge_objects(workspace, plan)
    listing = revocations.supersede(workspace, plan)
    git.commit(workspace.layout.root, [*changed, *listing], f"Withdraw {plan.contribution_id}")
    write_plan(custody, plan)
    page = certify(workspace, ledger, plan)
    pending = plan.pending
    state = f"; pending in {len(pending)} places" if pending else ""
    superseded = f"; superseded: {', '.join(plan.releases)}" if plan.releases else ""
    return Report(
        summary=f"Contribution {plan.contribution_id} is withdrawn{state}{superseded}. "
        f"The certificate is {page.relative_to(workspace.layout.root)}.",
        data=_told(plan, certificate=str(page), complete=not pending),
        rows=_rows(plan),
        findings=[_pending(name, why) for name, why in pending.items()],
        next_command=f"workbench withdraw {plan.contribution_id} --reason REASON --yes"
        if pending
        else "workbench release build NAME",
    )


def _purged(place: Place, plan: Plan) -> Plan:
    was = plan.places[place.name]
    if was.left:
        try:
            place.purge()
        except WorkbenchError as error:
            why = f"{error.findings[0].subject} {error.findings[0].message}"
            return replace(plan, places={**plan.places, place.name: replace(was, pending=why)})
    return replace(plan, places={**plan.places, place.name: _looked(place, was)})


def _purge_objects(workspace: Workspace, plan: Plan) -> Plan:
    """Delete the objects from DVC's cache and remotes, and take them out of dvc.lock."""
    layout = workspace.layout
    with dvc_purge.stores(layout.root, layout.state) as stores:
        objects = dvc_purge.judged(stores, judge(plan.traces), used=_used(workspace, plan))
        plan = replace(plan, objects=tuple(sorted({*plan.objects, *objects})))
        told = dict(plan.places)
        for name, count in dvc_purge.present(stores, objects).items():
            told[name] = Found(found=max(told[name].found, count), left=count)
        write_plan(layout.custody, replace(plan, places=told))  # before anything goes: a repeat must count it too
        dvc_purge.forget_runs(layout.root, objects)
        for name in list(stores.held):
            told[name] = _deleted(stores, name, objects, told[name])
    return replace(plan, places=told)


def _deleted(stores: dvc_purge.Stores, name: str, objects: set[str], was: Found) -> Found:
    try:
        dvc_purge.delete(stores, name, objects)
    except Exception as error:  # noqa: BLE001 -- each kind of remote fails in its own way, and the others go on
        return replace(was, pending=f"{type(error).__name__}: {error}")
    return replace(was, left=dvc_purge.present(stores, objects)[name], pending=None)


def _pending(place: str, why: str) -> Finding:
    return Finding(
        code="custody.withdrawal-pending",
        subject=place,
        message=f"could not be cleared yet: {why}",
        remedy="Repeat the withdrawal once it can be reached.",
        severity=Severity.WARNING,
    )
