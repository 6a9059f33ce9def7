"""Writing many small files below a folder, each folder made once."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class NewFiles:
    """Writes files below a folder that nobody reads yet: straight, without a temporary name for each.

    Whoever uses it puts the whole folder in place by one renaming. Several threads may write at once.
    """

    def __init__(self, root: Path) -> None:
        """Stand for a folder, which need not be there yet."""
        self._root = os.fspath(root)
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def write(self, path: str, data: bytes) -> None:
        """Write the bytes of a file; its path is inside the folder, with forward slashes."""
        whole = f"{self._root}/{path}"
        folder = whole.rpartition("/")[0]
        if folder not in self._made:
            with self._lock:
                Path(folder).mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
        handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            written = os.write(handle, data)
            while written < len(data):  # one call writes at most 2 GiB
                written += os.write(handle, memoryview(data)[written:])
        finally:
            os.close(handle)
