"""Scenes drawn by chance from a recipe: parts resting on a table, photographed as with a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.findings import refused
from workbench.domain.scene import Camera, Card, Light, Material, PlacedPart, Pose, Rgb, Scene, Table
from workbench.ports import Mesh
from workbench.synthesis.surfaces import TABLES
from workbench.synthesis.symmetry import Symmetry

#: Materials by catalogue name: (reflectances to choose from, metallic, roughness range, texture, its period in metres).
#: Metals' reflectances at normal incidence are rounded from the tables of physicallybased.info (CC0).
MATERIALS: dict[str, tuple[tuple[Rgb, ...], float, tuple[float, float], str | None, float]] = {
    "pla": (
        ((0.75, 0.74, 0.70), (0.03, 0.03, 0.035), (0.70, 0.22, 0.03), (0.04, 0.16, 0.42), (0.35, 0.36, 0.38), (0.05, 0.30, 0.12)),
        0.0, (0.35, 0.5), "layers", 0.0028,
    ),
    "polymer": (((0.02, 0.02, 0.022), (0.10, 0.10, 0.09), (0.28, 0.25, 0.18)), 0.0, (0.4, 0.6), None, 0.01),
    "gloss": (((0.62, 0.03, 0.03), (0.02, 0.13, 0.50), (0.75, 0.50, 0.02), (0.02, 0.30, 0.08)), 0.0, (0.12, 0.2), None, 0.01),
    "steel": (((0.56, 0.56, 0.57),), 1.0, (0.22, 0.38), None, 0.01),
    "brushed_steel": (((0.58, 0.58, 0.59),), 1.0, (0.28, 0.4), "brushed", 0.05),
    "black_oxide": (((0.07, 0.07, 0.075),), 1.0, (0.3, 0.45), None, 0.01),
    "brass": (((0.83, 0.64, 0.32), (0.72, 0.52, 0.26)), 1.0, (0.18, 0.35), None, 0.01),
    "copper": (((0.86, 0.52, 0.38), (0.62, 0.36, 0.26)), 1.0, (0.2, 0.38), None, 0.01),
}  # fmt: skip

_TRIES = 80
_GAP_M = 0.004


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
    symmetry: Symmetry = field(default_factory=Symmetry)
    diameter_m: float = 0.0


def sample_scene(params: Mapping[str, Any], parts: Sequence[RestingPart], *, seed: int) -> Scene:
    """Return a scene drawn from the recipe; the same arguments give the same scene.

    Parameters
    ----------
    params
        The section ``synthesis``: ``recipe``, ``size_px``, ``objects_per_image`` as [least, most].
    parts
        What may lie on the table, at least one.
    seed
        Draws everything; recorded in the scene.

    Raises
    ------
    Refused
        ``synthesis.catalogue-empty`` if there is no part.

    """
    if not parts:
        raise refused(
            "synthesis.catalogue-empty",
            "data/00_catalogue",
            "holds no part to render.",
            "Add one: `workbench synthesis add FILE --category CODE --unit mm`.",
        )
    rng = np.random.default_rng(seed)
    least, most = params["objects_per_image"]
    chosen = [parts[int(rng.integers(len(parts)))] for _ in range(int(rng.integers(least, most + 1)))]
    spread = 0.055 + 0.022 * len(chosen)
    taken: list[shapely.Polygon] = []
    cards = _sample_cards(rng, taken, spread) if rng.random() < 0.7 else ()  # noqa: PLR2004 -- a share
    placed = [part for choice in chosen if (part := _place(choice, rng, taken, spread))]
    kind = sorted(TABLES)[int(rng.integers(len(TABLES)))]
    return Scene(
        recipe=str(params["recipe"]),
        seed=seed,
        room_seed=int(rng.integers(2**31)),
        room_strength=float(rng.uniform(0.22, 0.5)),
        parts=tuple(placed),
        cards=cards,
        camera=sample_camera(rng, size_px=(int(params["size_px"]), int(params["size_px"])), reach_m=spread),
        lights=sample_lights(rng),
        table=Table(
            kind=kind, seed=int(rng.integers(2**31)), tile_m=float(rng.uniform(0.38, 0.6)), roughness=TABLES[kind]
        ),
    )


def sample_camera(rng: np.random.Generator, *, size_px: tuple[int, int], reach_m: float) -> Camera:
    """Return a hand-held phone above the table that frames about ``reach_m`` around the middle."""
    width, height = size_px
    focal = float(rng.uniform(0.85, 1.2)) * max(width, height)
    elevation, azimuth = np.radians(rng.uniform(42, 82)), rng.uniform(0, 2 * np.pi)
    target = np.array([*rng.normal(0, 0.12 * reach_m, 2), 0.0])
    distance = float(rng.uniform(1.15, 1.6)) * reach_m * 2 * focal / max(width, height) / 1.5
    eye = target + distance * np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )
    return Camera(
        width_px=width,
        height_px=height,
        focal_px=focal,
        pose=look_at(eye, target, roll=float(rng.normal(0, np.radians(5)))),
        exposure_ev=float(rng.normal(0, 0.25)),
        white_balance_rgb=(float(1 + rng.normal(0, 0.05)), 1.0, float(1 + rng.normal(0, 0.06))),
    )


def look_at(eye: NDArray[np.float64], target: NDArray[np.float64], *, roll: float = 0.0) -> Pose:
    """Return the pose of a camera at ``eye`` that looks at ``target``, rolled by radians about its axis."""
    ahead = (target - eye) / np.linalg.norm(target - eye)
    up = np.array([0.0, 0.0, 1.0]) if abs(ahead[2]) < 0.999 else np.array([0.0, 1.0, 0.0])  # noqa: PLR2004 -- straight down
    right = np.cross(ahead, up)
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    c, s = np.cos(roll), np.sin(roll)
    matrix = np.eye(4)
    matrix[:3] = np.c_[c * right + s * down, c * down - s * right, ahead, eye]
    return as_pose(matrix)


def sample_lights(rng: np.random.Generator) -> tuple[Light, ...]:
    """Return one to three square lamps above and around the table."""
    lights = []
    for _ in range(int(rng.integers(1, 4))):
        azimuth, height, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.3), rng.uniform(0.25, 0.9)
        size, warmth = float(rng.uniform(0.08, 0.4)), float(rng.uniform(-0.12, 0.12))
        power = float(rng.uniform(2.0, 5.0)) / size**2
        lights.append(
            Light(
                position_m=(float(out * np.cos(azimuth)), float(out * np.sin(azimuth)), float(height)),
                target_m=(0.0, 0.0, 0.0),
                size_m=size,
                radiance_rgb=(power * (1 + warmth), power, power * (1 - warmth)),
            )
        )
    return tuple(lights)


def sample_material(name: str, rng: np.random.Generator) -> Material:
    """Return a material of the catalogue's name, its shade and roughness drawn."""
    shades, metallic, (low, high), texture, period_m = MATERIALS[name]
    shade = shades[int(rng.integers(len(shades)))]
    return Material(
        name=name,
        base_rgb=shade,
        metallic=metallic,
        roughness=float(rng.uniform(low, high)),
        texture=texture,
        texture_period_m=period_m,
    )


