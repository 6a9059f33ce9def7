"""From the bodies a CAD file holds to one mesh in metres: joined, welded, checked, its open edges counted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.ports import CadPart, Component, Mesh

#: More faces than this are no part to be rendered beside others.
MAX_FACES = 5_000_000
#: More bodies than this are no assembly that anyone photographs.
MAX_BODIES = 5_000
#: Shown where some bodies of a file have colours and others have none.
_GREY = 0.5


class UnusableError(Exception):
    """A file is no mesh that can be used; its text finishes the sentence that the file's name begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One body as a file has it.

    Parameters
    ----------
    vertices
        (n, 3), in the file's unit, placed in the assembly.
    faces
        (m, 3), counter-clockwise outside.
    rgb
        Linear: (3,) for the body, (m, 3) for its faces, or null.
    shape_key
        Equal for copies of one geometry; null where the file does not share geometry.

    """

    name: str
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    rgb: NDArray[np.float64] | None = None
    shape_key: str | None = None


def shape_key(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> str:
    """Return a digest of a body before it is placed; the last digits, which exporters blur, do not count."""
    scale = max(float(np.ptp(vertices, axis=0).max()), 1e-30) if len(vertices) else 1.0
    rounded = np.round(vertices / scale * 1e6).astype("<i8")
    return hashlib.sha256(rounded.tobytes() + faces.astype("<i8").tobytes() + f"{scale:.5e}".encode()).hexdigest()


def joined(bodies: Sequence[Body], *, scale: float, unit: str) -> CadPart:
    """Return the part that bodies make, ``scale`` metres a unit.

    Raises
    ------
    UnusableError
        If nothing is left of it, or it is no mesh.

    """
    bodies = [body for body in bodies if len(body.faces)]
    count = sum(len(body.faces) for body in bodies)
    if not count:
        raise UnusableError("holds no face.")
    if count > MAX_FACES:
        raise UnusableError(f"has {count} faces; up to {MAX_FACES} can be used.")
    for body in bodies:
        _check(body)
    starts = np.cumsum([0, *(len(body.vertices) for body in bodies)])
    vertices = np.concatenate([body.vertices for body in bodies]) * scale
    faces = np.concatenate([body.faces + start for body, start in zip(bodies, starts, strict=False)])
    vertices, faces = _welded(vertices, faces)
    sound = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    rgb = _face_rgb(bodies)
    runs = np.cumsum([0, *(len(body.faces) for body in bodies)])
    kept = np.concatenate([[0], np.cumsum(sound)])
    faces = faces[sound]
    if not len(faces):
        raise UnusableError("has no face with an area.")
    mesh = Mesh(
        vertices_m=vertices,
        faces=faces.astype(np.int32),
        face_rgb=None if rgb is None else rgb[sound].astype(np.float32),
    )
    return CadPart(
        mesh=mesh, components=_components(bodies, faces, kept[runs]), unit=unit, open_edges=open_edges(faces)
    )


def _check(body: Body) -> None:
    if not np.isfinite(body.vertices).all():
        raise UnusableError("has coordinates that are not finite.")
    if body.faces.min() < 0 or body.faces.max() >= len(body.vertices):
        raise UnusableError("has faces that name vertices it lacks.")


def _face_rgb(bodies: Sequence[Body]) -> NDArray[np.float64] | None:
    """Return a colour a face, or null where no body has any."""
    if all(body.rgb is None for body in bodies):
        return None
    parts = [np.broadcast_to(_GREY if body.rgb is None else body.rgb, (len(body.faces), 3)) for body in bodies]
    return np.asarray(np.clip(np.nan_to_num(np.concatenate(parts), nan=_GREY), 0, 1))


def _components(bodies: Sequence[Body], faces: NDArray[np.int64], starts: NDArray[np.int64]) -> tuple[Component, ...]:
    """Return the bodies as runs of faces; one that lost all its faces is left out."""
    shapes: dict[str, int] = {}
    components = []
    for i, body in enumerate(bodies):
        first, count = int(starts[i]), int(starts[i + 1] - starts[i])
        key = body.shape_key or f"body {i}"
        if count:
            components.append(
                Component(
                    name=body.name,
                    first_face=first,
                    face_count=count,
                    rgb=_mean_rgb(body.rgb),
                    shape=shapes.setdefault(key, len(shapes)),
                    open_edges=open_edges(faces[first : first + count]),
                )
            )
    return tuple(components)


def _mean_rgb(rgb: NDArray[np.float64] | None) -> tuple[float, float, float] | None:
    if rgb is None:
        return None
    red, green, blue = np.clip(np.nan_to_num(rgb.reshape(-1, 3).mean(axis=0), nan=_GREY), 0, 1)
    return (round(float(red), 6), round(float(green), 6), round(float(blue), 6))


def _welded(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mesh with vertices at exactly one place made one, in the order of their first use in the file."""
    bits = np.ascontiguousarray(vertices + 0.0).view(np.uint64)  # + 0.0 makes -0 and 0 one
    # Odd multipliers from the constants of xxHash64; equal rows give equal sums, and unequal ones are looked for below.
    mixed = (bits * np.array([0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)).sum(axis=1)
    _, first, place = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(bits[first[place]], bits):
        _, first, place = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return vertices[first[order]], rank[place.ravel()][faces]


def open_edges(faces: NDArray[np.int64]) -> int:
    """Return at how many edges a welded surface ends: those with an odd number of faces; 0 for a watertight one."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64), axis=1)
    _, count = np.unique(ends[:, 0] * (int(faces.max()) + 1) + ends[:, 1], return_counts=True)
    return int((count % 2).sum())
