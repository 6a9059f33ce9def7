"""What a delivery holds: the files of a folder, a zip or a bag, listed without trusting any name in it."""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self, cast

from workbench.domain.findings import Finding, Refused, WorkbenchError, refused

#: Caps of an archive, enforced while it is read: entries, bytes of a member, bytes in all, and the ratio of bytes to
#: compressed bytes once a member is past the first ten megabytes.
MOST_ENTRIES = 100_000
MOST_MEMBER_BYTES = 200_000_000
MOST_TOTAL_BYTES = 50_000_000_000
MOST_RATIO = 100
_RATIO_FROM_BYTES = 10_000_000

#: A zip's end record is 22 bytes and a comment of at most 65,535; before it a large zip has a locator of 20.
_LOCATOR_BYTES = 20
_END_RECORD_BYTES = 22 + 65_535 + _LOCATOR_BYTES

_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")

#: Files that a system leaves in folders of its own accord: nobody delivered them.
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a delivery: its path inside it, its size, and how to open it."""

    path: str
    size_bytes: int
    open: Callable[[], BinaryIO]


def links_in(path: Path) -> list[str]:
    """Return the links of a folder delivered, sorted: they are not followed, so the giver must be told."""
    if not path.is_dir():
        return []
    found = (Path(folder) / name for folder, folders, names in os.walk(path) for name in (*folders, *names))
    links = [os.fsencode(entry.relative_to(path)) for entry in found if entry.is_symlink()]
    return sorted(link.decode("utf-8", "backslashreplace") for link in links)


@contextmanager
def open_delivery(path: Path) -> Iterator[list[Member]]:
    """Yield the members of a folder or a zip, sorted by path.

    Raises
    ------
    Refused
        ``intake.delivery-missing``, ``intake.delivery-empty`` or ``intake.archive-refused``.

    """
    if not path.exists():
        raise refused("intake.delivery-missing", path, "does not exist.", "Name a folder, a zip file or a BagIt bag.")
    if path.is_dir():
        yield _checked(path, list(_folder_members(path)))
    elif _is_zip(path):
        with _opened_zip(path) as archive:
            yield _checked(path, list(_zip_members(path, archive)))
    else:
        kind = (
            "an archive of a kind that is not taken" if path.suffix.lower() in _ARCHIVES else "neither folder nor zip"
        )
        raise refused("intake.archive-refused", path, f"is {kind}.", "Hand over a folder, a zip file or a BagIt bag.")


def _checked(path: Path, members: list[Member]) -> list[Member]:
    """Refuse an empty delivery and names that would fall together on another system."""
    if not members:
        raise refused("intake.delivery-empty", path, "holds no file.", "Check that it is the right folder.")
    seen: dict[str, str] = {}
    for member in members:
        folded = unicodedata.normalize("NFC", member.path).casefold()
        if folded in seen:
            raise refused(
                "intake.archive-refused",
                path,
                f"holds two names that fall together: {member.path!r} and {seen[folded]!r}.",
                "Rename one of them and hand it over again.",
            )
        seen[folded] = member.path
    return sorted(members, key=lambda member: member.path)


def _folder_members(root: Path) -> Iterator[Member]:
    def unreadable(error: OSError) -> None:
        raise refused(
            "intake.delivery-missing",
            error.filename or root,
            "cannot be read.",
            "Give this user the right to read it, or copy it first.",
        ) from error

    for folder, _, names in os.walk(root, onerror=unreadable):
        for name in names:
            file = Path(folder) / name
            facts = file.lstat()
            # A link could point anywhere on this machine; only regular files were delivered.
            if name in _LITTER or not stat.S_ISREG(facts.st_mode):
                continue
            # A name in another encoding is kept readable and unambiguous, since what follows is text.
            inside = os.fsencode(file.relative_to(root)).decode("utf-8", "backslashreplace")
            yield Member(path=inside, size_bytes=facts.st_size, open=_opener(file))


def _opener(file: Path) -> Callable[[], BinaryIO]:
    def open_file() -> BinaryIO:
        return file.open("rb")

    return open_file


def _is_zip(path: Path) -> bool:
    """Tell a zip, damaged or not, by how it begins: what `zipfile` makes of its end differs between Python's versions."""
    with path.open("rb") as raw:
        return raw.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(path)


def _opened_zip(path: Path) -> zipfile.ZipFile:
    """Return an open zip; its entries are counted from its end record before its directory is read."""
    if (entries := _claimed_entries(path)) > MOST_ENTRIES:
        raise _no_zip(path, f"claims {entries} entries, more than {MOST_ENTRIES}")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error, EOFError) as error:
        raise _no_zip(path, f"cannot be read as a zip ({error})") from error


