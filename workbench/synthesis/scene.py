"""Scenes drawn by chance from a recipe: parts resting on a table among cards and other things, photographed with a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.findings import refused
from workbench.domain.scene import Card, Environment, PlacedPart, Pose, Scene, Table
from workbench.ports import Mesh
from workbench.synthesis.materials import sample_material
from workbench.synthesis.photographer import colour_of_light, flash, sample_camera, sample_lamps
from workbench.synthesis.placement import Drop, Lying, find_room, lay_in_rows, lay_out, let_fall
from workbench.synthesis.props import LIMP, PROPS, prop_meshes
from workbench.synthesis.recipe import FILES, Recipe, draw, draw_count, draw_name, recipes_of
from workbench.synthesis.surfaces import TABLES
from workbench.synthesis.symmetry import NO_SYMMETRY, Symmetry

_FLAT: Pose = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
#: Cards lie so high: what would stick to the table flickers.
_CARD_M = 0.0006
_TAG_LETTERS = "ABCDE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingPart:
    """A catalogue part with its geometry and the poses in which it rests on a table, likeliest first.

    ``keypoints`` are named points in the part's own coordinates, metres; ``diameter_m`` is the largest distance of
    two of its points.
    """

    part_id: str
    mesh_sha256: str
    category: str
    materials: tuple[str, ...]
    mesh: Mesh
    resting: tuple[Pose, ...]
    weights: tuple[float, ...]
    keypoints: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    symmetry: Symmetry = NO_SYMMETRY
    diameter_m: float = 0.0


def sample_scene(
    params: Mapping[str, Any],
    parts: Sequence[RestingPart],
    *,
    seed: int,
    recipe: str | None = None,
    drop: Drop | None = None,
    environments: Mapping[str, str] | None = None,
) -> Scene:
    """Return a scene drawn from a recipe; the same arguments give the same scene.

    Parameters
    ----------
    params
        The section ``synthesis``: ``recipe``, ``recipes``, ``size_px``.
    parts
        What may lie on the table, at least one.
    seed
        Draws everything; recorded in the scene.
    recipe
        Which of the recipes picked; by default one is drawn by weight.
    drop
        Lets parts fall. Without it, recipes that drop parts lay them out.
    environments
        SHA-256 by name of the files that may surround the table.

    Raises
    ------
    Refused
        ``synthesis.catalogue-empty`` if there is no part; ``synthesis.environment-missing`` if the recipe wants a file
        and there is none; ``workspace.params-invalid``.

    """
    if not parts:
        raise refused(
            "synthesis.catalogue-empty",
            "data/00_catalogue",
            "holds no part to render.",
            "Add one: `workbench synthesis add FILE --category CODE --unit mm`.",
        )
    picked = recipes_of(params)
    name = recipe or draw_name({key: weight for key, (_, weight) in picked.items()}, _stream(seed, 0))
    ranges = picked[name][0]
    things, cards, outline = _set_up(ranges, parts, seed, drop)
    around = _environment(ranges, _stream(seed, 5), environments or {})
    lamps, size = sample_lamps(ranges, _stream(seed, 6)), int(params["size_px"])
    left, bottom, right, top = outline.bounds
    camera = sample_camera(
        ranges,
        _stream(seed, 7),
        size_px=(size, size),
        middle_m=((left + right) / 2, (bottom + top) / 2),
        reach_m=max(right - left, top - bottom) / 2,
        light_rgb=colour_of_light(lamps, around.strength),
    )
    if (rng := _stream(seed, 8)).random() < ranges.flash:
        lamps = (*lamps, flash(camera, rng))
    return Scene(
        recipe=name,
        seed=seed,
        parts=tuple(thing for thing in things if thing.category),
        props=tuple(thing for thing in things if not thing.category),
        cards=cards,
        camera=camera,
        lights=lamps,
        environment=around,
        table=_table(ranges, _stream(seed, 4)),
    )


def _stream(seed: int, of: int) -> np.random.Generator:
    """Return a generator of its own for one aspect, so that another range of lamps moves no part."""
    return np.random.default_rng([seed, of])


def _set_up(
    recipe: Recipe, parts: Sequence[RestingPart], seed: int, drop: Drop | None
) -> tuple[list[PlacedPart], tuple[Card, ...], shapely.Polygon]:
    """Return what lies on the table, the cards beside it, and the outline that the camera is to show."""
    rng = _stream(seed, 1)
    chosen = [parts[int(rng.integers(len(parts)))] for _ in range(draw_count(recipe.objects, rng))]
    chosen += [_prop(recipe, rng) for _ in range(draw_count(recipe.distractors, rng))]
    spread = (0.03 + 0.018 * len(chosen)) * draw(recipe.spread, rng)
    lying = [Lying(mesh=part.mesh, resting=part.resting, weights=part.weights) for part in chosen]
    taken: list[shapely.Polygon] = []
    how, rng = rng.random(2), _stream(seed, 2)
    if how[0] < recipe.dropped and drop:
        # What bends is put beside the heap: physics takes everything for stiff.
        stiff = [part.part_id not in LIMP for part in chosen]
        falls = iter(
            let_fall([t for t, s in zip(lying, stiff, strict=True) if s], rng, drop, spread_m=spread, taken=taken)
        )
        laid = iter(
            lay_out([t for t, s in zip(lying, stiff, strict=True) if not s], rng, spread_m=1.3 * spread, taken=taken)
        )
        poses = [next(falls) if falling else next(laid) for falling in stiff]
    elif how[1] < recipe.rows:
        poses = lay_in_rows(lying, rng, spread_m=spread, taken=taken)
    else:
        poses = lay_out(lying, rng, spread_m=spread, taken=taken)
    rng = _stream(seed, 3)
    placed = [_placed(part, pose, recipe, rng) for part, pose in zip(chosen, poses, strict=True) if pose is not None]
    shown = shapely.union_all(taken)
    cards = _cards(recipe, rng, taken)
    # Cards are framed as well, but a card that found room far off does not make everything small.
    near = shown.buffer(0.5 * np.sqrt(shown.envelope.area)).envelope
    return placed, cards, shapely.union_all(taken).intersection(near) if cards else shown


def _prop(recipe: Recipe, rng: np.random.Generator) -> RestingPart:
    """Return a thing that lies about; without a code unless the recipe labels it."""
    prop_id, code, materials, _ = PROPS[int(rng.integers(len(PROPS)))]
    return RestingPart(
        part_id=prop_id,
        mesh_sha256=prop_id,
        category=code if rng.random() < recipe.distractors_labelled else "",
        materials=materials,
        mesh=prop_meshes()[prop_id],
        resting=(_FLAT,),
        weights=(1.0,),
    )


def _placed(part: RestingPart, pose: NDArray[np.float64], recipe: Recipe, rng: np.random.Generator) -> PlacedPart:
    return PlacedPart(
        part_id=part.part_id,
        mesh_sha256=part.mesh_sha256,
        category=part.category,
        material=sample_material(part.materials[int(rng.integers(len(part.materials)))], rng, recipe),
        pose=as_pose(pose),
    )


def _cards(recipe: Recipe, rng: np.random.Generator, taken: list[shapely.Polygon]) -> tuple[Card, ...]:
    """Return the cards that the recipe draws and that find room."""
    text = f"{_TAG_LETTERS[int(rng.integers(5))]}-{int(rng.integers(10, 100))}"
    wanted = []
    for share, card in (
        (recipe.scale_bar, scale_bar(_FLAT)),
        (recipe.evidence_tag, evidence_tag(text, _FLAT)),
        (recipe.colour_chart, colour_chart(_FLAT)),
    ):
        if rng.random() < share:
            wanted.append(card)
    left, bottom, right, top = shapely.union_all(taken).bounds
    near, found = max(right - left, top - bottom) / 2, []
    for card in wanted:
        pose = find_room(card.width_m, card.height_m, rng, near_m=near, taken=taken, z_m=_CARD_M)
        if pose is not None:
            found.append(replace(card, pose=as_pose(pose)))
    return tuple(found)


def _environment(recipe: Recipe, rng: np.random.Generator, environments: Mapping[str, str]) -> Environment:
    name = draw_name(recipe.rooms, rng)
    seed, strength, turn = int(rng.integers(2**31)), draw(recipe.room_strength, rng), float(rng.uniform(0, 360))
    if name != FILES:
        return Environment(name=name, seed=seed, strength=strength, turn_deg=turn)
    if not environments:
        raise refused(
            "synthesis.environment-missing",
            "params.yaml synthesis.environments",
            "names no folder with .hdr or .exr files, but a recipe draws its room from it.",
            "Name a folder, or take `files` out of the recipe's rooms.",
        )
    file = sorted(environments)[seed % len(environments)]
    return Environment(name=file, seed=0, strength=strength, turn_deg=turn, sha256=environments[file])


def _table(recipe: Recipe, rng: np.random.Generator) -> Table:
    kind = draw_name(recipe.surfaces, rng)
    surface = TABLES[kind]
    return Table(
        kind=kind,
        seed=int(rng.integers(2**31)),
        tile_m=draw(surface.tile_m, rng),
        roughness=float(np.clip(surface.roughness * rng.uniform(0.9, 1.1), 0.1, 1.0)),
        metallic=surface.metallic,
        relief_m=surface.relief_m * float(rng.uniform(0.4, 1.2)),
        turn_deg=float(rng.normal(0, 8)),
    )


def as_pose(matrix: NDArray[np.float64]) -> Pose:
    """Return a 4x4 matrix as sixteen numbers, row by row."""
    return tuple(float(value) for value in matrix.ravel())


def scale_bar(pose: Pose) -> Card:
    """Return a scale bar of five centimetres."""
    return Card(kind="scale_bar", category="context.scale_bar", text="5CM", width_m=0.06, height_m=0.02, pose=pose)


def evidence_tag(text: str, pose: Pose) -> Card:
    """Return an evidence tag that bears a text."""
    return Card(
        kind="evidence_tag", category="context.evidence_tag", text=text, width_m=0.05, height_m=0.024, pose=pose
    )


def colour_chart(pose: Pose) -> Card:
    """Return a colour chart the size of a bank card; `workbench.synthesis.prints.CHART` says its colours."""
    return Card(
        kind="colour_chart", category="context.colour_chart", text="18", width_m=0.0856, height_m=0.054, pose=pose
    )
