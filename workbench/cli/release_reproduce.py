"""The command that makes a release anew from git and DVC and compares every byte."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.adapters import dvc
from workbench.cli import revocations
from workbench.cli.command import command
from workbench.cli.release import NameOption, data_of, record_of, release
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Severity

#: Stages in the order of the flow, with the package each belongs to.
_FLOW = ("intake", "adjudication", "curation", "synthesis", "augmentation", "composition", "release")
_SEALED = "its inputs are sealed in custody, which neither git nor DVC holds"


def register(_app: typer.Typer) -> None:
    """Add the command of this module to the group `release`."""
    command(release, "reproduce")(reproduce)


def reproduce(
    name: NameOption = None,
    *,
    workspace: Workspace,
    remote: Annotated[
        str | None, typer.Option("--remote", help="The DVC remote to fetch inputs from. [default: the local cache]")
    ] = None,
    stored_renders: Annotated[
        bool, typer.Option("--stored-renders", help="Take renders as they are stored, which is much faster.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made anew and do nothing.")] = False,
) -> Report:
    """Make a release anew from git and DVC in a temporary clone, and compare every byte with the signed manifest."""
    from workbench.adapters.environment import environment
    from workbench.release.manifest import manifest_digest, read_manifest
    from workbench.release.rebuilt import first_difference

    record = record_of(workspace, name)
    revocations.require_current(workspace, record)
    then, now = record.predicate.get("environment", {}), environment()
    pipeline = _pipeline(workspace, record.name)
    stored = _stored(workspace, record.name, pipeline, then, now, keep_renders=stored_renders)
    made = [stage for stage in pipeline if stage not in stored]
    notes = [_note(stage, why) for stage, why in stored.items()]
    if dry_run:
        return Report(
            summary=f"Would make {', '.join(made)} of release {record.name} anew.",
            data={"release": record.name, "remade": made, "stored": dict(stored), "dry_run": True},
            findings=notes,
        )
    workspace.layout.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace.layout.state, prefix="reproduce-") as scratch:
        clone = Path(scratch) / record.name
        dvc.clone_inputs(workspace.layout.root, record.name, clone, stored=list(stored), remote=remote)
        # Its own splits would be an input of curation; when it was made they were not there yet.
        shutil.rmtree(clone / "releases" / record.name, ignore_errors=True)
        before = _made_by_stage(clone)
        dvc.remake(clone, "release")
        after = _made_by_stage(clone)
        digest = manifest_digest(clone / "data" / "07_release")
        rebuilt = read_manifest(clone / "data" / "07_release")
    if digest == record.manifest_sha256:
        return Report(
            summary=f"Release {record.name} is reproduced: {len(rebuilt)} files, every byte the same.",
            data={
                "release": record.name,
                "reproduced": True,
                "remade": made,
                "stored": dict(stored),
                "files": len(rebuilt),
            },
            findings=notes,
        )
    signed = read_manifest(data_of(workspace, record)[0])
    stages = {stage: (before.get(stage, ""), after.get(stage, "")) for stage in pipeline}
    difference = first_difference(signed, rebuilt, stages=stages, then=then, now=now)
    return _not_reproduced(record.name, difference, made, stored, notes)


def _not_reproduced(
    name: str, difference: Any, made: list[str], stored: dict[str, str], notes: list[Finding]
) -> Report:
    found = Finding(
        code="release.not-reproduced",
        subject=difference.path if difference else "MANIFEST.sha256",
        message=f"{difference.what}, first in stage {difference.stage}: {difference.cause}."
        if difference
        else "differs.",
        remedy="Reproduce it with what it was made with; the record's `environment` says what that is.",
    )
    data: dict[str, Any] = {"release": name, "reproduced": False, "remade": made, "stored": dict(stored)}
    if difference:
        data |= {"first": difference.path, "stage": difference.stage, "cause": difference.cause}
    return Report(summary=f"Release {name} is NOT reproduced.", data=data, findings=[found, *notes])


def _pipeline(workspace: Workspace, rev: str) -> list[str]:
    """Return the stages that the release's own dvc.yaml has, in the order of the flow."""
    import yaml

    from workbench.adapters.dvc_files import DvcFiles

    text = DvcFiles(str(workspace.layout.root), rev, "data/07_release").read_beside("dvc.yaml")
    stages = yaml.safe_load(text)["stages"]
    return [stage for stage in _FLOW if stage in stages]


def _stored(
    workspace: Workspace,
    rev: str,
    pipeline: list[str],
    then: dict[str, Any],
    now: dict[str, Any],
    *,
    keep_renders: bool,
) -> dict[str, str]:
    """Return the stages whose data is taken as it is stored, and why."""
    stored = {"intake": _SEALED} if "intake" in pipeline else {}
    rendering = [stage for stage in ("synthesis", "composition") if stage in pipeline]
    if rendering and (why := _why_stored(workspace, rev, then, now, keep_renders=keep_renders)):
        stored |= dict.fromkeys(rendering, why)
    return stored


def _why_stored(
    workspace: Workspace, rev: str, then: dict[str, Any], now: dict[str, Any], *, keep_renders: bool
) -> str | None:
    """Say why renders cannot be made anew here with the same bytes, or nothing."""
    if keep_renders:
        return "it was asked for"
    engines = [side.get("engines", {}) for side in (then, now)]
    for engine in ("mitsuba", "pyoidn", "karellen-llvm-core"):
        was, made = (side.get(engine, "unknown") for side in engines)
        if was != made:
            return f"it was rendered with {engine} {was}, and here is {made}"
    if then.get("cpu_class") != now.get("cpu_class"):
        return f"it was rendered on {then.get('cpu_class', 'an unknown processor')}, and this is {now['cpu_class']}"
    return _SEALED if _has_sealed_parts(workspace, rev) else None


def _has_sealed_parts(workspace: Workspace, rev: str) -> bool:
    import json

    from workbench.adapters.dvc_files import DvcFiles
    from workbench.release.places import read

    files = DvcFiles(str(workspace.layout.root), rev, "data/00_catalogue")
    return any(part.get("source") != "builtin" for part in json.loads(read(files, "catalogue.json")))


def _made_by_stage(clone: Path) -> dict[str, str]:
    """Return one digest a stage for what it made, as dvc.lock has it."""
    import yaml

    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))
    return {
        stage: " ".join(str(out.get("md5")) for out in entry.get("outs", ())) for stage, entry in lock["stages"].items()
    }


def _note(stage: str, why: str) -> Finding:
    return Finding(
        code="release.not-rebuilt",
        subject=f"stage {stage}",
        message=f"was taken as it is stored: {why}.",
        remedy="Its bytes are those of the release, verified by hash.",
        severity=Severity.NOTE,
    )
