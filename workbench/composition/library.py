"""The library of cut-outs: each rendered once, used by many pictures.

A finished cut-out leaves a note in the workspace's state at once, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.composition.recipe import ACTIVITY, Recipe
from workbench.domain.composition import CutOut, CutOutPictures, LoneScene
from workbench.domain.lineage import sha256_hex, work_key
from workbench.domain.scene import Scene
from workbench.layout import Layout
from workbench.ports import Track
from workbench.tables import CUTOUTS, read_rows, write_table

#: Draws the scene of a (setting, number).
DrawLone = Callable[[int, int], LoneScene]
#: Renders a lone scene and takes it apart.
CutOutOf = Callable[[Scene], CutOutPictures]

_TUPLES = ("footprint_px", "ground_px", "box_xyxy", "object_to_camera")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCutOut:
    """One cut-out to be: its scene and the key of the work."""

    lone: LoneScene
    work_key: str


def plan_cutouts(recipe: Recipe, draw_lone: DrawLone, *, engine: Mapping[str, str]) -> list[PlannedCutOut]:
    """Return the library of a recipe, setting by setting; none where nothing is to be put together."""
    if not recipe.images:
        return []
    shaping = {"samples_per_pixel": recipe.samples_per_pixel, "engine": dict(engine)}
    planned = []
    for setting in range(recipe.settings):
        for number in range(recipe.cutouts_per_setting):
            lone = draw_lone(setting, number)
            key = work_key(activity=ACTIVITY, parameters=shaping, inputs=(lone.scene.digest,))
            planned.append(PlannedCutOut(lone=lone, work_key=key))
    return planned


def former_cutouts(layout: Layout) -> dict[str, CutOut]:
    """Return the cut-outs that are there with both their pictures whole, by work key."""
    found = {}
    table = layout.composition / "cutouts.parquet"
    rows = read_rows(table, CUTOUTS) if table.is_file() else []
    notes = [json.loads(note.read_bytes()) for note in sorted(_notes(layout).glob("*.json"))]
    for row in [*rows, *notes]:
        cutout = CutOut(**{**row, **{name: tuple(row[name]) for name in _TUPLES}})
        if all(_is_whole(path) for path in picture_paths(layout, cutout)):
            found[cutout.work_key] = cutout
    return found


def make_library(
    layout: Layout, plan: Sequence[PlannedCutOut], cut_out: CutOutOf, *, track: Track
) -> tuple[list[CutOut], int]:
    """Return the library of a plan and how many cut-outs had to be rendered; each is on disk with its note at once."""
    former = former_cutouts(layout)
    missing = [planned for planned in plan if planned.work_key not in former]
    for planned in track(missing, total=len(missing), doing="cut out"):
        former[planned.work_key] = _store(layout, planned, cut_out(planned.lone.scene))
    unique = {planned.work_key: former[planned.work_key] for planned in plan}
    return list(unique.values()), len(missing)


def _store(layout: Layout, planned: PlannedCutOut, pictures: CutOutPictures) -> CutOut:
    lone = planned.lone
    part, camera = lone.scene.parts[0], lone.scene.camera
    cutout = CutOut(
        work_key=planned.work_key,
        setting=lone.setting,
        part_id=part.part_id,
        mesh_sha256=part.mesh_sha256,
        category=part.category,
        size_px=camera.width_px,
        pixels_per_m=lone.pixels_per_m,
        footprint_px=lone.footprint_px,
        ground_px=lone.ground_px,
        box_xyxy=pictures.box_xyxy,
        object_to_camera=lone.object_to_camera,
        focal_px=camera.focal_px,
        object_sha256=sha256_hex(pictures.object_png),
        shadow_sha256=sha256_hex(pictures.shadow_png),
    )
    for path, data in zip(picture_paths(layout, cutout), (pictures.object_png, pictures.shadow_png), strict=True):
        write_whole(path, data)
    note = json.dumps(asdict(cutout)).encode()
    write_whole(_notes(layout) / f"{cutout.work_key}.json", note)
    return cutout


def picture_paths(layout: Layout, cutout: CutOut) -> tuple[Path, Path]:
    """Return where the part's and the shadow's pictures lie."""
    folder = layout.composition / "cutouts"
    part, shadow = cutout.object_sha256, cutout.shadow_sha256
    return folder / part[:2] / f"{part}.png", folder / shadow[:2] / f"{shadow}.png"


def write_library(layout: Layout, library: Iterable[CutOut]) -> None:
    """Write the table of the library; clear the notes."""
    rows: list[dict[str, Any]] = [asdict(cutout) for cutout in sorted(library, key=lambda cutout: cutout.work_key)]
    write_table(layout.composition / "cutouts.parquet", CUTOUTS, rows)
    for note in _notes(layout).glob("*.json"):
        note.unlink()


def _notes(layout: Layout) -> Path:
    return layout.state / "composition" / "cutouts"


def _is_whole(path: Path) -> bool:
    return path.is_file() and sha256_hex(path.read_bytes()) == path.stem


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
