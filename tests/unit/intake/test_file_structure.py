"""Where a picture's file ends, and what else it may be, from its bytes alone."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.adapters.file_structure import bytes_after, is_film, second_kind


def _saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


_PICTURES = {
    "JPEG": _saved("JPEG", quality=95),
    "JPEG in scans": _saved("JPEG", progressive=True),
    "JPEG with restarts": _saved("JPEG", restart_marker_blocks=2),
    "PNG": _saved("PNG"),
    "WEBP": _saved("WEBP", lossless=True),
}


@pytest.mark.parametrize("name", _PICTURES)
@given(st.binary(max_size=40).filter(lambda tail: not tail.endswith(b"\0")))
@settings(max_examples=30, deadline=None)
def test_what_follows_a_picture_is_counted_to_the_byte(name: str, tail: bytes) -> None:
    kind = name.split(maxsplit=1)[0]
    assert bytes_after(_PICTURES[name] + tail, kind) == len(tail)
    assert bytes_after(_PICTURES[name] + tail + bytes(500), kind) == len(tail), "padding is nothing"


@given(st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_a_picture_cut_short_has_nothing_after_it(length: int) -> None:
    for name, data in _PICTURES.items():
        assert bytes_after(data[: min(length, len(data))], name.split()[0]) == 0


@given(st.binary(max_size=2000), st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP"]))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_looked_through_to_an_answer(data: bytes, kind: str) -> None:
    assert 0 <= bytes_after(data, kind) <= len(data)
    second_kind(data)
    is_film(data)


def test_an_archive_or_document_is_seen_wherever_it_lies() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"b")
    sound = _PICTURES["JPEG"]
    assert second_kind(sound) is None
    assert second_kind(sound + packed.getvalue()) == "a ZIP archive"
    for mark, what in ((b"%PDF-1.7", "PDF"), (b"Rar!\x1a\x07\x01", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7z")):
        assert what in str(second_kind(sound[:200] + mark + sound[200:]))


def test_the_four_bytes_of_a_zip_alone_are_chance() -> None:
    assert second_kind(_PICTURES["JPEG"] + b"PK\x05\x06" + bytes(30)) is None
