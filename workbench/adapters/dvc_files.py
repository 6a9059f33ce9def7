"""The files of a folder that DVC tracks, as they are at a git revision: from the cache or streamed from a remote."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, BinaryIO

from workbench.adapters.dvc_remotes import remotes_known_now
from workbench.domain.findings import refused


class DvcFiles:
    """The files below a folder of a workspace at a git revision; nothing is checked out.

    Parameters
    ----------
    repository
        A workspace's folder, or the address of its git repository.
    revision
        A git revision, as a release's name.
    folder
        Path inside the workspace.
    remote
        Name of the DVC remote to stream from; without one, the workspace's default.

    """

    def __init__(self, repository: str, revision: str | None, folder: str, remote: str | None = None) -> None:
        """Stand for the files; nothing is opened yet."""
        self.repository, self.revision, self.folder, self.remote = repository, revision, folder, remote
        self._system: Any = None

    def __str__(self) -> str:
        """Return where the files lie."""
        return f"{self.folder} of {self.repository} at {self.revision or 'its newest revision'}"

    def __reduce__(self) -> tuple[type[DvcFiles], tuple[str, str | None, str, str | None]]:
        """Leave connections behind when sent to another process."""
        return DvcFiles, (self.repository, self.revision, self.folder, self.remote)

    def names(self) -> list[str]:
        """Return the paths of all files below the folder, sorted.

        Raises
        ------
        Refused
            ``dvc.failed`` if the revision or the folder is not to be had.

        """
        prefix = f"{self.folder}/"
        try:
            return sorted(path.removeprefix(prefix) for path in self._opened().find(self.folder))
        except Exception as error:
            raise self._failed(error) from error

    def open(self, name: str) -> BinaryIO:
        """Return a file, open for reading.

        Raises
        ------
        Refused
            ``release.file-missing`` if DVC has it nowhere, ``dvc.failed`` if the revision is not to be had.

        """
        system = self._opened()
        try:
            handle: BinaryIO = system.open(f"{self.folder}/{name}", "rb")
        except FileNotFoundError as error:
            raise refused(
                "release.file-missing",
                name,
                f"is neither in DVC's cache nor in its remote ({' '.join(str(error).split())}).",
                "Fetch it with `dvc pull` where it still is, or ask who released it.",
            ) from error
        except Exception as error:
            raise self._failed(error) from error
        return handle

    def read_beside(self, path: str) -> bytes:
        """Return a file of the workspace at the same revision, tracked by git or by DVC.

        Raises
        ------
        Refused
            ``release.file-missing``, ``dvc.failed``.

        """
        folder, _, name = path.rpartition("/")
        beside = DvcFiles(self.repository, self.revision, folder or ".", self.remote)
        beside._system = self._opened()  # one connection serves both
        with beside.open(name) as handle:
            return handle.read()

    def _opened(self) -> Any:
        if self._system is None:
            from dvc.api import DVCFileSystem

            try:
                # DVC remembers listings between runs; with a memory of its own, what the cache holds now is read.
                memory = tempfile.mkdtemp(prefix="workbench-dvc-")
                weakref.finalize(self, shutil.rmtree, memory, ignore_errors=True)
                config = remotes_known_now(Path(self.repository))
                config["core"]["site_cache_dir"] = memory
                system = DVCFileSystem(self.repository, rev=self.revision, remote=self.remote, config=config)
                system.exists("dvc.yaml")  # connects: a bad address or revision shows here
            except Exception as error:
                raise self._failed(error) from error
            self._system = system
        return self._system

    def _failed(self, error: Exception) -> Exception:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        return refused(
            "dvc.failed", str(self), f"cannot be read ({said}).", "Check the address, the revision and the remote."
        )
