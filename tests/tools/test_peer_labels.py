"""Datasets that another project keeps as fixtures, pictures and labels, come in through the commands a user types."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from workbench.labelling.foreign import read_foreign

pytestmark = pytest.mark.tools

#: Of datumaro's tests/assets: labels, their format, the folder of pictures, pictures that have labels, objects.
CASES = [
    ("coco_dataset/mmdet_coco/annotations/instances_val.json", "coco", "coco_dataset/mmdet_coco/val", 1, 2),
    ("coco_dataset/coco_roboflow/val/_annotations.coco.json", "coco", "coco_dataset/coco_roboflow/val", 1, 2),
    ("voc_dataset/voc_dataset1/Annotations", "voc", "voc_dataset/voc_dataset1/JPEGImages", 1, 2),
    ("roboflow_dataset/yolo", "yolo", "roboflow_dataset/yolo", 3, 4),
]


@pytest.fixture(scope="module")
def empty(workbench: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one partner."""
    root = tmp_path_factory.mktemp("peer") / "workspace"
    workbench("init", root)
    workbench("partner", "add", "peer", "--name", "Datumaro", "--licence", "MIT", "--workspace", root)
    return root


@pytest.mark.parametrize(("labels", "label_format", "pictures", "images", "objects"), CASES)
def test_a_fixture_of_datumaro_is_imported_object_by_object(
    shared_data: Path,
    empty: Path,
    workbench: Callable[..., dict[str, Any]],
    tmp_path: Path,
    labels: str,
    label_format: str,
    pictures: str,
    images: int,
    objects: int,
) -> None:
    assets = shared_data / "peers" / "datumaro" / "tests" / "assets"
    read = read_foreign(assets / labels, label_format)
    assert (len(read), sum(len(image.shapes) for image in read)) == (images, objects)
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    for path in (assets / pictures).rglob("*.jpg"):
        shutil.copy(path, delivery / path.name)
    classes = tmp_path / "classes.yaml"
    classes.write_text(yaml.safe_dump(dict.fromkeys({s.word for image in read for s in image.shapes}, "unknown")))
    root = shutil.copytree(empty, tmp_path / "workspace", symlinks=True)
    at = ("--workspace", root)
    workbench("receive", delivery, "--partner", "peer", *at)
    workbench("intake", "--stage", *at)
    options = ("--format", label_format, "--classes", classes, "--coordinates", "stored")
    workbench("labelling", "import", assets / labels, *options, *at)
    table = next((root / "data" / "02_labelling").glob("*/instances.parquet"))
    assert len(pd.read_parquet(table)) == objects
