from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.domain.findings import Refused
from workbench.intake.archive import links_in, open_delivery


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


def _method_nobody_knows(raw: bytearray) -> None:
    directory = raw.find(b"PK\x01\x02")
    raw[8:10] = raw[directory + 10 : directory + 12] = (99).to_bytes(2, "little")


def _another_name_inside(raw: bytearray) -> None:
    raw[30:31] = b"z"


def _flip_its_data(raw: bytearray) -> None:
    raw[36] ^= 0xFF


@pytest.mark.parametrize("spoil", [_method_nobody_knows, _another_name_inside, _flip_its_data])
def test_damaged_zips_are_refused_when_they_are_read(tmp_path: Path, spoil: Callable[[bytearray], None]) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"abc")
    raw = bytearray(path.read_bytes())
    spoil(raw)
    path.write_bytes(raw)
    with open_delivery(path) as members, pytest.raises(Refused) as caught, members[0].open() as stream:
        stream.read()
    assert caught.value.findings[0].code == "intake.archive-refused"


def test_a_zip_that_claims_too_many_entries_is_refused_before_its_directory_is_read(tmp_path: Path) -> None:
    path = _zip(tmp_path / "d.zip", lambda a: a.writestr("a.jpg", b"abc"))
    record = b"PK\x06\x06" + bytes(28) + (200_000).to_bytes(8, "little") + bytes(16)
    raw = path.read_bytes()
    end = raw.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(4) + end.to_bytes(8, "little") + bytes(4)
    path.write_bytes(raw[:end] + record + locator + raw[end:])
    with pytest.raises(Refused, match="200000 entries"), open_delivery(path):
        pass


def test_names_in_another_encoding_are_kept_readable(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xe9t\xe9.jpg", "wb") as file:  # noqa: PTH123 -- a name that is no text
        file.write(b"a")
    with open_delivery(tmp_path) as (member,), member.open() as stream:
        assert (member.path, stream.read()) == ("\\xe9t\\xe9.jpg", b"a")


def test_links_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "folder").symlink_to("/etc")
    assert links_in(tmp_path) == ["b.jpg", "folder"]
