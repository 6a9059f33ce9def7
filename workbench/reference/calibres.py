"""The calibre table: what a row says, and reading it from its packaged CSV files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TypeVar

from workbench.domain.findings import Refused, refused

W = TypeVar("W", bound=StrEnum)

#: Raised by hand whenever a row changes; releases and labels may cite it.
TABLE_VERSION = "calibres/1"

#: Dimensions a row may carry, in millimetres, with the letter of the C.I.P. drawing they correspond to.
DIMENSIONS = {
    "bullet_dia_mm": "G1",
    "neck_dia_mm": "H2",
    "shoulder_dia_mm": "P2",
    "base_dia_mm": "P1",
    "rim_dia_mm": "R1",
    "case_length_mm": "L3",
    "overall_length_mm": "L6",
}

_LARGEST_MM = 200.0  # no small-calibre cartridge is longer; a greater value is a slip of the unit


class Status(StrEnum):
    """How far a row has been checked against its named standard."""

    DRAFT = "draft"
    REVIEWED = "reviewed"
    DEPRECATED = "deprecated"


class Family(StrEnum):
    """What kind of weapon a cartridge is commonly associated with."""

    HANDGUN = "handgun"
    RIFLE = "rifle"
    RIMFIRE = "rimfire"
    SHOTGUN = "shotgun"
    BLANK_ALARM = "blank_alarm"
    HEAVY = "heavy"
    OTHER = "other"


class Ignition(StrEnum):
    """Where the primer sits."""

    CENTREFIRE = "centrefire"
    RIMFIRE = "rimfire"
    OTHER = "other"


class CaseShape(StrEnum):
    """The outline of the case."""

    STRAIGHT = "straight"
    TAPERED = "tapered"
    BOTTLENECK = "bottleneck"


class RimType(StrEnum):
    """The rim against the body of the case."""

    RIMMED = "rimmed"
    RIMLESS = "rimless"
    SEMI_RIMMED = "semi_rimmed"
    REBATED = "rebated"
    BELTED = "belted"


class Scheme(StrEnum):
    """Who uses a name."""

    CIP = "CIP"
    SAAMI = "SAAMI"
    NATO = "NATO"
    MILITARY = "military"
    COMMERCIAL = "commercial"
    HEADSTAMP_ABBREV = "headstamp_abbrev"
    COLLOQUIAL = "colloquial"
    MISNOMER = "misnomer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A published table that values were carried over from."""

    source_id: str
    title: str
    address: str | None
    revision: str | None
    licence: str
    holder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibreName:
    """One name of a calibre; ``lang`` is an ISO 639-1 code, null where the name is used in any language."""

    calibre_id: str
    name: str
    scheme: Scheme
    lang: str | None
    is_preferred: bool
    source_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibre:
    """One cartridge: its names, its kind and its outer dimensions.

    ``dimensions`` maps a key of `DIMENSIONS` to millimetres and ``dimension_sources`` the same keys to a source id;
    a dimension nobody has sourced is in neither.
    """

    calibre_id: str
    slug: str
    status: Status
    superseded_by: str | None
    family: Family
    ignition: Ignition
    case_shape: CaseShape | None
    rim_type: RimType | None
    dimensions: Mapping[str, float]
    dimension_sources: Mapping[str, str]
    source_id: str
    tolerance_note: str | None
    parent_calibre_id: str | None
    wikidata_qid: str | None
    cip_table: str | None
    names: tuple[CalibreName, ...]

    @property
    def name(self) -> str:
        """The preferred name."""
        return next(name.name for name in self.names if name.is_preferred)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibreTable:
    """The whole table of one version, in the order of calibre ids."""

    version: str
    calibres: tuple[Calibre, ...]
    sources: Mapping[str, Source]


@cache
def load_calibres() -> CalibreTable:
    """Return the packaged table.

    Raises
    ------
    Refused
        ``reference.table-invalid`` if a row breaks a rule of the table.

    """
    folder = resources.files("workbench.reference") / "tables"

    def rows(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((folder / name).read_text(encoding="utf-8"))))

    return parse_calibres(rows("calibres.csv"), rows("calibre_names.csv"), rows("sources.csv"))


