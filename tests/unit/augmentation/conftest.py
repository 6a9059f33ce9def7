"""A tiny workspace with two labelled photographs, drawn by seeded code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from workbench.adapters.masks import encode_mask
from workbench.domain.annotation import Instance, Keypoint, Shape
from workbench.domain.geometry import Box
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.tables import IMAGES, INSTANCES, LABELLED, instance_row, write_table


def _draw(seed: int, size_wh: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    width, height = size_wh
    image = rng.integers(120, 200, (height, width, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (9, 9), 0)
    cv2.rectangle(image, (40, 60), (99, 139), (30, 60, 90), -1)
    cv2.fillPoly(image, [np.array([[150, 40], [220, 60], [180, 130]])], (90, 30, 20))
    return image


def _instances(image_id: str, size_wh: tuple[int, int]) -> list[Instance]:
    mask = np.zeros(size_wh[::-1], bool)
    mask[60:140, 40:100] = True
    common = {"image_id": image_id, "category": "part.frame", "facets": {"material": "polymer"}}
    return [
        Instance(
            instance_id=f"{image_id[:8]}-box",
            shape=Shape.BOX,
            box=Box(x_min=40, y_min=60, x_max=100, y_max=140),
            transcription="AB?2",
            **common,
        ),
        Instance(
            instance_id=f"{image_id[:8]}-polygon",
            shape=Shape.POLYGON,
            box=Box(x_min=150, y_min=40, x_max=220, y_max=130),
            rings=((150.0, 40.0, 220.0, 60.0, 180.0, 130.0),),
            **common,
        ),
        Instance(
            instance_id=f"{image_id[:8]}-mask",
            shape=Shape.MASK,
            box=Box(x_min=40, y_min=60, x_max=100, y_max=140),
            mask_rle=encode_mask(mask),
            **common,
        ),
        Instance(
            instance_id=f"{image_id[:8]}-point",
            shape=Shape.KEYPOINT,
            keypoints=(Keypoint(name="tip", x_px=180.0, y_px=130.0),),
            **common,
        ),
    ]


@pytest.fixture
def drawn() -> Callable[..., tuple[np.ndarray, list[Instance]]]:
    """A picture and one instance of each shape on it."""

    def make(size_wh: tuple[int, int] = (320, 240), *, seed: int = 3) -> tuple[np.ndarray, list[Instance]]:
        return _draw(seed, size_wh), _instances("f" * 64, size_wh)

    return make


@pytest.fixture
def curated(tmp_path: Path) -> Layout:
    """Photographs in train (two labelled, one not, one excluded) and in val, as the stages before leave them."""
    layout = Layout(tmp_path / "workspace")
    rows, objects, labelled = [], [], []
    cases = [("train", None, "agreed"), ("train", None, "single"), ("train", None, "disagreed")]
    cases += [(None, "exact duplicate", "agreed"), ("val", None, "agreed")]
    for seed, (split, excluded, status) in enumerate(cases):
        _, encoded = cv2.imencode(".jpg", _draw(seed, (320, 240)))
        file_sha256 = sha256_hex(encoded.tobytes())
        image_id = sha256_hex(f"original {seed}".encode())
        path = layout.intake / "c1" / "images" / file_sha256[:2] / f"{file_sha256}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
        rows.append(
            {
                "image_id": image_id,
                "origin": "real",
                "path": path.relative_to(layout.data).as_posix(),
                "file_sha256": file_sha256,
                "width_px": 320,
                "height_px": 240,
                "licence": "CC-BY-4.0",
                "work_key": f"key-{seed}",
                "contribution_id": "c1",
                "partner_id": "north-lab",
                "group_id": f"group-{seed}",
                "split": split,
                "excluded": excluded,
            }
        )
        objects += [instance_row(instance) for instance in _instances(image_id, (320, 240))]
        labelled.append({"image_id": image_id, "annotators": 2, "status": status})
    rows.sort(key=lambda row: str(row["image_id"]))
    write_table(layout.curation / "images.parquet", IMAGES, rows)
    write_table(layout.adjudication / "instances.parquet", INSTANCES, objects)
    write_table(layout.adjudication / "labelled.parquet", LABELLED, labelled)
    return layout
