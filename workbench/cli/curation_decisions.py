"""`workbench curation decide` and `decisions`: what curators decide about photographs, and the list of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from workbench import tables
from workbench.adapters import dvc
from workbench.cli.reception import DryRunOption, actor
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.curation import decisions as held
from workbench.curation.decisions import Action, Decision, require_known
from workbench.domain.findings import bad_usage
from workbench.layout import Layout

__all__ = ["decide", "decisions", "ensure_list", "require_known"]

#: What happens next, by action.
_NEXT = {
    Action.EXCLUDE: "workbench curation",
    Action.KEEP: "workbench curation",
    Action.GROUP: "workbench curation",
    Action.RELABEL: "workbench labelling push",
}


def ensure_list(layout: Layout) -> None:
    """Make and track an empty list of decisions where there is none: DVC wants every input of a stage to be there."""
    if held.ensure_list(layout.curation_decisions):
        dvc.add(layout.root, [layout.curation_decisions])


def decide(
    action: Annotated[Action, typer.Argument(help="exclude, keep, group or relabel (send back to labelling).")],
    image_ids: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="image_ids; 8 characters of each do.")],
    *,
    workspace: Workspace,
    reason: Annotated[str, typer.Option("--reason", help="Why, in one sentence; it is kept.")],
    by: Annotated[str | None, typer.Option("--by", help="Who decides. [default: the system's user]")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Append a curator's decision about photographs; `workbench curation` acts on it.

    `exclude` leaves photographs out, `keep` takes that back, `group` keeps them in one split, `relabel` leaves them out
    and gives each a new task with the next `labelling push`, until `keep`. Nothing is ever taken off the list.
    """
    layout = workspace.layout
    rows = tables.read_all_rows(sorted(layout.intake.glob("*/images.parquet")), tables.IMAGES)
    ids = require_known(image_ids, (row["image_id"] for row in rows))
    if not reason.strip():
        raise bad_usage("usage.bad-argument", "--reason", "is empty.", "Say why in one sentence.")
    if action is Action.GROUP and len(ids) < 2:  # noqa: PLR2004 -- one alone is a group already
        raise bad_usage("usage.bad-argument", "group", "was given one photograph.", "Name two or more.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    decision = Decision(
        action=action, image_ids=ids, reason=" ".join(reason.split()), actor=by or actor(), decided_at=now
    )
    if not dry_run:
        with workspace.exclusive("curation"):
            held.append_decision(layout.curation_decisions, decision)
        dvc.add(layout.root, [layout.curation_decisions])
    verb = "would be noted" if dry_run else "noted"
    return Report(
        summary=f"{action.value} for {len(ids)} photograph{'s' if len(ids) > 1 else ''} {verb}, by {decision.actor}.",
        data={"action": action.value, "images": list(ids), "by": decision.actor, "reason": decision.reason},
        next_command=_NEXT[action],
    )


def decisions(*, workspace: Workspace) -> Report:
    """List what curators decided, oldest first, and say how many photographs stand left out or sent back by it."""
    listed = held.read_decisions(workspace.layout.curation_decisions)
    stands = held.standing(listed)
    waiting = sum(why.startswith("sent back") for why in stands.excluded.values())
    return Report(
        summary=f"Decisions: {len(listed)}. Photographs left out by them: {len(stands.excluded) - waiting}, "
        f"sent back to labelling: {waiting}, joined to another: {len(stands.together)}.",
        data={"decisions": len(listed), "excluded": len(stands.excluded) - waiting, "sent_back": waiting},
        rows=[
            {
                "when": one.decided_at,
                "by": one.actor,
                "action": one.action.value,
                "images": ", ".join(image_id[:12] for image_id in one.image_ids),
                "reason": one.reason,
            }
            for one in listed
        ],
        next_command="workbench curation" if listed else "workbench curation app",
    )
