"""Superseded releases of a workspace: which a withdrawal concerns, the signed list, and what commands say of it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from workbench.adapters import dvc_purge, git
from workbench.cli.wiring import Workspace
from workbench.custody.ledger import Ledger
from workbench.custody.rotation import ROTATION
from workbench.custody.withdrawal import Plan
from workbench.domain.findings import Finding, Refused
from workbench.ports import Files
from workbench.reading.proof import superseded
from workbench.release import revocation
from workbench.release.places import read
from workbench.release.record import RECORD, Record, read_record

RevocationsOption = Annotated[
    Path | None,
    typer.Option("--revocations", help="A newer releases/revocations.json of the releasing body."),
]

_RELEASE_DATA = "data/07_release"


def concerned(workspace: Workspace, plan: Plan, objects: set[str]) -> tuple[str, ...]:
    """Return the releases that hold something of a contribution: by their split lists, and by their data in DVC."""
    root, images = workspace.layout.root, set(plan.images)
    tagged = set(git.tags(root))
    found = set(plan.releases)
    for name in sorted(tagged | {path.parent.name for path in workspace.layout.records.glob(f"*/{RECORD}")}):
        path = workspace.layout.records / name / "splits.csv"
        text = (
            path.read_text(encoding="utf-8") if path.is_file() else git.show(root, name, f"releases/{name}/splits.csv")
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
        elif text := git.show(layout.root, name, f"releases/{name}/{RECORD}"):
            with tempfile.TemporaryDirectory() as scratch:
                (Path(scratch) / RECORD).write_text(text, encoding="utf-8")
                yield read_record(Path(scratch) / RECORD)


def list_path(workspace: Workspace) -> Path:
    """Return where a workspace keeps its list."""
    return workspace.layout.records / revocation.NAME


def known(workspace: Workspace) -> tuple[revocation.Revocation, ...]:
    """Return a workspace's list of superseded releases, signed with a key that is, or was, the ledger's.

    Raises
    ------
    Refused
        ``release.revocations-invalid``.

    """
    path = list_path(workspace)
    if not path.is_file():
        return ()
    return superseded(path.read_bytes(), path, _public_keys(workspace))


def _public_keys(workspace: Workspace) -> list[str]:
    """Return the keys that the ledger had, or in a clone without custody those beside the records."""
    layout = workspace.layout
    if (layout.custody / "ledger.db").is_file():
        return [period.public_pem for period in Ledger.open(layout.custody).signing_keys()]
    return sorted({path.read_text(encoding="utf-8") for path in layout.records.glob("*/public_key.pem")})


def _write(workspace: Workspace, listed: Sequence[revocation.Revocation]) -> None:
    """Write the list, signed with the present key."""
    ledger = Ledger.open(workspace.layout.custody)
    rotations = [entry.said()["facts"] for entry in ledger.of_kind(ROTATION)]
    revocation.write_revocations(list_path(workspace), listed, ledger.sign, rotations=rotations)


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
        _write(workspace, now)
    return [path] if path.is_file() else []


def name_successor(workspace: Workspace, release: str) -> list[Path]:
    """Name a new release as the one to use instead of superseded ones that had none; return the list's file if any."""
    was = known(workspace)
    if not was:
        return []
    _write(workspace, revocation.with_successor(was, release))
    return [list_path(workspace)]


def handed_out(ledger: Ledger, releases: Sequence[str]) -> list[str]:
    """Return a sentence for each time one of these releases was handed out."""
    bodies = [entry.said() for entry in ledger.of_kind("export")]
    return [
        f"{body['reason']}: handed out on {body['claimed_time'][:10]} by {body['actor']}"
        for body in bodies
        if body.get("reason") in releases
    ]


def require_current(workspace: Workspace, record: Record) -> None:
    """Refuse a superseded release.

    Raises
    ------
    Refused
        ``release.superseded``, ``release.revocations-invalid``.

    """
    revocation.require_current(known(workspace), record)


def release_findings(workspace: Workspace, record: Record) -> list[Finding]:
    """Return why a release of a workspace is superseded; nothing if it is not."""
    try:
        return revocation.revocation_findings(known(workspace), record)
    except Refused as error:
        return list(error.findings)


def bundle_findings(
    whole: Files, record: Record, public_pem: str, named: Path | None, workspace: Workspace | None
) -> list[Finding]:
    """Return why a bundle is superseded: by the list in it, the one named, or the workspace's own.

    A list that another key signed counts as wrong, save the workspace's own: it may be another body's workspace.

    Raises
    ------
    OSError
        If the list named is not there.

    """
    findings: dict[str, Finding] = {}
    own = list_path(workspace) if workspace is not None else None
    lists: list[tuple[object, bytes]] = []
    if revocation.NAME in whole.names():
        lists.append((f"{revocation.NAME} in {whole}", read(whole, revocation.NAME)))
    lists += [
        (path, path.read_bytes()) for path in (named, own) if path is not None and (path == named or path.is_file())
    ]
    for source, raw in lists:
        try:
            listed = superseded(raw, source, [public_pem])
        except Refused as error:
            if source != own:
                findings |= {str(finding): finding for finding in error.findings}
            continue
        # The newest list is read last: what it says of a successor counts.
        findings |= {f"{one.code} {one.message}": one for one in revocation.revocation_findings(listed, record)}
    return list(findings.values())


def states(workspace: Workspace) -> dict[str, str]:
    """Return how releases stand, by the digest of their manifest; those that are not here are current."""
    listed = known(workspace)
    return {one.manifest_sha256: revocation.state_of(listed, one.manifest_sha256) for one in listed}
