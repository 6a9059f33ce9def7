"""The calibre table keeps its rules, and is found by the names and measures people have."""

from __future__ import annotations

import csv
import io
import json
from importlib import resources

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import reference as commands
from workbench.domain.findings import Refused
from workbench.reference.calibres import DIMENSIONS, Calibre, CalibreTable, Status, load_calibres, parse_calibres
from workbench.reference.search import dimension_twins, name_key, search_dimensions, search_name

TABLE = load_calibres()
BY_SLUG = {calibre.slug: calibre for calibre in TABLE.calibres}


def rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("workbench.reference") / "tables" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def parse(**changed: list[dict[str, str]]) -> CalibreTable:
    parts = {name: rows(f"{name}.csv") for name in ("calibres", "calibre_names", "sources")} | changed
    return parse_calibres(parts["calibres"], parts["calibre_names"], parts["sources"])


def test_the_packaged_table_has_forty_calibres_or_more_each_with_a_source_and_a_preferred_name() -> None:
    assert len(TABLE.calibres) >= 40
    for calibre in TABLE.calibres:
        assert calibre.source_id in TABLE.sources
        assert calibre.name
        assert set(calibre.dimensions) == set(calibre.dimension_sources) <= set(DIMENSIONS)


def test_no_row_claims_a_review_before_it_names_the_cip_sheet_it_was_checked_against() -> None:
    assert [c.slug for c in TABLE.calibres if c.status is Status.REVIEWED and c.cip_table is None] == []


def test_no_column_speaks_of_pressure_charge_load_or_volume() -> None:
    words = ("pressure", "charge", "load", "volume", "powder", "velocity", "energy")
    assert [column for column in rows("calibres.csv")[0] if any(word in column for word in words)] == []


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("family", "pistol", "no Family"),
        ("case_length_mm", "long", "not a number"),
        ("case_length_mm", "", "not a number"),
        ("case_length_mm", "1915", "outside"),
        ("case_length_mm", "nan", "outside"),
        ("case_length_source_id", "", "sources.csv does not list"),
        ("source_id", "hearsay", "sources.csv does not list"),
        ("parent_calibre_id", "WB-C9999", "no row"),
        ("slug", "22-wmr", "shares its slug"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_and_named(column: str, value: str, said: str) -> None:
    changed = rows("calibres.csv")
    changed[0][column] = value
    with pytest.raises(Refused, match=said) as caught:
        parse(calibres=changed)
    assert caught.value.findings[0].code == "reference.table-invalid"
    assert "WB-C000" in caught.value.findings[0].subject


def test_two_preferred_names_or_a_name_of_no_row_are_refused() -> None:
    twice = rows("calibre_names.csv")
    twice[1]["is_preferred"] = "yes"
    with pytest.raises(Refused, match="exactly one preferred name"):
        parse(calibre_names=twice)
    stray = [*rows("calibre_names.csv"), rows("calibre_names.csv")[0] | {"calibre_id": "WB-C9999"}]
    with pytest.raises(Refused, match="no row in calibres"):
        parse(calibre_names=stray)


@pytest.mark.parametrize("calibre", TABLE.calibres, ids=lambda calibre: calibre.slug)
def test_every_name_finds_its_own_calibre_among_the_exact_matches(calibre: Calibre) -> None:
    for name in calibre.names:
        exact = [m.calibre.slug for m in search_name(TABLE.calibres, name.name, limit=60) if m.score == 1.0]
        assert calibre.slug in exact, name.name


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("9 mm Luger", "9x19-parabellum"),
        ("9MM", "9x19-parabellum"),
        ("9x19", "9x19-parabellum"),
        ("9 \N{MULTIPLICATION SIGN} 19 mm", "9x19-parabellum"),
        ("9 mm Parabelum", "9x19-parabellum"),
        ("cal. .380", "9x17-browning"),
        (".223", "223-rem"),
        ("223rem", "223-rem"),
        ("5,56x45", "5-56x45-nato"),
        ("7.62 NATO", "7-62x51-nato"),
        ("12 ga", "12-gauge"),
        (".45 LC", "45-colt"),
        ("6.35", "6-35-browning"),
    ],
)
def test_people_write_calibres_in_many_ways_and_find_them(query: str, slug: str) -> None:
    assert slug in [match.calibre.slug for match in search_name(TABLE.calibres, query, limit=3)]


@pytest.mark.parametrize("query", ["", "...", "mm", "trebuchet", "9x99"])
def test_nonsense_finds_nothing_rather_than_something(query: str) -> None:
    assert search_name(TABLE.calibres, query, limit=5) == []


def test_a_wrong_digit_is_never_taken_for_a_slip_of_the_pen() -> None:
    assert "308-win" not in [m.calibre.slug for m in search_name(TABLE.calibres, ".303 Winchester", limit=9)]


def test_a_calliper_finds_nine_by_nineteen_first() -> None:
    found = search_dimensions(TABLE.calibres, {"case_length_mm": 19, "bullet_dia_mm": 9}, limit=5)
    assert [match.calibre.slug for match in found] == ["9x19-parabellum"]


def test_a_calibre_without_the_measured_dimension_is_not_offered() -> None:
    found = search_dimensions(TABLE.calibres, {"case_length_mm": 70}, limit=60)
    assert all(match.calibre.dimensions for match in found)
    assert search_dimensions(TABLE.calibres, {}, limit=5) == []


def test_exactly_the_known_pairs_are_dimension_twins() -> None:
    pairs = {
        tuple(sorted((one.slug, two.slug))) for one in TABLE.calibres for two in dimension_twins(one, TABLE.calibres)
    }
    assert pairs == {
        ("223-rem", "5-56x45-nato"),
        ("308-win", "7-62x51-nato"),
        ("7-62x25-tokarev", "7-63-mauser"),
    }


def test_keys_drop_the_unit_only_after_a_number() -> None:
    assert name_key("10mm Auto") == "10auto"
    assert name_key("Mmm") == "mmm"


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app)
    return CliRunner().invoke(app, ["reference", "search", *arguments])


def test_the_command_names_table_source_status_and_twin() -> None:
    answer = run("5.56 NATO")
    assert answer.exit_code == 0
    assert TABLE.version in answer.stdout
    assert "draft" in answer.stdout
    assert "fbastin" in answer.stdout
    assert "reference.dimension-twin" in answer.stdout
    assert ".223 Remington" in answer.stdout


def test_the_command_answers_programs_with_every_dimension_and_its_source() -> None:
    document = json.loads(run("--case-length-mm", "19", "--bullet-dia-mm", "9", "--json").stdout)
    best = document["data"]["matches"][0]
    assert best["slug"] == "9x19-parabellum"
    assert best["dimensions"]["case_length_mm"] == 19.15
    assert best["dimension_sources"]["case_length_mm"] == "fbastin"


def test_name_and_dimensions_narrow_each_other() -> None:
    document = json.loads(run("9 mm", "--case-length-mm", "18", "--json").stdout)
    assert {match["slug"] for match in document["data"]["matches"]} == {"9x18-makarov"}


def test_nothing_asked_is_bad_usage_and_nothing_found_is_said() -> None:
    assert run().exit_code == 2
    answer = run("trebuchet")
    assert answer.exit_code == 0
    assert "reference.no-match" in answer.stdout


def test_the_limit_limits_and_says_how_many_there_were() -> None:
    document = json.loads(run("9", "--limit", "2", "--json").stdout)
    assert len(document["rows"]) == 2
    assert "2 of " in document["summary"]
