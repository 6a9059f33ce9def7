"""One part on a plain table, seen from all round: what a newly added part is looked at with, and checked against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.domain.scene import Camera, Environment, Light, PlacedPart, Scene, Table
from workbench.synthesis.materials import sample_material
from workbench.synthesis.photographer import look_at
from workbench.synthesis.recipe import Recipe
from workbench.synthesis.rooms import ROOMS
from workbench.synthesis.scene import RestingPart, as_pose
from workbench.synthesis.surfaces import TABLES

#: Views around the part, then one from above.
VIEWS = 8
#: Slant of the views around, and of the one from above.
_SLANT_DEG, _ABOVE_DEG = 32.0, 84.0
#: The part's diameter takes this share of the frame.
_FILLS_FRAC = 0.78
#: A part is shown as made: neither worn nor dusty.
_AS_MADE = Recipe(wear=(0.0, 0.0), dust=(0.0, 0.0))
_FOCAL = 1.4  # of the frame's width: a little longer than a phone's, so that shapes keep their proportions


def turntable_scenes(part: RestingPart, *, size_px: int, material: str | None = None) -> Iterator[Scene]:
    """Yield the scenes of a part at its likeliest rest, from eight sides and from above."""
    rest = np.reshape(part.resting[0], (4, 4))
    posed = part.mesh.vertices_m @ rest[:3, :3].T + rest[:3, 3]
    low, high = posed.min(axis=0), posed.max(axis=0)
    centred = np.eye(4)
    centred[:2, 3] = -(low[:2] + high[:2]) / 2
    pose = as_pose(centred @ rest)
    across = float(np.linalg.norm(high - low))
    middle = np.array([0.0, 0.0, float(high[2] - low[2]) / 2])
    for view in range(VIEWS + 1):
        azimuth, slant = np.radians(30 + 360 / VIEWS * view), np.radians(_SLANT_DEG if view < VIEWS else _ABOVE_DEG)
        away = np.array([np.cos(slant) * np.cos(azimuth), np.cos(slant) * np.sin(azimuth), np.sin(slant)])
        eye = middle + away * across * _FOCAL / _FILLS_FRAC
        placed = PlacedPart(
            part_id=part.part_id,
            mesh_sha256=part.mesh_sha256,
            category=part.category,
            material=sample_material(material or part.materials[0], np.random.default_rng(1), _AS_MADE),
            pose=pose,
        )
        yield _scene(placed, eye=eye, middle=middle, across_m=across, size_px=size_px, view=view)


def _scene(
    placed: PlacedPart,
    *,
    eye: NDArray[np.float64],
    middle: NDArray[np.float64],
    across_m: float,
    size_px: int,
    view: int,
) -> Scene:
    """Return one view: daylight from the left, a weaker lamp from the right, both as large as the part asks."""
    reach = max(across_m * 4, 0.3)
    lights = tuple(
        Light(
            position_m=(x * reach, y * reach, z * reach),
            target_m=(0.0, 0.0, 0.0),
            size_m=reach * 0.5,
            radiance_rgb=(power, power, power * tint),
        )
        for x, y, z, power, tint in ((-0.7, -0.5, 1.1, 9.0, 1.0), (0.9, 0.3, 0.7, 4.0, 0.95))
    )
    camera = Camera(
        width_px=size_px, height_px=size_px, focal_px=_FOCAL * size_px, pose=look_at(eye, middle), exposure_ev=0.35
    )
    kind = "paper" if "paper" in TABLES else min(TABLES)
    return Scene(
        recipe="turntable",
        seed=view,
        environment=Environment(name=ROOMS[0], seed=3, strength=0.5, turn_deg=0.0),
        parts=(placed,),
        cards=(),
        camera=camera,
        lights=lights,
        table=Table(kind=kind, seed=5, tile_m=0.5, roughness=TABLES[kind].roughness),
    )
