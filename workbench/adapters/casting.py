"""Rays through pixels and what they hit, in the renderer's own caster: the exact labels of a scene.

``mi`` is the Mitsuba module with its variant set, as `workbench.adapters.mitsuba` hands it in; nothing is imported here.
Rays are cast in single precision by Embree, which gives the same hits on every class of processor that was tried
(docs/synthesis.md says which).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.lens import undistorted
from workbench.adapters.mitsuba_scene import table_shape
from workbench.domain.scene import Camera, Card, PlacedPart, Scene, distorted
from workbench.ports import Mesh

#: Nearer to the camera's plane than this, a point has no place in the picture.
_NEAREST_M = 1e-3


@dataclass(frozen=True, slots=True)
class Window:
    """Pixels of a frame without edges: columns from ``left`` up to before ``right``, rows from ``top`` up to ``bottom``."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape_hw(self) -> tuple[int, int]:
        """Height and width, pixels; 0 where it is empty."""
        return max(self.bottom - self.top, 0), max(self.right - self.left, 0)


@dataclass(frozen=True, slots=True)
class Hits:
    """What the rays of a window hit: the registered number of the shape (0 for none) and the distance (or infinity)."""

    shape_hw: NDArray[np.uint32]
    distance_hw: NDArray[np.float64]
    #: Cosine of each ray to the optical axis: distance times it is depth.
    ahead_hw: NDArray[np.float64]


def frame(camera: Camera) -> Window:
    """Return the window of the picture itself."""
    return Window(0, 0, camera.width_px, camera.height_px)


