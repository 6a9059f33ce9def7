"""MANIFEST.sha256: every file of a release with its SHA-256, as `sha256sum -c` reads it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from workbench.domain.findings import Finding, refused
from workbench.domain.lineage import sha256_hex

NAME = "MANIFEST.sha256"
_DIGEST_CHARACTERS = 64
#: Hashing releases the interpreter's lock; a few threads keep disk and processors busy.
_THREADS = 8


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """Return the manifest of files (path inside the release, digest), sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the digests by path that a release's manifest lists.

    Raises
    ------
    Refused
        ``release.manifest-missing`` if there is none, or it is no manifest of files inside the folder.

    """
    try:
        text = (folder / NAME).read_bytes().decode()
        listed = dict(_parsed(line) for line in text.splitlines())
    except (OSError, ValueError) as error:
        raise refused(
            "release.manifest-missing",
            folder / NAME,
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


def manifest_digest(folder: Path) -> str:
    """Return the SHA-256 of a release's manifest: the one number that names all of its bytes."""
    try:
        return sha256_hex((folder / NAME).read_bytes())
    except OSError as error:
        raise refused(
            "release.manifest-missing",
            folder / NAME,
            "is not there.",
            "Run `workbench release assemble`, or `dvc pull`.",
        ) from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_files(folder: Path, *, known: Mapping[str, str] | None = None) -> Iterator[Finding]:
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
    listed = read_manifest(folder)
    present = set(_files(folder)) - {NAME}

    def verdict(path: str) -> Finding | None:
        if path not in present:
            return _finding("release.file-missing", path, "is not there.")
        if path not in listed:
            return _finding("release.file-extra", path, "is not in the manifest.")
        if (folder / path).is_symlink():
            return _finding("release.file-altered", path, "is a link instead of a file.")
        if (known or {}).get(path) == listed[path]:
            return None
        if file_digest(folder / path) != listed[path]:
            return _finding("release.file-altered", path, "has other bytes than the manifest says.")
        return None

    with ThreadPoolExecutor(_THREADS) as pool:
        for finding in pool.map(verdict, sorted(set(listed) | present)):
            if finding is not None:
                yield finding


def _files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files and links below a folder, with forward slashes."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in [*names, *links]:
            yield (Path(parent) / name).relative_to(folder).as_posix()


def _finding(code: str, subject: str, message: str) -> Finding:
    return Finding(code=code, subject=subject, message=message, remedy="Do not use this copy; fetch the release again.")
