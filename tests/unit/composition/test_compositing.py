"""What compositing does to pixels: no seam, exact masks, light, blur and noise as the background has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.adapters.compositing import compose
from workbench.adapters.cutout_files import encode_object, encode_shadow, read_cutout
from workbench.adapters.harmony import measure_harmony, to_linear, to_srgb
from workbench.adapters.masks import decode_mask
from workbench.adapters.pixels import decode_rgb
from workbench.domain.composition import CompositionJob, Placement
from workbench.domain.findings import Refused


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> dict[str, Path]:
    """A disc with its shadow, a bare shadow, and a smooth background without noise."""
    folder = tmp_path_factory.mktemp("files")
    part, coverage, ratio = drawn.disc()
    found = {name: folder / f"{name}.png" for name in ("object", "shadow", "nothing", "table", "noisy")}
    found["object"].write_bytes(encode_object(part, coverage))
    found["nothing"].write_bytes(encode_object(part * 0, coverage * 0))
    found["shadow"].write_bytes(encode_shadow(ratio))
    y, x = np.mgrid[0:120, 0:160]
    smooth = np.dstack([100 + x * 0.3, 110 + y * 0.2, 90 + (x + y) * 0.1]).astype(np.uint8)
    cv2.imwrite(str(found["table"]), smooth[..., ::-1])
    cv2.imwrite(str(found["noisy"]), drawn.table(3)[..., ::-1])
    return found


def _job(files: dict[str, Path], *places: tuple[int, int], what: str = "object", on: str = "table") -> CompositionJob:
    laid = tuple(
        Placement(left_px=x, top_px=y, scale=1.0, object_path=files[what], shadow_path=files["shadow"])
        for x, y in places
    )
    return CompositionJob(
        background_path=files[on],
        width_px=160,
        height_px=120,
        placements=laid,
        exposure_ev=0.0,
        seed=1,
        jpeg_quality=100,
    )


def test_a_cutout_is_read_back_as_it_was_written(files: dict[str, Path], drawn: Any) -> None:
    part, coverage, ratio = drawn.disc()
    read, shadow = read_cutout(files["object"], files["shadow"])
    np.testing.assert_allclose(read[..., :3], part, atol=2e-4)
    np.testing.assert_allclose(read[..., 3], coverage, atol=1e-5)
    np.testing.assert_allclose(shadow, ratio, atol=2e-5)
    assert (shadow[[0, -1]] == 1).all()  # one, no shadow, has a code of its own
    assert (shadow[:, [0, -1]] == 1).all()


def test_what_no_cutout_reaches_keeps_its_pixels_and_the_border_shows_no_seam(files: dict[str, Path]) -> None:
    bare = decode_rgb(compose(_job(files)).jpeg, "bare").astype(int)
    laid = decode_rgb(compose(_job(files, (30, 12))).jpeg, "laid").astype(int)
    inside = np.zeros(bare.shape[:2], bool)
    inside[12:108, 30:126] = True
    # Blocks of 8 x 8 that the cut-out does not reach are the very same; the encoder sees each for itself.
    far = ~cv2.dilate(inside.astype(np.uint8), np.ones((17, 17))).astype(bool)
    assert (bare[far] == laid[far]).all()
    change = np.abs(laid - bare).max(axis=-1)
    ring = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3))) - cv2.erode(inside.astype(np.uint8), np.ones((5, 5)))
    assert change[ring.astype(bool)].max() <= 2  # what encoding the blocks inside moves
    assert change[60, 78] > 20  # the test can fail: in the middle the disc is there


def test_steps_at_the_border_are_no_greater_than_the_backgrounds_own(files: dict[str, Path]) -> None:
    bare = decode_rgb(compose(_job(files)).jpeg, "bare").astype(float)
    laid = decode_rgb(compose(_job(files, (30, 12), what="nothing")).jpeg, "laid").astype(float)
    assert laid[60, 60].mean() < bare[60, 60].mean() - 5  # its shadow lies there
    for edge in (30, 126):
        own, across = (np.abs(np.diff(image[12:108, edge - 2 : edge + 2], axis=1)).max() for image in (bare, laid))
        assert across <= own + 1
    for edge in (12, 108):
        own, across = (np.abs(np.diff(image[edge - 2 : edge + 2, 30:126], axis=0)).max() for image in (bare, laid))
        assert across <= own + 1


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(-70, 150), st.integers(-70, 110)), min_size=1, max_size=4))
def test_masks_share_no_pixel_and_the_nearest_hides_the_others(
    files: dict[str, Path], places: list[tuple[int, int]]
) -> None:
    seen = compose(_job(files, *places)).seen
    masks = [
        np.zeros((120, 160), bool) if one.mask_rle is None else decode_mask(one.mask_rle, height_px=120, width_px=160)
        for one in seen
    ]
    y, x = np.mgrid[0:120, 0:160] + 0.5
    assert sum(mask.astype(int) for mask in masks).max(initial=0) <= 1
    nearer = np.zeros((120, 160), bool)
    for one, mask, (left, top) in reversed(list(zip(seen, masks, places, strict=True))):
        disc = np.hypot(x - left - 48, y - top - 48) <= 20
        assert one.alone_px == disc.sum()
        assert (mask == (disc & ~nearer)).all()
        assert one.visible_px == mask.sum()
        if one.box is not None:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert one.box.xyxy == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        nearer |= disc


def test_the_same_job_gives_the_same_bytes_and_another_seed_other_noise(files: dict[str, Path]) -> None:
    from dataclasses import replace

    job = _job(files, (30, 12), on="noisy")
    assert compose(job).jpeg == compose(job).jpeg
    assert compose(replace(job, seed=2)).jpeg != compose(job).jpeg
    assert compose(replace(job, exposure_ev=0.5)).jpeg != compose(job).jpeg


def test_a_part_is_brighter_on_a_bright_surface_and_warmer_under_warm_light() -> None:
    dim, bright = (measure_harmony(np.full((120, 160, 3), level, np.uint8)) for level in (120, 225))
    assert bright.white_rgb.mean() > dim.white_rgb.mean()
    assert bright.white_rgb.mean() >= to_linear(np.array([225], np.uint8))[0]  # white is no darker than what is there
    warm = measure_harmony(np.full((120, 160, 3), (150, 120, 90), np.uint8))
    assert warm.white_rgb[0] > warm.white_rgb[1] > warm.white_rgb[2]
    own = to_linear(np.array([150, 90], np.uint8))
    assert warm.white_rgb[0] / warm.white_rgb[2] < own[0] / own[1]  # not all of the colour is the light's


@pytest.mark.parametrize("deviation", [1.0, 2.5, 5.0])
def test_noise_is_measured_and_texture_is_not_taken_for_it(deviation: float) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:480, 0:640]
    field = 120 + 30 * np.sin(x / 40) * np.cos(y / 60)
    field[:240] += 25 * ((x // 20 + y // 20) % 2)[:240]
    image = np.clip(field[..., None] + rng.normal(0, deviation, (480, 640, 1)), 0, 255).astype(np.uint8)
    assert measure_harmony(np.repeat(image, 3, axis=2)).noise_levels == pytest.approx(deviation, rel=0.25)


@pytest.mark.parametrize("blur_px", [0.8, 1.2, 2.0])
def test_blur_is_measured_at_the_sharpest_edges(blur_px: float) -> None:
    y, x = np.mgrid[0:480, 0:640]
    board = (((x + y // 3) // 60 + y // 50) % 2 * 120 + 60).astype(np.float32)
    image = np.repeat(cv2.GaussianBlur(board, (0, 0), blur_px)[..., None], 3, axis=2).astype(np.uint8)
    assert measure_harmony(image).blur_px == pytest.approx(blur_px, rel=0.25)


def test_levels_go_to_light_and_back_unchanged() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert (np.rint(to_srgb(to_linear(levels))) == levels).all()


def test_a_cutout_that_cannot_be_read_is_told(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Refused) as refusal:
        read_cutout(files["table"], files["shadow"])
    assert refusal.value.findings[0].code == "composition.cutout-unreadable"
    with pytest.raises(Refused):
        read_cutout(tmp_path / "none.png", files["shadow"])
