"""MANIFEST.sha256: every file of a release with its SHA-256, as `sha256sum -c` reads it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from workbench.domain.findings import Finding, WorkbenchError, refused
from workbench.domain.lineage import sha256_hex
from workbench.ports import Files
from workbench.release.places import FolderFiles, read

NAME = "MANIFEST.sha256"
_DIGEST_CHARACTERS = 64
#: Hashing releases the interpreter's lock; a few threads keep disk and processors busy.
_THREADS = 8


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """Return the manifest of files (path inside the release, digest), sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def read_manifest(place: Path | Files) -> dict[str, str]:
    """Return the digests by path that the manifest of a release lists; a path stands for a folder.

    Raises
    ------
    Refused
        ``release.manifest-missing`` if there is none, or it is no manifest of files inside the folder.

    """
    files = as_files(place)
    try:
        text = read(files, NAME).decode()
        listed = dict(_parsed(line) for line in text.splitlines())
    except (WorkbenchError, ValueError) as error:
        raise refused(
            "release.manifest-missing",
            f"{NAME} in {files}",
            f"is no readable manifest ({error}).",
            "Fetch the release again from where you had it.",
        ) from error
    return listed


def _parsed(line: str) -> tuple[str, str]:
    digest, separator, path = line[:_DIGEST_CHARACTERS], line[_DIGEST_CHARACTERS:66], line[66:]
    pure = PurePosixPath(path)
    if (
        separator != "  "
        or set(digest) - set("0123456789abcdef")
        or not path
        or pure.is_absolute()
        or ".." in pure.parts
    ):
        raise ValueError("a line is no digest and path")
    return path, digest


def as_files(place: Path | Files) -> Files:
    """Return the files of a folder, or what is files already."""
    return FolderFiles(place) if isinstance(place, Path) else place


def manifest_digest(place: Path | Files) -> str:
    """Return the SHA-256 of a release's manifest: the one number that names all of its bytes."""
    files = as_files(place)
    try:
        return sha256_hex(read(files, NAME))
    except WorkbenchError as error:
        raise refused(
            "release.manifest-missing",
            f"{NAME} in {files}",
            "is not there.",
            "Run `workbench release assemble`, or `dvc pull`.",
        ) from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as handle:
        return digest_of(handle)


def digest_of(handle: BinaryIO) -> str:
    """Return the SHA-256 of what is left of an open file, read in pieces."""
    return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads what reads


def check_files(place: Path | Files, *, known: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a release's files: altered, missing, extra; in the order of their paths.

    Parameters
    ----------
    known
        Digests of files that need not be hashed, because they were when they were written a moment ago. Whoever
        verifies gives none.

    Raises
    ------
    Refused
        ``release.manifest-missing``.

    """
    files = as_files(place)
    listed = read_manifest(files)
    present = set(files.names()) - {NAME}

    def verdict(path: str) -> Finding | None:
        if path not in present:
            return _finding("release.file-missing", path, "is not there.")
        if path not in listed:
            return _finding("release.file-extra", path, "is not in the manifest.")
        if (known or {}).get(path) == listed[path]:
            return None
        return _content_verdict(files, path, listed[path])

    with ThreadPoolExecutor(_THREADS) as pool:
        for finding in pool.map(verdict, sorted(set(listed) | present)):
            if finding is not None:
                yield finding


def _content_verdict(files: Files, path: str, digest: str) -> Finding | None:
    try:
        with files.open(path) as handle:
            same = digest_of(handle) == digest
    except WorkbenchError as error:
        return error.findings[0]
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        return _finding("release.file-altered", path, f"cannot be read ({error}).")
    return None if same else _finding("release.file-altered", path, "has other bytes than the manifest says.")


def _finding(code: str, subject: str, message: str) -> Finding:
    return Finding(code=code, subject=subject, message=message, remedy="Do not use this copy; fetch the release again.")
