"""`release build` through the real git and DVC: built once, verified ever after, compared and handed over."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.adapters import dvc, git
from workbench.layout import Layout
from workbench.tables import IMAGES, read_rows, write_table

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]
_PIPELINE = """stages:
  release:
    cmd: workbench release assemble
    deps: [data/03_adjudication, data/04_curation, data/05_synthesis, data/06_augmentation]
    params: [release]
    outs: [data/07_release]
"""
_PARAMS = "release: {activity: release/2, title: Drawn sample, purpose: tests}\n"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The drawn workspace of the unit tests as a git and DVC repository with the stage `release` alone."""
    path = Path(__file__).resolve().parents[1] / "unit" / "release" / "conftest.py"
    spec = importlib.util.spec_from_file_location("drawn_release", path)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawn)
    layout: Layout = drawn._make(tmp_path_factory.mktemp("release") / "workspace")
    (layout.root / "dvc.yaml").write_text(_PIPELINE)
    layout.params.write_text(_PARAMS)
    (layout.root / ".gitignore").write_text("/custody/\n/.workbench/\n")
    git.init(layout.root)
    dvc.init(layout.root)
    return layout


@pytest.fixture(scope="module")
def built(workspace: Layout, workbench: Run) -> Layout:
    """Release v1, then v2 with one photograph fewer."""
    at = ("--workspace", workspace.root)
    planned = workbench("release", "build", "v1", "--dry-run", *at)
    assert planned["data"]["dry_run"] is True
    assert not workspace.records.exists()
    workbench("release", "build", "v1", *at)
    again = workbench("release", "build", "v1-again", *at, expect=1)
    assert [finding["code"] for finding in again["findings"]] == ["release.unchanged"]
    images = workspace.curation / "images.parquet"
    rows = read_rows(images, IMAGES)
    next(row for row in rows if row["split"] == "test")["excluded"] = "blurred"
    write_table(images, IMAGES, rows)
    workbench("release", "build", "v2", *at)
    return workspace


def test_a_name_is_given_once(built: Layout, workbench: Run) -> None:
    for name in ("v1", "v2"):
        answer = workbench("release", "build", name, "--workspace", built.root, expect=1)
        assert [finding["code"] for finding in answer["findings"]] == ["release.name-taken"]


def test_record_and_splits_are_in_git_under_the_tag(built: Layout) -> None:
    listing = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "v1"], cwd=built.root, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"releases/v1/record.json", "releases/v1/splits.csv", "dvc.lock"} <= set(listing)
    assert not [name for name in listing if name.startswith(("custody", ".workbench"))]


def test_the_newest_and_an_older_release_verify_and_list(built: Layout, workbench: Run) -> None:
    at = ("--workspace", built.root)
    assert workbench("release", "verify", *at)["findings"] == []
    older = workbench("release", "verify", "v1", *at)
    assert [finding["code"] for finding in older["findings"]] == ["release.other-data"]
    assert workbench("release", "list", *at)["data"]["releases"] == ["v1", "v2"]
    assert workbench("release", "card", *at)["data"]["facts"]["images"] == 6


def test_two_names_compare(built: Layout, workbench: Run) -> None:
    counts = workbench("release", "diff", "v1", "v2", "--workspace", built.root)["data"]["counts"]
    assert (counts["images_removed"], counts["images_added"], counts["images_moved"]) == (1, 0, 0)
    assert counts["instances_removed"] == 4


def test_a_changed_byte_is_found_and_named(built: Layout, workbench: Run) -> None:
    victims = [next((built.release / "images").rglob("*.jpg")), built.release / "MANIFEST.sha256"]
    for victim in victims:
        sound = victim.read_bytes()
        victim.chmod(0o644)
        victim.write_bytes(bytes([sound[0] ^ 1]) + sound[1:])
        answer = workbench("release", "verify", "v2", "--workspace", built.root, expect=1)
        assert answer["data"]["sound"] is False
        victim.write_bytes(sound)
    workbench("release", "verify", "v2", "--workspace", built.root)


def test_an_export_verifies_on_its_own_and_stands_in_the_ledger(
    built: Layout, workbench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workbench("release", "export", "v1", tmp_path / "out", "--workspace", built.root)
    monkeypatch.chdir(tmp_path)
    assert workbench("release", "verify", tmp_path / "out")["data"]["sound"] is True
    again = workbench("release", "export", "v1", tmp_path / "out", "--workspace", built.root, expect=2)
    assert again["findings"][0]["code"] == "usage.bad-argument"


def test_an_unknown_name_is_refused(built: Layout, workbench: Run) -> None:
    answer = workbench("release", "verify", "v9", "--workspace", built.root, expect=1)
    assert answer["findings"][0]["code"] == "release.unknown-name"


def test_releases_verify_after_the_key_was_rotated(built: Layout, workbench: Run, tmp_path: Path) -> None:
    at = ("--workspace", built.root)
    workbench("ledger", "rotate-key", "--reason", "yearly", *at)
    assert workbench("release", "verify", *at)["findings"] == []
    older = workbench("release", "verify", "v1", *at)
    assert [finding["code"] for finding in older["findings"]] == ["release.other-data"]
    workbench("release", "export", "v1", tmp_path / "out", *at)
    assert workbench("release", "verify", tmp_path / "out")["data"]["sound"] is True