def rays(camera: Camera, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rays through a window's pixel centres, row by row, lens distortion undone.

    Returns
    -------
    direction
        (h w, 3) unit vectors of the world.
    ahead
        (h w,) cosine between each ray and the optical axis.

    """
    v, u = np.mgrid[window.top : window.bottom, window.left : window.right] + 0.5
    cx, cy = camera.centre_px
    x, y = slopes_at((u.ravel() - cx) / camera.focal_px, (v.ravel() - cy) / camera.focal_px, camera)
    ahead = 1 / np.sqrt(x * x + y * y + 1)
    rotation = np.reshape(camera.pose, (4, 4))[:3, :3]
    return np.stack([x * ahead, y * ahead, ahead], axis=1) @ rotation.T, ahead


def slopes_at(x: NDArray[np.float64], y: NDArray[np.float64], camera: Camera) -> tuple[Any, Any]:
    """Return the slopes of the rays that the lens puts at (x, y), pixels from the middle over the focal length.

    A lens's polynomial holds where the picture is. Farther out than the corners the lens is taken to bend as much as at
    the corners' distance, so that a frame without edges means something.
    """
    if not any(camera.distortion):
        return x, y
    reach = _reach(camera)
    beyond = np.maximum(np.hypot(x, y) / reach, 1.0)
    x, y = undistorted(x / beyond, y / beyond, camera.distortion)
    return x * beyond, y * beyond


def _reach(camera: Camera) -> float:
    """Return how far the corners are from the middle, over the focal length."""
    return float(np.hypot(*camera.centre_px) / camera.focal_px)


def window_around(camera: Camera, points_m: NDArray[np.float64]) -> Window:
    """Return the pixels in which a thing of these corners, (n, 3) metres, can show, at most a frame beyond each edge.

    A thing that reaches behind the camera may show anywhere.
    """
    width, height = camera.width_px, camera.height_px
    widest = Window(-width, -height, 2 * width, 2 * height)
    pose = np.reshape(camera.pose, (4, 4))
    local = (points_m - pose[:3, 3]) @ pose[:3, :3]
    if len(local) == 0 or local[:, 2].max() < _NEAREST_M:
        return Window(0, 0, 0, 0)
    if local[:, 2].min() < _NEAREST_M:
        return widest
    at, spare = local[:, :2] / local[:, 2:], 1.0
    if any(camera.distortion):
        # Farther out than the corners, where `slopes_at` follows the lens no more, a thing may show a little elsewhere.
        near = np.minimum(1.0, _reach(camera) / np.maximum(np.hypot(at[:, 0], at[:, 1]), 1e-9))[:, None]
        bent = np.stack(distorted(at[:, 0] * near[:, 0], at[:, 1] * near[:, 0], camera.distortion), axis=1) / near
        at, spare = np.concatenate([at, bent]), 2 + 0.03 * max(width, height)
    at = at * camera.focal_px + np.asarray(camera.centre_px)
    low, high = np.floor(at.min(axis=0) - spare).astype(int), np.ceil(at.max(axis=0) + spare).astype(int)
    return Window(
        max(int(low[0]), widest.left),
        max(int(low[1]), widest.top),
        min(int(high[0]), widest.right),
        min(int(high[1]), widest.bottom),
    )


def corners_m(thing: PlacedPart | Card, mesh: Mesh | None) -> NDArray[np.float64]:
    """Return the corners of an instance in the world, (n, 3) metres."""
    if isinstance(thing, Card):
        w, h = thing.width_m / 2, thing.height_m / 2
        local = np.array([[-w, -h, 0], [w, -h, 0], [w, h, 0], [-w, h, 0]])
    else:
        local = mesh.vertices_m if mesh is not None else np.zeros((0, 3))
    pose = np.reshape(thing.pose, (4, 4))
    return np.asarray(local @ pose[:3, :3].T + pose[:3, 3])


def bare_scene(mi: Any, thing: PlacedPart | Card, mesh: Mesh | None) -> Any:
    """Return a loaded scene of one instance where it stands, without a look."""
    return mi.load_dict({"type": "scene", "alone": _bare(mi, thing, mesh)}, optimize=False)


def bare_world(mi: Any, scene: Scene, meshes: Mapping[str, Mesh]) -> Any:
    """Return the loaded scene without light or look, its shapes called as `described_scene` calls them."""
    world: dict[str, Any] = {"type": "scene", "table": table_shape(mi, scene.table, {"type": "diffuse"})}
    for i, thing in enumerate(scene.instances):
        mesh = meshes[thing.part_id] if isinstance(thing, PlacedPart) else None
        world[f"instance{i:03d}"] = _bare(mi, thing, mesh)
    for i, prop in enumerate(scene.props):
        world[f"prop{i:03d}"] = _bare(mi, prop, meshes[prop.part_id])
    return mi.load_dict(world, optimize=False)


def _bare(mi: Any, thing: PlacedPart | Card, mesh: Mesh | None) -> Any:
    """Return one instance's geometry, of the very kind the full scene has, so that rays hit the same."""
    if isinstance(thing, Card):
        size = mi.ScalarTransform4f().scale([thing.width_m / 2, thing.height_m / 2, 1])
        return {"type": "rectangle", "to_world": mi.ScalarTransform4f(np.reshape(thing.pose, (4, 4))) @ size}
    corners = corners_m(thing, mesh).astype(np.float32)
    faces = np.zeros((0, 3)) if mesh is None else mesh.faces
    shape = mi.Mesh("bare", len(corners), len(faces))
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = corners.ravel()
    parameters["faces"] = np.ravel(faces).astype(np.uint32)
    parameters.update()
    return shape


def cast(mi: Any, loaded: Any, camera: Camera, window: Window) -> Hits:
    """Return what the rays through a window's pixel centres hit in a loaded scene."""
    direction, ahead = rays(camera, window)
    found = _first(mi, loaded, camera, direction)
    if _scalar(mi):
        known = list(loaded.shapes())
        number = [next((n for n, one in enumerate(known, start=1) if one == hit.shape), 0) for hit in found]
        shape, distance = np.array(number, np.uint32), np.array([hit.t for hit in found])
    else:
        import drjit

        shape, distance = np.array(drjit.reinterpret_array(mi.UInt32, found.shape)), np.array(found.t)
    size = window.shape_hw
    return Hits(shape.reshape(size), distance.astype(np.float64).reshape(size), ahead.reshape(size))


def distances_m(mi: Any, loaded: Any, camera: Camera, points_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far from the camera the first surface on the way to each point lies, (k,) metres; infinite for none."""
    if not len(points_m):
        return np.zeros(0)
    offset = points_m - np.reshape(camera.pose, (4, 4))[:3, 3]
    found = _first(mi, loaded, camera, offset / np.linalg.norm(offset, axis=1, keepdims=True))
    distance = np.array([hit.t for hit in found]) if _scalar(mi) else np.array(found.t)
    return distance.astype(np.float64)


def normals(mi: Any, loaded: Any, camera: Camera) -> NDArray[np.float32]:
    """Return the geometric normals that pixel centres see, in camera coordinates, turned to the camera, (h, w, 3)."""
    direction, _ = rays(camera, frame(camera))
    ray = _bundle(mi, camera, direction)
    if _scalar(mi):
        found = [loaded.ray_intersect(one) for one in ray]
        world = np.array([hit.n if hit.is_valid() else (0, 0, 0) for hit in found], np.float64)
    else:
        hit = loaded.ray_intersect(ray)
        world = np.where(np.array(hit.is_valid())[:, None], np.array(hit.n).T, 0.0)
    facing = np.where(np.sum(world * direction, axis=1, keepdims=True) > 0, -world, world)
    local = np.asarray(facing @ np.reshape(camera.pose, (4, 4))[:3, :3], np.float32)
    return local.reshape(camera.height_px, camera.width_px, 3)


def numbers(mi: Any, loaded: Any, names: Sequence[str]) -> list[int]:
    """Return the registered numbers, as in `Hits`, of a loaded scene's shapes of these names."""
    known = list(loaded.shapes())
    if _scalar(mi):
        order = {shape.id(): number for number, shape in enumerate(known, start=1)}
        return [order[name] for name in names]
    import drjit

    shapes: dict[str, Any] = {shape.id(): shape for shape in known}
    registered: Any = drjit.reinterpret_array
    return [int(registered(mi.UInt32, mi.ShapePtr(shapes[name]))[0]) for name in names]


def _scalar(mi: Any) -> bool:
    return str(mi.variant()).startswith("scalar")


def _bundle(mi: Any, camera: Camera, direction: NDArray[np.float64]) -> Any:
    """Return the rays as Mitsuba takes them: one object, or a list where the variant is scalar."""
    origin = [float(value) for value in np.reshape(camera.pose, (4, 4))[:3, 3]]
    if _scalar(mi):
        return [mi.Ray3f(origin, [float(value) for value in one]) for one in direction]
    return mi.Ray3f(mi.Point3f(*origin), mi.Vector3f(*(mi.Float(direction[:, axis]) for axis in range(3))))


def _first(mi: Any, loaded: Any, camera: Camera, direction: NDArray[np.float64]) -> Any:
    bundle = _bundle(mi, camera, direction)
    if isinstance(bundle, list):
        return [loaded.ray_intersect_preliminary(one) for one in bundle]
    return loaded.ray_intersect_preliminary(bundle, coherent=True)
