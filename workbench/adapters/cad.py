"""CAD files and meshes: read by expendable workers under limits, checked, and brought to metres.

A mesh from a stranger may be hostile. Its bytes go to a process that has nothing else (`workbench.adapters.sandbox`);
only plain arrays come back, or the reason why not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.adapters.cad_loading import UNITS_M, Request, load, prepare
from workbench.adapters.resting import resting_poses
from workbench.adapters.sandbox import Lost, Sandbox
from workbench.adapters.sandbox_worker import Limits
from workbench.domain.findings import Refused, refused
from workbench.ports import CadPart, Mesh

__all__ = [
    "SELF_DESCRIBING",
    "SUFFIXES",
    "UNITS_M",
    "FileToRead",
    "mesh_from_bytes",
    "mesh_to_bytes",
    "read_part",
    "read_parts",
    "resting_poses",
]

#: File name endings that are read.
SUFFIXES = (".3mf", ".glb", ".gltf", ".obj", ".ply", ".step", ".stl", ".stp")
#: Those whose files say their unit; glTF's is the metre by its specification, which exporters do not always heed.
SELF_DESCRIBING = (".3mf", ".glb", ".gltf", ".step", ".stp")

#: What a worker may take for one file.
FILE_BYTES = 500 * 2**20
MEMORY_BYTES = 4 * 2**30
WALL_S = 120
#: OpenCASCADE writes its result into a file in memory.
_WRITTEN_BYTES = 2**30
_REMEDY = "Export the part again as STEP, STL, OBJ, PLY, 3MF or GLB from the program that made it."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToRead:
    """A CAD file and how to read it.

    Parameters
    ----------
    unit
        What one unit of the file's numbers is (`UNITS_M`); null only where the file says it itself. STEP and 3MF
        always do, there it is not used.
    tolerance_m
        How far triangles may stand off a curved surface; for STEP only.
    name
        What a body is called that the file does not name; by default the file's own name.

    """

    path: Path
    unit: str | None
    tolerance_m: float = 0.00005
    name: str | None = None


def read_part(file: FileToRead) -> CadPart:
    """Return what a CAD file holds.

    Raises
    ------
    Refused
        ``synthesis.mesh-refused`` if it is no usable mesh, or not within memory, time and size limits.

    """
    ((_, part),) = read_parts([file])
    if isinstance(part, Refused):
        raise part
    return part


def read_parts(files: Sequence[FileToRead], *, workers: int = 1) -> Iterator[tuple[int, CadPart | Refused]]:
    """Yield (index, part or refusal) for each file, as they are done; every file gets one of the two."""
    to_read = [i for i, file in enumerate(files) if _problem(file) is None]
    for i, file in enumerate(files):
        if (problem := _problem(file)) is not None:
            yield i, _refusal(file.path, problem)
    if not to_read:
        return
    limits = Limits(memory_bytes=MEMORY_BYTES, written_bytes=_WRITTEN_BYTES)
    with Sandbox(load, prepare=prepare, workers=workers, timeout_s=WALL_S, limits=limits) as sandbox:
        for index, result in sandbox.map(_request(files[i]) for i in to_read):
            path = files[to_read[index]].path
            if isinstance(result, CadPart):
                yield to_read[index], result
            else:
                yield to_read[index], _refusal(path, result if isinstance(result, str) else _lost(result))


def _problem(file: FileToRead) -> str | None:
    """Return why a file is not even opened."""
    suffix = file.path.suffix.lower()
    if suffix not in SUFFIXES:
        return f"ends in {file.path.suffix or 'nothing'}, which is no CAD format that is read."
    if file.unit is None and suffix not in SELF_DESCRIBING:
        return f"does not say its unit: {suffix[1:].upper()} has none."
    if file.path.stat().st_size > FILE_BYTES:
        return f"is larger than {FILE_BYTES >> 20} MiB."
    return None


def _request(file: FileToRead) -> Request:
    return Request(
        data=file.path.read_bytes(),
        suffix=file.path.suffix.lower(),
        stem=file.name or file.path.stem,
        unit=file.unit,
        tolerance_m=file.tolerance_m,
    )


def _lost(lost: Lost) -> str:
    if lost.why == "timeout":
        return f"could not be read within {WALL_S} seconds."
    return "made its reader stop twice: it is damaged, or needs more memory or time than there is."


def _refusal(path: Path, message: str) -> Refused:
    return refused("synthesis.mesh-refused", path.name, message, _REMEDY)


def mesh_to_bytes(mesh: Mesh) -> bytes:
    """Return a mesh in the catalogue's own plain form, little-endian.

    Two counts, float64 vertices, int32 faces; where the mesh has colours, float32 ones after them (form 2).
    """
    vertices, faces = np.asarray(mesh.vertices_m, "<f8"), np.asarray(mesh.faces, "<i4")
    head = b"WBMESH1\0" if mesh.face_rgb is None else b"WBMESH2\0"
    rgb = b"" if mesh.face_rgb is None else np.asarray(mesh.face_rgb, "<f4").tobytes()
    return head + struct.pack("<QQ", len(vertices), len(faces)) + vertices.tobytes() + faces.tobytes() + rgb


def mesh_from_bytes(data: bytes) -> Mesh:
    """Return the mesh of `mesh_to_bytes`.

    Raises
    ------
    ValueError
        If the bytes are anything else.

    """
    if data[:8] not in (b"WBMESH1\0", b"WBMESH2\0"):
        raise ValueError("not a catalogue mesh")
    n_vertices, n_faces = struct.unpack_from("<QQ", data, 8)
    vertices = np.frombuffer(data, "<f8", 3 * n_vertices, 24).reshape(-1, 3)
    faces = np.frombuffer(data, "<i4", 3 * n_faces, 24 + vertices.nbytes).reshape(-1, 3)
    rgb = None
    if data[:8] == b"WBMESH2\0":
        rgb = np.frombuffer(data, "<f4", 3 * n_faces, 24 + vertices.nbytes + faces.nbytes).reshape(-1, 3)
    return Mesh(
        vertices_m=vertices.astype(np.float64),
        faces=faces.astype(np.int32),
        face_rgb=None if rgb is None else rgb.astype(np.float32),
    )
