"""Pictures, by Pillow: decode what was delivered, turn it upright, and write a copy that carries nothing else.

Decoding runs in the sandboxed workers of `adapters.sandbox`; nothing here trusts the bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.file_structure import bytes_after, second_kind

#: The decoder's own names of admitted formats, and the endings that may stand for them.
FORMATS: Mapping[str, frozenset[str]] = {
    "JPEG": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "MPO": frozenset({".jpg", ".jpeg", ".mpo"}),
    "PNG": frozenset({".png"}),
    "WEBP": frozenset({".webp"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "BMP": frozenset({".bmp", ".dib"}),
    "HEIF": frozenset({".heic", ".heif", ".hif"}),
    "AVIF": frozenset({".avif"}),
}

#: An image may claim this many pixels for each byte of its file, beyond a base: far more than any photograph needs,
#: far less than a bomb wants.
_PIXELS_PER_BYTE = 1500
_PIXELS_BASE = 4e6

#: Pictures of one file are counted up to here.
_MOST_COUNTED = 100

#: How decoders word it that a file ends too early.
_CUT_SHORT = re.compile(r"truncated|premature end|unexpected end|end of file|broken data stream", re.IGNORECASE)

_ORIENTATION_TAG = 0x0112
#: How a stored grid becomes upright: Pillow's names of the turns (CIPA DC-008, tag 0x0112).
_TURNS: Mapping[int, str] = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
#: Orientations that exchange width and height.
_SIDEWAYS = frozenset({5, 6, 7, 8})
_TOP_8_BIT, _TOP_16_BIT = 255.0, 65535.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something worth telling of an admitted file: a finding code and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A working copy: JPEG bytes and how its pixels came from the original's."""

    jpeg: bytes
    width_px: int
    height_px: int
    original_width_px: int
    original_height_px: int
    orientation: int
    scale: float
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Why there is no working copy: a finding code and a sentence."""

    code: str
    detail: str


def prepare() -> None:
    """Load what decoding needs; called once in each worker, before its limits close in."""
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    Image.init()


def make_working_copy(data: bytes, suffix: str, parameters: Mapping[str, Any]) -> Copied | Rejected:
    """Return the working copy of a delivered file, or why there can be none.

    Parameters
    ----------
    data
        The bytes delivered.
    suffix
        The ending of the file's name, lower case, as ``.jpg``.
    parameters
        ``max_megapixels``, ``max_side_px`` and ``jpeg_quality`` of params.yaml's section intake.

    """
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = int(parameters["max_megapixels"] * 1e6)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is of no concern: none of it is kept
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            verdict = _inspect(image, len(data), suffix, parameters)
            if verdict is None and (what := second_kind(data)) is not None:
                verdict = Rejected(code="intake.polyglot", detail=f"It is a picture and at once {what}.")
            return verdict if verdict is not None else _copy(image, parameters, remarks=_remarks(image, data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Rejected(code="intake.too-large", detail=f"It has more than {parameters['max_megapixels']} megapixels.")
    except UnidentifiedImageError:
        return Rejected(code="intake.decode-failed", detail="It is no image that any admitted decoder knows.")
    except MemoryError:
        return Rejected(code="intake.resources", detail="It needs more memory to decode than is allowed.")
    except Exception as error:
        if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is not None):
            raise  # the machine's trouble, not the file's: another worker tries it
        # Decoders raise whatever they like for damaged files.
        if _CUT_SHORT.search(str(error)):
            return Rejected(code="intake.truncated", detail="It ends before its picture does.")
        return Rejected(
            code="intake.decode-failed", detail=f"It cannot be decoded to the end ({type(error).__name__})."
        )


def _pictures(image: Any) -> int:
    """Return how many pictures an opened file holds, at most `_MOST_COUNTED`; it is left at its first."""
    counted = 1
    try:
        if image.format != "TIFF":
            return min(int(getattr(image, "n_frames", 1)), _MOST_COUNTED)
        # Pillow counts a TIFF's pages by reading through all of them, and there may be millions.
        for page in range(1, _MOST_COUNTED):
            image.seek(page)
            counted = page + 1
    except Exception:  # noqa: BLE001, S110 -- the end of the list, or a damaged one, which does no harm to the first
        pass
    if counted > 1:
        image.seek(0)
    return counted


def _remarks(image: Any, data: bytes) -> tuple[Remark, ...]:
    """Return what the partner should know of a picture's file: what of it is not in the working copy."""
    remarks = []
    if (pictures := _pictures(image)) > 1:
        counted = f"{pictures} pictures" if pictures < _MOST_COUNTED else f"{_MOST_COUNTED} pictures or more"
        detail = f"It holds {counted} (animation, pages or previews); the first is admitted."
        remarks.append(Remark(code="intake.more-pictures", detail=detail))
    after = 0 if image.format == "MPO" else bytes_after(data, image.format)
    if after:
        detail = f"{after} bytes follow its picture; they stay in the sealed original only."
        remarks.append(Remark(code="intake.trailing-data", detail=detail))
    return tuple(remarks)


