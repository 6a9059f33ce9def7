"""The worker's side of reading CAD: bytes of a file in, one checked mesh out, or the reason why not.

Everything here runs in a process of `workbench.adapters.sandbox`, which has no files, no network and little else.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.cad_3mf import library, read_3mf
from workbench.adapters.cad_bodies import MAX_FACES, Body, UnusableError, joined
from workbench.adapters.cad_gltf import read_gltf
from workbench.ports import CadPart

#: Metres a unit.
UNITS_M = {"mm": 0.001, "cm": 0.01, "m": 1.0, "inch": 0.0254}

_STL_HEAD_BYTES, _STL_FACE_BYTES = 84, 50
#: Chords of curved faces also turn by no more than this (radians), so that small radii stay round.
ANGLE_TOLERANCE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A file to be read: ``unit`` is what its numbers are in (for glTF null: metres); ``suffix`` lower-case."""

    data: bytes
    suffix: str
    stem: str
    unit: str | None
    tolerance_m: float


def prepare() -> None:
    """Load the readers while a worker may still read files."""
    import cascadio  # noqa: F401 -- loaded for later
    import trimesh  # noqa: F401

    library()


def load(request: Request) -> CadPart | str:
    """Return the part that a file holds, or why it cannot be used: the end of a sentence that its name begins."""
    try:
        return _loaded(request)
    except UnusableError as error:
        return str(error)
    except MemoryError:
        return "needs more memory than a mesh may."
    except Exception as error:  # noqa: BLE001 -- whatever a parser trips over, the file is refused with its reason
        told = " ".join(str(error).split())[:120]
        return f"cannot be read as {request.suffix[1:].upper()} ({type(error).__name__}: {told})."


def _loaded(request: Request) -> CadPart:
    suffix, data = request.suffix, request.data
    if not data:
        raise UnusableError("is empty.")
    if suffix in (".glb", ".gltf"):
        unit = request.unit or "m"
        return joined(_named(read_gltf(data, binary=suffix == ".glb"), request.stem), scale=UNITS_M[unit], unit=unit)
    if suffix in (".step", ".stp"):
        return joined(_named(_step(request), request.stem), scale=1.0, unit="as in the file")
    if suffix == ".3mf":
        bodies, scale, unit = read_3mf(data)
        return joined(_named(bodies, request.stem), scale=scale, unit=unit)
    unit = request.unit or ""
    bodies = [_binary_stl(data)] if suffix == ".stl" and not _is_text_stl(data) else list(_by_trimesh(data, suffix))
    return joined(_named(bodies, request.stem), scale=UNITS_M[unit], unit=unit)


def _named(bodies: list[Body], stem: str) -> list[Body]:
    """Return bodies with names of this file: what a translator calls the nameless is no name."""
    named = []
    for body in bodies:
        name = "".join(c if c.isprintable() else " " for c in body.name).strip()
        if not name or name.startswith(("Open CASCADE STEP translator", "geometry_")) or name.isdigit():
            name = stem
        named.append(Body(name=name, vertices=body.vertices, faces=body.faces, rgb=body.rgb, shape_key=body.shape_key))
    return named


def _step(request: Request) -> list[Body]:
    """Return the solids of a STEP file as triangles, by OpenCASCADE; names, colours and instances come as glTF."""
    import cascadio

    if not request.data[:4096].lstrip().startswith(b"ISO-10303-21"):
        raise UnusableError("is no STEP file: it does not begin as one.")
    glb = cascadio.load(
        request.data,
        file_type="step",
        tol_linear=request.tolerance_m * 1000,  # it counts in millimetres, whatever unit the file names
        tol_angular=ANGLE_TOLERANCE,
        use_parallel=False,
    )
    if not glb:
        raise UnusableError("holds no solid that can be read as STEP.")
    bodies = read_gltf(glb, binary=True)
    if not bodies:
        raise UnusableError("holds no solid that can be read as STEP.")
    return bodies


def _is_text_stl(data: bytes) -> bool:
    """Say whether an STL is the text form; binary ones that begin with the word solid exist too."""
    head = data[: _STL_HEAD_BYTES + 1]
    return head.lstrip()[:5].lower() == b"solid" and b"\0" not in head


def _binary_stl(data: bytes) -> Body:
    """Return a binary STL, held to its own count: 84 + 50 n bytes."""
    count = struct.unpack_from("<I", data, 80)[0] if len(data) >= _STL_HEAD_BYTES else -1
    if _STL_HEAD_BYTES + _STL_FACE_BYTES * count != len(data):
        raise UnusableError(f"claims {count} triangles, but has {len(data)} bytes where {84 + 50 * count} belong.")
    if not 1 <= count <= MAX_FACES:
        raise UnusableError(f"has {count} faces; 1 to {MAX_FACES} can be used.")
    corners: NDArray[np.float64] = np.ndarray(
        (count, 3, 3), "<f4", data, _STL_HEAD_BYTES + 12, (_STL_FACE_BYTES, 12, 4)
    ).astype(np.float64)
    return Body(name="", vertices=corners.reshape(-1, 3), faces=np.arange(3 * count).reshape(-1, 3))


def _by_trimesh(data: bytes, suffix: str) -> Iterator[Body]:
    """Yield the meshes of a text STL, OBJ or PLY; files that these name (materials, pictures) are not looked for."""
    import trimesh

    options = {"split_object": True, "group_material": False, "skip_materials": True} if suffix == ".obj" else {}
    scene = trimesh.load_scene(io.BytesIO(data), file_type=suffix[1:], process=False, **options)
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        mesh = scene.geometry[name]
        faces = np.asarray(getattr(mesh, "faces", np.zeros((0, 3))), np.int64)
        if len(faces):
            vertices = np.asarray(mesh.vertices, np.float64)
            yield Body(
                name=str(mesh.metadata.get("name") or name),
                vertices=vertices @ matrix[:3, :3].T + matrix[:3, 3],
                faces=faces,
                rgb=_vertex_rgb(mesh, faces),
            )


def _vertex_rgb(mesh: object, faces: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return a colour a face where the file gives its vertices or faces colours (sRGB bytes), else null."""
    visual = getattr(mesh, "visual", None)
    kind = getattr(visual, "kind", None)
    if visual is None or kind not in ("vertex", "face"):
        return None
    srgb = np.asarray(visual.vertex_colors if kind == "vertex" else visual.face_colors, np.float64)[:, :3] / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 -- IEC 61966-2-1
    return np.asarray(linear[faces].mean(axis=1) if kind == "vertex" else linear)
