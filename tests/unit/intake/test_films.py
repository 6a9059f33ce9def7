"""Films: a few frames of each, the same every time, upright, and nothing but pixels; hostile ones get a reason."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from workbench.adapters import inspection, video
from workbench.adapters.images import Copied, Rejected
from workbench.adapters.video import Sampled, sample_film

PARAMETERS = {
    "max_megapixels": 50,
    "max_side_px": 4096,
    "jpeg_quality": 95,
    "max_video_s": 20,
    "max_video_frames": 40,
    "video_gap_s": 0.5,
    "scene_change_frac": 0.08,
}
#: Quadrants of each scene: every turn and every scene shows.
_SCENES = (
    ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)),
    ((20, 20, 20), (240, 240, 240), (20, 20, 20), (120, 120, 120)),
    ((30, 200, 200), (200, 30, 200), (220, 220, 220), (10, 60, 10)),
)


def _scene(number: int, size_wh: tuple[int, int]) -> Any:
    width, height = size_wh
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    one, two, three, four = _SCENES[number % len(_SCENES)]
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = one, two
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = three, four
    return pixels


def _film(
    scenes: int = 3,
    *,
    each: int = 20,
    size_wh: tuple[int, int] = (160, 96),
    container: str = "mp4",
    codec: str = "libx264",
    rate: int = 10,
    gop: int = 250,
) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as film:
        film.metadata["comment"] = "Canary-film"
        stream = film.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        stream.codec_context.thread_count, stream.codec_context.gop_size = 1, gop
        for number in range(scenes * each):
            frame = av.VideoFrame.from_ndarray(_scene(number // each, size_wh), format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return out.getvalue()


@pytest.fixture(scope="module")
def film() -> bytes:
    return _film()


def _pixels(copied: Copied) -> Any:
    return np.asarray(Image.open(io.BytesIO(copied.jpeg)), dtype=int)


@pytest.mark.parametrize(("container", "suffix"), [("mp4", ".mp4"), ("mov", ".mov")])
def test_one_frame_of_each_scene_is_taken_with_its_time(container: str, suffix: str) -> None:
    sampled = inspection.inspect_item((_film(container=container), suffix), parameters=PARAMETERS)
    assert isinstance(sampled, Sampled)
    assert [frame.time_s for frame in sampled.frames] == [0.0, 2.0, 4.0]
    for number, frame in enumerate(sampled.frames):
        assert np.abs(_pixels(frame.copied) - _scene(number, (160, 96)).astype(int)).mean() < 8
    assert [remark.code for remark in sampled.remarks] == ["intake.film"]


def test_the_same_film_gives_the_same_bytes_and_no_metadata(film: bytes) -> None:
    assert b"Canary-film" in film
    first, again = (sample_film(film, ".mp4", PARAMETERS) for _ in range(2))
    assert first == again
    assert isinstance(first, Sampled)
    assert not any(b"Canary" in frame.copied.jpeg for frame in first.frames)


def test_a_film_that_changes_all_the_time_is_held_to_its_number_of_frames() -> None:
    sampled = sample_film(_film(12, each=10), ".mp4", {**PARAMETERS, "max_video_frames": 4})
    assert isinstance(sampled, Sampled)
    assert len(sampled.frames) == 4
    assert sampled.frames[0].time_s == 0.0
    assert "8 more" in sampled.remarks[0].detail


def test_of_long_films_frames_coded_by_themselves_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_MOST_LOOKED_AT", 10)
    sampled = sample_film(_film(gop=10), ".mp4", PARAMETERS)
    assert isinstance(sampled, Sampled)
    assert [frame.time_s for frame in sampled.frames] == [0.0, 2.0, 4.0]


def _turned(film: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """Return the film with another display matrix in its track header (ISO/IEC 14496-12, 8.3.2)."""
    at = film.index(b"tkhd") + 4 + 40
    a, b, c, d = ((value << 16) & 0xFFFFFFFF for value in matrix)
    words = (a, b, 0, c, d, 0, 0, 0, 0x40000000)
    return film[:at] + b"".join(word.to_bytes(4, "big") for word in words) + film[at + 36 :]


@pytest.mark.parametrize(
    ("matrix", "orientation"),
    [((1, 0, 0, 1), 1), ((0, 1, -1, 0), 6), ((-1, 0, 0, -1), 3), ((0, -1, 1, 0), 8)],
)
def test_a_film_held_upright_comes_out_upright(
    film: bytes, matrix: tuple[int, int, int, int], orientation: int
) -> None:
    sampled = sample_film(_turned(film, matrix), ".mp4", PARAMETERS)
    assert isinstance(sampled, Sampled)
    copied = sampled.frames[0].copied
    assert copied.orientation == orientation
    assert (copied.original_width_px, copied.original_height_px) == (160, 96)
    quarter_turns = {1: 0, 8: 1, 3: 2, 6: 3}[orientation]  # counter-clockwise
    assert np.abs(_pixels(copied) - np.rot90(_scene(0, (160, 96)), quarter_turns).astype(int)).mean() < 8


def _code(data: bytes, suffix: str = ".mp4", **changed: Any) -> str:
    verdict = inspection.inspect_item((data, suffix), parameters={**PARAMETERS, **changed})
    assert isinstance(verdict, Rejected), verdict
    return verdict.code


def test_films_that_cannot_be_taken_get_a_reason(film: bytes) -> None:
    assert _code(film, ".jpg") == "intake.extension-mismatch"
    assert _code(film, "") == "intake.extension-mismatch"
    assert _code(film[:3000]) == "intake.decode-failed"
    assert _code(film, max_video_s=3) == "intake.too-long"
    assert _code(film, max_megapixels=0.001) == "intake.too-large"
    assert _code(_film(1, codec="mpeg1video", rate=25)) == "intake.format-refused"
    huge = film.replace((160 << 16).to_bytes(4, "big") + (96 << 16).to_bytes(4, "big"), b"\x27\x10\0\0\x27\x10\0\0")
    assert isinstance(inspection.inspect_item((huge, ".mp4"), parameters=PARAMETERS), Rejected | Sampled)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    assert _code(out.getvalue()) == "intake.extension-mismatch"


def test_a_film_damaged_towards_its_end_gives_what_is_sound() -> None:
    film = _film(3, each=20, codec="mpeg4")
    damaged = bytearray(film)
    start = film.index(b"mdat") + 4
    end = start + int.from_bytes(film[start - 8 : start - 4], "big") - 8
    for at in range(start + (end - start) // 2, min(end, len(film)), 7):
        damaged[at] ^= 0xA5
    verdict = sample_film(bytes(damaged), ".mp4", PARAMETERS)
    assert isinstance(verdict, Sampled)
    assert verdict.frames[0].time_s == 0.0


def test_a_film_that_states_a_short_length_is_not_believed(film: bytes) -> None:
    lying = bytearray(film)
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = film.index(box) + offset
        lying[at : at + 4] = (1).to_bytes(4, "big")
    sampled = sample_film(bytes(lying), ".mp4", {**PARAMETERS, "max_video_s": 3})
    assert isinstance(sampled, Rejected) or max(frame.time_s for frame in sampled.frames) <= 3
