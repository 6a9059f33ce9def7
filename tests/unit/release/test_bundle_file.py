"""A bundle, folder or one file: a BagIt bag, the same bytes each time, and any one byte changed is found."""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import pytest
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.layout import Layout
from workbench.release import container
from workbench.release.bundle import check_bundle, write_bundle
from workbench.release.places import FolderFiles
from workbench.release.record import read_record

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def packed(bundle: Path, assembled: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn release as one file."""
    path = tmp_path_factory.mktemp("packed") / "v1.zip"
    key = (bundle / "public_key.pem").read_text()
    write_bundle(path, assembled.release, bundle / "record.json", read_record(bundle / "record.json"), key)
    return path


def verdict(path: Path, key: Path) -> tuple[bool, set[str]]:
    """Return whether `release verify` accepts a bundle, and the codes it names."""
    result = CliRunner().invoke(app, ["release", "verify", str(path), "--key", str(key), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code == 0, {finding["code"] for finding in json.loads(result.stdout)["findings"]}


def test_one_file_verifies_without_unpacking(packed: Path, bundle: Path, workbench: Run) -> None:
    answer = workbench("release", "verify", packed, "--key", bundle / "public_key.pem")
    assert answer["data"]["sound"] is True
    assert answer["findings"] == []


def test_both_bundles_are_valid_bags_and_the_file_is_the_folder(packed: Path, bundle: Path, tmp_path: Path) -> None:
    bagit.Bag(str(bundle)).validate(processes=1)
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    assert subprocess.run(["diff", "-r", str(tmp_path / "v1"), str(bundle)], check=False).returncode == 0


def test_the_same_release_gives_the_same_file(packed: Path, bundle: Path, assembled: Layout, tmp_path: Path) -> None:
    key = (bundle / "public_key.pem").read_text()
    write_bundle(
        tmp_path / "again.zip", assembled.release, bundle / "record.json", read_record(bundle / "record.json"), key
    )
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_any_one_byte_of_the_file_changed_is_refused(packed: Path, bundle: Path, tmp_path: Path) -> None:
    rng = random.Random(6)
    sound = packed.read_bytes()
    spoilt = tmp_path / "spoilt.zip"
    headers = len(sound) - 4000  # the directory at the end: no file's content
    places = [rng.randrange(len(sound)) for _ in range(25)] + [rng.randrange(headers, len(sound)) for _ in range(25)]
    for place in places:
        changed = bytearray(sound)
        changed[place] ^= 1 << rng.randrange(8)
        spoilt.write_bytes(changed)
        accepted, _ = verdict(spoilt, bundle / "public_key.pem")
        assert not accepted, place
    spoilt.write_bytes(sound)
    assert verdict(spoilt, bundle / "public_key.pem") == (True, set())


def test_any_one_byte_of_a_folder_s_files_changed_is_refused(bundle: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    beside = sorted(path for path in copy.iterdir() if path.is_file())
    inside = sorted(path for path in (copy / "data").rglob("*") if path.is_file() and path.stat().st_size)
    for number in range(50):
        victim = rng.choice(beside if number % 2 else inside)
        sound = victim.read_bytes()
        changed = bytearray(sound)
        changed[rng.randrange(len(sound))] ^= 1 << rng.randrange(8)
        victim.write_bytes(changed)
        accepted, _ = verdict(copy, bundle / "public_key.pem")
        assert not accepted, victim
        victim.write_bytes(sound)
    assert verdict(copy, bundle / "public_key.pem") == (True, set())


def test_what_was_packed_anew_says_so_and_an_extra_file_is_found(packed: Path, bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    again = shutil.make_archive(str(tmp_path / "anew"), "zip", tmp_path, "v1")
    accepted, codes = verdict(Path(again), bundle / "public_key.pem")
    assert (accepted, codes) == (False, {"release.bundle-altered"})
    (tmp_path / "v1" / "note.txt").write_text("hello")
    assert verdict(tmp_path / "v1", bundle / "public_key.pem") == (False, {"release.bundle-altered"})


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"no zip at all" * 50])
def test_a_file_that_is_no_bundle_is_refused_in_one_sentence(content: bytes, workbench: Run, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    answer = workbench("release", "verify", tmp_path / "x.zip", expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["release.bundle-altered"]


def test_more_members_than_sixteen_bits_count_are_read_by_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    container.write_zip(path, {f"a/{number:05}": lambda: io.BytesIO(b"x") for number in range(66_000)})
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 66_000
        assert archive.read("a/65999") == b"x"
    assert list(container.check_zip(path)) == []


def test_members_and_places_beyond_32_bits_are_written_as_other_programs_read_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(container, "_MOST_32", 1000)
    # with the limit lowered, everything past the first kilobyte needs the wide records; zipfile reads them all the same
    members = {name: (lambda: io.BytesIO(b"y" * 700)) for name in ("a", "b", "c")}
    container.write_zip(tmp_path / "wide.zip", members)
    monkeypatch.undo()
    data = (tmp_path / "wide.zip").read_bytes()
    assert b"PK\x06\x06" in data
    fixed = data.replace((1000).to_bytes(4, "little"), b"\xff\xff\xff\xff")
    with zipfile.ZipFile(io.BytesIO(fixed)) as archive:
        assert [archive.read(name) for name in "abc"] == [b"y" * 700] * 3


def test_a_newer_list_of_superseded_releases_may_be_laid_beside_a_bundle(
    bundle: Path, assembled: Layout, tmp_path: Path
) -> None:
    key = bundle / "public_key.pem"
    record = read_record(bundle / "record.json")
    old = {"revocations.json": b"old list"}
    write_bundle(tmp_path / "v1", assembled.release, bundle / "record.json", record, key.read_text(), beside=old)
    assert b"revocations" not in (tmp_path / "v1" / "tagmanifest-sha256.txt").read_bytes()
    (tmp_path / "v1" / "revocations.json").write_bytes(b"newer list")
    assert list(check_bundle(FolderFiles(tmp_path / "v1"), record)) == []
