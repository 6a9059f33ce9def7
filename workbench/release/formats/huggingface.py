"""Hugging Face's ImageFolder: ``datasets.load_dataset("imagefolder", data_dir="images")`` loads pictures and objects.

The metadata lie beside the pictures (images/<split>/metadata.parquet), so no picture is stored twice. README.md, which
Hugging Face reads as the dataset's card, is card.md with the settings it needs on top.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.release.formats.coco import bbox_of
from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Picture, Whole

_OBJECT = pa.struct(
    [
        ("instance_id", pa.string()),
        ("category", pa.string()),
        ("category_id", pa.int64()),
        ("shape", pa.string()),
        ("bbox", pa.list_(pa.float64())),
        ("rings", pa.list_(pa.list_(pa.float64()))),
        ("mask_rle", pa.string()),
    ]
)
_SCHEMA = pa.schema(
    [
        ("file_name", pa.string()),
        ("image_id", pa.string()),
        ("origin", pa.string()),
        ("group_id", pa.string()),
        ("licence", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("objects", pa.list_(_OBJECT)),
    ]
)


def files(whole: Whole, _fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield images/<split>/metadata.parquet; bbox is x, y, width, height in pixels, category_id counts from 0."""
    for split in whole.splits:
        yield f"images/{split}/metadata.parquet", _parquet(list(whole.of(split)), whole)


def _parquet(pictures: Sequence[Picture], whole: Whole) -> bytes:
    columns: dict[str, list[Any]] = {
        "file_name": [picture.image["path"].rpartition("/")[2] for picture in pictures],
        "width": [picture.image["width_px"] for picture in pictures],
        "height": [picture.image["height_px"] for picture in pictures],
        "objects": [_objects(picture, whole) for picture in pictures],
    }
    for name in ("image_id", "origin", "group_id", "licence"):
        columns[name] = [picture.image[name] for picture in pictures]
    arrays = [pa.array(columns[field.name], type=field.type) for field in _SCHEMA]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def _objects(picture: Picture, whole: Whole) -> list[tuple[Any, ...]]:
    return [
        (
            row["instance_id"],
            row["category"],
            whole.class_numbers[row["category"]],
            row["shape"],
            bbox_of(row),
            row["rings"],
            row["mask_rle"],
        )
        for row in picture.objects
    ]


def front_matter(whole: Whole) -> str:
    """Return the settings on top of README.md: which pictures are which split, and what the dataset is for."""
    paths = "".join(
        f"      - split: {'validation' if split == 'val' else split}\n        path: images/{split}/**\n"
        for split in whole.splits
    )
    return (
        "---\n"
        f"pretty_name: {_quoted(str(whole.facts['title']))}\n"
        "task_categories:\n  - object-detection\n"
        f"configs:\n  - config_name: default\n    data_files:\n{paths}"
        "---\n\n"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


FORMAT = Format(
    name="huggingface",
    fragment=None,
    files=files,
    reader='Hugging Face: `datasets.load_dataset("imagefolder", data_dir="images")`',
    where=("images/<split>/metadata.parquet", "README.md"),
)
