"""What a CAD file would add to the catalogue: its rows and meshes, held to sizes of things on a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import bad_usage, refused
from workbench.domain.lineage import sha256_hex
from workbench.ports import CadPart, Component, Mesh
from workbench.synthesis.catalogue import CataloguePart, ComponentRow, diameter_m, extent_m
from workbench.synthesis.keypoints import check_inside
from workbench.synthesis.materials import MATERIALS
from workbench.synthesis.symmetry import NO_SYMMETRY, Axis, Symmetry, Xyz

#: An object on a table: from half a millimetre to two metres across.
SIZE_M = (0.0005, 2.0)
#: How a size would read in other units, for the remedy.
_UNITS_M = {"mm": 0.001, "cm": 0.01, "m": 1.0, "inch": 0.0254}
#: A body of revolution's sides across its axis may differ by what its triangles leave out.
_ROUND_FRAC = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for a file, beside the file itself."""

    file_name: str
    file_sha256: str
    contribution_id: str
    category: str
    tolerance_m: float | None
    part_id: str | None = None
    name: str | None = None
    materials: tuple[str, ...] = ()
    keypoints: Mapping[str, Xyz] | None = None
    turned_about: str | None = None
    split: bool = False
    any_size: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A row to be, still without the hash of its mesh, and the mesh to be sealed for it."""

    row: CataloguePart
    mesh: Mesh


def plan_additions(loaded: CadPart, wanted: Wanted) -> list[Addition]:
    """Return what a loaded file would add: one part, or with ``split`` one for each body that is not a copy.

    Raises
    ------
    Refused
        ``synthesis.size-doubtful`` if it is too small or too large for a thing on a table,
        ``synthesis.keypoints-refused`` if a keypoint lies far outside.
    BadUsage
        ``usage.bad-argument`` if a material is unknown, or options contradict the part.

    """
    if unknown := sorted(set(wanted.materials) - set(MATERIALS)):
        raise bad_usage(
            "usage.bad-argument", ", ".join(unknown), "is no material.", f"Use one of {', '.join(sorted(MATERIALS))}."
        )
    groups = _bodies(loaded) if wanted.split else [(None, loaded.mesh, loaded.components)]
    if len(groups) > 1 and (wanted.keypoints or wanted.turned_about or wanted.part_id):
        raise bad_usage(
            "usage.bad-argument",
            "--split",
            f"makes {len(groups)} parts, so --id, --keypoints and --turned-about name none of them.",
            "Add the file without --split, or leave the other option out.",
        )
    stem = slug(wanted.part_id or Path(wanted.file_name).stem)
    taken: dict[str, int] = {}
    additions = []
    for body, mesh, components in groups:
        name = stem if body is None or len(groups) == 1 else f"{stem}-{slug(body)}"
        taken[name] = taken.get(name, 0) + 1
        part_id = name if taken[name] == 1 else f"{name}-{taken[name]}"
        additions.append(_addition(loaded, wanted, part_id=part_id, body=body, mesh=mesh, components=components))
    return additions


def _addition(
    loaded: CadPart, wanted: Wanted, *, part_id: str, body: str | None, mesh: Mesh, components: Sequence[Component]
) -> Addition:
    extent, across = extent_m(mesh), diameter_m(mesh)
    subject = wanted.file_name if body is None else f"{wanted.file_name} {body}"
    if not wanted.any_size:
        check_size(subject, max(extent), unit=loaded.unit)
    if wanted.keypoints:
        check_inside(wanted.keypoints, mesh, across)
    materials = wanted.materials or (("as_drawn",) if mesh.face_rgb is not None else ("pla",))
    row = CataloguePart(
        part_id=part_id,
        name=body or wanted.name or Path(wanted.file_name).stem,
        sha256="",
        category=wanted.category,
        unit=loaded.unit,
        materials=materials,
        source="file",
        file_sha256=wanted.file_sha256,
        body=body,
        contribution_id=wanted.contribution_id,
        tolerance_m=wanted.tolerance_m,
        extent_m=extent,
        diameter_m=across,
        faces=len(mesh.faces),
        watertight=(loaded.open_edges if body is None else components[0].open_edges) == 0,
        components=tuple(ComponentRow(name=c.name, faces=c.face_count, colour=_hex(c.rgb)) for c in components),
        keypoints=dict(wanted.keypoints or {}),
        symmetry=_turned(wanted.turned_about, mesh) if wanted.turned_about else NO_SYMMETRY,
    )
    return Addition(row=row, mesh=mesh)


def slug(name: str) -> str:
    """Return a name as a part's id: lower-case letters, digits and hyphens.

    Examples
    --------
    >>> slug("Clip 2 (left)")
    'clip-2-left'

    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "part"


