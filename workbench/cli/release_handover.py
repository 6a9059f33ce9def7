"""The command that hands a release over: one bundle that verifies without this workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import release_ledger
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
    dry_run: DryRunOption = False,
) -> Report:
    """Write a bundle (BagIt) that verifies without this workspace, and enter the hand-over in the ledger."""
    from workbench.custody.ledger import Ledger
    from workbench.release.bundle import HOWTO, REVOCATIONS, write_bundle
    from workbench.release.manifest import check_files
    from workbench.release.record import RECORD

    record = record_of(workspace, name)
    if destination.exists():
        raise bad_usage("usage.bad-argument", destination, "is there already.", "Give a new name.")
    if dry_run:
        return Report(summary=f"Would write release {name} to {destination}.", data={"dry_run": True})
    record_path = workspace.layout.records / record.name / RECORD
    ledger = Ledger.open(workspace.layout.custody)
    files, _ = data_of(workspace, record)
    require_clean(check_files(files))
    release_ledger.enter_export(ledger, record.name, record.manifest_sha256)
    revoked = workspace.layout.records / REVOCATIONS
    beside = {REVOCATIONS: revoked.read_bytes()} if revoked.is_file() else {}
    write_bundle(destination, files, record_path, record, ledger.public_key_pem(), beside=beside)
    return Report(
        summary=f"Release {name} is in {destination}; {HOWTO} in it says how anyone can verify it.",
        data={"release": name, "path": str(destination)},
        next_command=f"workbench release verify {destination}",
    )
