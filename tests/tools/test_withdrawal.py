"""Withdrawal through the real git and DVC, with a cache and a remote: nothing of a contribution is left anywhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]

#: Stores that hold hashes and signed statements of what is gone, never bytes of it.
_RECORDS = ("custody", ".git", "releases")


def _deliver(folder: Path, draw: Callable[..., dict[str, Any]], seeds: range) -> Path:
    """Draw a delivery of two photographs a seizure, with labels in COCO beside it."""
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "pipe"}]}
    table = ["path,seizure_id,item_id"]
    for seed in seeds:
        name = f"IMG_{seed:04d}.jpg"
        truth = draw(folder / name, seed=seed)
        table.append(f"{name},s-{seed // 2},i-{seed}")
        coco["images"].append({"id": seed, "file_name": name, "width": 320, "height": 240})
        for x_min, y_min, x_max, y_max in truth["boxes_xyxy"]:
            box = [x_min, y_min, x_max - x_min, y_max - y_min]
            entry = {"id": len(coco["annotations"]), "image_id": seed, "category_id": 1, "bbox": box}
            coco["annotations"].append(entry | {"area": box[2] * box[3], "iscrowd": 0})
    folder.with_name(f"{folder.name}.csv").write_text("\n".join(table) + "\n")
    folder.with_name(f"{folder.name}.json").write_text(json.dumps(coco))
    return folder


def _receive(workbench: Run, root: Path, delivery: Path, partner: str) -> str:
    table = delivery.with_name(f"{delivery.name}.csv")
    answer = workbench("receive", delivery, "--partner", partner, "--seizures", table, "--workspace", root)
    return str(answer["data"]["contribution_id"])


class World:
    """A workspace with the contributions of two partners, their labels, a release of both, and a DVC remote."""

    def __init__(self, folder: Path, workbench: Run, draw: Callable[..., dict[str, Any]]) -> None:
        self.root, self.remote, self.run = folder / "workspace", folder / "remote", workbench
        self.at = ("--workspace", self.root)
        workbench("init", self.root)
        params = self.root / "params.yaml"
        params.write_text(params.read_text().replace("images: 12", "images: 0"))
        self._dvc("remote", "add", "--default", "store", str(self.remote))
        for partner in ("north", "south"):
            workbench("partner", "add", partner, "--name", partner, "--licence", "CC-BY-4.0", *self.at)
        self.deliveries = {
            "north": _deliver(folder / "north", draw, range(6)),
            "south": _deliver(folder / "south", draw, range(20, 30)),
        }
        # Both partners gave this one: it stays when one of them takes its contribution back.
        self.shared = hashlib.sha256((self.deliveries["north"] / "IMG_0003.jpg").read_bytes()).hexdigest()
        shutil.copy(self.deliveries["north"] / "IMG_0003.jpg", self.deliveries["south"] / "same.jpg")
        self.cid: dict[str, str] = {}
        self.gone: dict[str, str] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.before: dict[Path, str] = {}

    def _dvc(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=self.root, check=True, capture_output=True)

    def take(self, partner: str) -> None:
        self.cid[partner] = _receive(self.run, self.root, self.deliveries[partner], partner)

    def prepare(self) -> None:
        """Make release v1 of both contributions, push it, hand it out, and draw the renders' stand-in."""
        classes = self.root.parent / "classes.yaml"
        classes.write_text("pipe: negative.plumbing_or_tube\n")
        for partner in ("north", "south"):
            self.take(partner)
        self.run("intake", *self.at)
        for partner in self.cid:
            labels = self.root.parent / f"{partner}.json"
            self.run("labelling", "import", labels, "--format", "coco", "--classes", classes, *self.at)
        self.run("release", "build", "v1", *self.at)
        self.run("release", "export", "v1", self.root.parent / "bundle", *self.at)
        self._dvc("push")
        self.gone = self.pictures("north")
        # What a killed `release verify` leaves behind: a picture under another name.
        some = next(iter(self.gone.values()))
        leftover = self.root / ".workbench" / "tmpabc" / "picture.jpg"
        leftover.parent.mkdir()
        copied = next(path for path in (self.root / "data" / "01_intake").rglob(f"{some}.jpg"))
        shutil.copy(copied, leftover)

    def take_back(self) -> None:
        """Withdraw what north gave: first as a dry run, then with the remote away, then with it back."""
        order = ("withdraw", self.cid["north"], "--reason", "consent ended", *self.at)
        self.before = self.state()
        self.answers["dry"] = self.run(*order, "--dry-run")
        self.answers["unconfirmed"] = self.run(*order, expect=2)
        assert self.state() == self.before
        away = self.remote.with_name("away")
        self.remote.rename(away)
        self.answers["first"] = self.run(*order, "--yes")
        away.rename(self.remote)
        self.answers["left in the remote"] = {"files": len(self.holding(set(self.gone.values())))}
        self.answers["second"] = self.run(*order, "--yes")

    def state(self) -> dict[Path, str]:
        """Return the content of every file of workspace and remote, save locks and databases' shadows."""
        passed = {".lock", ".db-shm", ".db-wal"}
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.files()
            if path.suffix not in passed and not {".git", "tmp"} & set(path.relative_to(self.root.parent).parts)
        }

    def pictures(self, partner: str) -> dict[str, str]:
        """Return image_id and SHA-256 of the working copies only this partner gave, and of what was made of them."""
        places = ("04_curation", "06_augmentation")
        rows = pd.concat([pd.read_parquet(self.root / "data" / place / "images.parquet") for place in places])
        own = rows[rows["contribution_id"] == self.cid[partner]]
        own = own[(own["image_id"] != self.shared) & (own["parent_image_id"] != self.shared)]
        return dict(zip(own["image_id"], own["file_sha256"], strict=True))

    def files(self) -> Iterator[Path]:
        """Yield every file of the workspace, its DVC cache and git included, and of the remote."""
        for store in (self.root, self.remote):
            yield from (path for path in store.rglob("*") if path.is_file() and not path.is_symlink())

    def holding(self, hashes: set[str]) -> list[Path]:
        """Return every file anywhere with one of these contents."""
        return [path for path in self.files() if hashlib.sha256(path.read_bytes()).hexdigest() in hashes]

    def speaking(self, words: set[str]) -> list[Path]:
        """Return every file outside the records that speaks of one of these, tables read as tables."""
        found = []
        for path in self.files():
            if path.is_relative_to(self.root) and path.relative_to(self.root).parts[0] in _RECORDS:
                continue
            data = path.read_bytes()
            whole = {"max_colwidth": None}
            text = pd.read_parquet(path).to_string(**whole) if data.startswith(b"PAR1") else data.decode("latin-1")
            if any(word in text or word in str(path) for word in words):
                found.append(path)
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, workbench: Run, draw_photograph: Any) -> World:
    """What both gave became v1; north has taken its part back, and v2 is made of the rest."""
    world = World(tmp_path_factory.mktemp("withdrawal"), workbench, draw_photograph)
    world.prepare()
    world.take_back()
    world.answers["built"] = workbench("release", "build", "v2", *world.at)
    return world


