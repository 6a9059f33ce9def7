"""The seizure table of a reception: found, read without being trusted, and checked against what is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workbench.adapters import spreadsheets
from workbench.adapters.countries import country_names
from workbench.adapters.sandbox import Lost, Sandbox
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Refused, bad_usage, refused
from workbench.intake.archive import Member
from workbench.intake.seizure_cells import Known
from workbench.intake.seizure_table import NOTHING_TOLD, SeizureTable, Sheet, read_csv, read_seizure_table
from workbench.reference.calibres import load_calibres

#: A seizure table of one of these names inside a delivery is used where none is named.
TABLE_NAMES = ("seizures.csv", "seizures.xlsx")

#: A seizure table is a list of names: a larger file is something else.
_MOST_TABLE_BYTES = 50_000_000

#: Wall clock for reading a spreadsheet; a hundred thousand rows take about a quarter of it.
_READING_S = 60.0


def seizure_table(
    workspace: Workspace, given: Path | None, root: Path, members: Sequence[Member]
) -> tuple[SeizureTable, Sequence[Member]]:
    """Return what the partner's table tells, and the members without the table itself.

    Raises
    ------
    Refused
        ``intake.seizure-table``, ``intake.seizure-possessor`` or ``intake.delivery-empty``.
    BadUsage
        ``usage.bad-argument``.

    """
    inside = [member for member in members if member.path in TABLE_NAMES]
    if given is None and not inside:
        return NOTHING_TOLD, members
    if given is not None and not given.is_file():
        raise bad_usage("usage.bad-argument", given, "is no file.", "Name the CSV or XLSX file of the seizure table.")
    if given is None and len(inside) > 1:
        raise refused(
            "intake.seizure-table", " and ".join(TABLE_NAMES), "both lie in the delivery.", "Remove one of them."
        )
    if given is not None:
        # The table named may itself lie in the delivery, under any name.
        own = {member.path for member in members if root.is_dir() and (root / member.path).resolve() == given.resolve()}
        table = Member(path=given.name, size_bytes=0, open=lambda: given.open("rb"))
    else:
        own, table = set(), inside[0]
    others = [member for member in members if member not in inside and member.path not in own]
    if not others:
        raise refused("intake.delivery-empty", table.path, "is the only file.", "Hand over photographs with it.")
    told = read_seizure_table(_sheet(table), delivered={member.path for member in others}, known=known_codes(workspace))
    return told, others


def known_codes(workspace: Workspace) -> Known:
    """Return the codes that cells of the table may hold."""
    return Known(
        countries=country_names(),
        categories=workspace.taxonomy.codes,
        calibres={
            calibre.calibre_id: [calibre.slug, *(name.name for name in calibre.names)]
            for calibre in load_calibres().calibres
        },
        today=datetime.now(UTC).date(),
    )


def _sheet(table: Member) -> Sheet:
    with table.open() as stream:
        raw = stream.read(_MOST_TABLE_BYTES + 1)
    if len(raw) > _MOST_TABLE_BYTES:
        raise refused(
            "intake.seizure-table", table.path, "is far too large for a table.", "Name the table of the seizures."
        )
    if raw.startswith(b"PK\x03\x04"):
        return _spreadsheet(table.path, raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(
            "intake.seizure-table",
            table.path,
            "is neither XLSX nor UTF-8 text.",
            "Save it as XLSX, or as CSV in UTF-8.",
        ) from error
    return read_csv(text, name=table.path)


def _spreadsheet(name: str, raw: bytes) -> Sheet:
    """Return the sheet of an XLSX file, read in a sandboxed process."""
    reader: Sandbox[bytes, spreadsheets.Grid | spreadsheets.Unreadable] = Sandbox(
        spreadsheets.read_grid, prepare=spreadsheets.prepare, workers=1, timeout_s=_READING_S
    )
    with reader:
        ((_, grid),) = reader.map([raw])
    if isinstance(grid, Lost):
        why = "takes too long to read" if grid.why == "timeout" else "ended the process that read it"
        grid = spreadsheets.Unreadable(detail=why)
    if isinstance(grid, spreadsheets.Unreadable):
        raise refused("intake.seizure-table", name, f"{grid.detail}.", "Fill in the template anew, or save it as CSV.")
    if grid.wrong:
        raise Refused(
            *(
                Finding(
                    code="intake.seizure-table",
                    subject=f"{name}, row {row}",
                    message=f"{what}.",
                    remedy="Paste it as a plain value.",
                )
                for row, what in grid.wrong
            )
        )
    return Sheet(name=name, word="row", columns=grid.columns, rows=grid.rows)
