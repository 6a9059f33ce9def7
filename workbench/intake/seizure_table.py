"""A partner's table of what each file shows, and of the seizures and objects: read whole, every problem said at once."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.domain.delivery import SeizureRow
from workbench.domain.findings import Finding, Refused
from workbench.domain.seizure import EventType, View
from workbench.intake.seizure_cells import BadCellError, Known, checked_cell
from workbench.intake.seizure_columns import (
    BY_NAME,
    COLUMNS,
    ITEM_COLUMNS,
    REQUIRED,
    SEIZURE_COLUMNS,
    tells_of_a_person,
)

#: What may stand between the cells of a CSV; the header says which of them does.
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table as read, before anything in it is believed: its header, and each row with its number.

    ``word`` is what a row's number counts: ``line`` of a CSV, ``row`` of a spreadsheet.
    """

    name: str
    word: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeizureTable:
    """What a partner told: of files by path, of seizures by id, of items by (seizure, item)."""

    files: Mapping[str, SeizureRow]
    seizures: Mapping[str, Mapping[str, Any]]
    items: Mapping[tuple[str, str], Mapping[str, Any]]


#: What is known where there is no table.
NOTHING_TOLD = SeizureTable(files={}, seizures={}, items={})


def read_csv(text: str, *, name: str) -> Sheet:
    """Return the sheet that CSV says; cells stand between commas, semicolons or tabs, as in its header.

    Raises
    ------
    Refused
        ``intake.seizure-table``.

    """
    text = text.removeprefix("\ufeff")
    header = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = tuple(next(reader, []))
        rows = tuple((reader.line_num, tuple(row)) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise Refused(_problem(f"{name}, line {reader.line_num}", f"is no CSV ({error}).", "Save it anew.")) from error
    return Sheet(name=name, word="line", columns=columns, rows=rows)


def read_seizure_table(sheet: Sheet, *, delivered: Collection[str], known: Known) -> SeizureTable:
    """Return what a sheet tells.

    Parameters
    ----------
    sheet
        The table; its columns are those of `seizure_columns.COLUMNS`, in any order and case.
    delivered
        The paths of the delivery; a row about any other is a problem.
    known
        The codes that cells may hold.

    Raises
    ------
    Refused
        ``intake.seizure-possessor`` or ``intake.seizure-table``, one finding for each problem.

    """
    columns = [column.strip().lower() for column in sheet.columns]
    if problems := _column_problems(columns, sheet.name):
        raise Refused(*problems)
    reading = _Reading(sheet=sheet, delivered=delivered, known=known)
    for number, cells in sheet.rows:
        reading.take(number, columns, cells)
    problems = [*reading.problems, *reading.miscounted()]
    if problems:
        raise Refused(*problems)
    return SeizureTable(files=reading.files, seizures=reading.told_seizures(), items=reading.told_items())


class _Reading:
    """The rows taken so far, and everything that was wrong with them."""

    def __init__(self, *, sheet: Sheet, delivered: Collection[str], known: Known) -> None:
        self._sheet, self._known = sheet, known
        self._paths = {same_name(path): path for path in delivered}
        self.problems: list[Finding] = []
        self.files: dict[str, SeizureRow] = {}
        # Each value with the number of the row that said it first.
        self._seizures: dict[str, dict[str, tuple[str | int, int]]] = {}
        self._items: dict[tuple[str, str], dict[str, tuple[str | int, int]]] = {}

    def take(self, number: int, columns: Sequence[str], cells: Sequence[str]) -> None:
        """Take one row."""
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            self._wrong(number, "has more cells than the header.", "Quote cells that hold a comma.")
            return
        said = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
        path, values = said.pop("path", None), self._values(number, said)
        seizure = values.get("seizure_id")
        if path is not None:
            path = self._path(number, path)
        elif "view" in said or not said.keys() - {"seizure_id"}:
            self._wrong(number, "names no file.", "Fill in path.")
        if "seizure_id" not in said:
            self._wrong(number, f"gives no seizure for {path!r}.", "Fill in seizure_id.")
        if seizure is None:
            return
        self._note(number, self._seizures.setdefault(str(seizure), {}), values, SEIZURE_COLUMNS, f"seizure {seizure}")
        item = values.get("item_id")
        if item is not None:
            facts = self._items.setdefault((str(seizure), str(item)), {})
            self._note(number, facts, values, ITEM_COLUMNS, f"item {item} of {seizure}")
        elif "item_id" not in said and (lone := [name for name in ITEM_COLUMNS if name in said]):
            self._wrong(number, f"tells {', '.join(lone)} of no item.", "Fill in item_id.")
        if path is not None:
            view = View(str(values["view"])) if "view" in values else None
            row = SeizureRow(path=path, seizure_id=str(seizure), item_id=None if item is None else str(item), view=view)
            self.files[path] = row

    def _path(self, number: int, written: str) -> str | None:
        """Return the delivered path that a cell names; None, and a problem, if there is none."""
        path = self._paths.get(same_name(written))
        if path is None:
            self._wrong(number, f"names {written!r}, which was not delivered.", "Correct the path.")
        elif path in self.files:
            self._wrong(number, f"names {written!r} a second time.", "Keep one row a file.")
            return None
        return path

    def _values(self, number: int, said: Mapping[str, str]) -> dict[str, str | int]:
        """Return the checked values of a row's cells, without those that cannot be used."""
        values: dict[str, str | int] = {}
        for name, text in said.items():
            try:
                values[name] = checked_cell(name, text, self._known)
            except BadCellError as error:
                self._wrong(number, error.message, error.remedy, personal=error.personal)
        return values

    def _note(
        self,
        number: int,
        facts: dict[str, tuple[str | int, int]],
        values: Mapping[str, str | int],
        names: Sequence[str],
        subject: str,
    ) -> None:
        """Keep what a row says of its seizure or item; what contradicts an earlier row is a problem."""
        for name in names:
            if name not in values:
                continue
            before, where = facts.setdefault(name, (values[name], number))
            if before != values[name]:
                self._wrong(
                    number,
                    f"says {name} {values[name]!r} of {subject}, but {self._sheet.word} {where} says {before!r}.",
                    "Keep the right one in both.",
                )

    def miscounted(self) -> Iterator[Finding]:
        """Yield seizures that have more items in the table than they count."""
        listed = Counter(seizure for seizure, _ in self._items)
        for seizure, facts in self._seizures.items():
            count, where = facts.get("item_count", (None, 0))
            if count is not None and listed[seizure] > int(count):
                subject = f"{self._sheet.name}, {self._sheet.word} {where}"
                message = f"counts {count} items of seizure {seizure}, but the table tells of {listed[seizure]}."
                yield _problem(subject, message, "Correct item_count, or the ids of the items.")

    def told_seizures(self) -> dict[str, dict[str, Any]]:
        """Return the facts of each seizure."""
        untold = {"event_type": EventType.UNKNOWN.value}
        return {
            key: untold | {name: value for name, (value, _) in facts.items()} for key, facts in self._seizures.items()
        }

    def told_items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the facts of each item."""
        return {key: {name: value for name, (value, _) in facts.items()} for key, facts in self._items.items()}

    def _wrong(self, number: int, message: str, remedy: str, *, personal: bool = False) -> None:
        subject = f"{self._sheet.name}, {self._sheet.word} {number}"
        code = "intake.seizure-possessor" if personal else "intake.seizure-table"
        self.problems.append(Finding(code=code, subject=subject, message=message, remedy=remedy))


def same_name(path: str) -> str:
    """Return a path in one form: systems write a name in different forms of Unicode, and some with backslashes."""
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./"))


def _column_problems(columns: Sequence[str], name: str) -> list[Finding]:
    known = ", ".join(column.name for column in COLUMNS)
    problems = []
    for position, column in enumerate(columns, start=1):
        subject = f"{name}, column {column or position}"
        if column in BY_NAME:
            if column in columns[: position - 1]:
                problems.append(_problem(subject, "stands in the header twice.", "Remove one of the two."))
        elif tells_of_a_person(column):
            problems.append(
                Finding(
                    code="intake.seizure-possessor",
                    subject=subject,
                    message="is about a natural person.",
                    remedy="Remove the column: the workbench keeps no data about possessors.",
                )
            )
        else:
            what = "is not known." if column else "has no name."
            problems.append(_problem(subject, what, f"Use the columns {known}."))
    problems += [
        _problem(name, f"has no column {column}.", f"Use the columns {known}.")
        for column in REQUIRED
        if column not in columns
    ]
    return problems


def _problem(subject: str, message: str, remedy: str) -> Finding:
    return Finding(code="intake.seizure-table", subject=subject, message=message, remedy=remedy)
