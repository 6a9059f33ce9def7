"""What intake builds on: noted verdicts, and files known as unaltered."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from workbench.domain.lineage import sha256_hex
from workbench.intake import kept


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was hashed."""
    seen: list[bytes] = []
    monkeypatch.setattr(kept, "sha256_hex", lambda data: seen.append(data) or sha256_hex(data))
    return seen


def _old(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    past = time.time_ns() - 10**10
    os.utime(path, ns=(past, past))
    return sha256_hex(data)


def test_a_file_is_hashed_once_while_it_stays_as_it_is(tmp_path: Path, hashed: list[bytes]) -> None:
    file, notes = tmp_path / "a.jpg", tmp_path / "state" / "notes.json"
    digest = _old(file, b"one")
    for _ in range(3):
        known = kept.Unaltered(notes)
        assert known.is_same(file, digest)
        known.write()
    assert hashed == [b"one"]


def test_an_altered_file_is_noticed(tmp_path: Path) -> None:
    file, notes = tmp_path / "a.jpg", tmp_path / "notes.json"
    digest = _old(file, b"one")
    known = kept.Unaltered(notes)
    assert known.is_same(file, digest)
    known.write()
    file.write_bytes(b"two")
    assert not kept.Unaltered(notes).is_same(file, digest)
    file.unlink()
    assert not kept.Unaltered(notes).is_same(file, digest)


def test_a_file_changed_a_moment_ago_is_hashed_again(tmp_path: Path, hashed: list[bytes]) -> None:
    file, notes = tmp_path / "a.jpg", tmp_path / "notes.json"
    file.write_bytes(b"one")
    for _ in range(2):
        known = kept.Unaltered(notes)
        assert known.is_same(file, sha256_hex(b"one"))
        known.write()
    assert len(hashed) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_damaged_notes_are_as_none(tmp_path: Path, damage: str) -> None:
    file, notes = tmp_path / "a.jpg", tmp_path / "notes.json"
    notes.write_text(damage)
    assert kept.Unaltered(notes).is_same(file, _old(file, b"one"))


def test_a_journal_gives_back_what_was_noted_and_passes_over_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "verdicts.part"
    assert list(kept.Journal(path).entries()) == []
    with kept.Journal(path) as journal:
        journal.note({"file": "a"})
    path.write_text(path.read_text() + '{"file": "b')
    with kept.Journal(path) as journal:
        journal.note({"file": "c"})
    assert [entry["file"] for entry in kept.Journal(path).entries()] == ["a", "c"]
    kept.Journal(path).remove()
    assert not path.exists()
