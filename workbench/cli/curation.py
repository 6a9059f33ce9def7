"""`workbench curation`: duplicates, groups, splits, hints; and `curation similar`, pictures that look like one."""

from __future__ import annotations

import csv
import functools
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from workbench import tables
from workbench.adapters import dvc, images, inspection
from workbench.adapters.embedding import Embedder
from workbench.adapters.guess import guess_by_group
from workbench.adapters.matched_points import PointMatcher
from workbench.adapters.nearest import codes_within, most_alike
from workbench.adapters.perceptual_hash import PerceptualHasher, PictureGauge
from workbench.adapters.sandbox import Sandbox
from workbench.cli import curation_app, curation_decisions
from workbench.cli.adjudication import require_answers
from workbench.cli.command import command
from workbench.cli.intake import intake_params
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.curation.outcome import curation_figures, write_curation
from workbench.curation.stage import Curated, plan_curation
from workbench.domain.dataset import Split
from workbench.domain.findings import Finding, Severity, refused
from workbench.ports import Eyes

StageOption = Annotated[bool, typer.Option("--stage", hidden=True, help="Do the stage's work here: dvc.yaml calls it.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add `curation` and what belongs to it."""
    group = typer.Typer(help="Find duplicates, assign groups and splits; look at everything in FiftyOne.")
    app.add_typer(group, name="curation")
    command(group, callback=True)(curation)
    command(group, "app")(curation_app.show)
    command(group, "decide")(curation_decisions.decide)
    command(group, "decisions")(curation_decisions.decisions)
    command(group, "similar")(similar)


def curation(*, workspace: Workspace, stage: StageOption = False, dry_run: DryRunOption = False) -> Report:
    """Find exact and near-duplicates, group what belongs together, and assign splits that never move."""
    layout = workspace.layout
    if dry_run:
        return replace(_told(curation_figures(_plan(workspace)), "would be curated"), next_command="workbench curation")
    if stage:
        write_curation(layout, _plan(workspace))
    else:
        require_answers(workspace)
        curation_decisions.ensure_list(layout)
        dvc.repro(layout.root, ["curation"])
    return _told(json.loads((layout.curation / "curation.json").read_text(encoding="utf-8")), "curated")


def _plan(workspace: Workspace) -> Curated:
    layout = workspace.layout
    return plan_curation(
        layout,
        workspace.section("curation"),
        eyes=eyes(layout.state, workers=workspace.processes),
        frozen=frozen_splits(layout.records),
    )


def eyes(state: Path, *, workers: int) -> Eyes:
    """Return everything curation looks with; what was seen once is kept in the state folder, by content."""
    return Eyes(
        fingerprint=PerceptualHasher(cache=state / "perceptual-hashes.json", workers=workers),
        within=codes_within,
        gauge=PictureGauge(cache=state / "picture-measures.json", workers=workers),
        embed=Embedder(folder=state, workers=workers),
        most_alike=most_alike,
        match_points=PointMatcher(cache=state / "matched-points.json", workers=workers),
        guess=guess_by_group,
    )


def frozen_splits(records: Path) -> dict[str, Split]:
    """Return the split of every image in any earlier release, from the releases' splits.csv.

    Raises
    ------
    Refused
        ``release.record-invalid`` if one of them cannot be read.

    """
    frozen: dict[str, Split] = {}
    for path in sorted(records.glob("*/splits.csv")):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                frozen |= {row["image_id"]: Split(row["split"]) for row in csv.DictReader(file)}
        except (KeyError, ValueError, csv.Error) as error:
            raise refused(
                "release.record-invalid",
                path,
                f"cannot be read as splits ({error}).",
                "Restore it with `git checkout`: without it released photographs could move.",
            ) from error
    return frozen


def _told(figures: dict[str, Any], verb: str) -> Report:
    splits = ", ".join(f"{count} {split}" for split, count in figures["splits"].items())
    alike = ", ".join(f"{count} {kind}" for kind, count in figures["duplicates"].items())
    flags = ", ".join(f"{count} {flag}" for flag, count in figures["quality"].items())
    left_out = sum(figures["excluded"].values())
    releases = figures["against_releases"]
    moved = (
        f" Of {releases['still_in']} released photographs, {releases['moved']} moved." if releases["released"] else ""
    )
    return Report(
        summary=f"{figures['photographs']} photographs {verb} in {figures['groups']} groups ({splits or 'no split used'}); "
        f"duplicates: {alike or 'none'}; left out: {left_out}; worth a look: {flags or 'none'}.{moved}",
        data=figures,
        findings=[_finding(item) for item in figures["findings"]],
        next_command="workbench curation app",
    )


def _finding(item: dict[str, str]) -> Finding:
    """Return the finding that `Finding.to_json` wrote."""
    return Finding(
        code=item["code"],
        subject=item["subject"],
        message=item["message"],
        remedy=item["remedy"],
        severity=Severity(item["severity"]),
    )


def similar(
    what: Annotated[
        str, typer.Argument(metavar="IMAGE|FILE", help="An image_id (8 characters do) or a picture's file.")
    ],
    *,
    workspace: Workspace,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many to list.")] = 10,
) -> Report:
    """List the curated photographs that look most like a picture, be it one of them or a file from anywhere."""
    layout = workspace.layout
    rows = tables.read_rows(layout.curation / "images.parquet", tables.IMAGES)
    embed = Embedder(folder=layout.state, workers=workspace.processes)
    base = embed([(row["file_sha256"], layout.data / row["path"], None) for row in rows])
    if Path(what).is_file():
        own, query = None, _embedded_file(Path(what), workspace)
    else:
        (own,) = curation_decisions.require_known([what], (row["image_id"] for row in rows))
        query = base[[row["image_id"] for row in rows].index(own)][None, :]
    places, cosines = most_alike(query, base, count + 1)
    listed = [
        {
            "image": rows[place]["image_id"][:12],
            "likeness": round(float(cosine), 3),
            "split": rows[place]["split"] or "left out",
            "partner": rows[place]["partner_id"],
            "group": rows[place]["group_id"],
            "file": f"data/{rows[place]['path']}",
        }
        for place, cosine in zip(places[0].tolist(), cosines[0].tolist(), strict=True)
        if rows[place]["image_id"] != own
    ][:count]
    return Report(
        summary=f"{len(listed)} of {len(rows)} photographs look most like {Path(what).name}; a likeness of 1 would be the same picture.",
        data={"of": own or str(what), "images": [{**row} for row in listed]},
        rows=listed,
        next_command="workbench curation app",
    )


def _embedded_file(path: Path, workspace: Workspace) -> NDArray[np.float32]:
    """Return the vector of a picture from anywhere, decoded where it can do no harm, as at intake.

    Raises
    ------
    Refused
        With the code that intake would give.

    """
    params = intake_params(workspace)
    copy = functools.partial(inspection.inspect_item, parameters=dict(params))
    data = path.read_bytes()
    with Sandbox(copy, prepare=inspection.prepare_pictures, workers=1, timeout_s=params["timeout_s"]) as sandbox:
        ((_, verdict),) = sandbox.map([(data, path.suffix.lower())])
    if not isinstance(verdict, images.Copied):
        code, said = getattr(verdict, "code", "intake.decode-failed"), getattr(verdict, "detail", "cannot be decoded.")
        raise refused(code, path, said, "Name a picture that intake would admit.")
    with tempfile.TemporaryDirectory() as folder:
        decoded = Path(folder) / "picture"
        decoded.write_bytes(verdict.jpeg)
        return Embedder(folder=Path(folder))([("picture", decoded, None)])
