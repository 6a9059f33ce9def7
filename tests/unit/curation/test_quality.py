from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from workbench.adapters.perceptual_hash import PictureGauge
from workbench.curation.quality import quality_flags
from workbench.ports import Sight


def _detailed(width: int = 640, height: int = 480) -> Image.Image:
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(30, 225, (height // 8, width // 8), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.NEAREST)


def _sight(folder: Path, picture: Image.Image, name: str = "p.png") -> Sight:
    picture.save(folder / name)
    return PictureGauge(cache=folder / f"{name}.json")([("sha", folder / name)])["sha"]


def _flags(folder: Path, picture: Image.Image) -> list[str]:
    return quality_flags(_sight(folder, picture), width_px=picture.width, height_px=picture.height)


def test_a_sharp_picture_gets_no_flag(tmp_path: Path) -> None:
    assert _flags(tmp_path, _detailed()) == []


def test_a_picture_out_of_focus_is_flagged_whatever_its_resolution(tmp_path: Path) -> None:
    for times in (1, 3):
        picture = _detailed(640 * times, 480 * times)
        assert _flags(tmp_path, picture.filter(ImageFilter.GaussianBlur(8 * times))) == ["blurred"]


@pytest.mark.parametrize(("level", "flag"), [(2, "dark"), (252, "glaring")])
def test_a_picture_of_nothing_but_black_or_white_is_flagged_as_that_alone(
    tmp_path: Path, level: int, flag: str
) -> None:
    assert _flags(tmp_path, Image.new("L", (640, 480), level)) == [flag]


def test_an_object_cut_out_on_white_is_not_glaring(tmp_path: Path) -> None:
    picture = Image.new("L", (640, 480), 255)
    picture.paste(_detailed(160, 160), (200, 100))
    assert _flags(tmp_path, picture) == []


def test_small_pictures_are_flagged_by_their_shorter_side(tmp_path: Path) -> None:
    assert _flags(tmp_path, _detailed(640, 232)) == ["small"]


def test_sharpness_is_the_variance_of_the_laplacian(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    wide = levels.astype(float)
    laplacian = [
        wide[y - 1, x] + wide[y + 1, x] + wide[y, x - 1] + wide[y, x + 1] - 4 * wide[y, x]
        for y in range(1, 39)
        for x in range(1, 49)
    ]
    sight = _sight(tmp_path, Image.fromarray(levels))
    assert sight.sharpness == pytest.approx(np.var(laplacian))
    assert sight.brightness_frac == pytest.approx(wide.mean() / 255)


def _drawn_alike() -> list[Image.Image]:
    """Return pictures of every kind, twice the size of the reduction they are measured in."""
    sharp = _detailed(1024, 768)
    dark = Image.fromarray((np.asarray(sharp) // 16).astype(np.uint8))
    cut_out = Image.new("L", sharp.size, 255)
    cut_out.paste(sharp.crop((0, 0, 320, 320)), (400, 200))
    return [sharp, sharp.filter(ImageFilter.GaussianBlur(6)), dark, cut_out]


@pytest.mark.parametrize("number", range(4))
def test_every_measure_is_what_opencv_measures_in_the_same_reduction(tmp_path: Path, number: int) -> None:
    picture = _drawn_alike()[number]
    sight = _sight(tmp_path, picture)
    grey = cv2.resize(np.asarray(picture), (512, 384), interpolation=cv2.INTER_AREA)
    inner = cv2.Laplacian(grey, cv2.CV_64F)[1:-1, 1:-1]  # OpenCV mirrors the border, where nothing was measured
    assert sight.sharpness == pytest.approx(cv2.meanStdDev(inner)[1].item() ** 2, rel=0.02, abs=0.2)
    assert sight.brightness_frac == pytest.approx(cv2.mean(grey)[0] / 255, abs=2e-3)
    assert sight.dark_frac == pytest.approx(cv2.countNonZero(cv2.inRange(grey, 0, 10)) / grey.size, abs=2e-3)
    assert sight.bright_frac == pytest.approx(cv2.countNonZero(cv2.inRange(grey, 245, 255)) / grey.size, abs=2e-3)
    blocks = [grey[y : y + 16, x : x + 16] for y in range(0, 384, 16) for x in range(0, 512, 16)]
    varied = sum(cv2.meanStdDev(block)[1].item() > 6 for block in blocks)
    assert sight.detail_frac == pytest.approx(varied / len(blocks), abs=5e-3)


def test_a_picture_too_small_for_the_laplacian_measures_zero(tmp_path: Path) -> None:
    assert _sight(tmp_path, Image.new("L", (1, 9), 128)).sharpness == 0.0


def test_each_content_is_measured_once(tmp_path: Path) -> None:
    first = _sight(tmp_path, _detailed())
    (tmp_path / "p.png").unlink()
    again = PictureGauge(cache=tmp_path / "p.png.json")([("sha", tmp_path / "p.png")])
    assert again == {"sha": first}
