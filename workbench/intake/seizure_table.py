"""A partner's table of which file shows which item of which seizure: read whole, every problem said at once."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Collection

from workbench.domain.delivery import SeizureRow
from workbench.domain.findings import Finding, Refused

_COLUMNS = ("path", "seizure_id", "item_id")
_REQUIRED = ("path", "seizure_id")

#: Words in a column's name that tell of a natural person: such a column is refused, not ignored, because the table
#: would already have brought personal data into the workbench.
_POSSESSOR = re.compile(
    r"possessor|owner|suspect|offender|defendant|surname|first_?name|last_?name|full_?name|birth|dob|address|phone|"
    r"e[_-]?mail|passport|national_id|nationality|licence_plate|person",
    re.IGNORECASE,
)


def read_seizure_table(text: str, *, name: str, delivered: Collection[str]) -> dict[str, SeizureRow]:
    """Return the rows of a seizure table by path.

    Parameters
    ----------
    text
        CSV with a header: path, seizure_id and perhaps item_id.
    name
        What to call the table in findings.
    delivered
        The paths of the delivery; a row about any other is a problem.

    Raises
    ------
    Refused
        ``intake.seizure-possessor`` or ``intake.seizure-table``, one finding for each problem.

    """
    columns, listed = _parsed(text, name)
    if problems := _column_problems(columns, name):
        raise Refused(*problems)
    rows: dict[str, SeizureRow] = {}
    known = {_same_name(path): path for path in delivered}
    for number, row in listed:
        written = (row["path"] or "").strip()
        path = known.get(_same_name(written), written)
        seizure = (row["seizure_id"] or "").strip()
        where = f"{name}, line {number}"
        if None in row:
            problems.append(_problem(where, "has more cells than the header.", "Quote cells that hold a comma."))
        elif path not in delivered:
            problems.append(_problem(where, f"names {path!r}, which was not delivered.", "Correct the path."))
        elif not seizure:
            problems.append(_problem(where, f"gives no seizure for {path!r}.", "Fill in seizure_id."))
        elif path in rows:
            problems.append(_problem(where, f"names {path!r} a second time.", "Keep one row a file."))
        else:
            rows[path] = SeizureRow(path=path, seizure_id=seizure, item_id=(row.get("item_id") or "").strip() or None)
    if problems:
        raise Refused(*problems)
    return rows


def _parsed(text: str, name: str) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """Return the columns, in lower case, and each row with the line it ends on."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        return columns, [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise Refused(_problem(f"{name}, line {reader.line_num}", f"is no CSV ({error}).", "Save it anew.")) from error


def _same_name(path: str) -> str:
    """Return a path in one form: systems write a name in different forms of Unicode, and some with backslashes."""
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./"))


def _column_problems(columns: list[str], name: str) -> list[Finding]:
    problems = [
        Finding(
            code="intake.seizure-possessor",
            subject=f"{name}, column {column}",
            message="is about a natural person.",
            remedy="Remove the column: the workbench keeps no data about possessors.",
        )
        for column in columns
        if _POSSESSOR.search(column)
    ]
    known = ", ".join(_COLUMNS)
    problems += [
        _problem(f"{name}, column {column}", "is not known.", f"Use the columns {known}.")
        for column in columns
        if column not in _COLUMNS and not _POSSESSOR.search(column)
    ]
    problems += [
        _problem(name, f"has no column {column}.", f"Use the columns {known}.")
        for column in _REQUIRED
        if column not in columns
    ]
    return problems


def _problem(subject: str, message: str, remedy: str) -> Finding:
    return Finding(code="intake.seizure-table", subject=subject, message=message, remedy=remedy)
