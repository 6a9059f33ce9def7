"""Bringing a release folder from its former state to its new one, touching only the files that change.

What was written is noted with its digest and the file's size, time and inode, as git and DVC note theirs. A file whose
note still fits is taken to hold the bytes noted; `release verify` never relies on notes, it hashes. The folder is
renamed away while it is changed and renamed back when it is whole, so whoever looks finds the former release, the new
one, or none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.domain.lineage import sha256_hex
from workbench.release.new_files import NewFiles

_NOTES = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("size", pa.int64()),
        ("time_ns", pa.int64()),
        ("inode", pa.int64()),
    ]
)
Stamp = tuple[int, int, int]


class Increment:
    """The change of a release folder: files are offered one by one, then all of it takes place at once.

    Parameters
    ----------
    target
        The release folder.
    state
        A folder of the workbench's own, on the same file system: notes, and what is not yet in place.

    """

    def __init__(self, target: Path, state: Path) -> None:
        """Look at what is there; change nothing in the target."""
        self._target, self._state = target, state
        self._new, self._part = state / "new", state / "part"
        state.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._new, ignore_errors=True)
        if self._part.is_dir() and target.is_dir():  # both: the former change was broken off, and DVC put one back
            shutil.rmtree(self._part)
        self._base = self._part if self._part.is_dir() else target
        self._there = dict(_stamps(self._base)) if self._base.is_dir() else {}
        noted = _read_notes(state / "notes.parquet")
        self._notes = {path: note for path, note in noted.items() if self._there.get(path) == note[1]}
        self._files = NewFiles(self._new)
        self.digests: dict[str, str] = {}

    def holds(self, path: str, digest: str) -> bool:
        """Say whether a file is in place already with these bytes; it then belongs to the new release."""
        note = self._notes.get(path)
        if note is None or note[0] != digest:
            return False
        self.digests[path] = digest
        return True

    def keep(self, path: str) -> bool:
        """Keep a file as it is, whose content is known not to change; say whether it is in place unharmed."""
        note = self._notes.get(path)
        if note is not None:
            self.digests[path] = note[0]
        return note is not None

    def offer(self, path: str, data: bytes, digest: str | None = None) -> None:
        """Give the bytes of a file of the new release; they are written unless they are in place already."""
        digest = digest or sha256_hex(data)
        if not self.holds(path, digest):
            self._files.write(path, data)
            self.digests[path] = digest

    def digest_of(self, path: str) -> str:
        """Return the SHA-256 of a file offered before."""
        return self.digests[path]

    def apply(self) -> int:
        """Put the new release in place: what was offered and nothing else; return how many files were written."""
        written = [path for path, _ in _stamps(self._new)] if self._new.is_dir() else []
        stale = self._there.keys() - self.digests.keys()
        if self._base == self._target and self._target.is_dir():
            os.replace(self._target, self._part)
        self._part.mkdir(exist_ok=True)
        for path in stale:
            (self._part / path).unlink()
        made: set[str] = set()
        for path in written:
            folder = path.rpartition("/")[0]
            if folder not in made:
                (self._part / folder).mkdir(parents=True, exist_ok=True)
                made.add(folder)
            if path in self._there:  # file systems write a replaced file out at once; here nobody looks at it yet
                (self._part / path).unlink()
            os.replace(self._new / path, self._part / path)
        _remove_empty({path.rpartition("/")[0] for path in stale}, self._part)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._part, self._target)
        shutil.rmtree(self._new, ignore_errors=True)
        fresh = set(written)
        notes = {
            path: (digest, _stamp((self._target / path).stat()) if path in fresh else self._there[path])
            for path, digest in self.digests.items()
        }
        _write_notes(self._state / "notes.parquet", notes)
        return len(written)


def known_digests(target: Path, state: Path) -> dict[str, str]:
    """Return the digests of the files below a folder whose notes still fit; the rest must be hashed."""
    noted = _read_notes(state / "notes.parquet")
    return {path: noted[path][0] for path, stamp in _stamps(target) if path in noted and noted[path][1] == stamp}


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _stamps(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield the path of each file below a folder, with forward slashes, and its stamp; a link has none that fits."""
    waiting = [("", os.fspath(folder))]
    while waiting:
        prefix, here = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{prefix}{entry.name}/", entry.path))
                elif entry.is_symlink():
                    yield prefix + entry.name, (-1, -1, -1)
                else:
                    found = entry.stat(follow_symlinks=False)
                    yield prefix + entry.name, (found.st_size, found.st_mtime_ns, found.st_ino)


def _remove_empty(folders: set[str], root: Path) -> None:
    """Remove folders that hold nothing any more, and those above them that then hold nothing."""
    for folder in sorted(folders, key=len, reverse=True):
        here = root / folder
        while here != root and here.is_dir() and not any(here.iterdir()):
            here.rmdir()
            here = here.parent


def _read_notes(path: Path) -> dict[str, tuple[str, Stamp]]:
    try:
        columns = pq.read_table(path, schema=_NOTES).to_pydict()
    except (OSError, pa.ArrowException):
        return {}
    stamps = zip(columns["size"], columns["time_ns"], columns["inode"], strict=True)
    return dict(zip(columns["path"], zip(columns["sha256"], stamps, strict=True), strict=True))


def _write_notes(path: Path, notes: Mapping[str, tuple[str, Stamp]]) -> None:
    columns: list[list[Any]] = [
        list(notes),
        [digest for digest, _ in notes.values()],
        *([stamp[i] for _, stamp in notes.values()] for i in range(3)),
    ]
    write_columns(path, _NOTES, columns)


def write_columns(path: Path, schema: pa.Schema, columns: Sequence[list[Any]]) -> None:
    """Write a table of the workbench's own whole or not at all; speed counts here, size does not."""
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), part, compression="none", use_dictionary=False)
    os.replace(part, path)
