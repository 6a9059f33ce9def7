"""Scenes of one part alone, to be cut out: drawn by setting, so that what is pasted into one picture is lit alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.composition import LoneScene
from workbench.domain.lineage import seed_for
from workbench.domain.scene import Camera, Environment, Light, PlacedPart, Pose, Scene, Table
from workbench.synthesis.materials import sample_material
from workbench.synthesis.photographer import look_at
from workbench.synthesis.placement import footprint, turned_pose
from workbench.synthesis.recipe import Recipe
from workbench.synthesis.rooms import ROOMS
from workbench.synthesis.scene import RestingPart, as_pose

#: How far a phone is held from what it photographs.
_DISTANCE_M = (0.5, 0.8)
#: Seen from well above: a cut-out turns with nothing, so its own tilt must suit most tables.
_ELEVATION_DEG = (58.0, 84.0)
#: Beside a part its shadow needs room: so many times its height, and never less than the second figure.
_SHADOW_HEIGHTS, _LEAST_ROOM_M = 1.0, 0.01


def draw_lone_scene(
    parts: Sequence[RestingPart], *, recipe: str, seed: int, setting: int, number: int, size_px: int
) -> LoneScene:
    """Return the scene of one part on an empty grey table, with room for its shadow.

    Parameters
    ----------
    setting
        Draws lamps, room and camera; scenes of one setting may stand in one picture.
    number
        Draws the part, how it rests, and its material.
    size_px
        Width and height of the picture.

    """
    shared = np.random.default_rng(seed_for(seed, "setting", setting))
    camera_elevation, camera_azimuth = np.radians(shared.uniform(*_ELEVATION_DEG)), shared.uniform(0, 2 * np.pi)
    distance = float(shared.uniform(*_DISTANCE_M))
    around = Environment(
        name=sorted(ROOMS)[int(shared.integers(len(ROOMS)))],
        seed=int(shared.integers(2**31)),
        strength=float(shared.uniform(0.3, 0.7)),
        turn_deg=float(shared.uniform(0, 360)),
    )
    lights = _lamps(shared, camera_azimuth)
    own = np.random.default_rng(seed_for(seed, "part", setting, number))
    part = parts[int(own.integers(len(parts)))]
    posed = _at_rest(part, own)
    vertices = part.mesh.vertices_m @ posed[:3, :3].T + posed[:3, 3]
    outline, height_m = footprint(part.mesh.vertices_m, posed), float(vertices[:, 2].max())
    reach_m = float(np.hypot(*vertices[:, :2].T).max()) + max(_SHADOW_HEIGHTS * height_m, _LEAST_ROOM_M)
    target = np.array([0.0, 0.0, 0.35 * height_m])
    back = np.array([np.cos(camera_azimuth), np.sin(camera_azimuth)]) * np.cos(camera_elevation)
    eye = target + distance * np.array([*back, np.sin(camera_elevation)])
    focal_px = size_px / (2 * reach_m) * distance
    camera = Camera(width_px=size_px, height_px=size_px, focal_px=focal_px, pose=look_at(eye, target))
    placed = PlacedPart(
        part_id=part.part_id,
        mesh_sha256=part.mesh_sha256,
        category=part.category,
        material=sample_material(part.materials[int(own.integers(len(part.materials)))], own, Recipe()),
        pose=as_pose(posed),
    )
    scene = Scene(
        recipe=recipe,
        seed=seed_for(seed, "paths", setting, number),
        parts=(placed,),
        cards=(),
        camera=camera,
        lights=lights,
        environment=around,
        table=Table(kind="paper", seed=0, tile_m=0.5, roughness=1.0),
    )
    return LoneScene(
        scene=scene,
        setting=setting,
        pixels_per_m=focal_px / distance,
        footprint_px=_seen(outline, camera),
        ground_px=_points_seen(np.zeros((1, 3)), camera)[0],
        object_to_camera=_object_to_camera(scene),
    )


def _lamps(rng: np.random.Generator, camera_azimuth: float) -> tuple[Light, ...]:
    """Return one lamp that casts a soft but plain shadow, and mostly a weaker second one."""
    lights = []
    for turn in range(1 + int(rng.random() < 0.6)):  # noqa: PLR2004 -- a share
        # From the side or from behind the object: a phone's owner stands in no light of his own.
        azimuth = camera_azimuth + np.pi + rng.uniform(-1.9, 1.9)
        elevation, distance = np.radians(rng.uniform(42, 75)), float(rng.uniform(1.0, 1.6))
        size = float(rng.uniform(0.15, 0.45))
        power = float(rng.uniform(2.5, 4.0) if turn == 0 else rng.uniform(0.6, 1.6)) / size**2
        warmth = float(rng.uniform(-0.08, 0.08))
        flat = distance * np.cos(elevation)
        place = (float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(distance * np.sin(elevation)))
        radiance = (power * (1 + warmth), power, power * (1 - warmth))
        lights.append(Light(position_m=place, target_m=(0.0, 0.0, 0.0), size_m=size, radiance_rgb=radiance))
    return tuple(lights)


def _at_rest(part: RestingPart, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a pose in which the part rests on the table, its outline's middle above the origin."""
    weights = np.asarray(part.weights) / np.sum(part.weights)
    rest = np.reshape(part.resting[int(rng.choice(len(weights), p=weights))], (4, 4))
    turned = turned_pose(0.0, 0.0, float(rng.uniform(0, 2 * np.pi))) @ rest
    middle = footprint(part.mesh.vertices_m, turned).centroid
    return np.asarray(turned_pose(-middle.x, -middle.y, 0.0) @ turned)


def _seen(outline: shapely.Polygon, camera: Camera) -> tuple[float, ...]:
    """Return the outline on the table as pixels x0, y0, x1, y1, ..."""
    ground = np.asarray(outline.exterior.coords)[:-1]
    seen = _points_seen(np.c_[ground, np.zeros(len(ground))], camera)
    return tuple(round(value, 3) for point in seen for value in point)


def _points_seen(points_m: NDArray[np.float64], camera: Camera) -> list[tuple[float, float]]:
    to_camera = np.linalg.inv(np.reshape(camera.pose, (4, 4)))
    local = points_m @ to_camera[:3, :3].T + to_camera[:3, 3]
    cx, cy = camera.centre_px
    return [(float(cx + camera.focal_px * x / z), float(cy + camera.focal_px * y / z)) for x, y, z in local]


def _object_to_camera(scene: Scene) -> Pose:
    """Return the pose of a lone scene's part before its camera, rounded to a nanometre."""
    matrix = np.linalg.inv(np.reshape(scene.camera.pose, (4, 4))) @ np.reshape(scene.parts[0].pose, (4, 4))
    # The last bits of an inverse differ between linear-algebra libraries.
    return tuple(round(float(value), 9) for value in matrix.ravel())
