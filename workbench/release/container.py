"""One file that holds many: a zip file whose every byte follows from its members, so that any other byte is found.

Format: PKWARE APPNOTE 6.3.3, sections 4.3 and 4.5.3; members stored, no times, the 64-bit records only where needed.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from workbench.domain.findings import Finding

_CHUNK_BYTES = 1 << 20
_MOST_32, _MOST_16 = 0xFFFFFFFF, 0xFFFF
#: 1 January 1980, the first day that the format knows.
_NO_DATE = 0x0021
_UTF8_NAMES = 0x0800
_VERSION, _VERSION_64 = 20, 45
_MADE_ON_UNIX = 3 << 8
_PLAIN_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in a container: its name, size in bytes and CRC-32."""

    name: str
    size_bytes: int
    crc: int


def write_zip(path: Path, members: Mapping[str, Callable[[], BinaryIO]]) -> None:
    """Write members, each a function that opens it, sorted by name; equal members give equal bytes."""
    listed = [_measured(name, members[name]) for name in sorted(members)]
    with path.open("wb") as target:
        for piece in _pieces(listed):
            if isinstance(piece, bytes):
                target.write(piece)
                continue
            with members[piece.name]() as source:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
        target.flush()
        os.fsync(target.fileno())


def check_zip(path: Path) -> Iterator[Finding]:
    """Yield a finding if one byte around the members is not as `write_zip` writes it."""
    try:
        with zipfile.ZipFile(path) as opened:
            listed = [Member(name=info.filename, size_bytes=info.file_size, crc=info.CRC) for info in opened.infolist()]
        position = _first_difference(path, listed)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        yield _altered(path, f"is damaged ({error}).")
        return
    if position is not None:
        yield _altered(path, f"differs at byte {position} from how a bundle is written.")


def _first_difference(path: Path, listed: Sequence[Member]) -> int | None:
    if [member.name for member in listed] != sorted({member.name for member in listed}):
        return 0
    with path.open("rb") as handle:
        for piece in _pieces(listed):
            position = handle.tell()
            if isinstance(piece, bytes):
                if handle.read(len(piece)) != piece:
                    return position
            elif _crc_of(handle, piece.size_bytes) != piece.crc:
                return position
        position = handle.tell()
        return position if handle.read(1) else None


def _measured(name: str, opens: Callable[[], BinaryIO]) -> Member:
    size, crc = 0, 0
    with opens() as source:
        while chunk := source.read(_CHUNK_BYTES):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return Member(name=name, size_bytes=size, crc=crc)


def _crc_of(handle: BinaryIO, size_bytes: int) -> int:
    crc = 0
    while size_bytes > 0 and (chunk := handle.read(min(_CHUNK_BYTES, size_bytes))):
        size_bytes, crc = size_bytes - len(chunk), zlib.crc32(chunk, crc)
    return crc


def _pieces(listed: Sequence[Member]) -> Iterator[bytes | Member]:
    """Yield what a container is made of, in order: headers as bytes, contents as members."""
    position, directory = 0, []
    for member in listed:
        directory.append(_directory_entry(member, position))
        header = _local_header(member)
        yield header
        yield member
        position += len(header) + member.size_bytes
    size = sum(map(len, directory))
    yield from directory
    yield _end(len(listed), size, position)


def _local_header(member: Member) -> bytes:
    name = member.name.encode()
    wide = member.size_bytes >= _MOST_32
    extra = struct.pack("<HHQQ", 1, 16, member.size_bytes, member.size_bytes) if wide else b""
    size = _MOST_32 if wide else member.size_bytes
    version = _VERSION_64 if wide else _VERSION
    fields = (version, _UTF8_NAMES, 0, 0, _NO_DATE, member.crc, size, size, len(name), len(extra))
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields) + name + extra


def _directory_entry(member: Member, position: int) -> bytes:
    name = member.name.encode()
    large, far = member.size_bytes >= _MOST_32, position >= _MOST_32
    values = [member.size_bytes] * (2 * large) + [position] * far
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    size = _MOST_32 if large else member.size_bytes
    version = _VERSION_64 if values else _VERSION
    fields = (_MADE_ON_UNIX | version, version, _UTF8_NAMES, 0, 0, _NO_DATE, member.crc, size, size)
    ends = (len(name), len(extra), 0, 0, 0, _PLAIN_FILE, _MOST_32 if far else position)
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields, *ends) + name + extra


def _end(count: int, size: int, position: int) -> bytes:
    wide = count >= _MOST_16 or size >= _MOST_32 or position >= _MOST_32
    records = b""
    if wide:
        versions = (_MADE_ON_UNIX | _VERSION_64, _VERSION_64)
        records = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, *versions, 0, 0, count, count, size, position)
        records += struct.pack("<4sIQI", b"PK\x06\x07", 0, position + size, 1)
    few = min(count, _MOST_16) if wide else count
    last = (0, 0, few, few, min(size, _MOST_32), min(position, _MOST_32), 0)
    return records + struct.pack("<4s4H2IH", b"PK\x05\x06", *last)


def _altered(path: Path, message: str) -> Finding:
    return Finding(
        code="release.bundle-altered",
        subject=str(path),
        message=message,
        remedy="Fetch it again; if it was packed anew on the way, unpack it and verify the folder.",
    )
