"""Other people's readers load every format of a release with the same pictures, classes and coordinates.

FiftyOne is there anyway. The others (supervision, datumaro, Hugging Face datasets, webdataset, mlcroissant) are big, so
they are installed into an environment of their own, and only when asked for: ``WORKBENCH_READERS=install``, or the path
of a Python that has them. Without network and cache the test says why it is skipped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from workbench.cli.release_formats import real_draw
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.release.assemble import assemble
from workbench.release.layouts import write_layout

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("supervision", "datumaro", "datasets", "webdataset", "mlcroissant", "pillow")
#: Readers by the name of the function in read_formats.py, with the layout they read: none is the release as it is.
OUTSIDE = {
    "yolo": None,
    "yolo_segment": None,
    "yolo_oriented": None,
    "voc": None,
    "datumaro_coco": None,
    "datumaro_cvat": None,
    "datumaro_voc": "voc",
    "huggingface": None,
    "huggingface_card": None,
    "croissant": None,
    "webdataset": "webdataset",
}
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The drawn release of the unit tests."""
    path = ROOT / "tests" / "unit" / "release" / "conftest.py"
    spec = importlib.util.spec_from_file_location("drawn_for_readers", path)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawn)
    layout: Layout = drawn._make(tmp_path_factory.mktemp("readers") / "workspace")
    assemble(layout, drawn.PARAMS, _taxonomy(), draw=real_draw())
    return layout


def _taxonomy() -> Taxonomy:
    return Taxonomy.from_mapping(yaml.safe_load((ROOT / "label_configs" / "taxonomy.yaml").read_text(encoding="utf-8")))


def truth(folder: Path, split: str, *, oriented: bool = False) -> dict[str, list[list[Any]]]:
    """The boxes by image as the tables have them."""
    images = pd.read_parquet(folder / "images.parquet")
    found: dict[str, list[list[Any]]] = {name: [] for name in images[images["split"] == split]["image_id"]}
    for row in pd.read_parquet(folder / "instances.parquet").itertuples():
        if row.image_id in found and row.x_min == row.x_min:
            box = [row.category, row.x_min, row.y_min, row.x_max, row.y_max]
            if oriented and row.shape == "polygon":
                box = [row.category, *_drawn_rectangle_box(row.rings[0])]
            found[row.image_id].append(box)
    return found


def _drawn_rectangle_box(ring: Any) -> list[float]:
    import cv2
    import numpy as np

    corners = cv2.boxPoints(cv2.minAreaRect(np.asarray(ring, np.float32).reshape(-1, 2)))
    return [*map(float, corners.min(axis=0)), *map(float, corners.max(axis=0))]


def read(python: str, tasks: list[str], cache: Path) -> dict[str, Any]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))},
        "HF_HOME": str(cache),
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:1/",  # nothing is asked of a database
    }
    script = Path(__file__).with_name("read_formats.py")
    done = subprocess.run([python, str(script), *tasks], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def agree(found: Any, folder: Path, split: str, *, oriented: bool = False, within_px: float = 1e-3) -> None:
    assert isinstance(found, dict), found
    told = {name: boxes for name, boxes in found.items() if boxes}
    expected = truth(folder, split, oriented=oriented)
    assert told.keys() == expected.keys()
    for name, boxes in expected.items():
        assert len(told[name]) == len(boxes)
        for box in boxes:  # readers order objects as they like
            nearest = min(told[name], key=lambda other: abs(other[1] - box[1]) + abs(other[3] - box[3]))
            assert nearest[0] == box[0]
            # single precision, which some readers keep, is good to 1e-4 of a few hundred pixels
            assert nearest[1:] == pytest.approx(box[1:], abs=within_px)


def test_fiftyone_reads_coco_yolo_and_voc(release: Layout, tmp_path: Path) -> None:
    tasks = [
        f"{reader}={release.release}={s}"
        for reader in ("fiftyone_coco", "fiftyone_yolo", "fiftyone_voc")
        for s in SPLITS
    ]
    for task, found in read(sys.executable, tasks, tmp_path).items():
        # of VOC, FiftyOne keeps whole pixels only
        agree(found, release.release, task.rpartition("=")[2], within_px=1.0 if "voc" in task.split("=")[0] else 1e-3)


@pytest.fixture(scope="session")
def readers() -> str:
    """A Python that has the readers."""
    asked = os.environ.get("WORKBENCH_READERS")
    if not asked:
        pytest.skip("set WORKBENCH_READERS=install to install the outside readers (0.7 GB), or name a Python with them")
    if asked != "install":
        return asked
    folder = Path.home() / ".cache" / "evidence-workbench" / "readers"
    python = folder / "bin" / "python"
    commands = [["uv", "venv", "--python", sys.executable, str(folder)]] if not python.is_file() else []
    commands.append(["uv", "pip", "install", "--python", str(python), *PACKAGES])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the outside readers cannot be installed here: {done.stderr.strip()[-300:]}")
    return str(python)


@pytest.mark.slow
def test_every_outside_reader_finds_the_same_objects(release: Layout, readers: str, tmp_path: Path) -> None:
    folders = {None: release.release}
    for name in {layout for layout in OUTSIDE.values() if layout}:
        folders[name] = tmp_path / name
        write_layout(folders[name], release.release, name, _taxonomy(), outline=real_draw().outline)
    tasks = [f"{reader}={folders[layout]}={split}" for reader, layout in OUTSIDE.items() for split in SPLITS]
    answers = read(readers, tasks, tmp_path / "cache")
    assert len(answers) == len(OUTSIDE) * len(SPLITS)
    for task, found in answers.items():
        reader, _, split = task.split("=")
        agree(
            found,
            release.release,
            split,
            oriented=reader == "yolo_oriented",
            within_px=2e-2 if reader == "yolo_oriented" else 1e-3,
        )
