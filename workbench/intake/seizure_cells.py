"""What a cell of the seizure table may say: each check returns the value to keep, or says what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

from workbench.intake.seizure_columns import BY_NAME, EMAIL

_MOST_TEXT = 200
_ID = re.compile(r"[\w.#:-](?:[\w .#:-]{0,62}[\w.#:-])?")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_FIRST_SEIZURE_YEAR = 1900
_FIRST_MAKE_YEAR = 1700
_MOST_ITEMS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The codes that cells may hold, and the day it is.

    Parameters
    ----------
    countries
        ISO 3166-1 alpha-2 codes with the country's name.
    categories
        Codes of the taxonomy.
    calibres
        Ids of the reference table with the calibre's names.

    """

    countries: Mapping[str, str]
    categories: Collection[str]
    calibres: Mapping[str, Collection[str]]
    today: date


class BadCellError(ValueError):
    """A cell cannot be used; carries what is wrong and what to do."""

    def __init__(self, message: str, remedy: str, *, personal: bool = False) -> None:
        """Carry the sentence's end, the remedy, and whether the cell is about a natural person."""
        super().__init__(message)
        self.message, self.remedy, self.personal = message, remedy, personal


def checked_cell(column: str, text: str, known: Known) -> str | int:
    """Return the value of a cell that holds something.

    Raises
    ------
    BadCellError
        If it cannot be used.

    """
    if EMAIL.search(text):
        raise BadCellError(f"{column} holds an e-mail address.", "Remove it.", personal=True)
    if len(text) > _MOST_TEXT:
        raise BadCellError(f"{column} is longer than {_MOST_TEXT} characters.", "Shorten it.")
    if any(not character.isprintable() for character in text):
        raise BadCellError(f"{column} holds a control character.", "Type it anew.")
    return _CHECKS.get(column, _free_text)(column, text, known)


def _free_text(_column: str, text: str, _known: Known) -> str:
    return text


def _identifier(column: str, text: str, _known: Known) -> str:
    if not _ID.fullmatch(text):
        raise BadCellError(
            f"{column} {text!r} is no pseudonym.", "Use up to 64 letters, digits, spaces and . _ - : # only."
        )
    return text


def _word(column: str, text: str, _known: Known) -> str:
    words = BY_NAME[column].words
    word = re.sub(r"[\s-]+", "_", text.casefold())
    if word not in words:
        raise BadCellError(f"{column} {text!r} is not a word it may hold.", f"Use one of {', '.join(words)}.")
    return word


def _date(column: str, text: str, known: Known) -> str:
    found = _DATE.fullmatch(text)
    remedy = "Write it as 2026, 2026-04 or 2026-04-30."
    if found is None:
        raise BadCellError(f"{column} {text!r} is no ISO 8601 date.", remedy)
    year, month, day = (int(part) if part else 1 for part in found.groups())
    try:
        first = date(year, month, day)
    except ValueError as error:
        raise BadCellError(f"{column} {text!r} is no day of the calendar.", remedy) from error
    if year < _FIRST_SEIZURE_YEAR:
        raise BadCellError(f"{column} {text!r} is before {_FIRST_SEIZURE_YEAR}.", "Correct it.")
    if first > known.today:
        raise BadCellError(f"{column} {text!r} lies in the future.", "Correct it.")
    return text


def _country(column: str, text: str, known: Known) -> str:
    code = text.upper()
    if code not in known.countries:
        meant = next((code for code, name in known.countries.items() if name.casefold() == text.casefold()), None)
        hint = f"Write {meant} for {text}." if meant else "Use the two-letter code, as DE for Germany."
        raise BadCellError(f"{column} {text!r} is no ISO 3166-1 alpha-2 code.", hint)
    return code


def _category(column: str, text: str, known: Known) -> str:
    if text not in known.categories:
        raise BadCellError(f"{column} {text!r} is no code of the taxonomy.", _nearest(text, known.categories))
    return text


def _calibre(column: str, text: str, known: Known) -> str:
    if text not in known.calibres:
        said = text.casefold()
        meant = [id_ for id_, names in known.calibres.items() if said in {name.casefold() for name in names}]
        remedy = f"Write {' or '.join(meant)}." if meant else _nearest(text, known.calibres)
        raise BadCellError(f"{column} {text!r} is no id of the reference table.", remedy)
    return text


def _nearest(text: str, codes: Collection[str]) -> str:
    near = difflib.get_close_matches(text, list(codes), n=2)
    return f"Did you mean {' or '.join(near)}?" if near else "Leave it empty if none fits."


def _year(column: str, text: str, known: Known) -> int:
    return _whole(column, text, _FIRST_MAKE_YEAR, known.today.year)


def _count(column: str, text: str, _known: Known) -> int:
    return _whole(column, text, 0, _MOST_ITEMS)


def _whole(column: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or not least <= int(text[:10]) <= most:
        raise BadCellError(
            f"{column} {text!r} is no whole number from {least} to {most}.", "Correct it, or leave it empty."
        )
    return int(text)


_CHECKS: Mapping[str, Callable[[str, str, Known], str | int]] = {
    "seizure_id": _identifier,
    "item_id": _identifier,
    "replica_of": _identifier,
    **{name: _word for name, column in BY_NAME.items() if column.words},
    "date": _date,
    "country": _country,
    "country_of_manufacture": _country,
    "item_class": _category,
    "calibre_id": _calibre,
    "year": _year,
    "item_count": _count,
}
