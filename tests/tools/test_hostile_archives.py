"""Acceptance figure 6: an archive made to harm writes not a byte anywhere, and every cap holds while it is read."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.domain.findings import Refused
from workbench.intake import archive
from workbench.intake.archive import open_delivery

pytestmark = [pytest.mark.tools]

Run = Callable[..., dict[str, Any]]


def _zip(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in entries:
            made.writestr(name, data)
    return out.getvalue()


def _special(mode: int, name: str = "a.jpg") -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (mode | 0o777) << 16
    return entry


def _encrypted() -> bytes:
    data = bytearray(_zip(("a.jpg", b"x")))
    directory = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    return bytes(data)


def _overlapping() -> bytes:
    """Return a zip whose two entries are the same bytes (after Fifield, "A better zip bomb", 2019)."""
    data = bytearray(_zip(("a.jpg", bytes(1000)), ("b.jpg", bytes(1000))))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(data)


def _claiming(size_bytes: int) -> bytes:
    """Return a zip whose directory says that a member unpacks to so much."""
    data = bytearray(_zip(("a.jpg", bytes(1000))))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", size_bytes)
    return bytes(data)


def _understated() -> bytes:
    """Return a zip that unpacks to a thousand times what its directory says."""
    data = bytearray(_zip(("a.jpg", bytes(20_000_000))))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 20_000)
    return bytes(data)


_HOSTILE: dict[str, Callable[[], bytes]] = {
    "climbs out": lambda: _zip(("../../../outside.jpg", b"x")),
    "climbs out by another separator": lambda: _zip(("..\\..\\outside.jpg", b"x")),
    "is absolute": lambda: _zip(("/tmp/outside.jpg", b"x")),
    "is a link": lambda: _zip((_special(stat.S_IFLNK), b"/etc/passwd")),
    "is encrypted": _encrypted,
    "shares bytes": _overlapping,
    "claims 3 GB": lambda: _claiming(3_000_000_000),
    "says less than it holds": _understated,
    "unpacks 1000:1": lambda: _zip(("a.jpg", bytes(60_000_000))),
    "holds an archive": lambda: _zip(("a.tar.gz", b"x")),
    "holds a zip by another name": lambda: _zip(("a.jpg", b"x"), ("B.ZIP", b"x")),
    "has names that fall together": lambda: _zip(("e\u0301.jpg", b"x"), ("\u00c9.jpg", b"y")),
    "has too many entries": lambda: _zip(*((f"{number}.jpg", b"") for number in range(2_001))),
    "is cut short": lambda: _zip(("a.jpg", bytes(1000)))[:-30],
    "is a tar": lambda: b"a.jpg".ljust(257, b"\0") + b"ustar\x0000" + bytes(800),
}


def _tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
        if path.name != "custody.lock"  # held while a command writes; holds nothing
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, workbench: Run) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "workspace"
    workbench("init", folder)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", folder)
    return folder


@pytest.mark.parametrize("how", _HOSTILE)
def test_an_archive_that_harms_is_refused_and_leaves_no_byte(
    how: str, root: Path, workbench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 2_000)
    path = root.parent / "delivery.zip"
    path.write_bytes(_HOSTILE[how]())
    before = _tree(root.parent)
    answer = workbench("receive", path, "--partner", "lab", "--workspace", root, expect=1)
    assert {finding["code"] for finding in answer["findings"]} == {"intake.archive-refused"}
    assert _tree(root.parent) == before
    path.unlink()


def test_the_caps_hold_while_members_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.zip"
    path.write_bytes(_zip(("a.jpg", bytes(9_000_000)), ("b.jpg", bytes(12_000_000))))
    with open_delivery(path) as (first, second):
        with first.open() as stream:
            assert len(stream.read()) == 9_000_000
        stream, sizes = second.open(), list[int]()
        with pytest.raises(Refused, match="unpacks to far more"):
            sizes.extend(iter(lambda: len(stream.read(1 << 20)), 0))
        assert sum(sizes) <= archive._RATIO_FROM_BYTES
    monkeypatch.setattr(archive, "MOST_TOTAL_BYTES", 20_000_000)
    with pytest.raises(Refused, match="unpacks to more than"), open_delivery(path):
        pass
    monkeypatch.setattr(archive, "MOST_MEMBER_BYTES", 10_000_000)
    with pytest.raises(Refused, match="is larger than 10 MB"), open_delivery(path):
        pass
