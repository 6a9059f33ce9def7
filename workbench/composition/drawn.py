"""Photographs of empty tables drawn by code, for workspaces that have no real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.composition.backgrounds import Background, Source
from workbench.composition.library import write_whole
from workbench.composition.recipe import ACTIVITY, Recipe
from workbench.domain.lineage import sha256_hex, work_key
from workbench.layout import Layout

#: Draws the photograph of an empty table by its number, (h, w, 3).
DrawTable = Callable[[int], NDArray[np.uint8]]
EncodeJpeg = Callable[[NDArray[np.uint8]], bytes]

#: So many tables there are.
_COUNT = 12
#: Nobody has a claim on what code drew.
_LICENCE = "CC0-1.0"
#: Which tables were drawn already: the digest of each by the key of the work, with its size.
_INDEX = "drawn.json"


def plan_tables(recipe: Recipe) -> list[str]:
    """Return the keys of the tables of a recipe, by their numbers."""
    shaping = {"seed": recipe.seed, "size_px": recipe.size_px, "jpeg_quality": recipe.jpeg_quality}
    return [work_key(activity=ACTIVITY, parameters=shaping, inputs=("table", str(n))) for n in range(_COUNT)]


def known_tables(layout: Layout, recipe: Recipe) -> list[Background] | None:
    """Return the tables of a recipe if all of them are there, else null."""
    index = _read_index(layout)
    found = [_background(layout, *index[key]) for key in plan_tables(recipe) if key in index]
    whole = len(found) == _COUNT and all((layout.data / one.path).is_file() for one in found)
    return sorted(found, key=lambda background: background.background_id) if whole else None


def draw_tables(layout: Layout, recipe: Recipe, draw_table: DrawTable, encode_jpeg: EncodeJpeg) -> list[Background]:
    """Return the tables of a recipe, each on disk; those that are there are not drawn again."""
    known = known_tables(layout, recipe)
    if known is not None:
        return known
    index = {}
    for number, key in enumerate(plan_tables(recipe)):
        image = draw_table(number)
        jpeg = encode_jpeg(image)
        index[key] = (sha256_hex(jpeg), image.shape[1], image.shape[0])
        write_whole(_path(layout, index[key][0]), jpeg)
    write_whole(layout.composition / _INDEX, (json.dumps(index, indent=1, sort_keys=True) + "\n").encode())
    return sorted((_background(layout, *told) for told in index.values()), key=lambda one: one.background_id)


def forget_tables(layout: Layout) -> None:
    """Forget which tables were drawn, where real photographs stand in their place."""
    (layout.composition / _INDEX).unlink(missing_ok=True)


def table_paths(layout: Layout) -> Iterator[Path]:
    """Yield the pictures of the tables that the index names."""
    yield from (_path(layout, digest) for digest, _, _ in _read_index(layout).values())


def _read_index(layout: Layout) -> dict[str, tuple[str, int, int]]:
    try:
        told = json.loads((layout.composition / _INDEX).read_text(encoding="utf-8"))
        return {key: (str(digest), int(width), int(height)) for key, (digest, width, height) in told.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # they are drawn again, to the same bytes


def _path(layout: Layout, digest: str) -> Path:
    return layout.composition / "drawn" / digest[:2] / f"{digest}.jpg"


def _background(layout: Layout, digest: str, width_px: int, height_px: int) -> Background:
    return Background(
        background_id=digest,
        source=Source.DRAWN,
        path=_path(layout, digest).relative_to(layout.data).as_posix(),
        file_sha256=digest,
        width_px=width_px,
        height_px=height_px,
        licence=_LICENCE,
        image={},
    )
