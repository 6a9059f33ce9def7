"""The bytes of a release's pictures: loose files, or members of its tar shards (WebDataset's layout)."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from workbench.domain.findings import Refused
from workbench.domain.lineage import sha256_hex
from workbench.ports import Files
from workbench.release.places import altered, damaged, missing, read

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class Pictures:
    """The pictures of one split.

    Parameters
    ----------
    shards
        Paths of the split's tar shards, whose members are ``<image_id>.jpg`` beside ``<image_id>.json``; may be none.
    verify
        Compare every picture with the SHA-256 that the release's table gives it.

    """

    def __init__(self, files: Files, shards: tuple[str, ...] = (), *, verify: bool = True) -> None:
        """Stand for the pictures; nothing is read yet."""
        self._files, self._shards, self._verify = files, shards, verify
        self._members: dict[str, tuple[str, int, int]] | None = None

    def read(self, path: str, image_id: str, sha256: str) -> bytes:
        """Return a picture's bytes: the loose file, or where there is none the member of a shard.

        Raises
        ------
        Refused
            ``release.file-missing``, ``release.file-altered``.

        """
        try:
            data = read(self._files, path)
        except Refused as error:
            if error.findings[0].code != "release.file-missing" or not self._shards:
                raise
            data = self._from_shard(path, image_id)
        return self._checked(path, data, sha256)

    def stream(self, rows: Mapping[str, Mapping[str, Any]], part: int, parts: int) -> Iterator[tuple[str, bytes]]:
        """Yield (image_id, bytes) of this part of the images in ``rows``, as they lie in the shards or by id.

        Raises
        ------
        Refused
            ``release.file-missing``, ``release.file-altered``.

        """
        if not self._shards:
            for image_id in list(rows)[part::parts]:
                row = rows[image_id]
                yield image_id, self.read(row["path"], image_id, row["file_sha256"])
            return
        seen = 0
        for shard in self._shards[part::parts]:
            for image_id, data in self._members_in_order(shard):
                if image_id in rows:
                    seen += 1
                    yield image_id, self._checked(rows[image_id]["path"], data, rows[image_id]["file_sha256"])
        if parts == 1 and seen < len(rows):
            raise missing(f"{len(rows) - seen} pictures of {', '.join(self._shards)}")

    def _checked(self, path: str, data: bytes, sha256: str) -> bytes:
        if self._verify and sha256_hex(data) != sha256:
            raise altered(path)
        return data

    def _members_in_order(self, shard: str) -> Iterator[tuple[str, bytes]]:
        try:
            with self._files.open(shard) as handle, tarfile.open(fileobj=handle, mode="r|") as tar:
                for member in tar:
                    content = tar.extractfile(member) if _is_picture(member) else None
                    if content is not None:
                        yield _key(member.name), content.read()
        except (tarfile.TarError, EOFError) as error:
            raise damaged(shard, error) from error

    def _from_shard(self, path: str, image_id: str) -> bytes:
        if self._members is None:
            self._members = dict(self._index())
        if image_id not in self._members:
            raise missing(path)
        shard, start, size = self._members[image_id]
        with self._files.open(shard) as handle:
            handle.seek(start)
            return handle.read(size)

    def _index(self) -> Iterator[tuple[str, tuple[str, int, int]]]:
        """Yield where in which shard each picture lies; only the headers are read."""
        for shard in self._shards:
            try:
                with self._files.open(shard) as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
                    for member in tar:
                        if _is_picture(member):
                            yield _key(member.name), (shard, member.offset_data, member.size)
            except (tarfile.TarError, EOFError) as error:
                raise damaged(shard, error) from error


def _is_picture(member: tarfile.TarInfo) -> bool:
    return member.isfile() and PurePosixPath(member.name).suffix.lower() in _PICTURES


def _key(name: str) -> str:
    """Return the sample a member belongs to: its name up to the first point, as WebDataset has it."""
    return PurePosixPath(name).name.split(".")[0]