def test_a_dry_run_lists_each_place_and_the_releases_concerned(world: World) -> None:
    data = world.answers["dry"]["data"]
    assert data["releases"] == ["v1"]
    assert data["images"] == len(world.gone)
    assert len(world.gone) > 6  # copies made of the photographs too
    held = {name: place["left"] for name, place in data["places"].items()}
    assert held["key that unseals the originals"] == 1
    assert held["sealed originals and file names"] == 7
    assert held["DVC cache"] >= held["DVC remote store"] > 20
    assert "--dry-run" in world.answers["unconfirmed"]["findings"][0]["remedy"]


def test_a_remote_that_is_away_is_pending_and_a_repeat_completes(world: World) -> None:
    first, second = world.answers["first"], world.answers["second"]
    assert [(f["code"], f["subject"]) for f in first["findings"]] == [
        ("custody.withdrawal-pending", "DVC remote store")
    ]
    assert world.answers["left in the remote"]["files"] >= len(set(world.gone.values()))
    assert (first["data"]["complete"], second["data"]["complete"]) == (False, True)
    assert second["findings"] == []
    places = second["data"]["places"]
    assert places["DVC cache"]["found"] == world.answers["dry"]["data"]["places"]["DVC cache"]["left"]
    assert places["DVC cache"]["found"] >= places["DVC remote store"]["found"] > 20


def test_no_byte_of_original_working_copy_or_copy_is_left_anywhere(world: World) -> None:
    originals = {path for path in world.gone if path != world.shared}
    assert world.holding(set(world.gone.values()) | originals) == []
    # The scan can fail: it finds what the other partner gave, in workspace, cache and remote.
    stayed = world.holding(set(world.pictures("south").values()))
    assert {path.relative_to(world.root.parent).parts[:2] for path in stayed} >= {("workspace", "data")}
    assert any(path.is_relative_to(world.remote) for path in stayed)
    assert any(".dvc" in path.parts for path in stayed)


def test_no_table_label_cache_or_version_speaks_of_it_any_more(world: World) -> None:
    names = {path.name for path in world.deliveries["north"].iterdir()} - {"IMG_0003.jpg"}
    assert world.speaking({*world.gone, *world.gone.values(), *names}) == []


def test_git_holds_no_picture(world: World) -> None:
    git = ["git", "-C", str(world.root), "cat-file"]
    listed = subprocess.run([*git, "--batch-check", "--batch-all-objects"], capture_output=True, text=True, check=True)
    blobs = [line.split()[0] for line in listed.stdout.splitlines() if " blob " in line]
    assert len(blobs) > 10
    for blob in blobs:
        content = subprocess.run([*git, "blob", blob], capture_output=True, check=True).stdout
        assert hashlib.sha256(content).hexdigest() not in {*world.gone, *world.gone.values()}
        assert not content.startswith(b"\xff\xd8")


