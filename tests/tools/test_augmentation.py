"""The augmentation commands as DVC and people call them, and the copies that this version is held to make."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from workbench.adapters.albumentations import AugmentationRecipe
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.layout import Layout
from workbench.tables import instance_row

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., dict[str, Any]]
#: Of the labels alone: coordinates come out the same on every processor, JPEG bytes need not.
GOLDEN = "6ade80828ba56309681a3548e6a0794520a521b339df4e12e5e37597ccf6dd61"


def _drawn() -> Any:
    path = ROOT / "tests" / "unit" / "release" / "conftest.py"
    spec = importlib.util.spec_from_file_location("drawn_augmentation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def augmented(tmp_path_factory: pytest.TempPathFactory, workbench: Run) -> Layout:
    """The drawn workspace with the repository's own recipe applied."""
    layout: Layout = _drawn()._make(tmp_path_factory.mktemp("augmented") / "workspace")
    (layout.root / "dvc.yaml").write_text("stages: {}\n")
    layout.params.write_text((ROOT / "params.yaml").read_text())
    dry = workbench("augmentation", "--dry-run", "--workspace", layout.root)
    assert dry["data"] == {"to_make": 3, "known": 0, "dry_run": True}
    answer = workbench("augmentation", "--stage", "--workspace", layout.root)
    assert answer["data"]["made"] == 3
    return layout


def test_a_repeat_makes_nothing(augmented: Layout, workbench: Run) -> None:
    assert workbench("augmentation", "--stage", "--workspace", augmented.root)["data"]["made"] == 0


def test_the_sheet_is_a_picture_of_the_pairs(augmented: Layout, workbench: Run, tmp_path: Path) -> None:
    answer = workbench("augmentation", "sheet", tmp_path / "sheet.png", "--workspace", augmented.root)
    assert answer["data"]["pairs"] == 3
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height
    refused = workbench("augmentation", "sheet", tmp_path / "sheet.txt", "--workspace", augmented.root, expect=2)
    assert refused["findings"][0]["code"] == "usage.bad-argument"


def test_a_bad_recipe_is_refused_before_anything_runs(augmented: Layout, workbench: Run) -> None:
    text = augmented.params.read_text()
    augmented.params.write_text(text.replace("RandomBrightnessContrast", "RandomBrightnessContrasts"))
    answer = workbench("augmentation", "--workspace", augmented.root, expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["augmentation.bad-recipe"]
    augmented.params.write_text(text)


def test_the_copies_are_those_this_version_has_always_made() -> None:
    import cv2
    import numpy as np

    drawn = _drawn()
    image = cv2.imdecode(np.frombuffer(drawn.draw(0), np.uint8), cv2.IMREAD_COLOR_RGB)
    steps = [
        {"name": "RandomSizedBBoxSafeCrop", "height": 200, "width": 200, "erosion_rate": 0.0, "p": 0.7},
        {"name": "HorizontalFlip", "p": 0.5},
    ]
    recipe = AugmentationRecipe.from_params({"recipe": steps, "seed": 11, "size_px": 200, "jpeg_quality": 90})
    labels = []
    for number in range(6):
        _, moved = recipe(image, drawn._instances("f" * 64, "part.frame", "agreement"), "f" * 64, number)
        rows = [instance_row(instance) for instance in moved]
        names = ("shape", "x_min", "y_min", "x_max", "y_max", "rings", "keypoints")
        labels.append([{name: row[name] for name in names} for row in rows])
    assert sha256_hex(canonical_json(labels).encode()) == GOLDEN