def as_pose(matrix: NDArray[np.float64]) -> Pose:
    """Return a 4x4 matrix as sixteen numbers, row by row."""
    return tuple(float(value) for value in matrix.ravel())


def turned_pose(x_m: float, y_m: float, angle: float, z_m: float = 0.0) -> NDArray[np.float64]:
    """Return the matrix that turns about z by radians and moves, (4, 4)."""
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (x_m, y_m, z_m)
    return matrix


def _sample_cards(rng: np.random.Generator, taken: list[shapely.Polygon], spread: float) -> tuple[Card, ...]:
    """Return a scale bar near the edge of what is framed, and claim its place."""
    angle = float(rng.uniform(0, 2 * np.pi))
    middle = 0.75 * spread * np.array([np.cos(angle), np.sin(angle)])
    pose = turned_pose(float(middle[0]), float(middle[1]), angle + np.pi / 2 + float(rng.normal(0, 0.08)), 0.0006)
    taken.append(footprint(np.array([(x, y, 0) for x in (-0.03, 0.03) for y in (-0.01, 0.01)]), pose))
    return (scale_bar(as_pose(pose)),)


def scale_bar(pose: Pose) -> Card:
    """Return a scale bar of five centimetres."""
    return Card(kind="scale_bar", category="context.scale_bar", text="5CM", width_m=0.06, height_m=0.02, pose=pose)


def evidence_tag(text: str, pose: Pose) -> Card:
    """Return an evidence tag that bears a text."""
    return Card(
        kind="evidence_tag", category="context.evidence_tag", text=text, width_m=0.05, height_m=0.024, pose=pose
    )


def footprint(vertices_m: NDArray[np.float64], pose: NDArray[np.float64]) -> shapely.Polygon:
    """Return the convex outline of a posed object on the table."""
    posed = vertices_m @ pose[:3, :3].T + pose[:3, 3]
    return shapely.convex_hull(shapely.MultiPoint(posed[:, :2]))


def _place(
    part: RestingPart, rng: np.random.Generator, taken: list[shapely.Polygon], spread: float
) -> PlacedPart | None:
    """Return the part at rest where there is room, or null when the table is full."""
    weights = np.asarray(part.weights) / np.sum(part.weights)
    rest = np.reshape(part.resting[int(rng.choice(len(weights), p=weights))], (4, 4))
    material = sample_material(part.materials[int(rng.integers(len(part.materials)))], rng)
    middle = footprint(part.mesh.vertices_m, rest).centroid
    centred = turned_pose(-middle.x, -middle.y, 0.0) @ rest
    for _ in range(_TRIES):
        # Normal, wider than the frame's half: now and then an object is cut by the edge, as in real photographs.
        x, y = rng.normal(0, 0.55 * spread, 2)
        pose = turned_pose(float(x), float(y), float(rng.uniform(0, 2 * np.pi))) @ centred
        outline = footprint(part.mesh.vertices_m, pose).buffer(_GAP_M)
        if not any(outline.intersects(other) for other in taken):
            taken.append(outline)
            return PlacedPart(
                part_id=part.part_id,
                mesh_sha256=part.mesh_sha256,
                category=part.category,
                material=material,
                pose=as_pose(pose),
            )
    return None
