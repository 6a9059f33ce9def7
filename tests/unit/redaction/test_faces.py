"""Faces are found by the network itself; what is no face is left alone."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageOps

from workbench.adapters import centerface
from workbench.adapters.centerface import find_faces
from workbench.adapters.images import Copied, make_working_copy
from workbench.adapters.processes import Processes
from workbench.domain.findings import Refused

ROOT = Path(__file__).resolve().parents[3]
ALL = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
PARAMS, INTAKE = ALL["redaction"], ALL["intake"]
SHIPPED = {name: PARAMS[name] for name in ("longest_px", "least_score")}

#: The astronaut's face in the picture of that name: NASA's portrait of Eileen Collins, public domain, which scikit-image
#: carries in its wheel. The box was drawn by eye.
FACE = (180, 60, 270, 180)


@pytest.fixture(scope="module")
def portrait() -> Path:
    return Path(str(importlib.metadata.distribution("scikit-image").locate_file("skimage/data/astronaut.png")))


def test_a_face_is_found_where_it_is(portrait: Path) -> None:
    (face,) = find_faces(portrait, **SHIPPED)
    assert face.score > 0.9
    assert face.box.xyxy == pytest.approx(FACE, abs=6)


def test_eyes_are_above_nose_above_mouth(portrait: Path) -> None:
    (face,) = find_faces(portrait, **SHIPPED)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks_px
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_face_is_found_at_its_place_in_a_larger_picture_of_another_shape(portrait: Path, tmp_path: Path) -> None:
    sheet = Image.new("RGB", (2611, 1403), (150, 148, 140))
    sheet.paste(Image.open(portrait).convert("RGB"), (1800, 700))
    sheet.save(tmp_path / "sheet.jpg", quality=95)
    (face,) = find_faces(tmp_path / "sheet.jpg", **SHIPPED)
    moved = np.array(FACE) + np.array([1800, 700, 1800, 700])
    assert face.box.xyxy == pytest.approx(moved, abs=10)


def test_two_faces_are_two(portrait: Path, tmp_path: Path) -> None:
    one = Image.open(portrait).convert("RGB").crop((100, 0, 400, 300))
    pair = Image.new("RGB", (600, 300))
    pair.paste(one, (0, 0))
    pair.paste(ImageOps.mirror(one), (300, 0))
    pair.save(tmp_path / "pair.png")
    left, right = sorted(find_faces(tmp_path / "pair.png", **SHIPPED), key=lambda face: face.box.x_min)
    assert left.box.x_max < 300 < right.box.x_min


def test_drawn_parts_on_a_table_are_no_faces(tmp_path: Path, draw_photograph: Callable[..., dict[str, Any]]) -> None:
    found = []
    for seed in range(6):
        draw_photograph(tmp_path / f"{seed}.jpg", seed=seed, size_wh=(640, 480))
        found += find_faces(tmp_path / f"{seed}.jpg", **SHIPPED)
    assert found == []


def test_headstamps_round_as_they_are_are_no_faces(shared_data: Path, tmp_path: Path) -> None:
    photographs = sorted((shared_data / "photos" / "headstamps").rglob("*.jpg"))
    assert photographs
    found = []
    for number, path in enumerate(photographs[:4]):
        copied = make_working_copy(path.read_bytes(), ".jpg", INTAKE)
        assert isinstance(copied, Copied)
        (tmp_path / f"{number}.jpg").write_bytes(copied.jpeg)
        found += find_faces(tmp_path / f"{number}.jpg", **SHIPPED)
    assert found == []


def test_every_process_finds_the_same_to_the_last_digit(portrait: Path, tmp_path: Path) -> None:
    for number in range(8):
        Image.open(portrait).convert("RGB").resize((160 + number, 160)).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.glob("*.png"))
    find = functools.partial(find_faces, longest_px=160, least_score=0.2)
    assert list(Processes(2).map(find, paths)) == [find(path) for path in paths]


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(Refused, match="redaction.unreadable-image"):
        find_faces(tmp_path / "broken.jpg", **SHIPPED)


def test_a_missing_network_says_what_to_do(portrait: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    centerface._session.cache_clear()
    monkeypatch.setattr(importlib.metadata, "distribution", gone)
    with pytest.raises(Refused, match="redaction.no-detector"):
        find_faces(portrait, **SHIPPED)
