"""Commands of the reference tables: looking a calibre up."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.seizure_template import template
from workbench.domain.findings import Finding, Severity, bad_usage
from workbench.reference.calibres import DIMENSIONS, Calibre, CalibreTable, load_calibres
from workbench.reference.search import Match, dimension_twins, search_dimensions, search_name

_Millimetres = float | None


def register(app: typer.Typer) -> None:
    """Add the group ``reference``."""
    group = typer.Typer(help="Look up the sourced reference tables.", no_args_is_help=True)
    app.add_typer(group, name="reference")
    command(group, "search")(search)
    command(group, "template")(template)


def search(
    query: Annotated[str | None, typer.Argument(help="A name, as `9 mm Luger`, `.223` or `12 ga`.")] = None,
    *,
    case_length_mm: Annotated[_Millimetres, typer.Option(help="Measured length of the case.", min=0)] = None,
    bullet_dia_mm: Annotated[_Millimetres, typer.Option(help="Measured diameter of the bullet.", min=0)] = None,
    rim_dia_mm: Annotated[_Millimetres, typer.Option(help="Measured diameter of the rim.", min=0)] = None,
    base_dia_mm: Annotated[_Millimetres, typer.Option(help="Measured diameter at the base.", min=0)] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 10,
) -> Report:
    """Find a calibre by name or by measured dimensions."""
    given = {
        "case_length_mm": case_length_mm,
        "bullet_dia_mm": bullet_dia_mm,
        "rim_dia_mm": rim_dia_mm,
        "base_dia_mm": base_dia_mm,
    }
    measured = {key: value for key, value in given.items() if value is not None}
    if not query and not measured:
        raise bad_usage(
            "usage.bad-argument",
            "reference search",
            "was given neither a name nor a dimension.",
            "Give a name, as `workbench reference search '9 mm Luger'`, or --case-length-mm and --bullet-dia-mm.",
        )
    table = load_calibres()
    among: tuple[Calibre, ...] = table.calibres
    everyone = len(among)
    if measured:
        fitting = search_dimensions(among, measured, limit=everyone)
        among = tuple(match.calibre for match in fitting)
    matches = search_name(among, query, limit=everyone) if query else fitting
    return _report(table, query, measured, matches, limit)


def _report(
    table: CalibreTable, query: str | None, measured: dict[str, float], matches: list[Match], limit: int
) -> Report:
    shown = matches[:limit]
    asked = " and ".join(
        [f"`{query}`"] * bool(query) + [f"{key.removesuffix('_mm')} {value:g} mm" for key, value in measured.items()]
    )
    summary = f"{len(shown)} of {len(matches)} calibres for {asked} (table {table.version})."
    if not matches:
        return Report(
            summary=f"No calibre of table {table.version} fits {asked}.",
            data={"table": table.version, "matches": []},
            findings=(
                Finding(
                    code="reference.no-match",
                    subject=asked,
                    message="is not in the table.",
                    remedy="Try fewer words or other dimensions; label it `unknown` and propose it for the table.",
                    severity=Severity.WARNING,
                ),
            ),
        )
    return Report(
        summary=summary,
        data={"table": table.version, "matches": [_document(match, table) for match in shown]},
        rows=[_row(match) for match in shown],
        findings=_twin_warnings(shown, table),
    )


def _row(match: Match) -> dict[str, Any]:
    """Return what a person reads of a match."""
    calibre = match.calibre
    return {
        "id": calibre.calibre_id,
        "name": calibre.name,
        "matched": match.matched_name,
        "family": calibre.family.value,
        "rim": calibre.rim_type and calibre.rim_type.value,
        "bullet_mm": calibre.dimensions.get("bullet_dia_mm"),
        "case_mm": calibre.dimensions.get("case_length_mm"),
        "status": calibre.status.value,
        "source": calibre.source_id,
    }


def _document(match: Match, table: CalibreTable) -> dict[str, Any]:
    """Return what a program reads of a match."""
    calibre = match.calibre
    return {
        "calibre_id": calibre.calibre_id,
        "slug": calibre.slug,
        "name": calibre.name,
        "matched_name": match.matched_name,
        "score": round(match.score, 3),
        "status": calibre.status.value,
        "family": calibre.family.value,
        "ignition": calibre.ignition.value,
        "case_shape": calibre.case_shape and calibre.case_shape.value,
        "rim_type": calibre.rim_type and calibre.rim_type.value,
        "dimensions": {key: calibre.dimensions[key] for key in DIMENSIONS if key in calibre.dimensions},
        "dimension_sources": dict(calibre.dimension_sources),
        "names": [{"name": name.name, "scheme": name.scheme.value, "source": name.source_id} for name in calibre.names],
        "source": calibre.source_id,
        "source_title": table.sources[calibre.source_id].title,
        "twins": [twin.calibre_id for twin in dimension_twins(calibre, table.calibres)],
    }


def _twin_warnings(shown: list[Match], table: CalibreTable) -> list[Finding]:
    """Return one warning a pair of calibres that no calliper tells apart."""
    pairs: dict[tuple[str, str], tuple[Calibre, Calibre]] = {}
    for match in shown:
        for twin in dimension_twins(match.calibre, table.calibres):
            one, other = sorted((match.calibre, twin), key=lambda calibre: calibre.calibre_id)
            pairs[one.calibre_id, other.calibre_id] = (one, other)
    return [
        Finding(
            code="reference.dimension-twin",
            subject=one.name,
            message=f"has the same outer dimensions as {other.name}.",
            remedy="Tell them apart by the headstamp or the package; else record both as candidates.",
            severity=Severity.WARNING,
        )
        for one, other in pairs.values()
    ]
