"""The command that hands a release over: one bundle that verifies without this workspace."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.adapters import dvc
from workbench.cli import release_formats, release_ledger
from workbench.cli.command import command
from workbench.cli.release import DryRunOption, data_of, record_of, release, require_clean
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage


def register(_app: typer.Typer) -> None:
    """Add the command of this module to the group `release`."""
    command(release, "export")(export)


def export(
    name: Annotated[str, typer.Argument(help="The release to hand over.")],
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="The folder to make, or with a name in .zip the one file.")
    ],
    *,
    workspace: Workspace,
    label_format: Annotated[
        str | None, typer.Option("--format", help="Instead of a bundle: only what one format's readers need.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Write a bundle (BagIt) that verifies without this workspace, and enter the hand-over in the ledger."""
    from workbench.custody.ledger import Ledger
    from workbench.release.bundle import HOWTO, write_bundle
    from workbench.release.manifest import check_files
    from workbench.release.record import RECORD
    from workbench.release.revocation import NAME as REVOCATIONS

    record = record_of(workspace, name)
    if destination.exists():
        raise bad_usage("usage.bad-argument", destination, "is there already.", "Give a new name.")
    if label_format is not None:
        with _folder_of(workspace, record) as folder:
            return release_formats.export_format(workspace, record, folder, destination, label_format, dry_run=dry_run)
    if dry_run:
        return Report(summary=f"Would write release {name} to {destination}.", data={"dry_run": True})
    record_path = workspace.layout.records / record.name / RECORD
    ledger = Ledger.open(workspace.layout.custody)
    files, _ = data_of(workspace, record)
    require_clean(check_files(files))
    release_ledger.enter_export(ledger, record.name, record.manifest_sha256)
    key = release_ledger.public_key(workspace.layout.custody, record) or ledger.public_key_pem()
    revoked = workspace.layout.records / REVOCATIONS
    beside = {REVOCATIONS: revoked.read_bytes()} if revoked.is_file() else {}
    write_bundle(destination, files, record_path, record, key, beside=beside)
    return Report(
        summary=f"Release {name} is in {destination}; {HOWTO} in it says how anyone can verify it.",
        data={"release": name, "path": str(destination)},
        next_command=f"workbench release verify {destination}",
    )


@contextmanager
def _folder_of(workspace: Workspace, record: Any) -> Iterator[Path]:
    """Yield a folder that holds a release's data: the working folder if it is that release, else a copy from DVC."""
    from workbench.release.places import FolderFiles

    files, _ = data_of(workspace, record)
    if isinstance(files, FolderFiles):
        yield files.folder
        return
    workspace.layout.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace.layout.state) as scratch:
        dvc.fetch(workspace.layout.root, record.name, "data/07_release", Path(scratch) / "data")
        yield Path(scratch) / "data"