def _inspect(image: Any, size_bytes: int, suffix: str, parameters: Mapping[str, Any]) -> Rejected | None:
    """Return why an opened, not yet decoded, image is refused; None if it is not."""
    kind = image.format or "unknown"
    if kind not in FORMATS:
        return Rejected(code="intake.format-refused", detail=f"It is {kind}, which is not admitted.")
    if suffix not in FORMATS[kind]:
        said = suffix or "no ending"
        return Rejected(code="intake.extension-mismatch", detail=f"Its name says {said}, its content is {kind}.")
    return too_large(image.width, image.height, size_bytes, parameters)


def too_large(width_px: int, height_px: int, size_bytes: int, parameters: Mapping[str, Any]) -> Rejected | None:
    """Return why a picture of a size is refused: too many pixels, or more than its bytes can hold; None if it is not."""
    pixels = width_px * height_px
    if pixels > parameters["max_megapixels"] * 1e6 or pixels > _PIXELS_PER_BYTE * size_bytes + _PIXELS_BASE:
        return Rejected(
            code="intake.too-large", detail=f"It claims {width_px} x {height_px} pixels in {size_bytes} bytes."
        )
    return None


def _copy(image: Any, parameters: Mapping[str, Any], *, remarks: tuple[Remark, ...]) -> Copied:
    # The HEIF decoder turns the pixels itself, by the file's own transform boxes, and leaves orientation 1.
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    # The TIFF decoder turns the pixels itself too, but tells the orientation that it will apply, and the turned size.
    turns_itself = image.format == "TIFF"
    original = image.size[::-1] if turns_itself and orientation in _SIDEWAYS else image.size
    image.load()
    pixels = _srgb(image)
    if not turns_itself:
        pixels = _turned(pixels, orientation)
    return _written(pixels, original, orientation, parameters, remarks=remarks)


def copy_of_pixels(image_hwc: NDArray[np.uint8], orientation: int, parameters: Mapping[str, Any]) -> Copied:
    """Return the working copy of decoded pixels, (h, w, 3) sRGB, that an EXIF orientation would turn upright."""
    from PIL import Image

    stored = Image.fromarray(image_hwc)
    return _written(_turned(stored, orientation), stored.size, orientation, parameters)


def _turned(pixels: Any, orientation: int) -> Any:
    from PIL import Image

    return pixels if orientation == 1 else pixels.transpose(Image.Transpose[_TURNS[orientation]])


def _written(
    pixels: Any,
    original: tuple[int, int],
    orientation: int,
    parameters: Mapping[str, Any],
    *,
    remarks: tuple[Remark, ...] = (),
) -> Copied:
    """Return upright pixels, scaled to the longest side allowed, as a JPEG that holds nothing else."""
    from PIL import Image

    scale = min(1.0, parameters["max_side_px"] / max(pixels.size))
    if scale < 1:
        size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    # A new picture that only pixels are put into: whatever else the file carried has no way into the copy.
    clean = Image.new("RGB", pixels.size)
    clean.paste(pixels)
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=int(parameters["jpeg_quality"]), subsampling=0)
    return Copied(
        jpeg=out.getvalue(),
        width_px=clean.width,
        height_px=clean.height,
        original_width_px=original[0],
        original_height_px=original[1],
        orientation=orientation,
        scale=scale,
        remarks=remarks,
    )


def _srgb(image: Any) -> Any:
    """Return the pixels in 8-bit sRGB, through the embedded profile where there is a usable one."""
    from PIL import Image, ImageCms

    if image.mode.startswith(("I", "F")):
        # More than eight bits a channel: keep the range, drop the low bits.
        values = np.asarray(image, dtype=np.float64)
        most = values.max(initial=0)
        top = _TOP_16_BIT if image.mode.startswith("I") and most > _TOP_8_BIT else max(_TOP_8_BIT, most)
        image = Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))
    profile = image.info.get("icc_profile")
    if image.mode in ("P", "PA", "LA", "RGBA", "1", "La", "RGBa"):
        with_alpha = image.convert("RGBA")
        backdrop = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(backdrop, with_alpha).convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            done = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            done = None  # a damaged profile: the pixels as they are
        if done is not None:
            return done
    return image if image.mode == "RGB" else image.convert("RGB")
