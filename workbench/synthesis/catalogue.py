"""The catalogue of parts: an index that DVC tracks, and geometry that it does not.

Built-in parts are made by code and known by the hash of their mesh. A part from a file is sealed in custody; the
index holds its hash and properties only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from workbench.domain.findings import refused
from workbench.domain.scene import Pose
from workbench.layout import Layout
from workbench.ports import Mesh
from workbench.synthesis.materials import MATERIALS
from workbench.synthesis.parts import BUILTIN
from workbench.synthesis.scene import RestingPart

#: Gives the poses in which a mesh rests, and how likely each is.
RestingPoses = Callable[[Mesh], tuple[tuple[Pose, ...], tuple[float, ...]]]
#: Reads the mesh sealed under a part's ``sha256``.
ReadSealed = Callable[[str], Mesh]


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

    """

    part_id: str
    name: str
    sha256: str
    category: str
    unit: str
    materials: tuple[str, ...]
    source: str


def mesh_sha256(mesh: Mesh) -> str:
    """Return the hash of a mesh: vertices to a tenth of a micrometre, so that the last bit of sin() is no matter."""
    rounded = np.round(mesh.vertices_m * 1e7).astype("<i8")
    return hashlib.sha256(rounded.tobytes() + np.asarray(mesh.faces, "<i4").tobytes()).hexdigest()


def builtin_index() -> list[CataloguePart]:
    """Return the index rows of the built-in parts."""
    return [
        CataloguePart(
            part_id=part_id,
            name=name,
            sha256=mesh_sha256(make()),
            category=category,
            unit="m",
            materials=materials,
            source="builtin",
        )
        for part_id, name, category, materials, make in BUILTIN
    ]


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
            mesh = read_sealed(row.sha256)
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
            )
        )
    return parts


def _no_sealed(sha256: str) -> Mesh:
    raise _invalid(f"names a sealed part ({sha256[:12]}) where only built-in ones can be read.")


def _invalid(message: str) -> Exception:
    return refused(
        "synthesis.catalogue-invalid",
        "data/00_catalogue/catalogue.json",
        message,
        "Restore it with `dvc checkout`, or delete it and run `workbench synthesis catalogue` to start anew.",
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
    part.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
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
        return [CataloguePart(**{**row, "materials": tuple(row["materials"])}) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise _invalid(f"cannot be read ({error}).") from error


def plan_part(
    index: Sequence[CataloguePart], *, file_name: str, sha256: str, category: str, unit: str, materials: Sequence[str]
) -> CataloguePart | None:
    """Return the row that a file would get, or null when the same part is there already.

    Raises
    ------
    Refused
        ``synthesis.mesh-refused`` if another part has its id.
    BadUsage
        ``usage.bad-argument`` if a material is unknown.

    """
    if unknown := sorted(set(materials) - set(MATERIALS)):
        raise refused(
            "usage.bad-argument", ", ".join(unknown), "is no material.", f"Use one of {', '.join(sorted(MATERIALS))}."
        )
    stem = Path(file_name).stem
    part_id = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "part"
    row = CataloguePart(
        part_id=part_id,
        name=stem,
        sha256=sha256,
        category=category,
        unit=unit,
        materials=tuple(materials),
        source="file",
    )
    for known in index:
        if known == row:
            return None
        if known.part_id == part_id:
            raise refused(
                "synthesis.mesh-refused",
                file_name,
                f"would be called {part_id}, which the catalogue has already.",
                "Rename the file, or remove the other part from the catalogue.",
            )
    return row
