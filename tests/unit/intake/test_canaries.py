"""Acceptance figure 7: metadata put into eleven places of four formats is in no working copy."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from workbench.adapters import images
from workbench.adapters.images import Copied

PARAMETERS = {"max_megapixels": 50, "max_side_px": 4096, "jpeg_quality": 95}
CANARY = b"CANARY-7f3a"
TEXT = CANARY.decode()

_TAG_MAKE, _TAG_ARTIST, _IFD_EXIF, _IFD_GPS, _MAKER_NOTE, _OWNER, _SERIAL = (
    0x010F, 0x013B, 0x8769, 0x8825, 0x927C, 0xA430, 0xA431,
)  # fmt: skip


def _picture() -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((96, 64))


def _exif(change: Callable[[Image.Exif], None]) -> dict[str, Any]:
    exif = Image.Exif()
    change(exif)
    return {"exif": exif.tobytes()}


def _profile() -> dict[str, Any]:
    """Return an sRGB profile whose description is the canary."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = profile.index("sRGB".encode("utf-16-be"))
    profile[at : at + 2 * len(TEXT)] = TEXT.encode("utf-16-be")
    return {"icc_profile": bytes(profile)}


_XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>{TEXT}</a></x:xmpmeta>'.encode()
#: An IPTC record (IIM 4.2: application record 2, by-line) in Photoshop's image resource 0x0404.
_BYLINE = b"\x1c\x02\x50" + struct.pack(">H", len(CANARY)) + CANARY
_IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(_BYLINE)) + _BYLINE + b"\0" * (len(_BYLINE) % 2)
#: A C2PA manifest's outer box (JUMBF, ISO/IEC 19566-5), as far as its description.
_JUMBF = struct.pack(">I", 8 + 8 + 25 + len(CANARY)) + b"jumb" + struct.pack(">I", 33 + len(CANARY)) + b"jumd"
_JUMBF += b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03" + CANARY + b"\0" * 8


def _segment(number: int, body: bytes) -> Callable[[bytes, str], bytes]:
    """Return what puts an application segment, or what stands for it in another format, into a file."""

    def put(data: bytes, kind: str) -> bytes:
        if kind == "JPEG":
            return data[:2] + bytes((0xFF, number)) + struct.pack(">H", len(body) + 2) + body + data[2:]
        if kind == "PNG":
            chunk = b"caNa" + body
            return data[:33] + struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
        if kind == "WEBP":
            body_padded = body + b"\0" * (len(body) % 2)
            whole = data + b"caNa" + struct.pack("<I", len(body)) + body_padded
            return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]
        return data + body

    return put


def _thumbnail(data: bytes, kind: str) -> bytes:
    """Put a small JPEG, with the canary in it, where EXIF keeps a thumbnail (in TIFF and others: as a segment)."""
    small = io.BytesIO()
    _picture().resize((16, 16)).save(small, "JPEG", comment=CANARY)
    return _segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + small.getvalue())(data, kind)


#: Where metadata hides: options of the encoder, and what is done to the file afterwards.
_PLACES: dict[str, tuple[dict[str, Any], Callable[[bytes, str], bytes] | None]] = {
    "EXIF": (_exif(lambda exif: exif.update({_TAG_MAKE: TEXT, _TAG_ARTIST: TEXT})), None),
    "GPS": (_exif(lambda exif: exif.get_ifd(_IFD_GPS).update({1: "N", 2: (31.0, 12.0, 9.0), 29: TEXT})), None),
    "owner and serial": (_exif(lambda exif: exif.get_ifd(_IFD_EXIF).update({_OWNER: TEXT, _SERIAL: TEXT})), None),
    "MakerNote": (_exif(lambda exif: exif.get_ifd(_IFD_EXIF).update({_MAKER_NOTE: CANARY * 3})), None),
    "XMP": ({"xmp": _XMP}, _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _XMP)),
    "IPTC": ({}, _segment(0xED, _IPTC)),
    "ICC profile": (_profile(), None),
    "comment": ({"comment": CANARY}, _segment(0xFE, CANARY)),
    "thumbnail": ({}, _thumbnail),
    "C2PA": ({}, _segment(0xEB, b"JP\0\x01\0\0\0\x01" + _JUMBF)),
    "after the end": ({}, lambda data, _kind: data + CANARY),
}
_FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"}


def _carrying(place: str, kind: str) -> bytes:
    options, change = _PLACES[place]
    given = dict(options)
    if kind == "PNG" and (place in ("comment", "XMP")):
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp" if place == "XMP" else "Comment", TEXT)
        given = {"pnginfo": text}
    if kind == "TIFF" and place == "comment":
        given = {"description": TEXT}
    if kind == "TIFF" and place == "XMP":
        given = {"tiffinfo": {700: _XMP}}
    out = io.BytesIO()
    _picture().save(out, kind, **given)
    data = out.getvalue()
    return change(data, kind) if change is not None else data


@pytest.mark.parametrize("kind", _FORMATS)
@pytest.mark.parametrize("place", _PLACES)
def test_no_metadata_survives_into_a_working_copy(place: str, kind: str) -> None:
    data = _carrying(place, kind)
    hidden = (CANARY, TEXT.encode("utf-16-be"), zlib.compress(CANARY)[2:10])
    assert any(form in data for form in hidden) or place == "ICC profile", "the canary is in the original"
    copied = images.make_working_copy(data, _FORMATS[kind], PARAMETERS)
    assert isinstance(copied, Copied), copied
    assert not any(form in copied.jpeg for form in hidden)
    made = Image.open(io.BytesIO(copied.jpeg))
    assert not dict(made.getexif())
    assert set(made.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert _segments(copied.jpeg) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}


def _segments(jpeg: bytes) -> set[int]:
    """Return the markers before the scan: JFIF, tables, frame and scan are what a bare JPEG has."""
    at, seen = 2, set()
    while jpeg[at + 1] != 0xDA:
        seen.add(jpeg[at + 1])
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return seen | {0xDA}
