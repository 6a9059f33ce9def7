"""A partner's seizure table: what is sound is kept as it was told, what is not is said row by row, all at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from workbench.adapters.countries import country_names
from workbench.domain.delivery import Contribution, SeizureRow
from workbench.domain.findings import Refused
from workbench.domain.seizure import View
from workbench.intake.seizure_cells import Known
from workbench.intake.seizure_columns import COLUMNS, tells_of_a_person
from workbench.intake.seizure_table import SeizureTable, read_csv, read_seizure_table
from workbench.intake.told import write_told
from workbench.tables import ITEMS, SEIZURES, read_rows

KNOWN = Known(
    countries=country_names(),
    categories=("part.slide", "part.barrel"),
    calibres={"WB-C0001": ("22-lr", ".22 LR"), "WB-C0002": ("22-wmr",)},
    today=date(2026, 5, 1),
)


def _read(text: str, *delivered: str) -> SeizureTable:
    return read_seizure_table(read_csv(text, name="t.csv"), delivered=delivered or ("a.jpg", "b.jpg"), known=KNOWN)


def _refused(text: str, *delivered: str) -> list[tuple[str, str, str]]:
    with pytest.raises(Refused) as caught:
        _read(text, *delivered)
    return [(finding.code, finding.subject, finding.message) for finding in caught.value.findings]


def test_every_problem_is_said_at_once() -> None:
    said = _refused("path,seizure_id\na.jpg,s1\nb.jpg,s1\na.jpg,s2\nc.jpg,\n", "a.jpg", "c.jpg")
    assert [subject for _, subject, _ in said] == [f"t.csv, line {line}" for line in (3, 4, 5)]


def test_each_bad_cell_of_a_row_is_told_of_by_itself() -> None:
    header = "path,seizure_id,item_id,view,event_type,date,country,item_class,calibre_id,serial_present,year,item_count"
    row = "z.jpg,s/1,1,upside,stolen,2026-02-30,XX,part.slid,.22 LR,perhaps,3000,some"
    with pytest.raises(Refused) as caught:
        _read(f"{header}\n{row}\n")
    told = [f"{finding.message} {finding.remedy}" for finding in caught.value.findings]
    assert {finding.subject for finding in caught.value.findings} == {"t.csv, line 2"}
    for word in ("z.jpg", "s/1", "upside", "stolen", "2026-02-30", "'XX'", "part.slid'", "perhaps", "3000", "'some'"):
        assert sum(word in sentence for sentence in told) == 1, word
    assert any("Did you mean part.slide" in sentence for sentence in told)
    assert any("Write WB-C0001." in sentence for sentence in told)


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("2026", True),
        ("2026-04", True),
        ("2024-02-29", True),
        ("2026-02-29", False),
        ("30.04.2026", False),
        ("2026-4-3", False),
        ("2026-13", False),
        ("2026-05-02", False),
        ("1234", False),
        ("2026-04-30T10:00:00", False),
    ],
)
def test_dates_are_as_exact_as_known_and_no_others(text: str, *, sound: bool) -> None:
    table = f"path,seizure_id,date\na.jpg,s1,{text}\n"
    if sound:
        assert _read(table).seizures["s1"]["date"] == text
    else:
        assert len(_refused(table)) == 1


def test_countries_are_codes_and_a_name_is_answered_with_its_code() -> None:
    assert _read("path,seizure_id,country\na.jpg,s1,de\n").seizures["s1"]["country"] == "DE"
    with pytest.raises(Refused) as caught:
        _read("path,seizure_id,country\na.jpg,s1,Germany\n")
    assert caught.value.findings[0].remedy == "Write DE for Germany."


def test_rows_that_contradict_each_other_are_both_named() -> None:
    text = "path,seizure_id,item_id,country,make\na.jpg,s1,1,DE,A\nb.jpg,s1,1,FR,B\n"
    said = [message for _, _, message in _refused(text)]
    assert said == [
        "says country 'FR' of seizure s1, but line 2 says 'DE'.",
        "says make 'B' of item 1 of s1, but line 2 says 'A'.",
    ]


def test_the_same_item_id_in_two_seizures_is_two_items() -> None:
    told = _read("path,seizure_id,item_id,make\na.jpg,s1,1,A\nb.jpg,s2,1,B\n")
    assert {key: facts["make"] for key, facts in told.items.items()} == {("s1", "1"): "A", ("s2", "1"): "B"}


def test_more_items_than_counted_are_a_contradiction() -> None:
    said = _refused("path,seizure_id,item_id,item_count\na.jpg,s1,1,1\nb.jpg,s1,2,\n")
    assert "counts 1 items of seizure s1, but the table tells of 2" in said[0][2]


def test_facts_told_once_hold_for_all_rows_and_items_need_no_photograph() -> None:
    text = "path,seizure_id,item_id,view,country,item_class\na.jpg,s1,1,left,DE,part.slide\nb.jpg,s1,1,,,\n,s1,2,,,part.barrel\n"
    told = _read(text)
    assert told.files == {
        "a.jpg": SeizureRow(path="a.jpg", seizure_id="s1", item_id="1", view=View.LEFT),
        "b.jpg": SeizureRow(path="b.jpg", seizure_id="s1", item_id="1"),
    }
    assert told.seizures == {"s1": {"event_type": "unknown", "country": "DE"}}
    assert told.items == {("s1", "1"): {"item_class": "part.slide"}, ("s1", "2"): {"item_class": "part.barrel"}}


@pytest.mark.parametrize("row", [",s1,", ",s1,left", "a.jpg,,left"])
def test_a_row_about_no_file_or_no_seizure_is_told_of(row: str) -> None:
    assert len(_refused(f"path,seizure_id,view\n{row}\n")) == 1


def test_facts_of_an_item_without_its_id_are_told_of() -> None:
    ((_, _, message),) = _refused("path,seizure_id,item_id,make\na.jpg,s1,,A\n")
    assert message == "tells make of no item."


@pytest.mark.parametrize(
    "column",
    [
        "owner_name", "date_of_birth", "Suspect", "e-mail", "name", "Nom", "Prénom", "Date de naissance", "Adresse",
        "Geburtsdatum", "Beschuldigter", "Besitzer", "Eigentümer", "Dirección", "Fecha de nacimiento", "Indirizzo",
        "Nascita", "Proprietário", "Geboortedatum", "Nazwisko", "Прізвище", "Дата рождения", "DNI", "Nationality",
        "passport no", "Phone",
    ],
)  # fmt: skip
def test_columns_about_people_are_refused_in_many_languages(column: str) -> None:
    said = _refused(f"path,seizure_id,{column}\na.jpg,s1,x\n")
    assert [code for code, _, _ in said] == ["intake.seizure-possessor"]


def test_no_column_of_the_template_tells_of_a_person() -> None:
    assert not [column.name for column in COLUMNS if tells_of_a_person(column.name)]


def test_unknown_and_doubled_columns_are_told_of_together() -> None:
    said = _refused("path,seizure_id,colour,path,\na.jpg,s1,red,a.jpg,\n")
    assert [subject for _, subject, _ in said] == ["t.csv, column colour", "t.csv, column path", "t.csv, column 5"]


def test_an_address_for_mail_in_any_cell_is_refused() -> None:
    said = _refused("path,seizure_id,region\na.jpg,s1,ask jo@example.org\n")
    assert [code for code, _, _ in said] == ["intake.seizure-possessor"]


def test_a_sound_table_reads_whatever_the_case_of_its_header() -> None:
    rows = _read("\ufeffPath, Seizure_ID ,item_id\na.jpg,s1,\n").files
    assert (rows["a.jpg"].seizure_id, rows["a.jpg"].item_id) == ("s1", None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_may_stand_between_what_a_spreadsheet_puts_there(delimiter: str) -> None:
    assert set(_read("path,seizure_id\r\na.jpg,s1\r\n".replace(",", delimiter)).files) == {"a.jpg"}


def test_a_table_may_write_names_as_another_system_does() -> None:
    text = "path,seizure_id\nphotos\\e\u0301.jpg,s1\n./b.jpg,s2\n"
    rows = _read(text, "photos/\u00e9.jpg", "b.jpg").files
    assert {path: row.seizure_id for path, row in rows.items()} == {"photos/\u00e9.jpg": "s1", "b.jpg": "s2"}


def test_what_is_no_csv_is_refused_in_a_sentence() -> None:
    with pytest.raises(Refused, match="is no CSV"):
        read_csv("path,seizure_id\n" + "a" * 200_000 + ",s\n", name="t")


def test_what_was_told_stands_in_tables_and_nothing_told_in_none(tmp_path: Path) -> None:
    given = Contribution(
        contribution_id="c-1",
        partner_id="lab",
        licence="CC0-1.0",
        received_at="",
        channel="",
        file_count=2,
        total_bytes=0,
    )
    write_told(tmp_path, given, _read("path,seizure_id,item_id,year,item_count\na.jpg,s1,1,1998,3\n"))
    ((seizure,), (item,)) = (read_rows(tmp_path / name, schema) for name, schema in _TOLD)
    assert (seizure["seizure_id"], seizure["event_type"], seizure["item_count"]) == ("lab/s1", "unknown", 3)
    assert (item["item_id"], item["seizure_id"], item["year"], item["make"]) == ("lab/1", "lab/s1", 1998, None)
    write_told(tmp_path, given, SeizureTable(files={}, seizures={}, items={}))
    assert not list(tmp_path.iterdir())


_TOLD = (("seizures.parquet", SEIZURES), ("items.parquet", ITEMS))


def test_the_partners_guide_tells_of_every_column_and_word() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guide-partners.md").read_text()
    words = [word for column in COLUMNS for word in (column.name, *column.words)]
    assert not [word for word in words if f"`{word}`" not in guide]
