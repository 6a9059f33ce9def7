"""`workbench redaction`: regions that show personal data are found, decided about, and covered."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import centerface, dvc
from workbench.adapters.processes import Processes
from workbench.cli import redaction_regions
from workbench.cli.command import command
from workbench.cli.intake import bring_up_to_date
from workbench.cli.reception import DryRunOption
from workbench.cli.redaction_covering import uncovered_files
from workbench.cli.redaction_state import (
    append,
    now,
    read_covered,
    read_images,
    read_reviews,
    read_searched,
    redaction_params,
    standing_findings,
    to_be_covered,
)
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.geometry import Box
from workbench.domain.redaction import Labelled, Region
from workbench.redaction import review, stage
from workbench.redaction.decisions import read_decisions

StageOption = Annotated[bool, typer.Option("--stage", hidden=True, help="Do the stage's work here: dvc.yaml calls it.")]


def register(app: typer.Typer) -> None:
    """Add `redaction` and its commands."""
    group = typer.Typer(help="Cover faces and other personal data before anybody labels.")
    app.add_typer(group, name="redaction")
    command(group, callback=True)(redaction)
    command(group, "propose")(propose)
    command(group, "list")(redaction_regions.list_regions)
    command(group, "add")(redaction_regions.add)
    command(group, "decide")(redaction_regions.decide)
    command(group, "apply")(apply)
    command(group, "status")(status)


def redaction(*, workspace: Workspace, stage: StageOption = False, dry_run: DryRunOption = False) -> Report:
    """Look for faces in every working copy that was not searched yet; say where each photograph stands."""
    if stage:
        _search(workspace)
    elif not dry_run:
        dvc.repro(workspace.layout.root, ["redaction"], alone=True)
    return status(workspace=workspace)


def _search(workspace: Workspace) -> None:
    params = workspace.section("redaction")
    stage.check_params(params)
    find = functools.partial(_faces, longest_px=params["longest_px"], least_score=params["least_score"])
    stage.run_redaction(
        workspace.layout,
        params,
        find=find,
        engine=centerface.engine() if params["faces"] else {},
        compute=Processes(workspace.processes),
        track=workspace.track,
    )


def _faces(path: str, *, longest_px: int, least_score: float) -> list[tuple[Box, float]]:
    """Return what the stage keeps of the faces found: box and score."""
    faces = centerface.find_faces(Path(path), longest_px=longest_px, least_score=least_score)
    return [(face.box, face.score) for face in faces]


def propose(*, workspace: Workspace, dry_run: DryRunOption = False) -> Report:
    """Enter faces found and boxes labelled since as regions to be decided, or decided by the rule of params.yaml."""
    params = redaction_params(workspace)
    if not dry_run:
        dvc.repro(workspace.layout.root, ["redaction"], alone=True)
    with workspace.exclusive("decisions"):
        rows, searched = read_images(workspace), read_searched(workspace)
        planned = review.plan_decisions(
            review.detected_regions(rows, searched, params),
            list(_labelled(workspace, params)),
            read_decisions(workspace.layout),
            now=now(),
        )
        if planned and not dry_run:
            append(workspace, planned)
    counts = Counter(decision.state.value for decision in planned)
    verb = "would be entered" if dry_run else "entered"
    return Report(
        summary=f"{counts['proposed']} proposals {verb}, {counts['accepted']} labelled regions accepted by rule.",
        data={"proposed": counts["proposed"], "accepted": counts["accepted"]},
        rows=[redaction_regions.region_row(decision.region, decision) for decision in planned],
        next_command="workbench redaction list --page review.html",
    )


def _labelled(workspace: Workspace, params: Mapping[str, Any]) -> Iterator[tuple[Region, Labelled]]:
    """Yield what people labelled on admitted photographs, and what was handed in as pre-annotations."""
    known = {review.photograph_id(row) for row in read_images(workspace)}
    for name, suggested in (("instances.parquet", False), ("predictions.parquet", True)):
        for path in sorted(workspace.layout.labelling.glob(f"*/{name}")):
            rows = [row for row in tables.read_rows(path, tables.INSTANCES) if row["image_id"] in known]
            yield from review.labelled_regions(((path.parent.name, row) for row in rows), params, suggested=suggested)


def apply(*, workspace: Workspace, dry_run: DryRunOption = False) -> Report:
    """Cover the accepted regions: new images, made from the originals, stand for the photographs from now on."""
    reviews = read_reviews(workspace, redaction_params(workspace))
    waiting = [name for name, seen in reviews.items() if seen.standing is review.Standing.NOT_APPLIED]
    gone = uncovered_files(workspace, to_be_covered(workspace))
    if dry_run:
        return Report(
            summary=f"Regions of {len(waiting)} photographs would be covered, and {len(gone)} files removed.",
            data={"photographs": waiting, "files": sorted(gone)},
            next_command="workbench redaction apply",
        )
    findings = bring_up_to_date(workspace)
    return Report(
        summary=f"Regions of {len(waiting)} photographs are covered; {len(gone)} files that showed them are gone.",
        data={"photographs": waiting, "files": sorted(gone)},
        findings=findings,
        next_command="workbench labelling push",
    )


def status(*, workspace: Workspace) -> Report:
    """Say where the photographs stand: searched, decided, covered."""
    params = redaction_params(workspace)
    reviews = read_reviews(workspace, params)
    counts = Counter(seen.standing for seen in reviews.values())
    undecided = sum(len(seen.open) for seen in reviews.values())
    covered = sum(len(boxes) for boxes in read_covered(workspace).values())
    told = ", ".join(f"{counts[standing]} {standing}" for standing in review.Standing if counts[standing])
    findings = standing_findings(reviews, params, wanted=set(review.Standing))
    step = "workbench labelling push"
    if counts[review.Standing.UNREVIEWED]:
        step = "workbench redaction list --page review.html"
    elif counts[review.Standing.NOT_APPLIED]:
        step = "workbench redaction apply"
    return Report(
        summary=f"{len(reviews)} photographs: {told or 'none'}; {undecided} regions to decide, {covered} covered.",
        data={
            "photographs": {standing.value: counts[standing] for standing in review.Standing},
            "open": undecided,
            "covered": covered,
        },
        findings=findings,
        next_command=step,
    )
