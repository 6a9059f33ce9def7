"""Where a release's files may lie: in a folder, or inside one bundle file; DVC's place is its adapter's."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

from workbench.domain.findings import Refused, refused
from workbench.ports import Files


class FolderFiles:
    """The files below a folder; a link is no file."""

    def __init__(self, folder: Path) -> None:
        """Stand for a folder, which need not be there yet."""
        self.folder = folder

    def __str__(self) -> str:
        """Return where the files lie."""
        return str(self.folder)

    def names(self) -> list[str]:
        """Return the paths of all files and links below the folder, sorted, with forward slashes."""
        found = []
        for parent, folders, names in os.walk(self.folder):
            links = [name for name in folders if (Path(parent) / name).is_symlink()]
            found += [(Path(parent) / name).relative_to(self.folder).as_posix() for name in [*names, *links]]
        return sorted(found)

    def open(self, name: str) -> BinaryIO:
        """Return a file, open for reading.

        Raises
        ------
        Refused
            ``release.file-missing``, or ``release.file-altered`` for a link.

        """
        path = self.folder / name
        if path.is_symlink():
            raise refused("release.file-altered", name, "is a link instead of a file.", _FETCH)
        try:
            return path.open("rb")
        except OSError as error:
            raise missing(name) from error


class ZipFiles:
    """The files below a folder inside a zip file; each process opens the file for itself."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        """Stand for what lies below ``prefix`` (empty, or ending in a slash) in a zip file."""
        self.path, self.prefix = path, prefix
        self._zip: zipfile.ZipFile | None = None

    def __str__(self) -> str:
        """Return where the files lie."""
        return str(self.path)

    def __reduce__(self) -> tuple[type[ZipFiles], tuple[Path, str]]:
        """Leave the open file behind when sent to another process."""
        return ZipFiles, (self.path, self.prefix)

    def names(self) -> list[str]:
        """Return the paths below the prefix, sorted.

        Raises
        ------
        Refused
            ``release.bundle-altered`` if this is no readable zip file.

        """
        listed = (name.removeprefix(self.prefix) for name in self._opened().namelist() if name.startswith(self.prefix))
        return sorted(name for name in listed if name and not name.endswith("/"))

    def open(self, name: str) -> BinaryIO:
        """Return a member, open for reading.

        Raises
        ------
        Refused
            ``release.file-missing``, ``release.bundle-altered``.

        """
        try:
            return cast("BinaryIO", self._opened().open(self.prefix + name))
        except KeyError as error:
            raise missing(name) from error
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise damaged(self.path, error) from error

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None:
            try:
                self._zip = zipfile.ZipFile(self.path)
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
                raise damaged(self.path, error) from error
        return self._zip


def read(files: Files, name: str) -> bytes:
    """Return a file's bytes.

    Raises
    ------
    Refused
        ``release.file-missing``, ``release.bundle-altered``.

    """
    try:
        with files.open(name) as handle:
            return handle.read()
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise damaged(f"{name} in {files}", error) from error


def missing(name: str) -> Refused:
    """Return the refusal that says a file of a release is not there."""
    return refused("release.file-missing", name, "is not there.", _FETCH)


def altered(name: str) -> Refused:
    """Return the refusal that says a file of a release is not the one that was released."""
    return refused("release.file-altered", name, "has other bytes than the manifest says.", _FETCH)


def damaged(subject: object, error: object) -> Refused:
    """Return the refusal that says a bundle file cannot be read."""
    return refused("release.bundle-altered", subject, f"is damaged ({error}).", _FETCH)


_FETCH = "Do not use this copy; fetch the release again."
