"""Where things lie: laid out one beside another, in rows, or fallen and settled; and the room that cards find among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.domain.scene import Pose
from workbench.ports import Mesh

#: Lets meshes go at given poses within walls so far from the middle; gives the poses in which they come to rest, and how
#: deep any two then press into one another, in metres.
Drop = Callable[..., tuple[list[Pose], float]]

Matrix = NDArray[np.float64]

_TRIES = 80
_GAP_M = 0.004
#: Falls are tried so often until none presses deeper than this into another.
_FALLS, _PRESSED_M = 4, 0.00015
#: Outside the walls, or below the table, no part can have come to rest.
_SUNK_M = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    """What may be placed: its mesh and the poses in which it rests, likeliest first."""

    mesh: Mesh
    resting: tuple[Pose, ...]
    weights: tuple[float, ...]


def turned_pose(x_m: float, y_m: float, angle: float, z_m: float = 0.0) -> Matrix:
    """Return the matrix that turns about z by radians and moves, (4, 4)."""
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (x_m, y_m, z_m)
    return matrix


def footprint(vertices_m: NDArray[np.float64], pose: Matrix) -> shapely.Polygon:
    """Return the convex outline of a posed object on the table."""
    posed = vertices_m @ pose[:3, :3].T + pose[:3, 3]
    return shapely.convex_hull(shapely.MultiPoint(posed[:, :2]))


def lay_out(
    things: Sequence[Lying], rng: np.random.Generator, *, spread_m: float, taken: list[shapely.Polygon]
) -> list[Matrix | None]:
    """Return a pose for each thing, scattered where there is room; null where there was none. ``taken`` grows."""
    poses = []
    for thing in things:
        rest = _centred(thing, rng)
        pose = None
        for _ in range(_TRIES):
            x, y = rng.normal(0, 0.5 * spread_m, 2)
            tried = turned_pose(float(x), float(y), float(rng.uniform(0, 2 * np.pi))) @ rest
            outline = footprint(thing.mesh.vertices_m, tried).buffer(_GAP_M)
            if not any(outline.intersects(other) for other in taken):
                taken.append(outline)
                pose = tried
                break
        poses.append(pose)
    return poses


def lay_in_rows(
    things: Sequence[Lying], rng: np.random.Generator, *, spread_m: float, taken: list[shapely.Polygon]
) -> list[Matrix | None]:
    """Return a pose for each thing, in rows from left to right, long sides much alike turned. ``taken`` grows."""
    gap, wide = rng.uniform(0.008, 0.025), max(0.16, 1.3 * spread_m)
    x = y = deep = 0.0
    poses: list[Matrix] = []
    for thing in things:
        rest = _centred(thing, rng)
        box = footprint(thing.mesh.vertices_m, rest).minimum_rotated_rectangle.exterior.coords
        along = max(pairwise(box), key=lambda side: np.hypot(*np.subtract(*side)))
        lean = float(np.arctan2(along[1][1] - along[0][1], along[1][0] - along[0][0]))
        upright = np.pi / 2 - lean + np.pi * int(rng.integers(2)) + rng.normal(0, 0.07)
        turned = turned_pose(0, 0, float(upright)) @ rest
        left, bottom, right, top = footprint(thing.mesh.vertices_m, turned).bounds
        if x > 0 and x + right - left > wide:
            x, y, deep = 0.0, y - deep - gap, 0.0
        poses.append(turned_pose(x - left, y - top + rng.normal(0, 0.002), 0.0) @ turned)
        x, deep = x + right - left + gap, max(deep, top - bottom)
    middle = shapely.union_all(
        [footprint(t.mesh.vertices_m, p) for t, p in zip(things, poses, strict=True)]
    ).envelope.centroid
    shift = turned_pose(-middle.x, -middle.y, 0.0)
    placed = [shift @ pose for pose in poses]
    taken += [footprint(t.mesh.vertices_m, p).buffer(_GAP_M) for t, p in zip(things, placed, strict=True)]
    return list(placed)


def let_fall(
    things: Sequence[Lying], rng: np.random.Generator, drop: Drop, *, spread_m: float, taken: list[shapely.Polygon]
) -> list[Matrix | None]:
    """Return where the things come to rest that are let go above the table; null for one that got out. ``taken`` grows.

    Things that end up within one another are let go anew; after some tries they are laid out instead.
    """
    half = spread_m + max((_ball(thing)[1] for thing in things), default=0.0)
    for _ in range(_FALLS):
        settled, pressed_m = drop([t.mesh for t in things], _starts(things, rng, spread_m), half_m=half)
        if pressed_m < _PRESSED_M:
            break
    else:
        return lay_out(things, rng, spread_m=spread_m, taken=taken)
    poses: list[Matrix | None] = []
    for thing, at in zip(things, settled, strict=True):
        pose = np.reshape(at, (4, 4))
        posed = thing.mesh.vertices_m @ pose[:3, :3].T + pose[:3, 3]
        inside = (
            bool(np.isfinite(posed).all()) and posed[:, 2].min() > -_SUNK_M and np.abs(posed[:, :2]).max() < 2 * half
        )
        if inside:
            taken.append(footprint(thing.mesh.vertices_m, pose).buffer(_GAP_M))
        poses.append(pose if inside else None)
    return poses


def _ball(thing: Lying) -> tuple[Matrix, float]:
    """Return the middle and radius of a ball around a thing, in its own coordinates."""
    middle = (thing.mesh.vertices_m.min(axis=0) + thing.mesh.vertices_m.max(axis=0)) / 2
    return middle, float(np.linalg.norm(thing.mesh.vertices_m - middle, axis=1).max()) + 0.001


def _starts(things: Sequence[Lying], rng: np.random.Generator, spread_m: float) -> list[Pose]:
    """Return poses over the table, turned by chance, in which no two things' balls overlap."""
    starts: list[Pose] = []
    balls: list[tuple[Matrix, float]] = []
    for thing in things:
        middle, radius = _ball(thing)
        at = np.array([*rng.normal(0, 0.3 * spread_m, 2), radius + 0.005])
        for other, reach in sorted(balls, key=lambda ball: float(ball[0][2])):
            away2, need = float(np.sum((at[:2] - other[:2]) ** 2)), radius + reach
            if away2 < need**2:
                at[2] = max(at[2], other[2] + np.sqrt(need**2 - away2))
        balls.append((at, radius))
        start = np.eye(4)
        start[:3, :3] = _any_turn(rng)
        start[:3, 3] = at - start[:3, :3] @ middle
        starts.append(tuple(float(value) for value in start.ravel()))
    return starts


