"""`workbench contribution`, `hold` and `unhold`: how each hand-over stands, and keeping one from being withdrawn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption, actor
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.ledger import Event, Ledger
from workbench.custody.standing import Standing, bodies_of, require_standing, standings
from workbench.custody.withdrawal import plan_path, read_plan
from workbench.domain.delivery import UsageTerms
from workbench.domain.findings import Finding, refused
from workbench.domain.terms import terms_digest, terms_line
from workbench.layout import Layout

ContributionArgument = Annotated[str, typer.Argument(metavar="CONTRIBUTION", help="Its id, as c-0123456789ab.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in a sentence; it stands in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add `contribution`, `hold` and `unhold`."""
    group = typer.Typer(help="What was handed over, and how it stands.", no_args_is_help=True)
    app.add_typer(group, name="contribution")
    command(group, "list")(contribution_list)
    command(group, "show")(contribution_show)
    command(app, "hold")(hold)
    command(app, "unhold")(unhold)


def known_standings(layout: Layout) -> dict[str, Standing]:
    """Return the standing of every contribution of a workspace; none before the first reception."""
    if not (layout.custody / "ledger.db").is_file():
        return {}
    return standings(bodies_of(Ledger.open(layout.custody).each()))


def record_of(layout: Layout, contribution_id: str) -> Mapping[str, Any]:
    """Return the record of a contribution as it was received; empty where there is none."""
    try:
        told: Mapping[str, Any] = json.loads(
            (layout.deliveries / contribution_id / "contribution.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return {}
    return told


def contribution_list(*, workspace: Workspace) -> Report:
    """List the contributions: received, held or withdrawn."""
    rows = []
    for standing in known_standings(workspace.layout).values():
        if standing.files:
            record = record_of(workspace.layout, standing.contribution_id)
            rows.append(
                {
                    "contribution_id": standing.contribution_id,
                    "partner_id": standing.partner_id,
                    "received_at": (standing.received_at or "")[:19],
                    "files": len(standing.files),
                    "licence": record.get("licence"),
                    "state": _state(workspace.layout, standing),
                }
            )
    return Report(summary=f"{len(rows)} contributions.", rows=rows, data={"contributions": rows})


def _state(layout: Layout, standing: Standing) -> str:
    """Return how a contribution stands; of a withdrawn one also whether something is pending."""
    if standing.withdrawn:
        plan = read_plan(plan_path(layout.custody, standing.contribution_id, standing.withdrawals))
        return "withdrawn" if plan and plan.places and not plan.pending else "withdrawn, purge pending"
    return standing.state


def contribution_show(contribution: ContributionArgument, *, workspace: Workspace) -> Report:
    """Show one contribution: its terms, how it stands, and what holds it."""
    layout = workspace.layout
    standing = require_standing(known_standings(layout), contribution)
    record = record_of(layout, contribution)
    terms = UsageTerms.from_json(record.get("terms", {}))
    state = _state(layout, standing)
    told: dict[str, Any] = {
        "state": state,
        "partner_id": standing.partner_id,
        "received_at": standing.received_at,
        "files": len(standing.files),
        "licence": record.get("licence"),
        "terms": terms_line(terms) if record else None,
        "terms_sha256": standing.terms_sha256,
        "held": standing.held,
        "withdrawals": standing.withdrawals,
    }
    pending = "pending" in state
    return Report(
        summary=f"Contribution {contribution}: {state}.",
        data={**told, "terms": terms.to_json() if record else None},
        rows=[{"fact": key, "value": value} for key, value in told.items()],
        next_command=f"workbench withdraw {contribution} --reason REASON" if pending else None,
    )


def hold(
    contribution: ContributionArgument, *, workspace: Workspace, reason: ReasonOption, dry_run: DryRunOption = False
) -> Report:
    """Put a legal hold on a contribution: it cannot be withdrawn until `unhold`."""
    return _enter(workspace, contribution, "hold", reason, dry_run=dry_run)


def unhold(
    contribution: ContributionArgument, *, workspace: Workspace, reason: ReasonOption, dry_run: DryRunOption = False
) -> Report:
    """Lift the legal hold from a contribution."""
    return _enter(workspace, contribution, "unhold", reason, dry_run=dry_run)


def _enter(workspace: Workspace, contribution: str, kind: str, reason: str, *, dry_run: bool) -> Report:
    with workspace.exclusive("custody"):
        standing = require_standing(known_standings(workspace.layout), contribution)
        if standing.withdrawn:
            raise refused(
                "custody.withdrawn",
                contribution,
                "is withdrawn: its key is destroyed, and nothing is left to hold.",
                "See `workbench contribution show`.",
            )
        was = standing.held
        changes = was != reason if kind == "hold" else was is not None
        if changes and not dry_run:
            event = Event(
                kind=kind,
                actor=actor(),
                partner_id=standing.partner_id,
                contribution_id=contribution,
                reason=reason,
            )
            Ledger.open(workspace.layout.custody).append([event], now=datetime.now(UTC))
    return Report(
        summary=f"Contribution {contribution} {_said(kind, changes=changes, dry_run=dry_run)}.",
        data={"contribution_id": contribution, "held": reason if kind == "hold" else None, "changed": changes},
        next_command=f"workbench contribution show {contribution}",
    )


def _said(kind: str, *, changes: bool, dry_run: bool) -> str:
    if not changes:
        return "is held already, for this very reason" if kind == "hold" else "is not held"
    if dry_run:
        return "would be held" if kind == "hold" else "would no longer be held"
    return "is held: it cannot be withdrawn" if kind == "hold" else "is no longer held"


def terms_findings(layout: Layout) -> Iterator[Finding]:
    """Yield the contributions whose record states other terms than the ledger's entry of their reception."""
    for standing in known_standings(layout).values():
        path = layout.deliveries / standing.contribution_id / "contribution.json"
        if standing.withdrawn or standing.terms_sha256 is None or not path.is_file():
            continue
        if _digest_of(path) != standing.terms_sha256:
            yield Finding(
                code="custody.terms-altered",
                subject=standing.contribution_id,
                message="has other usage terms in its record than when it was received.",
                remedy="Restore data/00_deliveries with `dvc checkout`; terms of past contributions do not change.",
            )


def _digest_of(path: Path) -> str | None:
    """Return the digest of the terms that a record states; nothing if it states none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return terms_digest(record["licence"], UsageTerms.from_json(record["terms"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
