"""A release made anew from git and DVC: every byte the same, or the first difference named with its cause."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as public
from workbench.adapters import dvc, git
from workbench.adapters.dvc_files import DvcFiles
from workbench.adapters.pixels import read_rgb
from workbench.domain.findings import Refused
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.tables import IMAGES, INSTANCES, read_rows, write_table

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]
ROOT = Path(__file__).resolve().parents[2]
_PIPELINE = """stages:
  augmentation:
    cmd: workbench augmentation --stage
    deps: [data/01_intake, data/03_adjudication, data/04_curation]
    params: [augmentation]
    outs:
      - data/06_augmentation: {persist: true}
  release:
    cmd: workbench release assemble
    deps: [data/03_adjudication, data/04_curation, data/05_synthesis, data/06_augmentation]
    params: [release]
    outs: [data/07_release]
"""
_PARAMS = """augmentation:
  activity: augmentation/1
  copies: 1
  seed: 11
  size_px: 200
  jpeg_quality: 90
  recipe:
    - {name: RandomSizedBBoxSafeCrop, height: 200, width: 200, erosion_rate: 0.0, p: 0.7}
    - {name: HorizontalFlip, p: 0.5}
release: {activity: release/2, title: Drawn sample, purpose: tests}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, workbench: Run) -> Layout:
    """Releases v1 and v2 of the drawn workspace; the augmented copies are really made. v2 lacks a photograph."""
    path = ROOT / "tests" / "unit" / "release" / "conftest.py"
    spec = importlib.util.spec_from_file_location("drawn_rebuilt", path)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawn)
    layout: Layout = drawn._make(tmp_path_factory.mktemp("rebuilt") / "workspace")
    shutil.rmtree(layout.augmentation)
    (layout.root / "dvc.yaml").write_text(_PIPELINE)
    layout.params.write_text(_PARAMS)
    (layout.root / ".gitignore").write_text("/custody/\n/.workbench/\n")
    git.init(layout.root)
    dvc.init(layout.root)
    inputs = (layout.deliveries, layout.intake, layout.adjudication, layout.curation, layout.synthesis)
    dvc.add(layout.root, [folder for folder in inputs if folder.is_dir()])
    first = [layout.root / name for name in (".gitignore", ".dvc/config", ".dvc/.gitignore")]
    git.commit(layout.root, first, "Start")
    workbench("release", "build", "v1", "--workspace", layout.root)
    images = layout.curation / "images.parquet"
    rows = read_rows(images, IMAGES)
    next(row for row in rows if row["split"] == "test")["excluded"] = "blurred beyond use"
    write_table(images, IMAGES, rows)
    truth = read_rows(layout.adjudication / "instances.parquet", INSTANCES)
    kept = sha256_hex(b"original 3")  # labelled, and in val
    changed = next(row for row in truth if row["shape"] == "box" and row["image_id"] == kept)
    changed |= {"category": "part.slide", "decided_by": "adjudication", "annotator": "expert-1"}
    write_table(layout.adjudication / "instances.parquet", INSTANCES, truth)
    dvc.add(layout.root, [layout.adjudication, layout.curation])
    workbench("release", "build", "v2", "--workspace", layout.root)
    return layout


@pytest.fixture
def spoilable(workspace: Layout, tmp_path: Path) -> Layout:
    """A copy of the workspace, to be changed."""
    shutil.copytree(workspace.root, tmp_path / "copy", symlinks=True)
    return Layout(tmp_path / "copy")


