"""`workbench quarantine`: tells each partner, in its own file names, what became of what it gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.cli.reception import DryRunOption, names_reference
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.object_store import SealedStore
from workbench.domain.findings import Finding, Severity, WorkbenchError, refused
from workbench.intake.partner_report import partner_report, write_report


def quarantine(
    contribution: Annotated[
        str | None, typer.Argument(metavar="CONTRIBUTION", help="Of which; without it, of all.", show_default=False)
    ] = None,
    *,
    workspace: Workspace,
    dry_run: DryRunOption = False,
) -> Report:
    """Write for each partner what became of each file, in the partner's own file names, with what helps."""
    layout = workspace.layout
    known = sorted(path.parent.name for path in layout.intake.glob("*/images.parquet"))
    if contribution is not None and contribution not in known:
        raise refused(
            "custody.contribution-unknown",
            contribution,
            "has no verdicts here.",
            f"Run `workbench intake`, or name one of: {', '.join(known) or 'none yet'}.",
        )
    rows: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for cid in [contribution] if contribution else known:
        try:
            report = contribution_report(workspace, cid)
        except WorkbenchError as error:
            findings += error.findings
            continue
        folder = report_folder(workspace, cid)
        if not dry_run:
            write_report(folder, report)
        findings += _held(report)
        page = (folder / "report.html").relative_to(layout.root)
        rows.append(
            {
                "contribution": cid,
                "admitted": report["admitted"],
                "quarantined": report["quarantined"],
                "page": str(page),
            }
        )
    return Report(
        summary=f"{len(rows)} reports {'would be' if dry_run else 'are'} written; they hold file names: give each to its "
        "partner only.",
        data={"contributions": rows},
        rows=rows,
        findings=findings,
    )


def _held(report: Mapping[str, Any]) -> list[Finding]:
    """Return one note a reason; the files themselves are named on the partner's page only."""
    return [
        Finding(
            code=code,
            subject=f"{count} files of {report['contribution_id']}",
            message="are in quarantine.",
            remedy="The report says of each what helps.",
            severity=Severity.NOTE,
        )
        for code, count in report["reasons"].items()
    ]


def write_reports(workspace: Workspace) -> None:
    """Write the report of every contribution whose names can be unsealed, where anything in it is new."""
    for path in sorted(workspace.layout.intake.glob("*/images.parquet")):
        try:
            report = contribution_report(workspace, path.parent.name)
        except WorkbenchError:
            continue  # withdrawn, or the store is damaged: `ledger verify` tells of that
        write_report(report_folder(workspace, path.parent.name), report)


def report_folder(workspace: Workspace, contribution_id: str) -> Path:
    """Return the folder of what a partner takes home, beside its receipt: never in git or DVC."""
    return workspace.layout.custody / "receipts" / contribution_id


def contribution_report(workspace: Workspace, contribution_id: str) -> dict[str, Any]:
    """Return the report of one contribution, with the delivered names from their sealed list.

    Raises
    ------
    Refused
        ``custody.key-missing``, ``custody.object-missing``, ``custody.object-altered``, ``workspace.input-missing``.

    """
    layout = workspace.layout
    folder = layout.intake / contribution_id
    reference = names_reference(layout.custody, contribution_id)
    record = layout.deliveries / contribution_id / "contribution.json"
    for path in (reference, record):
        if not path.is_file():
            raise refused("workspace.input-missing", path, "is not there.", "Receive the delivery again.")
    listed = json.loads(SealedStore(layout.custody).read(contribution_id, reference.read_text(encoding="ascii")))
    names: dict[str, list[str]] = {}
    for name, image_id in listed.items():
        names.setdefault(image_id, []).append(name)
    return partner_report(
        json.loads(record.read_text(encoding="utf-8")),
        names,
        images=tables.read_rows(folder / "images.parquet", tables.IMAGES),
        quarantine=tables.read_rows(folder / "quarantine.parquet", tables.QUARANTINE),
        remarks=tables.read_rows(folder / "remarks.parquet", tables.REMARKS),
    )
