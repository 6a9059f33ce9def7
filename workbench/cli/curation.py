"""`workbench curation`: duplicates, groups, splits; and `curation app`, which shows it all in FiftyOne."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import dvc
from workbench.adapters.nearest import codes_within
from workbench.adapters.perceptual_hash import PerceptualHasher, PictureGauge
from workbench.cli.adjudication import require_answers
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.curation.stage import Curated, curation_figures, plan_curation, write_curation
from workbench.domain.dataset import Split
from workbench.domain.findings import Finding, Severity, busy, refused

StageOption = Annotated[bool, typer.Option("--stage", hidden=True, help="Do the stage's work here: dvc.yaml calls it.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add `curation` and `curation app`."""
    group = typer.Typer(help="Find duplicates, assign groups and splits; look at everything in FiftyOne.")
    app.add_typer(group, name="curation")
    command(group, callback=True)(curation)
    command(group, "app")(curation_app)


def curation(*, workspace: Workspace, stage: StageOption = False, dry_run: DryRunOption = False) -> Report:
    """Find exact and near-duplicates, group what belongs together, and assign splits that never move."""
    layout = workspace.layout
    if dry_run:
        return replace(_told(curation_figures(_plan(workspace)), "would be curated"), next_command="workbench curation")
    if stage:
        write_curation(layout, _plan(workspace))
    else:
        require_answers(workspace)
        dvc.repro(layout.root, ["curation"])
    return _told(json.loads((layout.curation / "curation.json").read_text(encoding="utf-8")), "curated")


def _plan(workspace: Workspace) -> Curated:
    hasher = PerceptualHasher(cache=workspace.layout.state / "perceptual-hashes.json", workers=workspace.processes)
    return plan_curation(
        workspace.layout,
        workspace.section("curation"),
        fingerprint=hasher,
        within=codes_within,
        gauge=PictureGauge(cache=workspace.layout.state / "picture-measures.json", workers=workspace.processes),
        frozen=frozen_splits(workspace.layout.records),
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
    return Report(
        summary=f"{figures['photographs']} photographs {verb} in {figures['groups']} groups ({splits or 'no split used'}); "
        f"duplicates: {alike or 'none'}; left out: {left_out}; worth a look: {flags or 'none'}.",
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


def curation_app(*, workspace: Workspace) -> Report:
    """Rebuild the FiftyOne dataset from the tables, and say where to look at it."""
    from workbench.adapters.fiftyone import show_dataset

    layout = workspace.layout
    try:
        addresses = json.loads((layout.state / "servers.json").read_text(encoding="utf-8"))
        mongo_uri, url = addresses["mongod"]["uri"], addresses["fiftyone"]["url"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise busy(
            "servers.not-running", "FiftyOne", "is not running in this workspace.", "Start it with `workbench up`."
        ) from error
    images = tables.read_rows(layout.curation / "images.parquet", tables.IMAGES)
    instances = tables.read_rows(layout.adjudication / "instances.parquet", tables.INSTANCES)
    for folder in (layout.synthesis, layout.augmentation):
        if (folder / "images.parquet").is_file():
            images += tables.read_rows(folder / "images.parquet", tables.IMAGES)
            instances += tables.read_rows(folder / "instances.parquet", tables.INSTANCES)
    shown = show_dataset(
        name="workbench",
        media_root=layout.data,
        images=images,
        instances=instances,
        duplicates=tables.read_rows(layout.curation / "duplicates.parquet", tables.DUPLICATES),
        mongo_uri=mongo_uri,
    )
    return Report(
        summary=f"{shown} samples are in FiftyOne at {url} (dataset workbench).",
        data={"samples": shown, "url": url, "dataset": "workbench"},
        next_command="workbench release build NAME",
    )
