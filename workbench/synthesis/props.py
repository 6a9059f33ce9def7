"""Things that lie about on tables: coins, pens, keys, cables; shapes made by code, in metres, lying as they would."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import shapely
from numpy.typing import NDArray

from workbench.ports import Mesh
from workbench.synthesis.solids import circle, merged, moved, prism, turned

Points = NDArray[np.float64]


def swept(path_m: Points, radius_m: float, *, closed: bool = False, sections: int = 12) -> Mesh:
    """Return a round wire along a path, (n, 3); ``closed`` joins its end to its beginning."""
    ahead = np.roll(path_m, -1, axis=0) - np.roll(path_m, 1, axis=0)
    if not closed:
        ahead[0], ahead[-1] = path_m[1] - path_m[0], path_m[-1] - path_m[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # Paths lie nearly flat, so the upright axis is never along them.
    side = np.cross(ahead, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    over = np.cross(side, ahead)
    turn = np.arange(sections) * 2 * np.pi / sections
    ring = np.cos(turn)[None, :, None] * side[:, None] + np.sin(turn)[None, :, None] * over[:, None]
    vertices = (path_m[:, None] + radius_m * ring).reshape(-1, 3)
    near, far, faces = np.arange(sections), np.roll(np.arange(sections), -1), []
    for i in range(len(path_m) - (not closed)):
        low, high = i * sections, (i + 1) % len(path_m) * sections
        faces += [np.c_[near + low, high + near, far + high], np.c_[near + low, far + high, far + low]]
    if not closed:
        last = (len(path_m) - 1) * sections
        fan = np.c_[np.zeros(sections - 2, int), np.arange(1, sections - 1), np.arange(2, sections)]
        faces += [fan, fan[:, ::-1] + last]
    return Mesh(vertices_m=vertices, faces=np.concatenate(faces).astype(np.int32))


def _smooth(points_m: Points, count: int) -> Points:
    """Return a smooth path through points (cubic spline by chord length), (count, 3)."""
    from scipy.interpolate import CubicSpline

    at = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points_m, axis=0), axis=1))]
    return np.asarray(CubicSpline(at, points_m)(np.linspace(0, at[-1], count)))


def coin() -> Mesh:
    """Return a coin of 23 mm with a raised rim."""
    r, h = 0.0116, 0.0022
    rim = [(r - 0.001, 0), (r - 0.0002, 0), (r, 0.0002), (r, h - 0.0002), (r - 0.0002, h), (r - 0.001, h)]
    field = [(1e-5, 0.0002), (r - 0.001, 0.0002), (r - 0.001, h - 0.0002), (1e-5, h - 0.0002)]
    return merged(turned(rim), turned(field))


def pen() -> Mesh:
    """Return a ball pen with a clip, lying."""
    r, n = 0.005, 0.14
    body = [
        (1e-5, 0),
        (0.0008, 0),
        (0.0012, 0.004),
        (0.0035, 0.012),
        (r, 0.022),
        (r, n - 0.004),
        (r - 0.001, n),
        (1e-5, n),
    ]
    clip = prism(shapely.box(-0.0015, 0.094, 0.0015, 0.132), 0.001, 0.0003)
    upright = merged(turned(body, 48), moved(clip, turn_x_deg=90, by_m=(0, -r - 0.0004, 0)))
    lying = moved(upright, turn_y_deg=90)
    return moved(lying, by_m=(0, 0, -float(lying.vertices_m[:, 2].min())))


def key() -> Mesh:
    """Return a flat door key."""
    cuts = [(0.016 + 0.0035 * i, -0.0008 - 0.0011 * ((i * 7) % 3)) for i in range(8)]
    edge = [(-0.002, -0.0035), (0.013, -0.0035), *cuts, (0.045, 0.001), (0.042, 0.0035)]
    blade = shapely.Polygon([(-0.002, 0.0035), *edge])
    bow = circle(0.012, at=(-0.009, 0)).difference(circle(0.003, at=(-0.0155, 0), points=32))
    return prism(shapely.union_all([blade, bow]).simplify(0.0001), 0.0022, 0.0003)


def cable() -> Mesh:
    """Return a length of cable, loosely curled, with a plug at its end."""
    turn = np.linspace(0, 2.6 * np.pi, 14)
    radius = 0.028 + 0.006 * np.sin(3.1 * turn) + 0.002 * turn
    path = np.c_[radius * np.cos(turn), radius * np.sin(turn), 0.0017 + 0.0034 * (turn > 2 * np.pi)]
    path = np.r_[path, path[-1:] + np.array([[0.02, 0.03, -0.0034]])]
    wire = swept(_smooth(path, 160), 0.0017)
    end = path[-1]
    plug = moved(
        prism(shapely.box(-0.004, -0.008, 0.004, 0.008), 0.0055, 0.0008), by_m=(float(end[0]), float(end[1]), 0)
    )
    return merged(wire, plug)


def paper_clip() -> Mesh:
    """Return a bent wire clip, 32 mm."""
    corners = [
        (0, 0),
        (0.022, 0),
        (0.022, 0.0075),
        (-0.006, 0.0075),
        (-0.006, 0.0015),
        (0.018, 0.0015),
        (0.018, 0.006),
        (0.002, 0.006),
    ]
    outline = shapely.LineString(corners)
    points = []
    for at in np.linspace(0, outline.length, 90):
        # A moving mean over the path rounds its corners.
        near = [outline.interpolate(at + d) for d in np.linspace(-0.003, 0.003, 9)]
        points.append((np.mean([p.x for p in near]), np.mean([p.y for p in near]), 0.0005))
    return swept(np.array(points), 0.0005, sections=10)


def rubber_band() -> Mesh:
    """Return a rubber band lying loosely."""
    turn = np.arange(120) * 2 * np.pi / 120
    radius = 0.021 + 0.004 * np.sin(2 * turn + 0.6) + 0.002 * np.sin(3 * turn)
    return swept(np.c_[radius * np.cos(turn), 0.8 * radius * np.sin(turn), np.full(120, 0.0009)], 0.0009, closed=True)


def hex_key() -> Mesh:
    """Return a hexagon key, 62 mm."""
    bend = np.linspace(0, np.pi / 2, 10)
    arc = np.c_[0.006 * np.sin(bend), 0.006 - 0.006 * np.cos(bend)]
    flat = np.r_[[(-0.056, 0.0)], [(-0.02, 0.0)], arc, [(0.006, 0.022)]]
    return swept(np.c_[flat, np.full(len(flat), 0.002)], 0.002, sections=6)


#: Things that lie about: id, taxonomy code where they are labelled, materials, and the code that makes the shape.
PROPS: tuple[tuple[str, str, tuple[str, ...], Callable[[], Mesh]], ...] = (
    ("prop-coin", "unknown", ("brass", "steel", "copper"), coin),
    ("prop-pen", "unknown", ("polymer", "gloss"), pen),
    ("prop-key", "unknown", ("steel", "brass"), key),
    ("prop-cable", "unknown", ("polymer", "gloss"), cable),
    ("prop-paper-clip", "unknown", ("steel",), paper_clip),
    ("prop-rubber-band", "unknown", ("gloss", "polymer"), rubber_band),
    ("prop-hex-key", "negative.tool", ("black_oxide", "steel"), hex_key),
)


#: What bends, or is so thin that physics would push it through a wall: it lies flat where it is put.
LIMP = frozenset({"prop-cable", "prop-paper-clip", "prop-rubber-band"})


@cache
def prop_meshes() -> dict[str, Mesh]:
    """Return the meshes of all things that lie about, by id."""
    made = {prop_id: make() for prop_id, _, _, make in PROPS}
    return {prop_id: moved(mesh, by_m=(0, 0, -float(mesh.vertices_m[:, 2].min()))) for prop_id, mesh in made.items()}
