"""`workbench reference template`: an empty seizure table for partners to fill in."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Annotated

import typer

from workbench.adapters import spreadsheets
from workbench.cli.report import Report
from workbench.domain.findings import bad_usage
from workbench.intake.seizure_columns import COLUMNS

_ENDINGS = (".csv", ".xlsx")


def template(
    path: Annotated[Path, typer.Argument(help="File to write; ends in .csv or .xlsx.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")] = False,
) -> Report:
    """Write an empty seizure table: as XLSX with pick-lists and explanations, or as CSV with one example row."""
    if path.suffix.lower() not in _ENDINGS:
        raise bad_usage("usage.bad-argument", path, "is neither .csv nor .xlsx.", "Name it seizures.xlsx, for example.")
    if path.exists():
        raise bad_usage("usage.bad-argument", path, "is there already.", "Name another file, or remove it.")
    if not dry_run:
        part = path.with_name(path.name + ".part")
        part.write_bytes(_csv() if path.suffix.lower() == ".csv" else _xlsx())
        os.replace(part, path)
    rows = [
        {"column": column.name, "meaning": column.meaning, "one_of": ", ".join(column.words) or None}
        for column in COLUMNS
    ]
    return Report(
        summary=f"The template {path} {'would be' if dry_run else 'is'} written; only path and seizure_id are required.",
        data={"path": str(path), "columns": [column.name for column in COLUMNS]},
        rows=rows,
        next_command=f"workbench receive PATH --partner ID --seizures {path} --dry-run",
    )


def _csv() -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180; spreadsheets expect it
    writer.writerow([column.name for column in COLUMNS])
    writer.writerow([column.example for column in COLUMNS])
    return out.getvalue().encode("utf-8-sig")  # without the mark, a spreadsheet takes UTF-8 for something else


def _xlsx() -> bytes:
    return spreadsheets.template_bytes([(c.name, c.meaning, c.example, c.words) for c in COLUMNS])
