"""`workbench redaction list`, `add` and `decide`: people look at regions and decide about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.reception import DryRunOption, actor
from workbench.cli.redaction_state import all_decisions, append, now, read_images
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage, refused
from workbench.domain.geometry import Box
from workbench.domain.redaction import Decision, Region, State
from workbench.redaction import review
from workbench.redaction.decisions import latest, read_decisions
from workbench.redaction.sheet import write_sheet


class Verdict(StrEnum):
    """What a person may decide."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


def list_regions(
    *,
    workspace: Workspace,
    state: Annotated[State | None, typer.Option("--state", help="Only regions in this state.")] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write a page with the pictures and the regions drawn on them.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """List every region with who decided what and when; with --page, look at them before deciding."""
    decisions = all_decisions(workspace)
    shown = [decision for decision in decisions.values() if state is None or decision.state is state]
    shown.sort(key=lambda decision: (decision.region.image_id, decision.region.region_id))
    if page is not None and not dry_run:
        images = {review.photograph_id(row): row for row in read_images(workspace)}
        write_sheet(page, shown, images=images, data=workspace.layout.data)
    counts = Counter(decision.state.value for decision in shown)
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
    return Report(
        summary=f"{len(shown)} regions ({told})." + (f" The page is {page}." if page and not dry_run else ""),
        data={"regions": [_region_json(decision) for decision in shown]},
        rows=[region_row(decision.region, decision) for decision in shown],
        next_command="workbench redaction decide REGION... --as accepted" if counts["proposed"] else None,
    )


def add(
    image: Annotated[str, typer.Argument(metavar="PHOTOGRAPH", help="Its id, or the beginning of it.")],
    *,
    workspace: Workspace,
    box: Annotated[str, typer.Option("--box", metavar="X0,Y0,X1,Y1", help="Edges in pixels of the working copy.")],
    category: Annotated[str, typer.Option("--category", help="Taxonomy code of what it shows.")] = review.FACE,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, in your words; no names.")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Draw a region to be covered that nothing proposed; it is accepted, in your name."""
    row = _photograph(workspace, image)
    workspace.taxonomy.category(category)
    region = Region(image_id=review.photograph_id(row), box=_given_box(box, row), category=category, source="person")
    decision = Decision(region=region, state=State.ACCEPTED, decided_by=actor(), decided_at=now(), reason=reason)
    if not dry_run:
        with workspace.exclusive("decisions"):
            known = latest(read_decisions(workspace.layout)).get(region.region_id)
            if known is None or known.state is not State.ACCEPTED:
                append(workspace, [decision])
    return Report(
        summary=f"Region {region.region_id} {'would be' if dry_run else 'is'} accepted.",
        data=_region_json(decision),
        next_command="workbench redaction apply",
    )


def decide(
    regions: Annotated[list[str], typer.Argument(metavar="REGION...", help="Their ids, or `all` that are open.")],
    *,
    workspace: Workspace,
    verdict: Annotated[Verdict, typer.Option("--as", help="accepted: it is covered; rejected: it is not.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why, in your words; no names.")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Decide about regions, in your name; an earlier decision stays on record and is outweighed."""
    with workspace.exclusive("decisions"):
        known = all_decisions(workspace)
        wanted = _wanted(regions, known)
        state = State(verdict.value)
        fresh = [
            Decision(region=known[name].region, state=state, decided_by=actor(), decided_at=now(), reason=reason)
            for name in wanted
            if known[name].state is not state
        ]
        if fresh and not dry_run:
            append(workspace, fresh)
    left = sum(decision.state is State.PROPOSED for name, decision in known.items() if name not in wanted)
    return Report(
        summary=f"{len(fresh)} regions {'would be' if dry_run else 'are'} {verdict.value}, "
        f"{len(wanted) - len(fresh)} were already; {left} are still to be decided.",
        data={"decided": len(fresh), "kept": len(wanted) - len(fresh), "open": left},
        next_command="workbench redaction apply",
    )


def _wanted(given: Sequence[str], known: Mapping[str, Decision]) -> list[str]:
    """Return the ids meant; refuse what names no region, or more than one."""
    if list(given) == ["all"]:
        return sorted(name for name, decision in known.items() if decision.state is State.PROPOSED)
    found, unknown = [], []
    for text in given:
        matching = [name for name in known if name.startswith(text)]
        if len(matching) == 1:
            found += matching
        else:
            unknown.append(text)
    if unknown:
        raise refused(
            "redaction.unknown-region",
            ", ".join(unknown),
            "names no region, or more than one.",
            "Give ids as `workbench redaction list` shows them; run `workbench redaction propose` for newer ones.",
        )
    return sorted(set(found))


def _photograph(workspace: Workspace, text: str) -> dict[str, Any]:
    found = {row["image_id"]: row for row in read_images(workspace) if review.photograph_id(row).startswith(text)}
    if len(found) != 1:
        raise bad_usage(
            "usage.bad-argument", text, "begins no photograph's id, or more than one.", "Give more of the id."
        )
    return next(iter(found.values()))


def _given_box(text: str, row: Mapping[str, Any]) -> Box:
    try:
        x_min, y_min, x_max, y_max = (float(part) for part in text.split(","))
        box = Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
    except ValueError as error:
        raise bad_usage("usage.bad-argument", text, "is no box.", "Write --box X0,Y0,X1,Y1 in pixels.") from error
    inside = box.clipped(width_px=row["width_px"], height_px=row["height_px"])
    if not inside.area_px2 or inside != box:
        raise refused(
            "redaction.outside-image",
            text,
            f"does not lie inside the photograph, which is {row['width_px']} x {row['height_px']} pixels.",
            "Give edges inside it.",
        )
    return box


def region_row(region: Region, decision: Decision) -> dict[str, Any]:
    """Return what a list shows of a region and the decision that counts."""
    return {
        "region": region.region_id,
        "photograph": region.image_id[:8],
        "shows": region.category,
        "box": ",".join(f"{edge:.0f}" for edge in region.box.xyxy),
        "score": region.score,
        "state": decision.state.value,
        "by": decision.decided_by,
    }


def _region_json(decision: Decision) -> dict[str, Any]:
    region = decision.region
    return {
        "region_id": region.region_id,
        "image_id": region.image_id,
        "category": region.category,
        "box_xyxy": list(region.box.xyxy),
        "source": region.source,
        "score": region.score,
        "state": decision.state.value,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at,
        "reason": decision.reason,
    }
