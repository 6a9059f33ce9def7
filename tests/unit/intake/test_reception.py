from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.domain.findings import Refused
from workbench.intake.archive import open_delivery
from workbench.intake.seizure_table import read_seizure_table


def _zip(path: Path, fill: Callable[[zipfile.ZipFile], None]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return path


def _link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("link.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (lambda a: a.writestr("../../outside.jpg", b"x"), "points outside"),
        (lambda a: a.writestr("/absolute.jpg", b"x"), "points outside"),
        (lambda a: a.writestr("inner.zip", b"x"), "archive inside"),
        (_link, "is a link"),
        (lambda a: (a.writestr("A.jpg", b"x"), a.writestr("a.JPG", b"y")), "fall together"),
    ],
)
def test_unsafe_zips_are_refused(tmp_path: Path, fill: Callable[[zipfile.ZipFile], None], says: str) -> None:
    path = _zip(tmp_path / "delivery.zip", fill)
    with pytest.raises(Refused, match=says), open_delivery(path):
        pass


def test_a_zip_bomb_stops_long_before_it_is_unpacked(tmp_path: Path) -> None:
    path = _zip(tmp_path / "bomb.zip", lambda archive: archive.writestr("a.jpg", bytes(150_000_000)))
    with open_delivery(path) as members, members[0].open() as stream:
        read = iter(lambda: len(stream.read(1 << 20)), 0)
        with pytest.raises(Refused, match="unpacks to far more"):
            sum(read)


def test_a_zip_s_members_read_as_they_were(tmp_path: Path) -> None:
    path = _zip(tmp_path / "ok.zip", lambda a: (a.writestr("b/2.jpg", b"two"), a.writestr("a.jpg", b"one")))
    with open_delivery(path) as members:
        assert [(m.path, m.open().read()) for m in members] == [("a.jpg", b"one"), ("b/2.jpg", b"two")]


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.jpg").write_bytes(b"a")
    (tmp_path / "d" / "passwd").symlink_to("/etc/passwd")
    with open_delivery(tmp_path / "d") as members:
        assert [member.path for member in members] == ["a.jpg"]


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda _: None, lambda p: p.write_bytes(b"tar")])
def test_what_is_no_delivery_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "d")
    with pytest.raises(Refused), open_delivery(tmp_path / "d"):
        pass


def test_every_problem_of_a_seizure_table_is_said_at_once() -> None:
    text = "path,seizure_id\na.jpg,s1\nb.jpg,s1\na.jpg,s2\nc.jpg,\n"
    with pytest.raises(Refused) as caught:
        read_seizure_table(text, name="t.csv", delivered={"a.jpg", "c.jpg"})
    assert [finding.subject for finding in caught.value.findings] == [f"t.csv, line {line}" for line in (3, 4, 5)]


@pytest.mark.parametrize("column", ["owner_name", "date_of_birth", "Suspect", "e-mail"])
def test_columns_about_people_are_refused(column: str) -> None:
    with pytest.raises(Refused) as caught:
        read_seizure_table(f"path,seizure_id,{column}\na.jpg,s1,x\n", name="t.csv", delivered={"a.jpg"})
    assert caught.value.findings[0].code == "intake.seizure-possessor"


def test_a_sound_table_reads_whatever_the_case_of_its_header() -> None:
    rows = read_seizure_table("\ufeffPath, Seizure_ID ,item_id\na.jpg,s1,\n", name="t", delivered={"a.jpg"})
    assert (rows["a.jpg"].seizure_id, rows["a.jpg"].item_id) == ("s1", None)
