"""Spreadsheets from outside: read as plain values, in a sandbox, and refused where they are made to harm."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from workbench.adapters import spreadsheets
from workbench.adapters.sandbox import Lost, Sandbox
from workbench.adapters.spreadsheets import Grid, Unreadable, read_grid
from workbench.intake.seizure_columns import COLUMNS

spreadsheets.prepare()  # before anything imports openpyxl: it chooses its parser when it is imported

import openpyxl  # noqa: E402 -- see above


def _book(*rows: list[Any], title: str = "Sheet", others: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name in others:
        book.create_sheet(name)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            content = old.read(entry)
            new.writestr(entry, change(content) if entry == name else content)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
SOUND = _book(["path", "seizure_id"], ["a.jpg", "s1"])


def test_values_are_read_as_they_are_typed() -> None:
    data = _book(["path", "n", "d", "b", None], ["a.jpg", 3, datetime(2026, 4, 30), 2.5], [], ["text", 7.0])  # noqa: DTZ001 -- spreadsheets know no zone
    grid = read_grid(data)
    assert isinstance(grid, Grid)
    assert grid.columns == ("path", "n", "d", "b")
    assert [(row, cells[:4]) for row, cells in grid.rows] == [
        (2, ("a.jpg", "3", "2026-04-30", "2.5")),
        (4, ("text", "7")),
    ]


def test_a_formula_is_told_of_with_its_place() -> None:
    grid = read_grid(_book(["path", "seizure_id"], ["a.jpg", "=1+1"], ['=HYPERLINK("http://x")', "s"]))
    assert isinstance(grid, Grid)
    assert grid.wrong == ((2, "holds a formula in column 2"), (3, "holds a formula in column 1"))


@pytest.mark.parametrize(
    ("title", "others", "read"),
    [
        ("Tabelle1", (), True),
        ("Photographs", ("notes",), True),
        ("Sheet", ("columns",), True),
        ("Sheet", ("notes",), False),
    ],
)
def test_which_sheet_is_meant_is_never_guessed(title: str, others: tuple[str, ...], *, read: bool) -> None:
    grid = read_grid(_book(["path"], ["a.jpg"], title=title, others=others))
    assert isinstance(grid, Grid if read else Unreadable)


def _laughs(xml: bytes) -> bytes:
    doctype = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    start = xml.index(b"<worksheet")
    return xml[:start] + doctype + xml[start:]


def _outside(xml: bytes) -> bytes:
    start = xml.index(b"<worksheet")
    return xml[:start] + b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + xml[start:]


def _far_row(xml: bytes) -> bytes:
    return xml.replace(b'r="2"', b'r="1048576"').replace(b'"A2"', b'"A1048576"').replace(b'"B2"', b'"B1048576"')


@pytest.mark.parametrize(
    "hostile",
    [
        _with_part(SOUND, SHEET, _laughs),
        _with_part(SOUND, SHEET, _outside),
        _with_part(SOUND, SHEET, lambda xml: xml[: len(xml) // 2]),
        _with_part(SOUND, SHEET, lambda _: b" " * 65_000_000),
        _with_part(SOUND, SHEET, _far_row),
        _with_part(SOUND, "xl/workbook.xml", lambda _: b"<a/>"),
        SOUND[:200],
        b"PK\x03\x04 no zip at all",
    ],
)
def test_a_hostile_or_damaged_workbook_is_refused_in_a_sentence(hostile: bytes) -> None:
    assert isinstance(read_grid(hostile), Unreadable)


def test_macros_are_refused() -> None:
    out = io.BytesIO(SOUND)
    with zipfile.ZipFile(out, "a") as book:
        book.writestr("xl/vbaProject.bin", b"x")
    assert read_grid(out.getvalue()) == Unreadable(detail="holds macros")


def test_a_workbook_that_exhausts_its_reader_ends_there() -> None:
    nested = _with_part(SOUND, SHEET, lambda _: b"<worksheet>" + b"<a>" * 15_000_000)
    with Sandbox(read_grid, prepare=spreadsheets.prepare, workers=1, timeout_s=2) as box:
        ((_, answer),) = box.map([nested])
    assert isinstance(answer, Unreadable | Lost)


def test_the_template_reads_back_and_is_the_same_bytes_each_time() -> None:
    columns = [(column.name, column.meaning, column.example, column.words) for column in COLUMNS]
    data = spreadsheets.template_bytes(columns)
    assert data == spreadsheets.template_bytes(columns)
    grid = read_grid(data)
    assert isinstance(grid, Grid)
    assert grid.columns == tuple(column.name for column in COLUMNS)
    assert grid.rows == ()
    explained = openpyxl.load_workbook(io.BytesIO(data))["columns"]
    assert [row[0].value for row in explained.iter_rows(min_row=2)] == [column.name for column in COLUMNS]
