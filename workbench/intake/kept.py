"""What a run of intake builds on: the verdicts of one cut short, and files that are known to be unaltered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time_ns
from typing import Any, Self, TextIO

from workbench.domain.lineage import sha256_hex

#: A file changed within this time of being looked at could have changed again unseen: clocks of file systems are coarse.
_UNSURE_NS = 2_000_000_000


class Journal:
    """Verdicts noted one by one while a run lasts, so that a kill loses none; removed once they are in the tables."""

    def __init__(self, path: Path) -> None:
        """Use a file, which need not be there."""
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        """Begin, or go on where a run was cut short; the file is made with the first verdict."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file; it stays until `remove`."""
        if self._file is not None:
            self._file.close()

    def note(self, entry: Mapping[str, Any]) -> None:
        """Note one verdict, a JSON object."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
            self._file.write("\n")  # ends the line that a kill may have left half-written
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield what an interrupted run noted; half a line is passed over."""
        if not self._path.is_file():
            return
        with self._path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry

    def remove(self) -> None:
        """Forget the verdicts: they stand in the tables."""
        self._path.unlink(missing_ok=True)


class Unaltered:
    """Knows files by size, time of change and inode, as git and DVC do, so that only changed ones are hashed again.

    A release hashes every file itself, whatever is known here.
    """

    def __init__(self, path: Path) -> None:
        """Use a file of notes; without one, or if it is damaged, nothing is known."""
        self._path = path
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[int]] = known if isinstance(known, dict) else {}
        self._now: dict[str, list[int]] = {}

    def is_same(self, file: Path, digest: str) -> bool:
        """Say whether a file holds the bytes of this SHA-256."""
        try:
            seen = _look(file)
        except OSError:
            return False
        if self._known.get(digest) != seen and sha256_hex(file.read_bytes()) != digest:
            return False
        self._now[digest] = seen
        return True

    def note(self, file: Path, digest: str) -> None:
        """Note a file that was just written with these bytes."""
        self._now[digest] = _look(file)

    def write(self) -> None:
        """Keep what is known for the next run."""
        sure = {digest: seen for digest, seen in self._now.items() if time_ns() - seen[1] > _UNSURE_NS}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(self._path.name + ".part")
        part.write_text(json.dumps(sure), encoding="utf-8")
        os.replace(part, self._path)


def _look(file: Path) -> list[int]:
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]
