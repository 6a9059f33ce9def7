"""A scene as data: everything a renderer needs to know, in metres, and nothing about how it renders.

The world's z axis points up from the table (z = 0). Poses are 4x4 matrices, row-major, that take an object's own
coordinates to the world's. The camera looks along its z axis with x to the right and y down, as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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
        Name of a fine pattern that modulates the colour (``layers``, ``brushed``), `PART_COLOURS`, or null.
    texture_period_m
        Length over which the pattern repeats.

    """

    name: str
    base_rgb: Rgb
    metallic: float
    roughness: float
    texture: str | None = None
    texture_period_m: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPart:
    """A catalogue part at a place."""

    part_id: str
    mesh_sha256: str
    category: str
    material: Material
    pose: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A flat printed card on the table: a scale bar or an evidence tag; its texture is its ``kind:text``."""

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
    """A pinhole camera; ``pose`` takes camera coordinates to the world's.

    ``exposure_ev`` shifts the automatic exposure, in stops; ``white_balance_rgb`` multiplies the linear channels.
    """

    width_px: int
    height_px: int
    focal_px: float
    pose: Pose
    exposure_ev: float = 0.0
    white_balance_rgb: Rgb = (1.0, 1.0, 1.0)

    @property
    def centre_px(self) -> tuple[float, float]:
        """The principal point, in pixels from the top-left corner."""
        return (self.width_px / 2, self.height_px / 2)

    def project(self, point_m: tuple[float, float, float]) -> tuple[float, float, float] | None:
        """Return where the picture shows a point of the world, and how deep it lies."""
        offset = tuple(point_m[i] - self.pose[4 * i + 3] for i in range(3))
        x, y, depth = (sum(self.pose[4 * i + j] * offset[i] for i in range(3)) for j in range(3))
        if depth <= 0:
            return None
        return (x / depth * self.focal_px + self.centre_px[0], y / depth * self.focal_px + self.centre_px[1], depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A square lamp of side ``size_m`` that faces ``target_m`` and radiates ``radiance_rgb`` (W/sr/m2)."""

    position_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    size_m: float
    radiance_rgb: Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The surface everything lies on; ``seed`` draws its texture, one tile of which covers ``tile_m``."""

    kind: str
    seed: int
    tile_m: float
    roughness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One photograph to be rendered.

    ``room_seed`` draws the dim room that surrounds the table and that metals mirror; ``seed`` is the renderer's.
    """

    recipe: str
    seed: int
    room_seed: int
    room_strength: float
    parts: tuple[PlacedPart, ...]
    cards: tuple[Card, ...]
    camera: Camera
    lights: tuple[Light, ...]
    table: Table

    @property
    def instances(self) -> tuple[PlacedPart | Card, ...]:
        """Everything that is labelled, in the order renderers number it: parts, then cards."""
        return (*self.parts, *self.cards)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return sha256_hex(self.to_json().encode())

    def to_json(self) -> str:
        """Return canonical JSON; `from_json` reads it back to an equal scene."""
        return canonical_json(asdict(self))


def scene_from_mapping(document: Mapping[str, Any]) -> Scene:
    """Return the scene that a parsed `Scene.to_json` describes.

    Raises
    ------
    KeyError, TypeError
        If a part is missing or unknown.

    """
    camera, table = document["camera"], document["table"]
    return Scene(
        **{key: document[key] for key in ("recipe", "seed", "room_seed", "room_strength")},
        parts=tuple(
            PlacedPart(**{**part, "pose": tuple(part["pose"]), "material": _material(part["material"])})
            for part in document["parts"]
        ),
        cards=tuple(Card(**{**card, "pose": tuple(card["pose"])}) for card in document["cards"]),
        camera=Camera(
            **{**camera, "pose": tuple(camera["pose"]), "white_balance_rgb": _triple(camera, "white_balance_rgb")}
        ),
        lights=tuple(
            Light(
                position_m=_triple(light, "position_m"),
                target_m=_triple(light, "target_m"),
                size_m=light["size_m"],
                radiance_rgb=_triple(light, "radiance_rgb"),
            )
            for light in document["lights"]
        ),
        table=Table(**table),
    )


def _triple(document: Mapping[str, Any], key: str) -> tuple[float, float, float]:
    first, second, third = document[key]
    return (first, second, third)


def _material(document: Mapping[str, Any]) -> Material:
    return Material(**{**document, "base_rgb": _triple(document, "base_rgb")})
