"""The catalogue of parts: an index that DVC tracks, and geometry that it does not.

Built-in parts are made by code and known by the hash of their mesh. A part from a file is sealed in custody; the
index holds its hash and properties only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.findings import refused
from workbench.domain.scene import Pose
from workbench.layout import Layout
from workbench.ports import Mesh
from workbench.synthesis.landmarks import LANDMARKS, Landmarks
from workbench.synthesis.parts import BUILTIN
from workbench.synthesis.scene import RestingPart
from workbench.synthesis.symmetry import NO_SYMMETRY, Axis, Symmetry, Xyz

#: Gives the poses in which a mesh rests, and how likely each is.
RestingPoses = Callable[[Mesh], tuple[tuple[Pose, ...], tuple[float, ...]]]
#: Reads the sealed mesh of a part.
ReadSealed = Callable[["CataloguePart"], Mesh]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRow:
    """One body of a part: its name, how many faces it has, its colour as sRGB hexadecimal digits or null."""

    name: str
    faces: int
    colour: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguePart:
    """One row of the index.

    Parameters
    ----------
    part_id
        Short and stable: lower-case letters, digits and hyphens.
    sha256
        Of the mesh built by code (``source`` builtin), or of the sealed object (``source`` file).
    unit
        Unit of the file handed in; ``m`` for built-in parts.
    materials
        Names in `workbench.synthesis.materials.MATERIALS` that it may be rendered in.
    file_sha256, body
        Of the file handed in, and which of its bodies this is; null for built-in parts and for whole files.
    contribution_id
        Under which custody seals its geometry; null for built-in parts.
    tolerance_m
        How far triangles may stand off its curved surfaces; null where a file brings triangles itself.
    extent_m
        Length of its box's sides.
    diameter_m
        Largest distance of two of its points.
    watertight
        Whether its surface ends nowhere.
    components
        Its bodies, in their order.
    keypoints
        Named points in its own coordinates, metres.

    """

    part_id: str
    name: str
    sha256: str
    category: str
    unit: str
    materials: tuple[str, ...]
    source: str
    file_sha256: str | None = None
    body: str | None = None
    contribution_id: str | None = None
    tolerance_m: float | None = None
    extent_m: Xyz = (0.0, 0.0, 0.0)
    diameter_m: float = 0.0
    faces: int = 0
    watertight: bool | None = None
    components: tuple[ComponentRow, ...] = ()
    keypoints: Mapping[str, Xyz] = field(default_factory=dict)
    symmetry: Symmetry = NO_SYMMETRY


def mesh_sha256(mesh: Mesh) -> str:
    """Return the hash of a mesh: vertices to a tenth of a micrometre, so that the last bit of sin() is no matter."""
    rounded = np.round(mesh.vertices_m * 1e7).astype("<i8")
    rgb = b"" if mesh.face_rgb is None else np.round(mesh.face_rgb * 255).astype("<u1").tobytes()
    return hashlib.sha256(rounded.tobytes() + np.asarray(mesh.faces, "<i4").tobytes() + rgb).hexdigest()


def builtin_index() -> list[CataloguePart]:
    """Return the index rows of the built-in parts."""
    return [_builtin_row(*entry) for entry in BUILTIN]


def _builtin_row(
    part_id: str, name: str, category: str, materials: tuple[str, ...], make: Callable[[], Mesh]
) -> CataloguePart:
    mesh, known = make(), LANDMARKS.get(part_id, Landmarks())
    return CataloguePart(
        part_id=part_id,
        name=name,
        sha256=mesh_sha256(mesh),
        category=category,
        unit="m",
        materials=materials,
        source="builtin",
        extent_m=extent_m(mesh),
        diameter_m=diameter_m(mesh),
        faces=len(mesh.faces),
        watertight=True,
        keypoints=known.keypoints,
        symmetry=known.symmetry,
    )


def refreshed(index: Sequence[CataloguePart]) -> list[CataloguePart]:
    """Return an index whose built-in parts are those of this version; parts from files stay as they are."""
    current = builtin_index()
    taken = {row.part_id for row in index if row.source != "builtin"}
    return [*(row for row in index if row.source != "builtin"), *(row for row in current if row.part_id not in taken)]


def extent_m(mesh: Mesh) -> Xyz:
    """Return the sides of a mesh's box in metres, to the micrometre."""
    x, y, z = (round(float(side), 6) for side in np.ptp(mesh.vertices_m, axis=0))
    return (x, y, z)


