"""Superseded releases of a workspace: which a withdrawal concerns, the signed list, and what commands say of it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from workbench.adapters import dvc, dvc_purge
from workbench.cli.wiring import Workspace
from workbench.custody.keys import verify_signature
from workbench.custody.ledger import Ledger
from workbench.custody.withdrawal import Plan
from workbench.domain.findings import Finding, Refused
from workbench.release import revocation
from workbench.release.record import RECORD, Record, read_record

RevocationsOption = Annotated[
    Path | None,
    typer.Option("--revocations", help="A newer releases/revocations.json of the releasing body."),
]

_RELEASE_DATA = "data/07_release"


def concerned(workspace: Workspace, plan: Plan, objects: set[str]) -> tuple[str, ...]:
    """Return the releases that hold something of a contribution: by their split lists, and by their data in DVC."""
    root, images = workspace.layout.root, set(plan.images)
    tagged = set(dvc.tags(root))
    found = set(plan.releases)
    for name in sorted(tagged | {path.parent.name for path in workspace.layout.records.glob(f"*/{RECORD}")}):
        path = workspace.layout.records / name / "splits.csv"
        text = (
            path.read_text(encoding="utf-8") if path.is_file() else dvc.show(root, name, f"releases/{name}/splits.csv")
        )
        if text is None:
            continue
        listed = {row.get("image_id") for row in csv.DictReader(io.StringIO(text))}
        data = dvc_purge.folders_of_tag(root, name, _RELEASE_DATA) if name in tagged else set()
        if not listed.isdisjoint(images) or not data.isdisjoint(objects):
            found.add(name)
    return tuple(sorted(found))


def _records(workspace: Workspace, names: Sequence[str]) -> Iterator[Record]:
    """Yield the records of releases, from the folder or, where it is not checked out, from the release's tag."""
    layout = workspace.layout
    for name in names:
        path = layout.records / name / RECORD
        if path.is_file():
            yield read_record(path)
        elif text := dvc.show(layout.root, name, f"releases/{name}/{RECORD}"):
            with tempfile.TemporaryDirectory() as scratch:
                (Path(scratch) / RECORD).write_text(text, encoding="utf-8")
                yield read_record(Path(scratch) / RECORD)


def list_path(workspace: Workspace) -> Path:
    """Return where a workspace keeps its list."""
    return workspace.layout.records / revocation.NAME


def known(workspace: Workspace, public_pem: str | None = None) -> tuple[revocation.Revocation, ...]:
    """Return a workspace's list of superseded releases.

    Raises
    ------
    Refused
        ``release.revocations-invalid``.

    """
    path = list_path(workspace)
    if not path.is_file():
        return ()
    key = public_pem or _public_key(workspace)
    return revocation.read_revocations(path, key, verify_signature=verify_signature)


def _public_key(workspace: Workspace) -> str:
    """Return the key of the ledger, or in a clone without custody the one beside the newest record."""
    layout = workspace.layout
    if (layout.custody / "ledger.db").is_file():
        return Ledger.open(layout.custody).public_key_pem()
    keys = sorted(layout.records.glob("*/public_key.pem"))
    return keys[-1].read_text(encoding="utf-8") if keys else ""


def supersede(workspace: Workspace, plan: Plan) -> list[Path]:
    """Put a withdrawal's releases on the signed list; return the file if there is one."""
    path = list_path(workspace)
    if plan.releases:
        was = known(workspace)
        now = revocation.plan_revocations(
            was,
            _records(workspace, plan.releases),
            contribution_id=plan.contribution_id,
            reason=plan.reason,
            at=plan.started_at,
        )
        if now != was or not path.is_file():
            revocation.write_revocations(path, now, Ledger.open(workspace.layout.custody).sign)
    return [path] if path.is_file() else []


def name_successor(workspace: Workspace, release: str) -> list[Path]:
    """Name a new release as the one to use instead of superseded ones that had none; return the list's file if any."""
    was = known(workspace)
    now = revocation.with_successor(was, release)
    if now != was:
        revocation.write_revocations(list_path(workspace), now, Ledger.open(workspace.layout.custody).sign)
    return [list_path(workspace)] if was else []


def handed_out(ledger: Ledger, releases: Sequence[str]) -> list[str]:
    """Return a sentence for each time one of these releases was handed out."""
    bodies = [entry.said() for entry in ledger.of_kind("export")]
    return [
        f"{body['reason']}: handed out on {body['claimed_time'][:10]} by {body['actor']}"
        for body in bodies
        if body.get("reason") in releases
    ]


def release_findings(workspace: Workspace, record: Record, public_pem: str) -> list[Finding]:
    """Return why a release of a workspace is superseded; nothing if it is not."""
    try:
        return revocation.revocation_findings(known(workspace, public_pem), record)
    except Refused as error:
        return list(error.findings)


def bundle_findings(
    folder: Path, record: Record, public_pem: str, named: Path | None, workspace: Workspace | None
) -> list[Finding]:
    """Return why a bundle is superseded: by the list in it, the one named, or the workspace's own.

    A list that another key signed counts as wrong, save the workspace's own: it may be another body's workspace.
    """
    findings: dict[str, Finding] = {}
    own = list_path(workspace) if workspace is not None else None
    for path in (folder / revocation.NAME, named, own):
        if path is None:
            continue
        try:
            if path == named and not path.is_file():
                raise FileNotFoundError(2, "No such file", str(path))
            listed = revocation.read_revocations(path, public_pem, verify_signature=verify_signature)
        except Refused as error:
            if path != own:
                findings |= {str(finding): finding for finding in error.findings}
            continue
        # The newest list is read last: what it says of a successor counts.
        findings |= {f"{one.code} {one.message}": one for one in revocation.revocation_findings(listed, record)}
    return list(findings.values())


def states(workspace: Workspace) -> dict[str, str]:
    """Return how releases stand, by the digest of their manifest; those that are not here are current."""
    listed = known(workspace)
    return {one.manifest_sha256: revocation.state_of(listed, one.manifest_sha256) for one in listed}
