"""`workbench protocol`: which photographs each item has and lacks, for the partner to read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from workbench import tables
from workbench.cli.command import command
from workbench.cli.reception import DryRunOption
from workbench.cli.redaction_state import read_images
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.partners import read_partners, require_partner
from workbench.domain.findings import Finding, Severity, bad_usage, refused
from workbench.intake.protocol import (
    Completeness,
    Protocol,
    Status,
    complete_item,
    gather_items,
    read_protocol,
)
from workbench.intake.protocol_page import protocol_page
from workbench.redaction.review import photograph_id


def register(app: typer.Typer) -> None:
    """Add `protocol`."""
    command(app, "protocol")(protocol)


def protocol(
    *,
    workspace: Workspace,
    partner: Annotated[str | None, typer.Option("--partner", metavar="ID", help="Only this partner's items.")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Only items that are not complete.")] = False,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write a page to print for the partner; needs --partner.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Say which photographs each item has, and which its class needs and nobody took (label_configs/protocol.yaml)."""
    if partner is not None:
        require_partner(workspace.layout.custody, partner)
    elif page is not None:
        raise bad_usage("usage.bad-argument", "--page", "shows one partner's items.", "Name it with --partner ID.")
    rules = _read_rules(workspace)
    reports, loose = _reports(workspace, rules, partner)
    shown = [report for report in reports if not missing or report.status is not Status.COMPLETE]
    if page is not None and partner is not None and not dry_run:
        _write_page(workspace, page, shown, rules, partner, loose)
    counts = Counter(report.status.value for report in reports)
    told = ", ".join(f"{counts[status.value]} {status.value}" for status in Status)
    return Report(
        summary=f"{len(reports)} items: {told}; {loose} photographs belong to no item."
        + (f" The page is {page}." if page and not dry_run else ""),
        data={
            "items": dict(counts),
            "photographs_without_item": loose,
            "protocol": rules.version,
            "reports": [_json(report) for report in shown],
        },
        rows=[_row(report) for report in shown],
        findings=_findings(reports),
        next_command=None if page or not reports else "workbench protocol --partner ID --page protocol.html",
    )


def _read_rules(workspace: Workspace) -> Protocol:
    path = workspace.layout.label_configs / "protocol.yaml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise refused(
            "protocol.invalid", path, f"cannot be read ({error}).", "Restore it from the version you started with."
        ) from error
    return read_protocol(document, workspace.taxonomy.codes)


def _reports(workspace: Workspace, rules: Protocol, partner: str | None) -> tuple[list[Completeness], int]:
    layout = workspace.layout
    files = tables.read_all_rows(sorted(layout.deliveries.glob("*/files.parquet")), tables.FILES)
    files = [row for row in files if partner in (None, row["partner_id"])]
    mine = {row["contribution_id"] for row in files}
    told = [
        row
        for path in sorted(layout.deliveries.glob("*/items.parquet"))
        for row in tables.read_rows(path, tables.ITEMS)
        if row["contribution_id"] in mine
    ]
    images, labelled = read_images(workspace), _seen(workspace)
    # Of a film several frames are admitted: what is seen on any of them is seen in the file.
    seen: dict[str, frozenset[str]] = {}
    for row in images:
        if (codes := labelled.get(photograph_id(row))) is not None:
            seen[_file_id(row)] = seen.get(_file_id(row), frozenset()) | codes
    items, loose = gather_items(files, told, {_file_id(row) for row in images}, seen)
    return [complete_item(item, rules) for item in items], loose


def _file_id(row: Mapping[str, Any]) -> str:
    """Return the id of the file delivered that an image was taken from."""
    return str(row.get("source_image_id") or photograph_id(row))


def _seen(workspace: Workspace) -> dict[str, frozenset[str]]:
    """Return the codes labelled on each photograph that somebody answered about, over all projects."""
    seen: dict[str, set[str]] = {}
    for folder in sorted(path.parent for path in workspace.layout.labelling.glob("*/annotations.parquet")):
        for row in tables.read_rows(folder / "annotations.parquet", tables.ANNOTATIONS):
            seen.setdefault(row["image_id"], set())
        for row in tables.read_rows(folder / "instances.parquet", tables.INSTANCES):
            seen.setdefault(row["image_id"], set()).add(row["category"])
    return {image_id: frozenset(codes) for image_id, codes in seen.items()}


def _write_page(
    workspace: Workspace, page: Path, reports: list[Completeness], rules: Protocol, partner: str, loose: int
) -> None:
    name = read_partners(workspace.layout.custody)[partner].name
    text = protocol_page(reports, rules, partner_id=partner, partner_name=name, loose=loose)
    page.parent.mkdir(parents=True, exist_ok=True)
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)


def _findings(reports: list[Completeness]) -> list[Finding]:
    lacking = [report.item for report in reports if report.status is Status.INCOMPLETE]
    if not lacking:
        return []
    first = ", ".join(f"{item.seizure_id or '-'}/{item.item_id}" for item in lacking[:3])
    return [
        Finding(
            code="protocol.incomplete",
            subject=f"{len(lacking)} items ({first}{', ...' if len(lacking) > 3 else ''})",  # noqa: PLR2004 -- as many as are shown
            message="lack photographs that their class needs.",
            remedy="Send the partner the page (--partner ID --page FILE); a new delivery adds to the old one.",
            severity=Severity.WARNING,
        )
    ]


def _row(report: Completeness) -> dict[str, Any]:
    item = report.item
    return {
        "partner": item.partner_id,
        "seizure": item.seizure_id,
        "item": item.item_id,
        "class": item.item_class,
        "photographs": len(item.views),
        "has": ", ".join(report.have),
        "lacks": ", ".join(report.missing),
        "not_known": ", ".join(report.unknown),
        "status": report.status.value,
    }


def _json(report: Completeness) -> dict[str, Any]:
    item = report.item
    return {
        "partner_id": item.partner_id,
        "contributions": list(item.contributions),
        "seizure_id": item.seizure_id,
        "item_id": item.item_id,
        "item_class": item.item_class,
        "photographs": len(item.views),
        "quarantined": item.held,
        "have": list(report.have),
        "missing": list(report.missing),
        "unknown": list(report.unknown),
        "status": report.status.value,
    }