def diameter_m(mesh: Mesh) -> float:
    """Return the largest distance of two points of a mesh, metres, to the micrometre."""
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import cdist

    points = mesh.vertices_m
    # The farthest two are corners of the hull; joggled, so that flat parts have one too.
    with contextlib.suppress(QhullError):
        points = points[ConvexHull(points, qhull_options="QJ Pp").vertices]
    # Chunks of a few hundred keep the table of distances small.
    return round(max(float(cdist(points[i : i + 256], points).max()) for i in range(0, len(points), 256)), 6)


def builtin_parts(resting_poses: RestingPoses) -> list[RestingPart]:
    """Return the built-in parts ready to be placed."""
    return resting_parts(builtin_index(), resting_poses=resting_poses, read_sealed=_no_sealed)


def resting_parts(
    index: Sequence[CataloguePart], *, resting_poses: RestingPoses, read_sealed: ReadSealed
) -> list[RestingPart]:
    """Return the parts of an index with their geometry and resting poses, in its order.

    Raises
    ------
    Refused
        ``synthesis.catalogue-invalid`` if a built-in part is not the one the index names.

    """
    makers = {part_id: make for part_id, _, _, _, make in BUILTIN}
    parts = []
    for row in index:
        if row.source == "builtin":
            mesh = makers[row.part_id]() if row.part_id in makers else None
            if mesh is None or mesh_sha256(mesh) != row.sha256:
                raise _invalid(f"names {row.part_id} as this version does not make it.")
        else:
            mesh = read_sealed(row)
        poses, weights = resting_poses(mesh)
        parts.append(
            RestingPart(
                part_id=row.part_id,
                mesh_sha256=row.sha256,
                category=row.category,
                materials=row.materials,
                mesh=mesh,
                resting=poses,
                weights=weights,
                keypoints=row.keypoints,
                symmetry=row.symmetry,
                diameter_m=row.diameter_m,
            )
        )
    return parts


def _no_sealed(row: CataloguePart) -> Mesh:
    raise _invalid(f"names a sealed part ({row.part_id}) where only built-in ones can be read.")


def _invalid(message: str) -> Exception:
    return refused(
        "synthesis.catalogue-invalid",
        "data/00_catalogue/catalogue.json",
        message,
        "Restore it with `dvc checkout`; built-in parts are renewed by `workbench synthesis catalogue --refresh`.",
    )


def index_path(layout: Layout) -> Path:
    """Return where the index stands."""
    return layout.catalogue / "catalogue.json"


def ensure_builtin_catalogue(layout: Layout) -> bool:
    """Write the index of built-in parts where there is none; say whether it was written."""
    if index_path(layout).exists():
        return False
    write_index(layout, builtin_index())
    return True


def write_index(layout: Layout, index: Sequence[CataloguePart]) -> None:
    """Write the index, sorted by part, whole or not at all."""
    path = index_path(layout)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(row) for row in sorted(index, key=lambda row: row.part_id)]
    part = path.with_name(path.name + ".part")
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows]  # a part a line: a diff shows parts
    part.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    os.replace(part, path)


def read_index(layout: Layout) -> list[CataloguePart]:
    """Return the index.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if there is none, ``synthesis.catalogue-invalid`` if it cannot be read.

    """
    path = index_path(layout)
    if not path.is_file():
        raise refused("workspace.input-missing", path, "is not there.", "Run `workbench synthesis catalogue`.")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [_row(told) for told in rows]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _invalid(f"cannot be read ({error}).") from error


def _row(told: Mapping[str, Any]) -> CataloguePart:
    """Return the row that a parsed JSON object states; fields that earlier versions did not write have defaults."""
    symmetry = told.get("symmetry", {})
    axes = [
        Axis(direction=_xyz(axis["direction"]), through_m=_xyz(axis["through_m"]))
        for axis in symmetry.get("continuous", ())
    ]
    return CataloguePart(
        **{
            **told,
            "materials": tuple(told["materials"]),
            "extent_m": _xyz(told.get("extent_m", (0.0, 0.0, 0.0))),
            "components": tuple(ComponentRow(**row) for row in told.get("components", ())),
            "keypoints": {str(name): _xyz(at) for name, at in told.get("keypoints", {}).items()},
            "symmetry": Symmetry(
                continuous=tuple(axes),
                discrete=tuple(tuple(float(v) for v in pose) for pose in symmetry.get("discrete", ())),
            ),
        }
    )


def _xyz(told: Sequence[float]) -> Xyz:
    x, y, z = (float(value) for value in told)
    return (x, y, z)
