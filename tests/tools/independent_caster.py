"""An independent ray caster (embreex: another Embree, another binding, another camera) to hold labels against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from trimesh.ray.ray_pyembree import RayMeshIntersector


@dataclass(frozen=True)
class Seen:
    """What each pixel centre sees: the instance (-1: none), the depth in metres, and the triangle's place in the world."""

    instance_hw: Any
    depth_hw: Any


@dataclass(frozen=True)
class Compared:
    """Pixels of a frame, those of objects, those that differ, and those of them that lie at no edge."""

    pixels: int
    object_px: int
    differing: int
    off_edge: int

    @property
    def share(self) -> float:
        return self.differing / self.pixels


def mesh_of(vertices: Any, faces: Any, pose: Any) -> Any:
    matrix = np.reshape(pose, (4, 4))
    return trimesh.Trimesh(np.asarray(vertices) @ matrix[:3, :3].T + matrix[:3, 3], faces, process=False)


def things_of(scene: Any, meshes: Any) -> list[Any]:
    """Return the world's meshes: each instance in the scene's order, then things without a label, then the table."""
    things = [mesh_of(meshes[p.part_id].vertices_m, meshes[p.part_id].faces, p.pose) for p in scene.parts]
    square, faces = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]), [[0, 1, 2], [0, 2, 3]]
    things += [mesh_of(square * [c.width_m / 2, c.height_m / 2, 0], faces, c.pose) for c in scene.cards]
    things += [mesh_of(meshes[p.part_id].vertices_m, meshes[p.part_id].faces, p.pose) for p in scene.props]
    return [*things, mesh_of(square * 1.5, faces, np.eye(4))]


def rays(camera: Any, *, at_px: Any = None) -> tuple[Any, Any]:
    """Return origin and unit directions through pixel positions (all centres unless told), from the pinhole's definition."""
    if at_px is None:
        v, u = np.mgrid[0 : camera.height_px, 0 : camera.width_px] + 0.5
        at_px = np.stack([u.ravel(), v.ravel()], axis=1)
    pose = np.reshape(camera.pose, (4, 4))
    # Forward, right and down are the pose's columns; the principal point is the frame's middle.
    across = (at_px - np.array([camera.width_px / 2, camera.height_px / 2])) / camera.focal_px
    direction = pose[:3, 2] + across[:, :1] * pose[:3, 0] + across[:, 1:] * pose[:3, 1]
    return pose[:3, 3], direction / np.linalg.norm(direction, axis=1, keepdims=True)


def cast(scene: Any, meshes: Any) -> Seen:
    """Return what every pixel centre of a camera without distortion sees first."""
    camera, things = scene.camera, things_of(scene, meshes)
    origin, direction = rays(camera)
    owner = np.concatenate([np.full(len(thing.faces), i) for i, thing in enumerate(things)])
    owner[owner >= len(scene.instances)] = -1
    world = trimesh.util.concatenate(things)
    hit = RayMeshIntersector(world).intersects_first(np.tile(origin, (len(direction), 1)), direction)
    # The triangle is Embree's; where the ray meets its plane is worked out in double precision.
    triangles = world.triangles[hit]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.sum((triangles[:, 0] - origin) * normal, axis=1) / np.sum(direction * normal, axis=1)
    ahead = direction @ np.reshape(camera.pose, (4, 4))[:3, 2]
    shape = (camera.height_px, camera.width_px)
    depth = np.where(hit >= 0, along * ahead, 0.0)
    return Seen(np.where(hit >= 0, owner[hit], -1).reshape(shape), depth.reshape(shape))


def compare(labels: Any, seen: Seen) -> Compared:
    """Return how two castings of one frame differ.

    A pixel differs if it has another instance, or a depth that is off by more than a twenty-thousandth (in single
    precision, a grazing ray's is off by some hundred-thousandths). An edge is within one pixel of where, in either
    casting, the instance changes or the depth jumps by more than 0.4 % of itself.
    """
    other = labels.instance_hw != seen.instance_hw
    off = np.abs(labels.depth_hw - seen.depth_hw) > 5e-5 * np.maximum(seen.depth_hw, 1e-9)
    differing = other | off
    edge = np.zeros(other.shape, bool)
    for index, depth in ((labels.instance_hw, labels.depth_hw), (seen.instance_hw, seen.depth_hw)):
        edge |= (_around(index, np.max) != _around(index, np.min)) | (_around(_bend(depth), np.max) > 0.004)
    return Compared(
        pixels=other.size,
        object_px=int((seen.instance_hw >= 0).sum()),
        differing=int(differing.sum()),
        off_edge=int((differing & ~edge).sum()),
    )


def _around(values: Any, reduce: Any) -> Any:
    """Return the largest or smallest value within one pixel around each pixel."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return reduce(np.stack([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]), axis=0)


def _bend(depth_hw: Any) -> Any:
    """Return by how much of itself the depth departs from a plane at each pixel: a plane's inverse depth is linear."""
    inverse = np.pad(1 / np.maximum(depth_hw.astype(float), 1e-9), 1, mode="reflect", reflect_type="odd")
    middle = inverse[1:-1, 1:-1]
    across = np.abs(inverse[1:-1, :-2] - 2 * middle + inverse[1:-1, 2:])
    down = np.abs(inverse[:-2, 1:-1] - 2 * middle + inverse[2:, 1:-1])
    return np.maximum(across, down) / middle