def find_room(
    width_m: float,
    height_m: float,
    rng: np.random.Generator,
    *,
    near_m: float,
    taken: list[shapely.Polygon],
    z_m: float,
) -> Matrix | None:
    """Return a flat card's pose beside what lies there, facing much the same way; null if none of many tries fits."""
    corners = np.array([(x, y, 0.0) for x in (-width_m / 2, width_m / 2) for y in (-height_m / 2, height_m / 2)])
    for attempt in range(_TRIES):
        angle, out = float(rng.uniform(0, 2 * np.pi)), near_m * (0.5 + 0.9 * attempt / _TRIES)
        turn = angle + np.pi / 2 + float(rng.normal(0, 0.12))
        pose = turned_pose(out * np.cos(angle), out * np.sin(angle), turn, z_m)
        outline = footprint(corners, pose)
        if not any(outline.intersects(other) for other in taken):
            taken.append(outline)
            return pose
    return None


def _centred(thing: Lying, rng: np.random.Generator) -> Matrix:
    """Return one of the resting poses, its outline's middle over the origin."""
    weights = np.asarray(thing.weights) / np.sum(thing.weights)
    rest = np.reshape(thing.resting[int(rng.choice(len(weights), p=weights))], (4, 4))
    middle = footprint(thing.mesh.vertices_m, rest).centroid
    return np.asarray(turned_pose(-middle.x, -middle.y, 0.0) @ rest)


def _any_turn(rng: np.random.Generator) -> Matrix:
    """Return a rotation drawn evenly from all: that of a normal quaternion (Shoemake, "Uniform random rotations", 1992)."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
