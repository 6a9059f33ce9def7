"""What is covered is gone: one colour in every pixel, nothing carried over."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.adapters.cover import FILL_RGB, cover
from workbench.domain.geometry import Box

SIZE_WH = (150, 101)


def _jpeg(seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=95, comment=b"whose is it")
    return out.getvalue()


def _pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


@given(
    x=st.floats(0, SIZE_WH[0] - 1),
    y=st.floats(0, SIZE_WH[1] - 1),
    width=st.floats(0.1, 150),
    height=st.floats(0.1, 101),
)
def test_every_pixel_that_a_box_touches_has_the_colour_exactly(x: float, y: float, width: float, height: float) -> None:
    box = Box(x_min=x, y_min=y, x_max=min(x + width, SIZE_WH[0]), y_max=min(y + height, SIZE_WH[1]))
    pixels = _pixels(cover(_jpeg(), [box], jpeg_quality=95))
    inside = pixels[int(y) : int(np.ceil(box.y_max)), int(x) : int(np.ceil(box.x_max))]
    assert inside.size
    assert (inside == FILL_RGB).all()


@pytest.mark.parametrize("quality", [30, 75, 90, 95, 100])
def test_what_is_covered_does_not_shape_any_other_pixel(quality: int) -> None:
    box = Box(x_min=30, y_min=20, x_max=70, y_max=60)
    one, other = _pixels(_jpeg(1)).copy(), _pixels(_jpeg(1)).copy()
    other[20:60, 30:70] = 255 - other[20:60, 30:70]
    made = []
    for pixels in (one, other):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        made.append(cover(out.getvalue(), [box], jpeg_quality=quality))
    assert made[0] == made[1]


def test_what_is_far_from_the_boxes_stays_as_it_was() -> None:
    before = _pixels(_jpeg())
    after = _pixels(cover(_jpeg(), [Box(x_min=8, y_min=8, x_max=24, y_max=24)], jpeg_quality=95))
    assert after.shape == before.shape
    assert np.abs(after[40:].astype(int) - before[40:]).mean() < 3


def test_nothing_but_pixels_is_carried_over() -> None:
    assert b"whose is it" in _jpeg()
    assert b"whose is it" not in cover(_jpeg(), [Box(x_min=0, y_min=0, x_max=9, y_max=9)], jpeg_quality=95)


def test_the_same_boxes_give_the_same_bytes() -> None:
    boxes = [Box(x_min=0, y_min=0, x_max=9, y_max=9), Box(x_min=5, y_min=5, x_max=40, y_max=20)]
    assert cover(_jpeg(), boxes, jpeg_quality=95) == cover(_jpeg(), boxes[::-1], jpeg_quality=95)
