"""Pictures that carry one canary in each place where a format can hide text, built by code.

`PLACES` names the places; a canary tells place and format, so that one found later says where it came through.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageCms

#: Where a canary sits. The twelfth, the file's name, is common to all formats.
PLACES = (
    "make", "gps", "maker-note", "user-comment", "thumbnail", "xmp", "iptc", "profile", "comment", "provenance", "tail",
)  # fmt: skip
FORMATS = ("jpg", "png", "webp", "tif")

_XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><dc:creator>{}</dc:creator></rdf:RDF></x:xmpmeta>"


def canary(place: str, kind: str) -> str:
    """Return the text that stands in one place of one format and nowhere else in the world."""
    return f"Canary-{place}-{kind}-4815162342"


def _picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(60, 200, (30, 40, 3), dtype=np.uint8)).resize((320, 240))


def _exif(kind: str, places: frozenset[str]) -> bytes:
    """Return an EXIF block (with its TIFF header) that holds the canaries of camera, position, notes and thumbnail."""
    exif = Image.Exif()
    if "make" in places:
        exif[0x010F] = canary("make", kind)
    if "gps" in places:
        exif.get_ifd(0x8825).update({1: "N", 2: (31.0, 12.0, 9.0), 29: canary("gps", kind)})
    notes = exif.get_ifd(0x8769)
    if "maker-note" in places:
        notes[0x927C] = canary("maker-note", kind).encode()
    if "user-comment" in places:
        notes[0x9286] = b"ASCII\0\0\0" + canary("user-comment", kind).encode()
    block = exif.tobytes()
    if "thumbnail" not in places:
        return block
    small = io.BytesIO()
    _picture(9).resize((16, 12)).save(small, "JPEG", comment=canary("thumbnail", kind))
    return _with_thumbnail(block, small.getvalue())


def _with_thumbnail(block: bytes, jpeg: bytes) -> bytes:
    """Chain a second directory with a JPEG thumbnail behind the first one of a little- or big-endian EXIF block."""
    order = "<" if block[6:8] == b"II" else ">"
    tiff = bytearray(block[6:])
    first = struct.unpack_from(order + "I", tiff, 4)[0]
    count = struct.unpack_from(order + "H", tiff, first)[0]
    struct.pack_into(order + "I", tiff, first + 2 + 12 * count, len(tiff))
    at = len(tiff) + 2 + 12 * 2 + 4
    tiff += struct.pack(order + "H", 2)
    tiff += struct.pack(order + "HHII", 0x0201, 4, 1, at) + struct.pack(order + "HHII", 0x0202, 4, 1, len(jpeg))
    tiff += struct.pack(order + "I", 0) + jpeg
    return block[:6] + bytes(tiff)


def _profile(kind: str) -> bytes:
    """Return an sRGB profile with a canary appended to it as padding that readers ignore."""
    raw = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + canary("profile", kind).encode()
    return struct.pack(">I", len(raw)) + raw[4:]


def _iptc(kind: str) -> bytes:
    text = canary("iptc", kind).encode()
    return b"\x1c\x02\x78" + struct.pack(">H", len(text)) + text


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _jpeg(places: frozenset[str], seed: int) -> bytes:
    out = io.BytesIO()
    options = {"icc_profile": _profile("jpg")} if "profile" in places else {}
    _picture(seed).save(out, "JPEG", quality=92, exif=_exif("jpg", places), **options)
    extra = b""
    if "xmp" in places:
        extra += _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _XMP.format(canary("xmp", "jpg")).encode())
    if "iptc" in places:
        record = _iptc("jpg")
        resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record + b"\0" * (len(record) % 2)
        extra += _segment(0xED, b"Photoshop 3.0\0" + resource)
    if "comment" in places:
        extra += _segment(0xFE, canary("comment", "jpg").encode())
    if "provenance" in places:
        box = b"jumb" + canary("provenance", "jpg").encode()
        extra += _segment(0xEB, b"JP\0\1\0\0\0\1" + struct.pack(">I", len(box) + 4) + box)
    return out.getvalue()[:2] + extra + out.getvalue()[2:] + _tail("jpg", places)


def _tail(kind: str, places: frozenset[str]) -> bytes:
    return canary("tail", kind).encode() if "tail" in places else b""


def _png(places: frozenset[str], seed: int) -> bytes:
    out = io.BytesIO()
    options = {"icc_profile": _profile("png")} if "profile" in places else {}
    _picture(seed).save(out, "PNG", exif=_exif("png", places), **options)

    def chunk(name: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))

    extra = b""
    if "xmp" in places:
        extra += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _XMP.format(canary("xmp", "png")).encode())
    if "iptc" in places:
        extra += chunk(b"tEXt", b"Raw profile type iptc\0" + _iptc("png"))
    if "comment" in places:
        extra += chunk(b"tEXt", b"Comment\0" + canary("comment", "png").encode())
    if "provenance" in places:
        extra += chunk(b"caBX", canary("provenance", "png").encode())
    return out.getvalue()[:33] + extra + out.getvalue()[33:] + _tail("png", places)


def _webp(places: frozenset[str], seed: int) -> bytes:
    out = io.BytesIO()
    options: dict[str, bytes] = {"exif": _exif("webp", places)}
    if "xmp" in places:
        options["xmp"] = _XMP.format(canary("xmp", "webp")).encode()
    if "profile" in places:
        options["icc_profile"] = _profile("webp")
    _picture(seed).save(out, "WEBP", quality=90, **options)
    extra = b""
    for name, place in ((b"IPTC", "iptc"), (b"COMM", "comment"), (b"C2PA", "provenance")):
        if place in places:
            payload = canary(place, "webp").encode()
            extra += name + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
    whole = out.getvalue() + extra
    return b"RIFF" + struct.pack("<I", len(whole) - 8) + whole[8:] + _tail("webp", places)


def _tiff(places: frozenset[str], seed: int) -> bytes:
    out, tags = io.BytesIO(), Image.Exif()
    tags.load(_exif("tif", places - {"thumbnail"}))
    held: Mapping[int, tuple[str, bytes]] = {
        700: ("xmp", _XMP.format(canary("xmp", "tif")).encode()),
        33723: ("iptc", _iptc("tif")),
        270: ("comment", canary("comment", "tif").encode()),
        65000: ("provenance", canary("provenance", "tif").encode()),
    }
    for tag, (place, value) in held.items():
        if place in places:
            tags[tag] = value.decode() if tag == 270 else value
    options = {"icc_profile": _profile("tif")} if "profile" in places else {}
    _picture(seed).save(out, "TIFF", exif=tags, **options)
    small = canary("thumbnail", "tif").encode() if "thumbnail" in places else b""
    return out.getvalue() + small + _tail("tif", places)


MAKERS: Mapping[str, Callable[[frozenset[str], int], bytes]] = {
    "jpg": _jpeg,
    "png": _png,
    "webp": _webp,
    "tif": _tiff,
}


def picture(kind: str, places: frozenset[str], *, seed: int) -> bytes:
    """Return a picture of one format with canaries in the places named."""
    return MAKERS[kind](places, seed)