def _claimed_entries(path: Path) -> int:
    """Return how many entries a zip's end record claims (APPNOTE 6.3.10, 4.3.14 to 4.3.16); 0 if it has none."""
    with path.open("rb") as raw:
        raw.seek(max(0, path.stat().st_size - _END_RECORD_BYTES))
        tail = raw.read()
        at = tail.rfind(b"PK\x05\x06")
        locator = tail[max(0, at - _LOCATOR_BYTES) : max(0, at)]
        if locator.startswith(b"PK\x06\x07"):
            raw.seek(min(int.from_bytes(locator[8:16], "little"), path.stat().st_size))
            return int.from_bytes(raw.read(56)[32:40], "little")
    return int.from_bytes(tail[at + 10 : at + 12], "little") if at >= 0 else 0


def _no_zip(path: Path, what: str) -> WorkbenchError:
    return refused("intake.archive-refused", path, f"{what}.", "Make the zip anew with a common tool.")


def _zip_members(path: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    entries = archive.infolist()
    problems = list(_zip_problems(path, entries))
    if problems:
        raise Refused(*problems)
    for entry in entries:
        if not entry.is_dir() and PurePosixPath(entry.filename).name not in _LITTER:
            yield Member(path=entry.filename, size_bytes=entry.file_size, open=_zip_opener(path, archive, entry))


def _zip_problems(path: Path, entries: list[zipfile.ZipInfo]) -> Iterator[Finding]:
    """Yield everything that makes a zip unsafe to read, from its directory alone."""

    def problem(subject: str, message: str, remedy: str) -> Finding:
        return Finding(code="intake.archive-refused", subject=f"{path.name}: {subject}", message=message, remedy=remedy)

    if len(entries) > MOST_ENTRIES:
        yield problem("the zip", f"has more than {MOST_ENTRIES} entries.", "Split the delivery.")
        return
    if sum(entry.file_size for entry in entries) > MOST_TOTAL_BYTES:
        yield problem("the zip", f"unpacks to more than {MOST_TOTAL_BYTES // 10**9} GB.", "Split the delivery.")
    for entry in entries:
        name, mode = entry.filename, entry.external_attr >> 16
        if entry.flag_bits & 0x1:
            yield problem(name, "is encrypted.", "Hand over a zip without a password.")
        elif stat.S_ISLNK(mode):
            yield problem(name, "is a link.", "Hand over the file itself.")
        elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or "\x00" in name:
            yield problem(name, "points outside the zip.", "Make the zip from a plain folder.")
        elif entry.file_size > MOST_MEMBER_BYTES:
            yield problem(name, f"is larger than {MOST_MEMBER_BYTES // 10**6} MB.", "Leave it out or shrink it.")
        elif name.lower().endswith((*_ARCHIVES, ".zip")):
            yield problem(name, "is an archive inside the archive.", "Unpack it before handing over.")
    yield from _overlaps(entries, problem)


def _overlaps(entries: Iterable[zipfile.ZipInfo], problem: Callable[[str, str, str], Finding]) -> Iterator[Finding]:
    """Yield entries that share bytes with another: a few kilobytes could then unpack to terabytes."""
    end, previous = 0, ""
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < end:
            yield problem(entry.filename, f"shares bytes with {previous}.", "Make the zip anew with a common tool.")
        end, previous = entry.header_offset + 30 + entry.compress_size, entry.filename


def _zip_opener(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_entry() -> BinaryIO:
        return cast("BinaryIO", _Capped(path, archive, entry))

    return open_entry


class _Capped:
    """A zip member being read; stops a bomb by what it unpacks to, whatever its directory says."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        self._path, self._entry, self._read_bytes = path, entry, 0
        try:
            self._stream = archive.open(entry)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error) as error:
            raise self._refused(f"cannot be unpacked ({error}).") from error

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size if size >= 0 else MOST_MEMBER_BYTES + 1)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
            raise self._refused(f"cannot be unpacked ({error}).") from error
        except Exception as error:
            # zlib, lzma and bz2 each raise their own error for damaged data.
            raise self._refused(f"is damaged ({error}).") from error
        self._read_bytes += len(data)
        most = max(_RATIO_FROM_BYTES, MOST_RATIO * self._entry.compress_size)
        if self._read_bytes > min(MOST_MEMBER_BYTES, most):
            raise self._refused("unpacks to far more than its size allows.")
        return data

    def _refused(self, message: str) -> WorkbenchError:
        subject = f"{self._path.name}: {self._entry.filename}"
        return refused("intake.archive-refused", subject, message, "Make the zip anew and hand it over again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
