"""The plan: which cut-outs lie where on which background, a picture a number, each following from its number alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.composition.backgrounds import Background
from workbench.composition.library import picture_paths
from workbench.composition.placing import Placed, place_cutouts
from workbench.composition.recipe import ACTIVITY, Recipe
from workbench.domain.composition import CompositionJob, CutOut, Placement
from workbench.domain.lineage import canonical_json, seed_for, sha256_hex, work_key
from workbench.layout import Layout

#: Deviation of the exposure that is left to chance, in stops.
_EXPOSURE_EV = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPicture:
    """One picture to be: the job, the key of the work, the background and what lies on it, the farthest first."""

    job: CompositionJob
    work_key: str
    background: Background
    placed: tuple[Placed, ...]


def plan_pictures(
    layout: Layout,
    recipe: Recipe,
    backgrounds: Sequence[Background],
    library: Sequence[CutOut],
    *,
    engine: Mapping[str, str],
) -> list[PlannedPicture]:
    """Return the pictures of a recipe in order; more pictures keep the former ones as they are."""
    by_setting: dict[int, list[CutOut]] = defaultdict(list)
    for cutout in library:
        by_setting[cutout.setting].append(cutout)
    choose = _Chooser([background.background_id for background in backgrounds])
    return [
        _planned(layout, recipe, backgrounds[choose(recipe.seed, number)], by_setting, number, engine)
        for number in range(recipe.images)
    ]


class _Chooser:
    """Chooses a background for each number so that another background more changes few of the choices.

    Each background draws a lot for each number, from its own id, and the highest wins (Thaler and Ravishankar, "Using
    name-based mappings to increase hit rates", 1998: rendezvous hashing).
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = np.array([seed_for(name) for name in names], np.uint64)

    def __call__(self, seed: int, number: int) -> int:
        return int(np.argmax(_mixed(self._names * np.uint64(2**32) + np.uint64(seed_for(seed, number)))))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each value's bits mixed well (the finaliser of splitmix64; Steele, Lea and Flood, 2014)."""
    mixed = values
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _planned(
    layout: Layout,
    recipe: Recipe,
    background: Background,
    by_setting: Mapping[int, Sequence[CutOut]],
    number: int,
    engine: Mapping[str, str],
) -> PlannedPicture:
    seed = seed_for(recipe.seed, "composition", number)
    rng = np.random.default_rng(seed)
    pool = by_setting[int(rng.integers(len(by_setting)))]
    count = min(int(rng.integers(recipe.objects_per_image[0], recipe.objects_per_image[1] + 1)), len(pool))
    chosen = [pool[int(index)] for index in rng.permutation(len(pool))[:count]]
    scale = min(1.0, recipe.size_px / max(background.width_px, background.height_px))
    size_wh = (max(1, round(background.width_px * scale)), max(1, round(background.height_px * scale)))
    taken = [box for row in background.instances if (box := _box(row, scale))]
    placed = place_cutouts(chosen, rng, size_wh=size_wh, taken_xyxy=taken)
    job = CompositionJob(
        background_path=layout.data / background.path,
        width_px=size_wh[0],
        height_px=size_wh[1],
        placements=tuple(_placement(layout, one) for one in placed),
        exposure_ev=float(rng.normal(0, _EXPOSURE_EV)),
        seed=seed,
        jpeg_quality=recipe.jpeg_quality,
    )
    inputs = (background.file_sha256, sha256_hex(canonical_json(_told(job, placed, background)).encode()))
    key = work_key(activity=ACTIVITY, parameters={"engine": dict(engine)}, inputs=inputs)
    return PlannedPicture(job=job, work_key=key, background=background, placed=tuple(placed))


def _placement(layout: Layout, one: Placed) -> Placement:
    part, shadow = picture_paths(layout, one.cutout)
    return Placement(left_px=one.left_px, top_px=one.top_px, scale=one.scale, object_path=part, shadow_path=shadow)


def _told(job: CompositionJob, placed: Sequence[Placed], background: Background) -> dict[str, Any]:
    """Return what shapes a picture and its labels beside the background's pixels, wherever the files lie."""
    return {
        "size_wh": [job.width_px, job.height_px],
        "exposure_ev": job.exposure_ev,
        "seed": job.seed,
        "jpeg_quality": job.jpeg_quality,
        "background": [background.background_id, [dict(row) for row in background.instances]],
        "placed": [
            [
                one.cutout.work_key,
                one.cutout.object_sha256,
                one.cutout.shadow_sha256,
                one.left_px,
                one.top_px,
                one.scale,
            ]
            for one in placed
        ],
    }


def _box(row: Mapping[str, Any], scale: float) -> tuple[float, float, float, float] | None:
    if row["x_min"] is None:
        return None
    return (row["x_min"] * scale, row["y_min"] * scale, row["x_max"] * scale, row["y_max"] * scale)