def parse_calibres(
    calibre_rows: Iterable[Mapping[str, str]],
    name_rows: Iterable[Mapping[str, str]],
    source_rows: Iterable[Mapping[str, str]],
) -> CalibreTable:
    """Return the table that rows of text describe; an empty cell means absent.

    Raises
    ------
    Refused
        ``reference.table-invalid``, naming the row, for an unknown word, a number that is none, a dimension without
        a source (or the reverse), a repeated id, a name or reference to nothing, or not exactly one preferred name.

    """
    sources = {row["source_id"]: _source(row) for row in source_rows}
    names: dict[str, list[CalibreName]] = {}
    for row in name_rows:
        name = _name(row, sources)
        names.setdefault(name.calibre_id, []).append(name)
    calibres: dict[str, Calibre] = {}
    for row in calibre_rows:
        calibre = _calibre(row, tuple(names.pop(row["calibre_id"], ())), sources)
        if calibre.calibre_id in calibres or any(calibre.slug == other.slug for other in calibres.values()):
            raise _invalid(calibre.calibre_id, "appears twice, or shares its slug.")
        calibres[calibre.calibre_id] = calibre
    for stray in names:
        raise _invalid(stray, "has names but no row in calibres.csv.")
    for calibre in calibres.values():
        for reference in (calibre.superseded_by, calibre.parent_calibre_id):
            if reference is not None and reference not in calibres:
                raise _invalid(calibre.calibre_id, f"refers to {reference}, which is no row.")
    return CalibreTable(
        version=TABLE_VERSION, calibres=tuple(calibres[key] for key in sorted(calibres)), sources=sources
    )


def _source(row: Mapping[str, str]) -> Source:
    return Source(
        source_id=row["source_id"],
        title=row["title"],
        address=row["address"] or None,
        revision=row["revision"] or None,
        licence=row["licence"],
        holder=row["holder"] or None,
    )


def _name(row: Mapping[str, str], sources: Mapping[str, Source]) -> CalibreName:
    where = f"{row['calibre_id']} {row['name']!r}"
    if not row["name"].strip():
        raise _invalid(where, "has an empty name.")
    return CalibreName(
        calibre_id=row["calibre_id"],
        name=row["name"],
        scheme=_word(Scheme, row["scheme"], where),
        lang=row["lang"] or None,
        is_preferred={"yes": True, "no": False}.get(row["is_preferred"], False),
        source_id=_known_source(row["source_id"], sources, where),
    )


def _calibre(row: Mapping[str, str], names: tuple[CalibreName, ...], sources: Mapping[str, Source]) -> Calibre:
    where = row["calibre_id"]
    if sum(name.is_preferred for name in names) != 1:
        raise _invalid(where, "needs exactly one preferred name.")
    cited = {
        key: row[key.removesuffix("_mm") + "_source_id"]
        for key in DIMENSIONS
        if row[key] or row[key.removesuffix("_mm") + "_source_id"]
    }
    return Calibre(
        calibre_id=where,
        slug=row["slug"],
        status=_word(Status, row["status"], where),
        superseded_by=row["superseded_by"] or None,
        family=_word(Family, row["family"], where),
        ignition=_word(Ignition, row["ignition"], where),
        case_shape=_word(CaseShape, row["case_shape"], where) if row["case_shape"] else None,
        rim_type=_word(RimType, row["rim_type"], where) if row["rim_type"] else None,
        dimensions={key: _millimetres(row[key], f"{where} {key}") for key in cited},
        dimension_sources={key: _known_source(cited[key], sources, f"{where} {key}") for key in cited},
        source_id=_known_source(row["source_id"], sources, where),
        tolerance_note=row["tolerance_note"] or None,
        parent_calibre_id=row["parent_calibre_id"] or None,
        wikidata_qid=row["wikidata_qid"] or None,
        cip_table=row["cip_table"] or None,
        names=names,
    )


def _word(kind: type[W], text: str, where: str) -> W:
    try:
        return kind(text)
    except ValueError as error:
        raise _invalid(where, f"says {text!r}, which is no {kind.__name__}.") from error


def _millimetres(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise _invalid(where, f"is {text!r}, not a number with a source.") from error
    if not (math.isfinite(value) and 0 < value <= _LARGEST_MM):
        raise _invalid(where, f"is {text}, outside 0 to {_LARGEST_MM:g} mm.")
    return value


def _known_source(source_id: str, sources: Mapping[str, Source], where: str) -> str:
    if source_id not in sources:
        raise _invalid(where, f"cites the source {source_id!r}, which sources.csv does not list.")
    return source_id


def _invalid(subject: str, message: str) -> Refused:
    return refused("reference.table-invalid", f"calibre table, {subject}", message, "Correct the packaged CSV file.")
