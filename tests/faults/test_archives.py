"""Hostile zips, made by code: nothing is written outside custody and data, and every cap holds."""

from __future__ import annotations

import json
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.intake import archive

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Fill = Callable[[zipfile.ZipFile], None]


def _names(*names: str) -> Fill:
    def fill(made: zipfile.ZipFile) -> None:
        for number, name in enumerate(names):
            made.writestr(name, b"x%d" % number)

    return fill


def _link(made: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("inside.jpg")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    made.writestr(entry, "/etc/passwd")


def _bomb(made: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("bomb.bmp")
    entry.compress_type = zipfile.ZIP_DEFLATED
    with made.open(entry, "w", force_zip64=True) as member:
        for _ in range(150):
            member.write(bytes(1 << 20))


def _nested(made: zipfile.ZipFile) -> None:
    made.writestr("holiday.zip", b"PK\x05\x06" + bytes(18))


def _many(made: zipfile.ZipFile) -> None:
    for number in range(archive.MOST_ENTRIES + 1):
        made.writestr(zipfile.ZipInfo(f"{number}"), b"")


def _encrypted(path: Path) -> None:
    """Set the flag of encryption in both headers of a plain zip."""
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def _lying_size(path: Path) -> None:
    """Let the directory say that a member is ten bytes long, and the ratio be harmless."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(data)


def _overlap(path: Path) -> None:
    """Write a zip whose 50 directory entries all share one compressed kernel."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = kernel.compress(bytes(5_000_000)) + kernel.flush()
    crc = zlib.crc32(bytes(5_000_000))
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(body), 5_000_000, 5, 0) + b"0.jpg" + body
    directory = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(body), 5_000_000, 6, 0, 0, 0, 0, 0, 0)
        + b"%02d.jpg" % number
        for number in range(50)
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 50, 50, len(directory), len(local), 0)
    path.write_bytes(local + directory + end)


def _claims_too_many(path: Path) -> None:
    """Claim 65,535 entries in an end record that points nowhere, with a locator that claims a billion."""
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, 46, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    path.write_bytes(end64 + locator + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 46, 0, 0))


#: What makes each hostile zip: the members, and what is done to its bytes after.
HOSTILE: dict[str, tuple[Fill | None, Callable[[Path], None] | None]] = {
    "traversal": (_names("good.jpg", "../../outside.jpg"), None),
    "absolute": (_names("/tmp/outside.jpg"), None),
    "backslashes": (_names("..\\..\\outside.jpg"), None),
    "a link": (_link, None),
    "a bomb": (_bomb, None),
    "an archive inside": (_nested, None),
    "names that fold together": (_names("Photo.jpg", "photo.JPG"), None),
    "names that compose together": (_names("\u00e9t\u00e9.jpg", "e\u0301t\u00e9.jpg"), None),
    "more entries than the cap": (_many, None),
    "encrypted": (_names("secret.jpg"), _encrypted),
    "a lying size": (_bomb, _lying_size),
    "overlapping entries": (None, _overlap),
    "a claim of a billion entries": (None, _claims_too_many),
    "cut short": (_names("a.jpg", "b.jpg"), lambda path: path.write_bytes(path.read_bytes()[:60])),
}


def _listing(folder: Path, *, but: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(but) and "forkhost" not in str(path)
    }


def test_no_hostile_zip_writes_a_byte_outside(host: Any, site: Any, tmp_path: Path, record: Any) -> None:
    place, times = site(), []
    before_tmp = {path.name for path in Path("/tmp").iterdir()}
    kept = {p: p.stat().st_mtime_ns for p in place.root.rglob("*") if p.is_file() and ".workbench" not in p.parts}
    for name, (fill, alter) in HOSTILE.items():
        path = tmp_path / f"{name.replace(' ', '-')}.zip"
        if fill is not None:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
                fill(made)
        if alter is not None:
            alter(path)
        outside = _listing(tmp_path, but=place.root)
        began = time.monotonic()
        ended = host.run(*place.receive_line(path))
        times.append(time.monotonic() - began)
        told = json.loads(ended.out)
        assert ended.code == 1, (name, ended.out, ended.err)
        assert {f["code"] for f in told["findings"]} <= {"intake.archive-refused", "intake.delivery-empty"}, name
        assert not ended.traceback
        assert _listing(tmp_path, but=place.root) == outside, name
        assert ended.rss_bytes < 1 << 30
    now = {p: p.stat().st_mtime_ns for p in place.root.rglob("*") if p.is_file() and ".workbench" not in p.parts}
    assert now == kept, "a refused archive left something in the workspace"
    assert not {p.name for p in Path("/tmp").iterdir() if "outside" in p.name} - before_tmp
    record(6, f"{len(HOSTILE)} hostile zips refused: 0 bytes outside, 0 inside; slowest {max(times):.1f} s", "zips")


def test_the_caps_are_what_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the cap on the ratio: the bomb is then unpacked, so it was the cap that stopped it."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        _bomb(made)
    monkeypatch.setattr(archive, "MOST_RATIO", 10**6)
    with archive.open_delivery(path) as members, members[0].open() as stream:
        assert sum(len(chunk) for chunk in iter(lambda: stream.read(1 << 20), b"")) == 150 << 20


def test_a_harmless_zip_is_received(host: Any, site: Any, tmp_path: Path) -> None:
    place, path = site(), tmp_path / "good.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        _names("a.jpg", "folder/b.jpg")(made)
    ended = host.run(*place.receive_line(path))
    assert (ended.code, json.loads(ended.out)["data"]["files"]) == (0, 2), ended.err
