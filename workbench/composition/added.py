"""Pictures of empty surfaces that somebody adds to a workspace, under a licence that he states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.composition.library import write_whole
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.tables import ADDED_BACKGROUNDS, read_rows, write_table

_NAME = "backgrounds.parquet"


def ensure_backgrounds(layout: Layout) -> bool:
    """Make the table, empty, where there never was one; say whether that was so. Composition depends on it."""
    path = layout.backgrounds / _NAME
    if path.is_file() or layout.backgrounds.with_name(layout.backgrounds.name + ".dvc").is_file():
        return False
    write_table(path, ADDED_BACKGROUNDS, [])
    return True


def read_added(layout: Layout) -> list[dict[str, Any]]:
    """Return the rows of all pictures added; none where nothing ever was."""
    path = layout.backgrounds / _NAME
    return read_rows(path, ADDED_BACKGROUNDS) if path.is_file() else []


def add_pictures(layout: Layout, pictures: Sequence[tuple[bytes, int, int]], *, licence: str, source: str) -> int:
    """Add working copies, each JPEG bytes with width and height in pixels; return how many are new.

    A picture that is there already keeps the licence it came with.
    """
    rows: dict[str, Mapping[str, Any]] = {row["image_id"]: row for row in read_added(layout)}
    before = len(rows)
    for jpeg, width_px, height_px in pictures:
        image_id = sha256_hex(jpeg)
        path = layout.backgrounds / "images" / image_id[:2] / f"{image_id}.jpg"
        write_whole(path, jpeg)
        row = {
            "image_id": image_id,
            "path": path.relative_to(layout.data).as_posix(),
            "width_px": width_px,
            "height_px": height_px,
            "licence": licence,
            "source": source,
        }
        rows.setdefault(image_id, row)
    write_table(layout.backgrounds / _NAME, ADDED_BACKGROUNDS, [rows[key] for key in sorted(rows)])
    return len(rows) - before
