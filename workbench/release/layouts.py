"""One format of a release laid out as its readers expect a dataset: pictures and labels of that format, nothing else.

Made from a release folder's own tables and pictures at any time, so a release need not hold every format, nor any
picture twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.domain.findings import bad_usage
from workbench.domain.taxonomy import Category, Taxonomy
from workbench.release import manifest
from workbench.release.assemble import format_files
from workbench.release.formats import FORMATS
from workbench.release.formats.huggingface import front_matter
from workbench.release.formats.webdataset import write_shards
from workbench.release.formats.yolo import yolo_config
from workbench.release.new_files import NewFiles
from workbench.release.picture import Outline, Whole, pictures_of
from workbench.tables import IMAGES, INSTANCES, read_rows

#: Where a layout has the pictures; None: its files hold them.
_PICTURES: Mapping[str, Callable[[str], str] | None] = {
    **dict.fromkeys(FORMATS, lambda path: path),
    "voc": lambda path: f"voc/JPEGImages/{path.rpartition('/')[2]}",
    "webdataset": None,
}


#: What the summaries of the first releases do not tell.
_FORMER: Mapping[str, Any] = {"as_of": None, "images_by_country": {}}


def require_layout(name: str) -> None:
    """Refuse a name that is no format.

    Raises
    ------
    BadUsage
        ``release.unknown-format``.

    """
    if name not in _PICTURES:
        raise bad_usage(
            "release.unknown-format", name, "is no format of releases.", f"Use one of {', '.join(_PICTURES)}."
        )


def write_layout(destination: Path, source: Path, name: str, taxonomy: Taxonomy, *, outline: Outline) -> int:
    """Write a release folder's data in one format into a new folder; return how many files it holds.

    The folder appears whole or not at all, with a manifest of its own.
    """
    part = destination.with_name(f".{destination.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    images, instances = read_rows(source / "images.parquet", IMAGES), read_rows(source / "instances.parquet", INSTANCES)
    facts = _FORMER | json.loads((source / "summary.json").read_text(encoding="utf-8"))
    digests = manifest.read_manifest(source)
    whole = Whole(
        pictures=pictures_of(images, instances),
        taxonomy=_as_released(taxonomy, facts),
        facts=facts,
        outline=outline,
        digest_of=digests.__getitem__,
    )
    place = _PICTURES[name]
    if place is None:
        write_shards(part, source, whole)
    else:
        for row in images:
            target = part / place(row["path"])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / row["path"], target)
        files = NewFiles(part)
        for path, data in format_files(FORMATS[name], whole):
            files.write(_as_read(path), data)
        _beside(part, source, name, whole)
    _put(part / "classes.txt", "".join(f"{code}\n" for code in whole.taxonomy.codes).encode())
    found = {p.relative_to(part).as_posix(): manifest.file_digest(p) for p in sorted(part.rglob("*")) if p.is_file()}
    _put(part / manifest.NAME, manifest.manifest_bytes(found))
    part.rename(destination)
    return len(found)


def _as_released(taxonomy: Taxonomy, facts: Mapping[str, Any]) -> Taxonomy:
    """Return the taxonomy with the codes, and their order, that the release was numbered by."""
    known = {category.code: category for category in taxonomy.categories}
    categories = tuple(known.get(code) or Category(code=code, names={"en": code}) for code in facts["classes"])
    return Taxonomy(version=str(facts["taxonomy_version"]), categories=categories, facets=taxonomy.facets)


def _as_read(path: str) -> str:
    """Return where a format's reader looks for a file: Ultralytics finds labels in ``labels`` alone."""
    folder, _, rest = path.partition("/")
    return f"labels/{rest}" if folder in {"labels_segment", "labels_oriented"} else path


def _beside(part: Path, source: Path, name: str, whole: Whole) -> None:
    """Write what else a format's readers need."""
    if name.startswith("yolo_"):
        _put(part / "data.yaml", yolo_config(whole))
    if name == "huggingface":
        _put(part / "README.md", front_matter(whole).encode() + (source / "card.md").read_bytes())
    if name == "croissant":
        for path in ("images.parquet", "instances.parquet"):
            shutil.copyfile(source / path, part / path)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
