"""Spreadsheets (XLSX), by openpyxl: reading a partner's table, and writing the template for one.

openpyxl, and not a faster reader: it tells a formula from a value, and a cell that computes is no fact. Reading runs
in the sandboxed workers of `adapters.sandbox`, so a file made to exhaust memory or time ends there; XML goes through
defusedxml, which refuses entities.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

#: The sheet that is read where a file has several, and the one that explains them.
SHEET = "photographs"
_EXPLAINED = "columns"

#: Caps: parts of the file, bytes they say they unpack to (a reader never gets more), rows, columns, letters of a cell.
_MOST_PARTS = 2_000
_MOST_UNPACKED_BYTES = 64_000_000
_MOST_ROWS = 100_001
_MOST_COLUMNS = 256
_MOST_LETTERS = 2_000

#: Kinds of cell that are no value (openpyxl's letters).
_NO_VALUE = {"f": "a formula", "e": "an error"}

#: The moment that stands in every template: the same template is the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_STAMP = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A sheet's cells as text, the first row apart; ``wrong`` holds (row, what) of cells that cannot be read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    wrong: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a spreadsheet is not read: the end of a sentence."""

    detail: str


def prepare() -> None:
    """Load openpyxl with its safe parser; called once in each worker, before its limits close in."""
    os.environ["OPENPYXL_LXML"] = "False"  # the standard library's parser, under defusedxml
    import defusedxml.ElementTree
    import openpyxl
    from openpyxl.xml import DEFUSEDXML, LXML

    if LXML or not DEFUSEDXML:
        raise RuntimeError("openpyxl does not use defusedxml")
    _ = (defusedxml.ElementTree, openpyxl)


def read_grid(data: bytes) -> Grid | Unreadable:
    """Return the cells of a workbook's sheet ``photographs``, or of its only sheet."""
    import openpyxl

    try:
        if (why := _unsafe(data)) is not None:
            return Unreadable(detail=why)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        sheets = {sheet.title.casefold(): sheet for sheet in book.worksheets if sheet.title.casefold() != _EXPLAINED}
        if SHEET not in sheets and len(sheets) != 1:
            return Unreadable(detail=f"has {len(sheets)} sheets, none of them called {SHEET}")
        sheet = sheets.get(SHEET) or next(iter(sheets.values()))
        sheet.reset_dimensions()  # the size that a sheet claims is not to be believed
        return _grid(sheet)
    except MemoryError:
        return Unreadable(detail="needs more memory than is allowed")
    except Exception as error:  # noqa: BLE001 -- a damaged workbook raises whatever its damage leads to
        return Unreadable(detail=f"cannot be read as a workbook ({type(error).__name__})")


def _unsafe(data: bytes) -> str | None:
    """Return why a file is not to be unpacked, from its directory alone; None if nothing speaks against it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_UNPACKED_BYTES:
        return f"unpacks to more than {_MOST_UNPACKED_BYTES // 10**6} MB or {_MOST_PARTS} parts"
    if any(part.flag_bits & 0x1 for part in parts):
        return "is encrypted"
    if any(part.filename.casefold().endswith("vbaproject.bin") for part in parts):
        return "holds macros"
    return None


def _grid(sheet: Any) -> Grid | Unreadable:
    columns: tuple[str, ...] | None = None
    rows, wrong = [], []
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > _MOST_ROWS or len(cells) > _MOST_COLUMNS:
            return Unreadable(detail=f"has more than {_MOST_ROWS - 1} rows or {_MOST_COLUMNS} columns")
        texts = []
        for place, cell in enumerate(cells, start=1):
            text, what = _text(cell)
            texts.append(text)
            if what:
                wrong.append((number, f"holds {what} in column {place}"))
        if not any(texts):
            continue
        if columns is None:
            while texts and not texts[-1]:
                texts.pop()
            columns = tuple(texts)
        else:
            rows.append((number, tuple(texts)))
    return Grid(columns=columns or (), rows=tuple(rows), wrong=tuple(wrong))


def _text(cell: Any) -> tuple[str, str | None]:
    """Return a cell's value as text, and what is wrong with it."""
    value, kind = cell.value, getattr(cell, "data_type", "n")
    if value is None:
        return "", None
    if kind in _NO_VALUE:
        return "?", _NO_VALUE[kind]
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value.isoformat() if isinstance(value, date | time) else str(value).strip()
    return (text, None) if len(text) <= _MOST_LETTERS else ("?", f"more than {_MOST_LETTERS} letters")


def template_bytes(columns: Sequence[tuple[str, str, str, Sequence[str]]]) -> bytes:
    """Return a workbook to fill in: a sheet with the header and pick-lists, and one that explains each column.

    Parameters
    ----------
    columns
        Name, meaning, example and permitted words (empty: free) of each column.

    """
    prepare()
    import openpyxl
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    sheet = book.create_sheet(SHEET)
    explained = book.create_sheet(_EXPLAINED)
    explained.append(["column", "what to write", "example", "one of"])
    for place, (name, meaning, example, words) in enumerate(columns, start=1):
        letter = get_column_letter(place)
        sheet.cell(1, place, name)
        sheet.column_dimensions[letter].width = max(12, len(name) + 4)
        explained.append([name, meaning, example, ", ".join(words)])
        cells = f"{letter}2:{letter}{_MOST_ROWS}"
        for column in sheet[f"{letter}2:{letter}200"]:
            column[0].number_format = "@"  # text: a date or an id with leading zeros stays as it is typed
        if words:
            listed = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True)
            listed.add(cells)
            sheet.add_data_validation(listed)
    for page in (sheet, explained):
        page.freeze_panes = "A2"
        for cell in page[1]:
            cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DDE6EE")
    for letter, width in zip("ABCD", (24, 72, 18, 72), strict=True):
        explained.column_dimensions[letter].width = width
    for row in explained.iter_rows(min_row=2):
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    out = io.BytesIO()
    book.save(out)
    return _without_moments(out.getvalue())


def _without_moments(data: bytes) -> bytes:
    """Return the workbook with every moment in it set to the same one."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as made, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copied:
        for name, content in _parts(made):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            copied.writestr(entry, _STAMP.sub(rb"\g<1>1980-01-01T00:00:00Z\g<3>", content))
    return out.getvalue()


def _parts(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for entry in archive.infolist():
        yield entry.filename, archive.read(entry)
