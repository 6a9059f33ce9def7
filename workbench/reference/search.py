"""Finding a calibre by a name people use for it, or by what a calliper says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from workbench.reference.calibres import Calibre

#: Names less alike than this (0 to 1, Ratcliff and Obershelp) are no match; lets one slip in six letters pass.
LEAST_LIKENESS = 0.75
#: How far a measured dimension may be from the table's: a hand calliper on a worn or fired case.
MEASURING_TOLERANCE_MM = 0.5
#: Two cartridges are dimension twins when every dimension both carry lies this close (lengths, then diameters).
TWIN_LENGTH_MM = 0.25
TWIN_DIAMETER_MM = 0.15
_TIMES = "\N{MULTIPLICATION SIGN}"
_FEWEST_SHARED = 5  # fewer dimensions in common prove no likeness
_SHORTEST_PART = 2  # a part of a name this short would match half the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A calibre that was found: by which name, and how well (1 is exact, 0 is not at all)."""

    calibre: Calibre
    matched_name: str
    score: float


def name_key(text: str) -> str:
    """Return what is left of a name when case, spaces, punctuation and the unit are taken away.

    Examples
    --------
    >>> name_key("9 mm Luger"), name_key("9X19MM"), name_key(".223 Rem."), name_key("12 ga")
    ('9luger', '9x19', '223rem', '12gauge')

    """
    folded = unicodedata.normalize("NFKD", text).casefold().replace(_TIMES, "x")
    folded = re.sub(r"^\s*(calib(re|er)|cal|kaliber)\b\.?", "", folded)
    folded = re.sub(r"(?<=\d)\s*(ga|gauge)\b", "gauge", folded)
    folded = re.sub(r"(?<=\d)\s*mm(?![a-z])", "", folded)
    return re.sub(r"[^0-9a-z]", "", folded)


def search_name(calibres: Sequence[Calibre], query: str, *, limit: int) -> list[Match]:
    """Return the calibres whose names come closest to a query, best first.

    An exact name comes before one that begins with the query, then one that holds it, then one spelt alike.
    Equal scores are in the order of calibre ids. A query without a letter or digit finds nothing.
    """
    wanted = name_key(query)
    if not wanted:
        return []
    best: list[Match] = []
    for calibre in calibres:
        score, name = max(
            ((_likeness(wanted, name_key(name.name)), name.name) for name in calibre.names), key=lambda pair: pair[0]
        )
        if score > 0:
            best.append(Match(calibre=calibre, matched_name=name, score=score))
    return sorted(best, key=lambda match: (-match.score, match.calibre.calibre_id))[:limit]


def _likeness(wanted: str, name: str) -> float:
    """Return 1 for equal keys, 0.9 to 1 for a beginning, 0.8 to 0.9 for a part, else the likeness or 0."""
    if wanted == name:
        return 1.0
    share = len(wanted) / max(len(name), 1)
    if name.startswith(wanted):
        return 0.9 + 0.09 * share
    if wanted in name and len(wanted) > _SHORTEST_PART:
        return 0.8 + 0.09 * share
    # a wrong digit is another calibre, so only the letters may differ
    if re.sub(r"\D", "", wanted) != re.sub(r"\D", "", name):
        return 0.0
    likeness = SequenceMatcher(None, wanted, name, autojunk=False).ratio()
    return 0.8 * likeness if likeness >= LEAST_LIKENESS else 0.0


def search_dimensions(
    calibres: Sequence[Calibre],
    measured: Mapping[str, float],
    *,
    limit: int,
    tolerance_mm: float = MEASURING_TOLERANCE_MM,
) -> list[Match]:
    """Return the calibres that fit every measured dimension, closest first.

    ``measured`` maps keys of `DIMENSIONS` to millimetres. A calibre that lacks one of them is left out: nothing
    speaks for it. The score is 1 at equality and 0 at the tolerance, taken at the worst dimension.
    """
    found = []
    for calibre in calibres:
        if not measured or not set(measured) <= set(calibre.dimensions):
            continue
        worst = max(abs(calibre.dimensions[key] - value) for key, value in measured.items())
        if worst <= tolerance_mm:
            found.append(Match(calibre=calibre, matched_name=calibre.name, score=1 - worst / tolerance_mm))
    return sorted(found, key=lambda match: (-match.score, match.calibre.calibre_id))[:limit]


def dimension_twins(calibre: Calibre, calibres: Sequence[Calibre]) -> list[Calibre]:
    """Return the other calibres that outer dimensions cannot tell from this one."""
    return [other for other in calibres if other.calibre_id != calibre.calibre_id and _are_twins(calibre, other)]


def _are_twins(one: Calibre, other: Calibre) -> bool:
    shared = set(one.dimensions) & set(other.dimensions)
    return len(shared) >= _FEWEST_SHARED and all(
        abs(one.dimensions[key] - other.dimensions[key]) <= (TWIN_LENGTH_MM if "length" in key else TWIN_DIAMETER_MM)
        for key in shared
    )
