"""A picture put together: cut-outs of rendered parts, each with its shadow, on the photograph of an empty surface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.domain.geometry import Box
from workbench.domain.scene import Pose, Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneScene:
    """One part alone on a grey table, to be cut out.

    Parameters
    ----------
    scene
        What is rendered; its only instance is the part.
    setting
        Number of the lamps, room and camera; only cut-outs of one setting stand in one picture.
    pixels_per_m
        Pixels a metre at the part.
    footprint_px
        Convex outline of the part on the table, x0, y0, x1, y1, ... in pixels.
    ground_px
        Where the middle of that outline is seen.
    object_to_camera
        Pose of the part before the camera.

    """

    scene: Scene
    setting: int
    pixels_per_m: float
    footprint_px: tuple[float, ...]
    ground_px: tuple[float, float]
    object_to_camera: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOutPictures:
    """A rendered part taken apart: two PNG files, and the tight box of the part in pixels.

    Parameters
    ----------
    object_png
        The part before nothing, with its coverage.
    shadow_png
        What is left of the light on the table around it; 1 at the border.

    """

    object_png: bytes
    shadow_png: bytes
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOut:
    """A rendered part with its outline and shadow, as it lies in the library.

    Parameters
    ----------
    work_key
        Key of the rendering.
    object_sha256, shadow_sha256
        SHA-256 of the two pictures: the part before nothing, and what its shadow leaves of the light around it.
    box_xyxy
        Tight box of the part in its picture, in pixels.
    object_to_camera
        Pose of the part before the camera that rendered it.
    focal_px
        Focal length of that camera; its principal point is the pictures' middle.

    """

    work_key: str
    setting: int
    part_id: str
    mesh_sha256: str
    category: str
    size_px: int
    pixels_per_m: float
    footprint_px: tuple[float, ...]
    ground_px: tuple[float, float]
    box_xyxy: tuple[float, float, float, float]
    object_to_camera: Pose
    focal_px: float
    object_sha256: str
    shadow_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A cut-out at a place: its picture's top-left corner in whole pixels, and its scale in (0, 1]."""

    left_px: int
    top_px: int
    scale: float
    object_path: Path
    shadow_path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionJob:
    """One picture to be put together; ``placements`` from the farthest to the nearest.

    ``exposure_ev`` brightens the parts against what the surface's own brightness suggests, in stops.
    """

    background_path: Path
    width_px: int
    height_px: int
    placements: tuple[Placement, ...]
    exposure_ev: float
    seed: int
    jpeg_quality: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is seen of one placement: null box and mask where other parts or the frame hide it.

    Parameters
    ----------
    visible_px
        How many of its pixels are seen.
    alone_px, alone_rle
        Those it would cover in the frame with the others gone.
    whole_px, whole_xyxy
        Those it would cover in a frame without edges, and their box.
    oriented_box
        The rectangle of least area around what is seen: x, y of its four corners; empty where nothing is.

    """

    box: Box | None
    mask_rle: str | None
    visible_px: int
    alone_px: int
    alone_rle: str
    whole_px: int
    whole_xyxy: tuple[float, float, float, float]
    oriented_box: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A picture as put together: its JPEG bytes, and what is seen of each placement, in their order."""

    jpeg: bytes
    seen: tuple[Seen, ...]
