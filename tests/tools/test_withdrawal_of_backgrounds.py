"""A partner's photographs that became backgrounds are taken back: the pictures put together on them go too."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]


class World:
    """A workspace in which north released its photographs as backgrounds, and south did not."""

    def __init__(self, folder: Path, workbench: Run, draw: Callable[..., dict[str, Any]]) -> None:
        self.root, self.remote, self.run = folder / "workspace", folder / "remote", workbench
        self.at = ("--workspace", self.root)
        workbench("init", self.root)
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params["synthesis"]["images"] = params["augmentation"]["copies"] = 0
        params["redaction"]["faces"], params["release"]["formats"] = False, ["coco"]
        params["composition"] |= {"images": 6, "size_px": 160, "settings": 1, "cutouts_per_setting": 1}
        params["composition"] |= {"cutout_px": 64, "samples_per_pixel": 2}
        path.write_text(yaml.safe_dump(params))
        self._dvc("remote", "add", "--default", "store", str(self.remote))
        self.cid = {
            partner: self._give(folder, draw, partner, purposes, seeds)
            for partner, purposes, seeds in (
                ("north", ["background", "research"], range(6)),
                ("south", ["research"], range(20, 30)),
            )
        }
        workbench("intake", *self.at)
        (folder / "classes.yaml").write_text("pipe: negative.plumbing_or_tube\n")
        for partner in self.cid:
            labels = folder / f"{partner}.json"
            classes = ("--classes", folder / "classes.yaml")
            workbench("labelling", "import", labels, "--format", "coco", *classes, *self.at)
        workbench("release", "build", "v1", *self.at)
        self._dvc("push")

    def _dvc(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=self.root, check=True, capture_output=True)

    def _give(self, folder: Path, draw: Any, partner: str, purposes: list[str], seeds: range) -> str:
        terms = folder / f"{partner}.terms.yaml"
        terms.write_text(yaml.safe_dump({"permitted_purposes": purposes}))
        add = ("partner", "add", partner, "--name", partner, "--licence", "CC-BY-4.0", "--terms", terms)
        self.run(*add, *self.at)
        coco: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "pipe"}]}
        for seed in seeds:
            name = f"IMG_{seed:04d}.jpg"
            truth = draw(folder / partner / name, seed=seed)
            coco["images"].append({"id": seed, "file_name": name, "width": 320, "height": 240})
            x_min, y_min, x_max, y_max = truth["boxes_xyxy"][0]
            box = {"bbox": [x_min, y_min, x_max - x_min, y_max - y_min], "area": 1, "iscrowd": 0}
            coco["annotations"].append(box | {"id": seed, "image_id": seed, "category_id": 1})
        (folder / f"{partner}.json").write_text(json.dumps(coco))
        answer = self.run("receive", folder / partner, "--partner", partner, *self.at)
        return str(answer["data"]["contribution_id"])

    def images(self, place: str) -> pd.DataFrame:
        return pd.read_parquet(self.root / "data" / place / "images.parquet")

    def files(self) -> Iterator[Path]:
        """Yield every file of the workspace, its DVC cache and git included, and of the remote."""
        for store in (self.root, self.remote):
            yield from (path for path in store.rglob("*") if path.is_file() and not path.is_symlink())

    def holding(self, hashes: set[str]) -> list[Path]:
        return [path for path in self.files() if hashlib.sha256(path.read_bytes()).hexdigest() in hashes]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, workbench: Run, draw_photograph: Any) -> World:
    return World(tmp_path_factory.mktemp("backgrounds"), workbench, draw_photograph)


def test_only_photographs_released_for_it_are_backgrounds_and_the_release_holds_what_was_made(world: World) -> None:
    composed, known = world.images("06_composition"), world.images("04_curation").set_index("image_id")
    assert len(composed) == 6
    assert set(composed["contribution_id"]) == {world.cid["north"]}
    parents = known.loc[composed["parent_image_id"]]
    assert set(parents["split"]) == {"train"}
    assert list(composed["group_id"]) == list(parents["group_id"])
    released = world.images("07_release").set_index("image_id")
    assert set(composed["image_id"]) <= set(released.index)
    card = json.loads((world.root / "data" / "07_release" / "summary.json").read_text())
    assert card["images_by_split_and_origin"]["train"]["rendered"] == 6
    assert card["images_by_split_and_origin"]["test"]["rendered"] == 0


def test_with_its_photographs_withdrawn_no_picture_made_on_them_is_left_anywhere(world: World, workbench: Run) -> None:
    composed = set(world.images("06_composition")["image_id"])
    own = world.images("04_curation")
    own = own[own["contribution_id"] == world.cid["north"]]
    gone = composed | set(own["file_sha256"])
    before = world.holding(gone)
    assert any(path.is_relative_to(world.remote) for path in before)
    assert {path.relative_to(world.root).parts[1] for path in before if path.is_relative_to(world.root / "data")} == {
        "01_intake",
        "06_composition",
        "07_release",
    }
    order = ("withdraw", world.cid["north"], "--reason", "consent ended", *world.at)
    planned = workbench(*order, "--dry-run")
    assert planned["data"]["images"] >= len(own) + len(composed)
    assert world.holding(gone) == before
    done = workbench(*order, "--yes")
    assert done["data"]["complete"] is True
    assert world.holding(gone) == []
    for name in ("images", "instances", "poses", "made_of"):
        assert len(pd.read_parquet(world.root / "data" / "06_composition" / f"{name}.parquet")) == 0, name
    # The cut-outs are nobody's photographs: they stay, and serve what is made next.
    assert len(pd.read_parquet(world.root / "data" / "06_composition" / "cutouts.parquet")) == 1
    words = composed | set(own["image_id"])
    for path in (world.root / "data").rglob("*"):
        if path.is_file() and path.suffix not in {".jpg", ".png"}:
            text = pd.read_parquet(path).to_string(max_colwidth=None) if path.suffix == ".parquet" else path.read_text()
            assert not any(word in text for word in words), path


def test_the_next_release_is_made_without_them(world: World, workbench: Run) -> None:
    workbench("release", "build", "v2", *world.at)
    composed = world.images("06_composition")
    assert len(composed) == 6
    assert composed["contribution_id"].isna().all()
    made_of = pd.read_parquet(world.root / "data" / "06_composition" / "made_of.parquet")
    assert set(made_of["source"]) == {"drawn"}
    assert workbench("release", "verify", "v2", *world.at)["findings"] == []
    assert workbench("release", "verify", "v1", *world.at, expect=1)["data"]["superseded"] is True
