"""Tar shards as `webdataset` reads them: <image_id>.jpg with <image_id>.json beside it, shards of bounded size.

Tars are plain USTAR with no time, owner or order of its own, so equal data gives equal bytes. Shards hold the pictures
again; therefore `release export --format webdataset` makes them from a release instead of every release holding both.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import orjson

from workbench.release.picture import Picture, Whole

#: A shard is closed when it holds so much; 256 MB to 1 GB is what streaming readers like.
SHARD_BYTES = 512_000_000
_HIDDEN = ("path", "work_key", "excluded")


def write_shards(destination: Path, source: Path, whole: Whole, *, shard_bytes: int = SHARD_BYTES) -> list[str]:
    """Write shards/<split>-<number>.tar of a release folder's pictures; return their paths inside the destination."""
    written: list[str] = []
    (destination / "shards").mkdir(parents=True)
    for split in whole.splits:
        for number, pictures in enumerate(_portions(list(whole.of(split)), source, shard_bytes)):
            name = f"shards/{split}-{number:06d}.tar"
            with (
                (destination / name).open("wb") as handle,
                tarfile.open(fileobj=handle, mode="w", format=tarfile.USTAR_FORMAT) as tar,
            ):
                for picture in pictures:
                    path = source / picture.image["path"]
                    with path.open("rb") as file:
                        _add(
                            tar, picture.image["image_id"] + PurePosixPath(path.name).suffix, file, path.stat().st_size
                        )
                    told = sample_json(picture, whole)
                    _add(tar, f"{picture.image['image_id']}.json", io.BytesIO(told), len(told))
            written.append(name)
    return written


def sample_json(picture: Picture, whole: Whole) -> bytes:
    """Return what a sample's JSON says: the image's row and its objects, as in the tables, with class numbers from 0."""
    row = {name: value for name, value in picture.image.items() if name not in _HIDDEN and value is not None}
    objects = [
        {name: value for name, value in item.items() if value is not None and name != "image_id"}
        | {"category_id": whole.class_numbers[item["category"]], "facets": orjson.loads(item["facets"])}
        for item in picture.objects
    ]
    return orjson.dumps(row | {"objects": objects})


def _portions(pictures: list[Picture], source: Path, most_bytes: int) -> Iterator[list[Picture]]:
    portion: list[Picture] = []
    held = 0
    for picture in pictures:
        size = (source / picture.image["path"]).stat().st_size
        if portion and held + size > most_bytes:
            yield portion
            portion, held = [], 0
        portion.append(picture)
        held += size
    if portion:
        yield portion


def _add(tar: tarfile.TarFile, name: str, handle: IO[bytes], size_bytes: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    info.mode = 0o644
    tar.addfile(info, handle)
