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

from workbench.adapters import dvc

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]

#: Stores that hold hashes and signed statements of what is gone, never bytes of it.
_RECORDS = ("custody", ".git")


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
    """A workspace with two contributions, one of which both partners' labels and a release were made of."""

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
            "north": _deliver(folder / "north", draw, range(8)),
            "south": _deliver(folder / "south", draw, range(20, 28)),
        }
        # Both partners gave this one: it stays when one of them takes its contribution back.
        self.shared = hashlib.sha256((self.deliveries["north"] / "IMG_0003.jpg").read_bytes()).hexdigest()
        shutil.copy(self.deliveries["north"] / "IMG_0003.jpg", self.deliveries["south"] / "same.jpg")
        self.cid: dict[str, str] = {}

    def _dvc(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=self.root, check=True, capture_output=True)

    def take(self, partner: str) -> None:
        self.cid[partner] = _receive(self.run, self.root, self.deliveries[partner], partner)

    def build(self, name: str) -> None:
        classes = self.root.parent / "classes.yaml"
        classes.write_text("pipe: negative.plumbing_or_tube\n")
        self.run("intake", *self.at)
        for partner in self.cid:
            labels = self.root.parent / f"{partner}.json"
            self.run("labelling", "import", labels, "--format", "coco", "--classes", classes, *self.at)
        self.run("adjudication", *self.at)
        self.run("curation", *self.at)
        self.run("release", "build", name, *self.at)
        self._dvc("push")

    def pictures(self, partner: str) -> dict[str, str]:
        """Return image_id and SHA-256 of the working copies only this partner gave, and of what was made of them."""
        frames = [pd.read_parquet(self.root / "data" / f / "images.parquet") for f in ("04_curation", "06_augmentation")]
        rows = pd.concat(frames)
        own = rows[rows["contribution_id"] == self.cid[partner]]
        own = own[(own["image_id"] != self.shared) & (own["parent_image_id"] != self.shared)]
        return dict(zip(own["image_id"], own["file_sha256"], strict=True))

    def files(self) -> Iterator[Path]:
        for store in (self.root, self.remote):
            yield from (path for path in store.rglob("*") if path.is_file() and not path.is_symlink())

    def holding(self, hashes: set[str]) -> list[Path]:
        """Return every file anywhere with one of these contents."""
        return [path for path in self.files() if hashlib.sha256(path.read_bytes()).hexdigest() in hashes]

    def speaking(self, words: set[str]) -> list[Path]:
        """Return every file outside the records that speaks of one of these, tables read as tables."""
        found = []
        for path in self.files():
            if path.is_relative_to(self.root) and path.relative_to(self.root).parts[0] in (*_RECORDS, "releases"):
                continue
            data = path.read_bytes()
            text = pd.read_parquet(path).to_string(max_colwidth=None) if data.startswith(b"PAR1") else data.decode("latin-1")
            if any(word in text or word in str(path) for word in words):
                found.append(path)
        return found


@pytest.fixture(scope="module")
def withdrawn(tmp_path_factory: pytest.TempPathFactory, workbench: Run, draw_photograph: Any) -> World:
    """North and south give, v1 and v2 are made, v1 is handed out, and north takes back what it gave."""
    world = World(tmp_path_factory.mktemp("withdrawal"), workbench, draw_photograph)
    world.take("south")
    world.build("v0")
    world.take("north")
    world.build("v1")
    workbench("release", "export", "v1", world.root.parent / "bundle", *world.at)
    world.gone = world.pictures("north")  # type: ignore[attr-defined]
    return world


def test_withdraw(withdrawn: World, workbench: Run) -> None:
    w = withdrawn
    gone = w.gone
    print(len(gone))
    assert w.holding(set(gone.values()))
    a = workbench("withdraw", w.cid["north"], "--reason", "consent ended", "--dry-run", *w.at)
    print(json.dumps(a, indent=1))
    a = workbench("withdraw", w.cid["north"], "--reason", "consent ended", "--yes", *w.at)
    print(json.dumps(a, indent=1))
    assert w.holding(set(gone.values()) | set(gone)) == []
    assert w.speaking(set(gone.values()) | set(gone)) == []
    workbench("ledger", "verify", "--objects", *w.at)
    w.build2 = None
    workbench("release", "build", "v2", *w.at)
    print(workbench("release", "list", *w.at)["rows"])
    print(workbench("release", "verify", "v1", *w.at, expect=1)["findings"])
    print(workbench("release", "verify", "v2", *w.at)["findings"])
    workbench("release", "verify", w.root.parent / "bundle", *w.at, expect=1)
    assert 0
