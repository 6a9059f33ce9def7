"""Real photographs, with the labels they came with, through the whole pipeline; skipped where they are absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def released(shared_data: Path, workbench: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the headstamps and the tools on a table, labels imported, released as v1."""
    root = tmp_path_factory.mktemp("real") / "workspace"
    at = ("--workspace", root)
    photos = shared_data / "photos"
    workbench("init", root)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("images: 12", "images: 0"))
    workbench("partner", "add", "bench", "--name", "Bench photographs", "--licence", "CC-BY-4.0", *at)
    workbench("partner", "add", "headstamps", "--name", "Headstamps", "--licence", "MIT", *at)
    workbench("receive", photos / "tools-table" / "images", "--partner", "bench", *at)
    workbench("receive", photos / "headstamps", "--partner", "headstamps", *at)
    workbench("intake", *at)
    words = yaml.safe_load((photos / "tools-table" / "data.yaml").read_text())["names"]
    classes = root / "classes.yaml"
    codes = {word: "weapon.replica_airsoft" if word == "Gun" else "negative.tool" for word in words}
    classes.write_text(yaml.safe_dump(codes))
    workbench("labelling", "import", photos / "tools-table", "--format", "yolo", "--classes", classes, *at)
    workbench("adjudication", *at)
    workbench("curation", *at)
    workbench("release", "build", "v1", *at)
    return root


def test_every_shipped_polygon_is_in_the_release(released: Path, shared_data: Path) -> None:
    labels = shared_data / "photos" / "tools-table" / "labels"
    lines = [line for path in labels.glob("*.txt") for line in path.read_text().splitlines() if line.strip()]
    imported = pd.read_parquet(next((released / "data" / "02_labelling").glob("*/instances.parquet")))
    assert len(imported) == len(lines)
    curated = pd.read_parquet(released / "data" / "04_curation" / "images.parquet").set_index("image_id")
    kept = imported[imported["image_id"].map(curated["split"]).notna()]
    out = pd.read_parquet(released / "data" / "07_release" / "instances.parquet")
    assert len(out[out["decided_by"] == "imported"]) == len(kept) > 500


def test_photographs_nobody_labelled_stay_out_and_are_counted(released: Path) -> None:
    images = pd.read_parquet(released / "data" / "07_release" / "images.parquet")
    assert set(images["partner_id"].dropna()) == {"bench"}


def test_no_image_of_the_workspace_carries_metadata(released: Path) -> None:
    seen = 0
    for path in (released / "data").rglob("*.jpg"):
        with Image.open(path) as image:
            assert not dict(image.getexif()), path
            assert not {"exif", "icc_profile", "comment", "xmp"} & set(image.info), path
        seen += 1
    assert seen > 300


def test_the_coco_files_load_in_the_reference_reader(released: Path) -> None:
    from pycocotools.coco import COCO

    for path in (released / "data" / "07_release" / "annotations").glob("*.json"):
        document = json.loads(path.read_text())
        coco = COCO(str(path))
        assert len(coco.getAnnIds()) == len(document["annotations"])
        assert len(coco.getImgIds()) == len(document["images"])
