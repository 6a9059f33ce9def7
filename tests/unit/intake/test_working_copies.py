from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from workbench.adapters import images
from workbench.adapters.images import Copied, Rejected
from workbench.domain.geometry import Box
from workbench.domain.photograph import UprightTransform

PARAMETERS = {"max_megapixels": 50, "max_side_px": 4096, "jpeg_quality": 95}


def _upright() -> Image.Image:
    """Four different quadrants, so that every turn and flip shows."""
    pixels = np.zeros((40, 64, 3), dtype=np.uint8)
    pixels[:20, :32], pixels[:20, 32:], pixels[20:, :32], pixels[20:, 32:] = (200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)  # fmt: skip
    return Image.fromarray(pixels)


#: How to store an upright picture so that its orientation tag turns it upright again.
_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int, kind: str) -> None:
    turn = _STORED[orientation]
    stored = _upright().transpose(turn) if turn is not None else _upright()
    exif = Image.Exif()
    exif[0x0112] = orientation
    suffix = min(images.FORMATS[kind])
    copied = images.make_working_copy(_encode(stored, kind, exif=exif, quality=98), suffix, PARAMETERS)
    assert isinstance(copied, Copied)
    assert copied.orientation == orientation
    assert (copied.original_width_px, copied.original_height_px) == stored.size
    shown = np.asarray(Image.open(io.BytesIO(copied.jpeg)), dtype=int)
    assert np.abs(shown - np.asarray(_upright(), dtype=int)).mean() < 6


def test_a_working_copy_carries_pixels_and_nothing_else(
    draw_photograph: Callable[..., dict[str, Any]], tmp_path: Path, canary: str
) -> None:
    draw_photograph(tmp_path / "a.jpg", seed=1)
    data = (tmp_path / "a.jpg").read_bytes()
    assert canary.encode() in data
    copied = images.make_working_copy(data + b"trailing " + canary.encode(), ".jpg", PARAMETERS)
    assert isinstance(copied, Copied)
    assert canary.encode() not in copied.jpeg
    assert not dict(Image.open(io.BytesIO(copied.jpeg)).getexif())
    assert "icc_profile" not in Image.open(io.BytesIO(copied.jpeg)).info


@pytest.mark.parametrize(
    ("make", "suffix", "code"),
    [
        (lambda: b"not an image", ".jpg", "intake.decode-failed"),
        (lambda: b"", ".jpg", "intake.decode-failed"),
        (lambda: _encode(_upright(), "JPEG")[:-20], ".jpg", "intake.truncated"),
        (lambda: _encode(_upright(), "GIF"), ".gif", "intake.format-refused"),
        (lambda: _encode(_upright(), "PNG"), ".jpg", "intake.extension-mismatch"),
        (lambda: _encode(Image.new("1", (9990, 9990)), "PNG"), ".png", "intake.too-large"),
    ],
)
def test_what_is_no_photograph_gets_a_reason(make: Callable[[], bytes], suffix: str, code: str) -> None:
    verdict = images.make_working_copy(make(), suffix, PARAMETERS)
    assert isinstance(verdict, Rejected)
    assert verdict.code == code


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        source = Image.fromarray(np.asarray(_upright().convert("L"), dtype=np.uint16) * 257)
    else:
        source = _upright().convert(mode)
    kind, suffix = ("JPEG", ".jpg") if mode == "CMYK" else ("PNG", ".png")
    copied = images.make_working_copy(_encode(source, kind), suffix, PARAMETERS)
    assert isinstance(copied, Copied)
    shown = np.asarray(Image.open(io.BytesIO(copied.jpeg)).convert("L"), dtype=int)
    seen = _upright() if mode == "I;16" else source.convert("RGB")
    assert np.abs(shown - np.asarray(seen.convert("L"), dtype=int)).mean() < 12


def test_long_pictures_are_scaled_and_say_so() -> None:
    copied = images.make_working_copy(_encode(_upright(), "PNG"), ".png", {**PARAMETERS, "max_side_px": 32})
    assert isinstance(copied, Copied)
    assert (copied.width_px, copied.height_px, copied.scale) == (32, 20, 0.5)


@pytest.mark.skipif(features.version("libjpeg_turbo") != "3.2.0", reason="the digest is of another libjpeg-turbo")
def test_the_same_bytes_come_out_until_the_activity_s_version_is_raised() -> None:
    copied = images.make_working_copy(_encode(_upright(), "PNG"), ".png", PARAMETERS)
    assert isinstance(copied, Copied)
    assert hashlib.sha256(copied.jpeg).hexdigest() == "df4de2a28c4228c53e78dc86c2321fe2e5f1215c244774b2995e157bada51ef1"


def test_an_error_no_decoder_should_raise_is_a_verdict_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(images, "_srgb", odd)
    verdict = images.make_working_copy(_encode(_upright(), "PNG"), ".png", PARAMETERS)
    assert isinstance(verdict, Rejected)
    assert verdict.code == "intake.decode-failed"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(range(1, 9)),
    st.tuples(st.integers(40, 160), st.integers(40, 160)),
    st.floats(0.3, 1.0),
    st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)),
)
def test_what_the_transform_says_is_what_the_pixels_show(
    orientation: int, size_wh: tuple[int, int], scale: float, corner: tuple[float, float]
) -> None:
    width, height = size_wh
    stored = np.full((height, width, 3), 30, dtype=np.uint8)
    left, top = (int(part * side) for part, side in zip(corner, size_wh, strict=True))
    box = Box(x_min=left, y_min=top, x_max=left + width // 3, y_max=top + height // 4)
    stored[top : int(box.y_max), left : int(box.x_max)] = 225
    exif = Image.Exif()
    exif[0x0112] = orientation
    most = max(8, round(max(size_wh) * scale))
    copied = images.make_working_copy(
        _encode(Image.fromarray(stored), "PNG", exif=exif), ".png", {**PARAMETERS, "max_side_px": most}
    )
    assert isinstance(copied, Copied)
    transform = UprightTransform(
        orientation=copied.orientation,
        original_width_px=copied.original_width_px,
        original_height_px=copied.original_height_px,
        scale=copied.scale,
    )
    shown = np.asarray(Image.open(io.BytesIO(copied.jpeg)).convert("L"), dtype=int) > 127
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    seen = Box(x_min=columns[0], y_min=rows[0], x_max=columns[-1] + 1, y_max=rows[-1] + 1)
    # A pixel of the copy and the rounding of its size is what a seen edge may be off.
    assert transform.box_to_upright(box).xyxy == pytest.approx(seen.xyxy, abs=1.6)
    assert transform.box_to_original(seen).xyxy == pytest.approx(box.xyxy, abs=1.6 / copied.scale)


@pytest.mark.parametrize("trouble", [ImportError("no module"), OSError(5, "Input/output error")])
def test_the_machine_s_trouble_is_no_verdict_on_a_file(monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(images, "_copy", fails)
    with pytest.raises(type(trouble)):
        images.make_working_copy(_encode(_upright(), "PNG"), ".png", PARAMETERS)
