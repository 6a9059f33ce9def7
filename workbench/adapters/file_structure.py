"""What the bytes of a picture's file are made of, beside the picture: where it ends, and whether it is a second thing.

Works on bytes alone, with no decoder. Runs in the sandboxed workers.
"""

from __future__ import annotations

import io
import re
import zipfile

#: A marker inside a JPEG's entropy-coded data that ends it: neither a stuffed byte, nor a restart, nor fill
#: (ITU-T T.81, B.1.1.2 and F.1.2.3).
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_STANDALONE = frozenset(range(0xD0, 0xD9)) | {0x01}
_EOI = 0xD9

#: Signatures that no photograph holds by chance (six bytes or more), with what they are of. Few: each costs a pass over
#: every file. Scripts and web pages are not looked for: they harm who serves the bytes, and nobody is served these.
_SIGNATURES = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)
_PDF = re.compile(rb"%PDF-[12]\.")


def second_kind(data: bytes) -> str | None:
    """Return what else a picture's file is: an archive or a document read from the same bytes.

    Such a file is another thing to another reader (a polyglot), wherever the second thing lies in it. Film that a
    telephone appends to a photograph is none.
    """
    if b"%PDF-" in data and _PDF.search(data):
        return "a PDF document"
    for signature, what in _SIGNATURES:
        if signature in data:
            return what
    if b"PK\x05\x06" in data[-65_557:]:  # a zip's end record and its comment (APPNOTE 6.3.10, 4.3.16)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return "a ZIP archive" if archive.infolist() else None
        except Exception:  # noqa: BLE001 -- the four bytes stood there by chance, or the archive is too damaged to read
            return None
    return None


def bytes_after(data: bytes, kind: str) -> int:
    """Return how many bytes follow a picture's end, padding with zeros apart; 0 where its format has no end mark.

    Parameters
    ----------
    data
        The file.
    kind
        Its format, by Pillow's name.

    """
    ends = {"JPEG": _jpeg_end, "PNG": _png_end, "WEBP": _webp_end}
    end = ends[kind](data) if kind in ends else None
    return len(data[end:].rstrip(b"\0")) if end is not None else 0


def _jpeg_end(data: bytes) -> int | None:
    """Return the place after the end-of-image marker; None if there is none."""
    at = 2
    while True:
        found = _MARKER.search(data, at)
        if found is None:
            return None
        marker, at = data[found.start() + 1], found.end()
        if marker == _EOI:
            return at
        if marker not in _STANDALONE:
            length = int.from_bytes(data[at : at + 2], "big")
            at += max(2, length)  # the scan after SOS is searched for its end by the next turn


def _png_end(data: bytes) -> int | None:
    """Return the place after the chunk IEND; None if it is missing (ISO/IEC 15948, 5.3)."""
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND":
            return at
    return None


def _webp_end(data: bytes) -> int | None:
    """Return the place after the RIFF chunk, padded to an even length."""
    return 8 + (size := int.from_bytes(data[4:8], "little")) + size % 2 if data[:4] == b"RIFF" else None


#: Major brands of still pictures in the ISO base media format (ISO/IEC 23008-12, AVIF 1.1).
_STILL_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"mif2"}
)


def is_film(data: bytes) -> bool:
    """Say whether the bytes are a film in the ISO base media or QuickTime format, by their first boxes."""
    kind = data[4:8]
    return (kind == b"ftyp" and data[8:12] not in _STILL_BRANDS) or kind in (
        b"moov",
        b"mdat",
        b"wide",
        b"free",
        b"skip",
    )
