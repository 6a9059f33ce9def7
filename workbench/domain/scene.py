"""A scene as data: everything a renderer needs to know, in metres, and nothing about how it renders.

The world's z axis points up from the table (z = 0). Poses are 4x4 matrices, row-major, that take an object's own
coordinates to the world's. The camera looks along its z axis with x to the right and y down, as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from workbench.domain.lineage import canonical_json, sha256_hex

#: Sixteen numbers of a 4x4 matrix, row by row.
Pose = tuple[float, ...]
#: The texture of a material that shows the colours the part itself brings (`ports.Mesh.face_rgb`).
PART_COLOURS = "part_colours"
#: Red, green and blue, linear, in [0, 1] for reflectances and >= 0 for light.
Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """How a surface looks.

    Parameters
    ----------
    name
        As the catalogue calls it, for example ``pla`` or ``brass``.
    base_rgb
        Reflectance (for a metal: at normal incidence).
    metallic
        0 for plastics, 1 for bare metals.
    roughness
        Of the principled model, in [0, 1] (Burley, "Physically Based Shading at Disney", 2012).
    texture
        Name of a fine pattern that modulates the colour (``layers``, ``brushed``, ``turned``), `PART_COLOURS`, or null.
    texture_period_m
        Length over which the pattern repeats.
    relief_m
        Height of the pattern's relief; 0 for none.
    wear
        How rubbed, scratched and stained it is, in [0, 1].
    dust
        How dusty it is, in [0, 1].
    seed
        Draws where wear and dust are.

    """

    name: str
    base_rgb: Rgb
    metallic: float
    roughness: float
    texture: str | None = None
    texture_period_m: float = 0.01
    relief_m: float = 0.0
    wear: float = 0.0
    dust: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPart:
    """A catalogue part at a place, or a thing that just lies about: that has no ``category`` and gets no label."""

    part_id: str
    mesh_sha256: str
    category: str
    material: Material
    pose: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A flat printed card on the table: a scale bar, a colour chart or an evidence tag; its texture is ``kind:text``."""

    kind: str
    category: str
    text: str
    width_m: float
    height_m: float
    pose: Pose

    @property
    def texture(self) -> str:
        """The name under which a renderer finds the print."""
        return f"{self.kind}:{self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A phone's camera; ``pose`` takes camera coordinates to the world's.

    Parameters
    ----------
    focal_px
        Focal length over the size of a pixel; the principal point is the middle.
    distortion
        k1, k2, p1, p2, k3 of the lens, as OpenCV orders them (Brown, "Close-range camera calibration", 1971).
    aperture_m
        Diameter of the entrance pupil: 0 has everything sharp, a phone's is 1 to 4 mm.
    focus_m
        Distance along the axis that is sharp.
    exposure_ev
        Shifts the automatic exposure, in stops.
    white_balance_rgb
        Multiplies the linear channels.
    saturation
        1 leaves colours as they are.
    vignetting
        Share of the light lost in the corners.
    motion_px
        Way the picture moves while the shutter is open, right and down; its middle is where the labels are.
    noise
        Deviation of the read noise, relative to a pixel's full scale; the shot noise goes with it.
    sharpening
        Strength of the phone's unsharp mask; 0 for none.
    jpeg_quality
        Of the file the phone writes, 1 to 100.

    """

    width_px: int
    height_px: int
    focal_px: float
    pose: Pose
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    aperture_m: float = 0.0
    focus_m: float = 1.0
    exposure_ev: float = 0.0
    white_balance_rgb: Rgb = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    vignetting: float = 0.16
    motion_px: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0015
    sharpening: float = 0.0
    jpeg_quality: int = 92

    @property
    def centre_px(self) -> tuple[float, float]:
        """The principal point, in pixels from the top-left corner."""
        return (self.width_px / 2, self.height_px / 2)

    def project(self, point_m: tuple[float, float, float]) -> tuple[float, float, float] | None:
        """Return where the picture shows a point of the world, lens distortion included, and how deep it lies.

        Returns
        -------
        tuple of float, or None
            Pixels from the left edge, pixels from the top edge, metres along the axis; null for what lies at or
            behind the camera. What lies outside the frame is projected like anything else.

        """
        offset = tuple(point_m[i] - self.pose[4 * i + 3] for i in range(3))
        # A rotation's inverse is its transpose: camera coordinate j is column j of the pose against the offset.
        x, y, depth = (sum(self.pose[4 * i + j] * offset[i] for i in range(3)) for j in range(3))
        if depth <= 0:
            return None
        u, v = distorted(x / depth, y / depth, self.distortion)
        return (u * self.focal_px + self.centre_px[0], v * self.focal_px + self.centre_px[1], depth)


def distorted(x: Any, y: Any, coefficients: tuple[float, float, float, float, float]) -> tuple[Any, Any]:
    """Return where a lens puts the ray of slope (x, y): Brown's model, as OpenCV's ``projectPoints`` has it.

    ``x`` and ``y`` are numbers, or arrays of one shape; so is what is returned.
    """
    k1, k2, p1, p2, k3 = coefficients
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A square lamp of side ``size_m`` that faces ``target_m`` and radiates ``radiance_rgb`` (W/sr/m2)."""

    position_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    size_m: float
    radiance_rgb: Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What surrounds the table, lights it and is mirrored in metals.

    Parameters
    ----------
    name
        A kind of room that code draws from ``seed``, or the name of a file.
    sha256
        Of that file; null where code draws the room.
    strength
        Multiplies its light.
    turn_deg
        Turns it about the upright axis.

    """

    name: str
    seed: int
    strength: float
    turn_deg: float = 0.0
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The surface everything lies on; ``seed`` draws its texture, one tile of which covers ``tile_m``.

    ``relief_m`` is the height of its relief, ``turn_deg`` turns it about the upright axis.
    """

    kind: str
    seed: int
    tile_m: float
    roughness: float
    metallic: float = 0.0
    relief_m: float = 0.0
    turn_deg: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One photograph to be rendered: labelled parts and cards, other things about, and what lights and looks at them.

    ``seed`` is the renderer's and draws the noise.
    """

    recipe: str
    seed: int
    parts: tuple[PlacedPart, ...]
    cards: tuple[Card, ...]
    camera: Camera
    lights: tuple[Light, ...]
    environment: Environment
    table: Table
    props: tuple[PlacedPart, ...] = ()

    @property
    def instances(self) -> tuple[PlacedPart | Card, ...]:
        """Everything that is labelled, in the order renderers number it: parts, then cards."""
        return (*self.parts, *self.cards)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return sha256_hex(self.to_json().encode())

    def to_json(self) -> str:
        """Return canonical JSON; `scene_from_mapping` reads it back to an equal scene."""
        return canonical_json(asdict(self))


def scene_from_mapping(document: Mapping[str, Any]) -> Scene:
    """Return the scene that a parsed `Scene.to_json` describes.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing, unknown or of another kind.

    """
    scene: Scene = _read(Scene, document)
    return scene


def _read(kind: Any, value: Any) -> Any:
    """Return a parsed JSON value as the kind of thing that a field's annotation names."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _read(hints[name], value[name]) for name in value})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        of = get_args(kind)
        kinds = [of[0]] * len(value) if of[-1] is Ellipsis else of
        return tuple(_read(item, part) for item, part in zip(kinds, value, strict=True))
    # JSON writes 1.0 as 1.
    return float(value) if kind is float else value
