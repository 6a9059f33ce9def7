"""Films, by PyAV (FFmpeg): a few frames that show each scene, taken the same way every time.

The frames of a short film are all looked at; of a long one only those coded by themselves, which encoders place at cuts too.
The first frame is taken, and then each that differs enough from the last one taken. Sound and metadata are never
touched. Runs in the sandboxed workers of `adapters.sandbox`; nothing here trusts the bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters import images
from workbench.adapters.images import Copied, Rejected, Remark

#: Endings that a film's name may have.
SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".qt"})

#: Codings that are decoded (FFmpeg's names); FFmpeg knows hundreds, old and little tested ones among them.
_CODECS = frozenset({"av1", "h264", "hevc", "libdav1d", "mjpeg", "mpeg4", "prores", "vp9"})

#: Of a film with more frames, only those coded by themselves are looked at: a minute at 30 frames a second.
_MOST_LOOKED_AT = 1_800

#: Frames are compared in grey, reduced to this size.
_SMALL_WH = (64, 36)

#: EXIF orientation that turns a frame as its display matrix says, by degrees counter-clockwise.
_ORIENTATIONS = {0: 1, 90: 8, -90: 6, 180: 3, -180: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame taken from a film: when it is shown, and its working copy."""

    time_s: float
    copied: Copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The frames taken from a film, in order, at least one; and what is worth telling of it."""

    frames: tuple[Frame, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A frame that was taken, with how much it differs from the one taken before, in [0, 1]."""

    change_frac: float
    frame: Frame


def prepare() -> None:
    """Load what decoding needs; called once in each worker, before its limits close in."""
    import av

    av.logging.set_level(av.logging.PANIC)
    images.prepare()


def sample_film(data: bytes, suffix: str, parameters: Mapping[str, Any]) -> Sampled | Rejected:
    """Return frames of a film, or why there can be none.

    Parameters
    ----------
    data
        The bytes delivered.
    suffix
        The ending of the file's name, lower case, as ``.mp4``.
    parameters
        Those of params.yaml's section intake.

    """
    import av

    if suffix not in SUFFIXES:
        said = suffix or "no ending"
        return Rejected(code="intake.extension-mismatch", detail=f"Its name says {said}, its content is a film.")
    try:
        # The format is named, so that no playlist or other container can point the reader elsewhere.
        with av.open(io.BytesIO(data), format="mov") as film:
            refused = _inspect(film, len(data), parameters)
            return refused if refused is not None else _sampled(film, parameters)
    except MemoryError:
        return Rejected(code="intake.resources", detail="It needs more memory to decode than is allowed.")
    except Exception as error:  # noqa: BLE001 -- whatever a damaged file leads to
        return Rejected(
            code="intake.decode-failed", detail=f"It is no film that can be decoded ({type(error).__name__})."
        )


def _inspect(film: Any, size_bytes: int, parameters: Mapping[str, Any]) -> Rejected | None:
    """Return why an opened film is refused; None if it is not."""
    if not film.streams.video:
        return Rejected(code="intake.format-refused", detail="It is a recording without pictures.")
    stream = film.streams.video[0]
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if codec not in _CODECS:
        return Rejected(
            code="intake.format-refused", detail=f"Its pictures are coded as {codec}, which is not admitted."
        )
    duration_s = float(film.duration or 0) / 1e6
    if duration_s > parameters["max_video_s"]:
        return Rejected(
            code="intake.too-long",
            detail=f"It lasts {duration_s:.0f} s; at most {parameters['max_video_s']} s are taken.",
        )
    return images.too_large(stream.width, stream.height, size_bytes, parameters)


def _sampled(film: Any, parameters: Mapping[str, Any]) -> Sampled | Rejected:
    stream = film.streams.video[0]
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    if not 0 < stream.frames <= _MOST_LOOKED_AT:
        stream.codec_context.skip_frame = "NONINTRA"
    most, taken, passed_over, cut = int(parameters["max_video_frames"]), list[_Taken](), 0, False
    frames = _scenes(film, stream, parameters)
    while True:
        try:
            one = next(frames, None)
        except Exception:
            if not taken:
                raise
            cut = True  # what was decoded before the damage is sound
            break
        if one is None:
            break
        taken.append(one)
        if len(taken) > most:  # the least change goes; the first frame stays
            taken.remove(min(taken[1:], key=lambda each: each.change_frac))
            passed_over += 1
    if not taken:
        return Rejected(code="intake.decode-failed", detail="It is a film without a frame that can be decoded.")
    detail = f"It is a film: {len(taken)} of its frames are admitted"
    detail += f", {passed_over} more with a change of scene are not" if passed_over else ""
    remarks = [Remark(code="intake.film", detail=f"{detail}.")]
    if cut:
        remarks.append(Remark(code="intake.film-damaged", detail="It could be decoded in part only."))
    return Sampled(frames=tuple(each.frame for each in taken), remarks=tuple(remarks))


def _scenes(film: Any, stream: Any, parameters: Mapping[str, Any]) -> Iterator[_Taken]:
    """Yield the first frame, and each that differs enough from the last one yielded."""
    before: NDArray[np.int16] | None = None
    last_s = 0.0
    for frame in film.decode(stream):
        time_s = round(float(frame.time or 0.0), 6)
        if time_s > parameters["max_video_s"]:  # the length that a film states is not to be believed
            return
        if before is not None and time_s - last_s < parameters["video_gap_s"]:
            continue
        if frame.width * frame.height > parameters["max_megapixels"] * 1e6:
            raise ValueError("a frame is larger than the film says")
        small = _small(frame)
        change = 1.0 if before is None else float(np.abs(small - before).mean() / 255)
        if change < parameters["scene_change_frac"]:
            continue
        before, last_s = small, time_s
        orientation = _ORIENTATIONS.get(round(frame.rotation / 90) * 90, 1)
        copied = images.copy_of_pixels(frame.to_ndarray(format="rgb24"), orientation, parameters)
        yield _Taken(change_frac=change, frame=Frame(time_s=time_s, copied=copied))


def _small(frame: Any) -> NDArray[np.int16]:
    width, height = _SMALL_WH
    reduced: NDArray[np.int16] = frame.reformat(width=width, height=height, format="gray").to_ndarray().astype(np.int16)
    return reduced
