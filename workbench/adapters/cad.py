"""CAD files and meshes: read away from this process under limits, checked, and brought to metres; resting poses.

A mesh from a stranger may be hostile. It is parsed by a child process with a memory, file and time limit; only plain
arrays come back. Run as ``python -m workbench.adapters.cad FILE UNIT OUT`` it is that child.
"""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from workbench.domain.findings import Refused, refused
from workbench.domain.scene import Pose
from workbench.ports import Mesh

#: Metres a unit.
UNITS_M = {"mm": 0.001, "cm": 0.01, "m": 1.0, "inch": 0.0254}
#: File name endings that are read.
SUFFIXES = (".3mf", ".glb", ".obj", ".step", ".stl", ".stp")

_MAX_FACES = 5_000_000
#: An object on a table: from half a millimetre to two metres across.
_EXTENT_M = (0.0005, 2.0)
_MEMORY_BYTES = 4 * 2**30
_FILE_BYTES = 500 * 2**20
_WALL_S = 120
_REMEDY = "Export the part again as STEP, STL, OBJ, 3MF or GLB from the program that made it."


def read_mesh(path: Path, *, unit: str) -> Mesh:
    """Return the mesh of a CAD file in metres; fits `workbench.ports.MeshReader`.

    Parameters
    ----------
    path
        A STEP, STL, OBJ, 3MF or GLB file.
    unit
        What one unit of the file's coordinates is (`UNITS_M`). STEP and GLB say it themselves; there it is not used.

    Raises
    ------
    Refused
        ``synthesis.mesh-refused`` if it is no usable mesh, or not within memory, time and size limits.

    """
    if path.suffix.lower() not in SUFFIXES:
        raise _refusal(path, f"ends in {path.suffix or 'nothing'}, which is no CAD format that is read.")
    with tempfile.TemporaryDirectory(prefix="workbench-cad-") as folder:
        out = Path(folder) / "mesh.bin"
        command = [sys.executable, "-m", "workbench.adapters.cad", str(path.absolute()), unit, str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_WALL_S, check=False, cwd=folder)
        except subprocess.TimeoutExpired as error:
            raise _refusal(path, f"could not be read within {_WALL_S} seconds.") from error
        if done.returncode or not out.is_file():
            reason = done.stderr.strip().splitlines()[-1:] if done.returncode == 1 else []
            raise _refusal(
                path, reason[0] if reason else "made its reader stop: it is damaged or needs too much memory."
            )
        return mesh_from_bytes(out.read_bytes())


def mesh_to_bytes(mesh: Mesh) -> bytes:
    """Return a mesh in the catalogue's own plain form: two counts, float64 vertices, int32 faces, little-endian."""
    vertices, faces = np.asarray(mesh.vertices_m, "<f8"), np.asarray(mesh.faces, "<i4")
    return b"WBMESH1\0" + struct.pack("<QQ", len(vertices), len(faces)) + vertices.tobytes() + faces.tobytes()


def mesh_from_bytes(data: bytes) -> Mesh:
    """Return the mesh of `mesh_to_bytes`.

    Raises
    ------
    ValueError
        If the bytes are anything else.

    """
    if data[:8] != b"WBMESH1\0":
        raise ValueError("not a catalogue mesh")
    n_vertices, n_faces = struct.unpack_from("<QQ", data, 8)
    vertices = np.frombuffer(data, "<f8", 3 * n_vertices, 24).reshape(-1, 3)
    faces = np.frombuffer(data, "<i4", 3 * n_faces, 24 + vertices.nbytes).reshape(-1, 3)
    return Mesh(vertices_m=vertices.astype(np.float64), faces=faces.astype(np.int32))


def resting_poses(
    mesh: Mesh, *, most: int = 24, least_share: float = 0.002
) -> tuple[tuple[Pose, ...], tuple[float, ...]]:
    """Return the poses in which a part's convex hull rests on a table, likeliest first, and how likely each is."""
    import trimesh

    hull = trimesh.Trimesh(mesh.vertices_m, mesh.faces, process=False).convex_hull
    matrices, shares = trimesh.poses.compute_stable_poses(hull, seed=0)
    kept = [i for i, share in enumerate(shares) if share >= least_share][:most] or [0]
    poses = tuple(tuple(float(value) for value in np.ravel(matrices[i])) for i in kept)
    return poses, tuple(float(shares[i]) for i in kept)


def _refusal(path: Path, message: str) -> Refused:
    return refused("synthesis.mesh-refused", path.name, message, _REMEDY)


def _child(path: Path, unit: str, out: Path) -> None:
    """Read, check and write one mesh; any problem ends the process with a sentence on stderr."""
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CPU, _WALL_S),
    ):
        resource.setrlimit(limit, (value, value))
    if path.stat().st_size > _FILE_BYTES:
        sys.exit(f"is larger than {_FILE_BYTES >> 20} MiB.")
    try:
        mesh = _loaded(path, unit)
    except MemoryError:
        sys.exit("needs more memory than a mesh may.")
    except Exception as error:  # noqa: BLE001 -- whatever a parser trips over, the file is refused with its reason
        sys.exit(
            f"cannot be read as {path.suffix[1:].upper()} ({type(error).__name__}: {str(error)[:120]}).".replace(
                "\n", " "
            )
        )
    _check(mesh)
    out.write_bytes(mesh_to_bytes(mesh))


def _loaded(path: Path, unit: str) -> Mesh:
    import trimesh

    suffix, scale = path.suffix.lower(), UNITS_M[unit]
    if suffix == ".stl":
        _check_stl(path)
    if suffix in (".step", ".stp"):
        import cascadio

        glb = Path.cwd() / "step.glb"
        cascadio.step_to_glb(str(path), str(glb), tol_linear=0.05, tol_angular=0.2)
        if not glb.is_file():
            sys.exit("holds no solid that can be read as STEP.")
        path, suffix = glb, ".glb"
    if suffix == ".glb":
        scale = 1.0  # glTF 2.0, section 3.4: the unit is the metre
    loaded = trimesh.load_scene(str(path), file_type=suffix[1:]).to_mesh()
    return Mesh(vertices_m=np.asarray(loaded.vertices, np.float64) * scale, faces=np.asarray(loaded.faces, np.int32))


def _check_stl(path: Path) -> None:
    """Hold a binary STL to its own count, 84 + 50 n bytes, before a parser believes it."""
    with path.open("rb") as handle:
        head = handle.read(84)
    size = path.stat().st_size
    if head[:5] == b"solid" and b"\n" in head and b"\0" not in head:
        return
    count = struct.unpack_from("<I", head, 80)[0] if len(head) == 84 else -1  # noqa: PLR2004 -- the header's size
    if 84 + 50 * count != size:
        sys.exit(f"claims {count} triangles, but has {size} bytes where {84 + 50 * count} belong.")


def _check(mesh: Mesh) -> None:
    """Refuse what is no object on a table."""
    count = len(mesh.faces)
    if not 1 <= count <= _MAX_FACES:
        sys.exit(f"has {count} faces; 1 to {_MAX_FACES} can be used.")
    if not np.isfinite(mesh.vertices_m).all():
        sys.exit("has coordinates that are not finite.")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices_m):
        sys.exit("has faces that name vertices it lacks.")
    extent = float(np.ptp(mesh.vertices_m, axis=0).max())
    if not _EXTENT_M[0] <= extent <= _EXTENT_M[1]:
        sys.exit(f"would be {extent:.4g} m across; is the unit right?")


if __name__ == "__main__":
    _child(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