def test_an_older_release_is_made_anew_byte_for_byte(workspace: Layout, workbench: Run) -> None:
    before = subprocess.run(
        ["git", "status", "--short"], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    planned = workbench("release", "reproduce", "v1", "--dry-run", "--workspace", workspace.root)
    assert planned["data"]["remade"] == ["augmentation", "release"]
    answer = workbench("release", "reproduce", "v1", "--workspace", workspace.root)
    assert answer["data"]["reproduced"] is True
    assert answer["data"]["files"] > 20
    after = subprocess.run(["git", "status", "--short"], cwd=workspace.root, capture_output=True, text=True, check=True)
    assert before.stdout == after.stdout
    assert list((workspace.state).glob("reproduce-*")) == []


def test_a_difference_is_named_with_its_stage_and_cause(
    spoilable: Layout, workbench: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # the stages run in processes of their own: a module beside them makes their encoder another one
    sitecustomize = tmp_path / "other" / "sitecustomize.py"
    sitecustomize.parent.mkdir()
    sitecustomize.write_text(
        "import workbench.adapters.albumentations as tool, workbench.adapters.pixels as pixels\n"
        "tool.encode_rgb_jpeg = lambda image, quality: pixels.encode_rgb_jpeg(image, quality - 1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{sitecustomize.parent}:{ROOT}")
    now = {"engines": {"albumentations": "2.0.9"}, "cpu_class": "x86-64-v3", "python": "3.11", "code_sha256": "0"}
    monkeypatch.setattr("workbench.adapters.environment.environment", lambda: now)
    answer = workbench("release", "reproduce", "v2", "--workspace", spoilable.root, expect=1)
    assert answer["data"]["reproduced"] is False
    assert answer["data"]["stage"] == "augmentation"
    assert answer["data"]["first"].startswith(("annotations/", "card", "images/"))
    assert "albumentations was 2.0.8 and is 2.0.9" in answer["data"]["cause"]
    assert [finding["code"] for finding in answer["findings"]] == ["release.not-reproduced"]


def test_two_releases_compare_with_reasons_people_and_pictures(
    workspace: Layout, workbench: Run, tmp_path: Path
) -> None:
    page = tmp_path / "diff.html"
    answer = workbench("release", "diff", "v1", "v2", "--html", page, "--workspace", workspace.root)
    counts = answer["data"]["counts"]
    assert (counts["images_removed"], counts["images_moved"], counts["instances_reclassed"]) == (1, 0, 1)
    removed = [row for row in answer["data"]["images"] if row["change"] == "removed"]
    assert [row["reason"] for row in removed] == ["excluded: blurred beyond use"]
    reclassed = next(row for row in answer["data"]["by"] if row["change"] == "reclassed")
    assert (reclassed["decided_by"], reclassed["annotator"]) == ("adjudication", "expert-1")
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 3  # the relabelled one twice, the removed one once
    assert "part.frame became part.slide" in text
    assert "http" not in text.replace("http-equiv", "")


def test_a_release_is_read_straight_from_dvc_without_a_checkout(workspace: Layout, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(workspace.root), str(clone)], check=True)
    assert not (clone / "data" / "07_release").exists()
    # the clone has no data: it is streamed from the cache of the workspace named as repository
    here = public.open_release("v1", repo=workspace.root)
    assert (here.name, len(here)) == ("v1", len(here.images))
    sample = here.split("train")[0]
    assert sample.image_hwc.shape[2] == 3
    assert not (clone / "data" / "07_release").exists()
    with pytest.raises(Refused, match=r"release\.unknown-name|dvc\.failed"):
        public.open_release("v9", repo=workspace.root)


def test_a_name_in_the_workspace_opens_the_folder_or_an_older_state(
    workspace: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root / "data")
    assert str(public.open_release("v2").files) == str(workspace.release)
    older = public.open_release("v1")
    assert isinstance(older.files, DvcFiles)
    assert len(older) == len(public.open_release("v2")) + 1


def test_copies_made_in_a_training_loop_are_those_stored(workspace: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace.root)
    ds = public.open_release("v2")
    stored = {row.image_id: row for row in ds.images.itertuples() if row.origin == "augmented"}
    copies = ds.augmented()
    assert len(copies) == len(stored) > 0
    labels = ds.instances
    for copy in copies:
        path = ds.files.folder / stored[copy.image_id].path  # type: ignore[attr-defined]
        assert (copy.image_hwc == read_rgb(path)).all()
        mine = labels[labels["image_id"] == copy.image_id]
        assert {i.instance_id for i in copy.instances} == set(mine["instance_id"])
    assert len(ds.augmented(copies=3)) == 3 * len(stored)
    again = public.load_recipe(workspace.params)
    assert again == ds.recipe


def _flips(folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Change one bit of one file after another; each is as it was before the next."""
    rng = random.Random(seed)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    for _ in range(count):
        victim = rng.choice(files)
        sound = victim.read_bytes()
        changed = bytearray(sound)
        changed[rng.randrange(len(sound))] ^= 1 << rng.randrange(8)
        victim.chmod(0o644)
        victim.write_bytes(changed)
        yield victim
        victim.write_bytes(sound)


def test_one_byte_changed_in_the_workspace_is_refused_50_times_of_50(spoilable: Layout, verdict: Any) -> None:
    for victim in _flips(spoilable.release, 50, seed=1):
        assert verdict(spoilable, "v2") != 0, victim
    assert verdict(spoilable, "v2") == 0
    record = spoilable.records / "v2" / "record.json"
    for victim in _flips(record.parent, 10, seed=2):
        if victim == record:
            assert verdict(spoilable, "v2") != 0


def _keep_only(layout: Layout, objects: Path) -> None:
    """Leave of DVC's objects in a folder those alone that hold release v1's files."""
    held = {str(found["md5"]) for found in _listing(layout)}
    for path in objects.rglob("*"):
        if path.is_file() and path.parent.name + path.name not in held:
            path.unlink()


def _listing(layout: Layout) -> list[dict[str, Any]]:
    import yaml

    lock = subprocess.run(["git", "show", "v1:dvc.lock"], cwd=layout.root, capture_output=True, text=True, check=True)
    digest = yaml.safe_load(lock.stdout)["stages"]["release"]["outs"][0]["md5"]
    path = layout.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    listing: list[dict[str, Any]] = json.loads(path.read_text())
    return [*listing, {"md5": digest}]


def test_one_byte_changed_in_the_cache_is_refused_50_times_of_50(spoilable: Layout, verdict: Any) -> None:
    cache = spoilable.root / ".dvc" / "cache" / "files" / "md5"
    _keep_only(spoilable, cache)
    assert verdict(spoilable, "v1") == 0
    for victim in _flips(cache, 50, seed=3):
        assert verdict(spoilable, "v1") != 0, victim
    assert verdict(spoilable, "v1") == 0


def test_one_byte_changed_in_a_remote_is_refused_50_times_of_50(
    spoilable: Layout, workbench: Run, verdict: Any, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    at = ("--workspace", spoilable.root)
    workbench("remote", "add", "store", store, *at)
    assert workbench("remote", "push", "--all-releases", *at)["data"]["files"] > 20
    objects = store / "files" / "md5"
    _keep_only(spoilable, objects)
    cache = spoilable.root / ".dvc" / "cache" / "files"
    shutil.move(cache, tmp_path / "kept")
    assert verdict(spoilable, "v1") == 0
    for victim in _flips(objects, 50, seed=4):
        assert verdict(spoilable, "v1") != 0, victim
        shutil.rmtree(cache, ignore_errors=True)
    assert verdict(spoilable, "v1") == 0


@pytest.fixture
def verdict() -> Callable[[Layout, str], int]:
    """Return the exit code of `release verify`."""
    from typer.testing import CliRunner

    from workbench.cli.main import app

    def run(layout: Layout, name: str) -> int:
        result = CliRunner().invoke(app, ["release", "verify", name, "--workspace", str(layout.root), "--json"])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code

    return run