def check_size(subject: str, largest_m: float, *, unit: str) -> None:
    """Refuse a part too small or too large to lie on a table, and say in which unit it would fit.

    Raises
    ------
    Refused
        ``synthesis.size-doubtful``.

    """
    if SIZE_M[0] <= largest_m <= SIZE_M[1]:
        return
    numbers = largest_m / _UNITS_M[unit] if unit in _UNITS_M else largest_m
    fitting = [name for name, scale in _UNITS_M.items() if 0.005 <= numbers * scale <= 0.5 and name != unit]  # noqa: PLR2004
    hint = f" If its numbers are {' or '.join(fitting)}, say --unit {fitting[0]}." if fitting else ""
    raise refused(
        "synthesis.size-doubtful",
        subject,
        f"would be {_length(largest_m)} across (taken in {unit}); things on a table measure 0.5 mm to 2 m.",
        f"Check --unit.{hint} If the size is right, add --any-size.",
    )


def _length(metres: float) -> str:
    return f"{metres:.4g} m" if metres >= 1 else f"{metres * 1000:.4g} mm"


def _bodies(loaded: CadPart) -> list[tuple[str | None, Mesh, Sequence[Component]]]:
    """Return the bodies of a part as meshes of their own, each copy of one left out, where they stand."""
    seen: set[int] = set()
    bodies: list[tuple[str | None, Mesh, Sequence[Component]]] = []
    for component in loaded.components:
        if component.shape not in seen:
            seen.add(component.shape)
            run = slice(component.first_face, component.first_face + component.face_count)
            used, faces = np.unique(loaded.mesh.faces[run], return_inverse=True)
            rgb = None if loaded.mesh.face_rgb is None else loaded.mesh.face_rgb[run]
            mesh = Mesh(
                vertices_m=loaded.mesh.vertices_m[used], faces=faces.reshape(-1, 3).astype(np.int32), face_rgb=rgb
            )
            bodies.append((component.name, mesh, (component,)))
    return bodies


def _hex(rgb: tuple[float, float, float] | None) -> str | None:
    """Return a linear colour as sRGB hexadecimal digits (IEC 61966-2-1)."""
    if rgb is None:
        return None
    srgb = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in rgb]  # noqa: PLR2004
    return "#" + "".join(f"{round(c * 255):02x}" for c in srgb)


def _turned(axis: str, mesh: Mesh) -> Symmetry:
    """Return the symmetry of a body of revolution about a line through the middle of its box.

    Raises
    ------
    BadUsage
        ``usage.bad-argument`` if its sides across the axis differ.

    """
    index = "xyz".find(axis) if len(axis) == 1 else -1
    if index < 0:
        raise bad_usage("usage.bad-argument", f"--turned-about {axis}", "is no axis.", "Use x, y or z.")
    low, high = mesh.vertices_m.min(axis=0), mesh.vertices_m.max(axis=0)
    across = np.delete(high - low, index)
    if abs(across[0] - across[1]) > _ROUND_FRAC * across.max():
        raise bad_usage(
            "usage.bad-argument",
            f"--turned-about {axis}",
            f"cannot be: the part is {across[0] * 1000:.4g} by {across[1] * 1000:.4g} mm across that axis.",
            "Name the axis it is round about, or leave the option out.",
        )
    direction, middle = np.eye(3)[index], np.round((low + high) / 2, 9)
    return Symmetry(continuous=(Axis(direction=_xyz(direction), through_m=_xyz(np.where(direction > 0, 0.0, middle))),))


def _xyz(values: Sequence[float] | NDArray[np.float64]) -> Xyz:
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def merge_rows(
    index: Sequence[CataloguePart], rows: Sequence[CataloguePart], *, file_name: str, in_place: bool
) -> tuple[list[CataloguePart], list[CataloguePart]]:
    """Return the index with rows added, and which of them are new to it; known ones change nothing.

    Raises
    ------
    Refused
        ``synthesis.part-exists`` if another part has an id and is not to be replaced.

    """
    known = {row.part_id: row for row in index}
    fresh = [row for row in rows if known.get(row.part_id) != row]
    for row in fresh:
        if row.part_id in known and not in_place:
            raise refused(
                "synthesis.part-exists",
                file_name,
                f"would be called {row.part_id}, which the catalogue has already, {_difference(known[row.part_id], row)}.",
                "Give it another name with --id, or put it in the other's place with --replace.",
            )
    changed = {row.part_id: row for row in fresh}
    return [*(row for row in index if row.part_id not in changed), *fresh], fresh


def _difference(old: CataloguePart, new: CataloguePart) -> str:
    """Say in what the part that is there differs from the one that would be."""
    if old.source == "builtin":
        return "built in"
    if old.file_sha256 != new.file_sha256:
        return "from another file"
    named = ("category", "unit", "materials", "tolerance_m", "keypoints", "symmetry")
    differing = [name.removesuffix("_m") for name in named if getattr(old, name) != getattr(new, name)]
    return f"from this file with another {' and '.join(differing) or 'mesh'}"


def sealed_as(addition: Addition, sealed: bytes) -> CataloguePart:
    """Return the row of an addition with the hash of its sealed mesh."""
    return replace(addition.row, sha256=sha256_hex(sealed))