def test_what_both_gave_stays(world: World) -> None:
    rows = pd.read_parquet(world.root / "data" / "04_curation" / "images.parquet")
    assert world.shared in set(rows["image_id"])
    assert set(rows["contribution_id"]) == {world.cid["south"]}


def test_the_ledger_stays_sound_and_a_loss_that_was_no_withdrawal_is_still_noticed(
    world: World, workbench: Run
) -> None:
    assert workbench("ledger", "verify", "--objects", *world.at)["findings"] == []
    kept = next((world.root / "custody" / "objects" / world.cid["south"]).rglob("*/*"))
    aside = world.root.parent / "aside"
    kept.rename(aside)
    lost = workbench("ledger", "verify", "--objects", *world.at, expect=1)
    aside.rename(kept)
    assert [finding["code"] for finding in lost["findings"]] == ["custody.object-missing"]


def test_the_older_release_is_superseded_by_name_in_list_verify_bundle_and_export(
    world: World, workbench: Run, tmp_path: Path
) -> None:
    listed = {row["name"]: row["state"] for row in workbench("release", "list", *world.at)["rows"]}
    assert listed == {"v1": "superseded by v2", "v2": "current"}
    for subject in ("v1", world.root.parent / "bundle"):
        answer = workbench("release", "verify", subject, *world.at, expect=1)
        assert answer["data"]["superseded"] is True
        finding = next(f for f in answer["findings"] if f["code"] == "release.superseded")
        assert "consent ended" in finding["message"]
        assert "v2" in finding["remedy"]
    for refused in (("release", "export", "v1", tmp_path / "out"), ("release", "diff", "v1", "v2")):
        assert workbench(*refused, *world.at, expect=1)["findings"][0]["code"] == "release.superseded"
    assert workbench("release", "verify", "v2", *world.at)["findings"] == []


def test_a_bundle_elsewhere_is_judged_by_the_list_laid_beside_it_and_by_no_forged_one(
    world: World, workbench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle, listed = world.root.parent / "bundle", tmp_path / "revocations.json"
    workbench("release", "verify", bundle)  # nothing there tells of the withdrawal yet
    shutil.copy(world.root / "releases" / "revocations.json", listed)
    answer = workbench("release", "verify", bundle, "--revocations", listed, expect=1)
    assert answer["data"] | {"manifest_sha256": ""} == {"sound": True, "superseded": True, "manifest_sha256": ""}
    listed.write_text(listed.read_text().replace('"sig": "', '"sig": "AA', 1))
    answer = workbench("release", "verify", bundle, "--revocations", listed, expect=1)
    assert "release.revocations-invalid" in {finding["code"] for finding in answer["findings"]}
    workbench("release", "export", "v2", tmp_path / "new", *world.at)
    assert (tmp_path / "new" / "revocations.json").is_file()


def test_the_certificate_is_signed_names_every_place_and_what_it_cannot_reach(world: World) -> None:
    folder = world.root / "custody" / "certificates" / f"{world.cid['north']}-1"
    told = json.loads((folder / "certificate.json").read_text())["certificate"]
    assert told["complete"] is True
    assert told["releases"] == ["v1"]
    assert len(told["handed_out"]) == 1
    assert all(place["left"] == 0 for place in told["places"])
    page = (folder / "certificate.html").read_text()
    assert "consent ended" in page
    assert "Backups of custody/" in page


def test_a_second_repeat_changes_nothing(world: World, workbench: Run) -> None:
    before = world.state()
    workbench("withdraw", world.cid["north"], "--reason", "again", "--yes", *world.at)
    assert world.state() == before


def test_what_was_withdrawn_comes_back_only_when_readmitted(world: World, workbench: Run, tmp_path: Path) -> None:
    order = ("receive", world.deliveries["north"], "--partner", "north", *world.at)
    refused = workbench(*order, expect=1)
    assert {finding["code"] for finding in refused["findings"]} == {"custody.withdrawn"}
    one = tmp_path / "other"
    one.mkdir()
    shutil.copy(world.deliveries["north"] / "IMG_0001.jpg", one / "renamed.jpg")
    workbench("receive", one, "--partner", "south", *world.at, expect=1)
    workbench(*order, "--readmit", "new consent form", "--dry-run")
    answer = workbench(*order, "--readmit", "new consent form")
    cid = answer["data"]["contribution_id"]
    assert cid != world.cid["north"] or workbench("contribution", "show", cid, *world.at)["data"]["withdrawals"] == 1
    entries = workbench("ledger", "show", "--limit", "50", *world.at)["data"]["entries"]
    assert [e["reason"] for e in entries if e["kind"] == "readmit"] == [
        f"new consent form (withdrawn as {world.cid['north']})"
    ]
    assert workbench("ledger", "verify", "--objects", *world.at)["findings"] == []
    assert workbench("intake", *world.at)["data"]["admitted"] == 11 + 6
    workbench("withdraw", cid, "--reason", "second thoughts", "--yes", *world.at)
    assert workbench("ledger", "verify", "--objects", *world.at)["findings"] == []
    assert world.holding(set(world.gone.values())) == []
