"""Adding a CAD file to the catalogue: checked arguments, the confined reading, sealing, and what is said of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption
from workbench.cli.catalogue import counted
from workbench.cli.catalogue_sealing import contribution_for, seal
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.synthesis import synthesis
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Severity, bad_usage, refused
from workbench.ports import CadPart
from workbench.synthesis.additions import Wanted, merge_rows, plan_additions, sealed_as
from workbench.synthesis.catalogue import CataloguePart, builtin_index, index_path, read_index, write_index
from workbench.synthesis.keypoints import read_keypoints

#: More bodies than this are counted, not listed.
_LISTED_BODIES = 30
_KEYPOINT_BYTES = 1_000_000

FileArgument = Annotated[Path, typer.Argument(help="A STEP, STL, OBJ, PLY, 3MF or GLB file.")]
CategoryOption = Annotated[str, typer.Option("--category", help="Taxonomy code of what the part is.")]
UnitOption = Annotated[
    str | None,
    typer.Option(
        "--unit",
        help="Unit of the file's numbers: mm, cm, m or inch. STL, OBJ and PLY need it; STEP and 3MF say it themselves; "
        "GLB is in metres unless this says otherwise.",
    ),
]
MaterialOption = Annotated[
    list[str] | None,
    typer.Option("--material", help="A material to render it in; may be repeated. [default: its own colours, or pla]"),
]
IdOption = Annotated[str | None, typer.Option("--id", help="What to call the part. [default: the file's name]")]
ToleranceOption = Annotated[
    float,
    typer.Option(
        "--tolerance-mm", min=0.001, max=10, help="How far triangles may stand off curved surfaces of a STEP."
    ),
]
KeypointsOption = Annotated[
    Path | None, typer.Option("--keypoints", help="Named points: JSON {name: [x, y, z]} or CSV name,x_mm,y_mm,z_mm.")
]
TurnedOption = Annotated[
    str | None, typer.Option("--turned-about", help="The axis, x, y or z, that a body of revolution is round about.")
]
SplitOption = Annotated[bool, typer.Option("--split", help="Add each body by itself, copies once.")]
AnySizeOption = Annotated[bool, typer.Option("--any-size", help="Take it even if no such thing lies on a table.")]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Take the place of a part of the same name.")]


def register(_app: typer.Typer) -> None:
    """Add the command of this module to the group `synthesis`."""
    command(synthesis, "add")(add_part)


def add_part(
    file: FileArgument,
    *,
    workspace: Workspace,
    category: CategoryOption,
    unit: UnitOption = None,
    material: MaterialOption = None,
    part_id: IdOption = None,
    tolerance_mm: ToleranceOption = 0.05,
    keypoints: KeypointsOption = None,
    turned_about: TurnedOption = None,
    split: SplitOption = False,
    any_size: AnySizeOption = False,
    in_place: ReplaceOption = False,
    dry_run: DryRunOption = False,
) -> Report:
    """Seal a CAD file in custody and add its part to the catalogue; its geometry stays there, renders go out.

    A file with several bodies becomes one part with several colours, or with --split one part each.
    """
    from workbench.adapters import dvc
    from workbench.adapters.cad import SELF_DESCRIBING, mesh_to_bytes

    _check_arguments(workspace, file, category=category, unit=unit)
    data = file.read_bytes()
    suffix = file.suffix.lower()
    wanted = Wanted(
        file_name=file.name,
        file_sha256=hashlib.sha256(data).hexdigest(),
        contribution_id="",
        category=category,
        tolerance_m=tolerance_mm / 1000 if suffix in (".step", ".stp") else None,
        part_id=part_id,
        materials=tuple(material or ()),
        keypoints=_keypoints(keypoints) if keypoints else None,
        turned_about=turned_about,
        split=split,
        any_size=any_size,
    )
    wanted = _as_known(_index(workspace), wanted)
    loaded = _loaded(file, unit=unit, tolerance_m=tolerance_mm / 1000, name=wanted.name)
    notes = [_unit_note(file, loaded)] if unit and suffix in SELF_DESCRIBING and suffix not in (".glb", ".gltf") else []
    layout = workspace.layout
    with workspace.exclusive("catalogue"):
        index = _index(workspace)
        wanted = replace(wanted, contribution_id=contribution_for(workspace, wanted.file_sha256))
        additions = plan_additions(loaded, wanted)
        sealed = [mesh_to_bytes(addition.mesh) for addition in additions]
        rows = [sealed_as(addition, mesh) for addition, mesh in zip(additions, sealed, strict=True)]
        after, fresh = merge_rows(index, rows, file_name=file.name, in_place=in_place)
        if not fresh:
            names = ", ".join(row.part_id for row in rows)
            return Report(summary=f"{file.name} is in the catalogue already, as {names}.", data=_facts(rows))
        if not dry_run:
            seal(workspace, wanted.contribution_id, [data, *sealed], reason=f"CAD file added as {fresh[0].part_id}")
            write_index(layout, after)
    if not dry_run:
        dvc.add(layout.root, [layout.catalogue])
    return _added(fresh, notes, dry_run=dry_run)


def _check_arguments(workspace: Workspace, file: Path, *, category: str, unit: str | None) -> None:
    """Refuse what can be seen without opening the file."""
    from workbench.adapters.cad import FILE_BYTES, SELF_DESCRIBING, SUFFIXES, UNITS_M

    if unit is not None and unit not in UNITS_M:
        raise bad_usage("usage.bad-argument", f"--unit {unit}", "is no unit.", f"Use one of {', '.join(UNITS_M)}.")
    workspace.taxonomy.category(category)
    if not file.is_file():
        raise bad_usage("usage.bad-argument", file, "is no file.", "Name a CAD file.")
    if unit is None and file.suffix.lower() in SUFFIXES and file.suffix.lower() not in SELF_DESCRIBING:
        kind = file.suffix[1:].upper()
        raise bad_usage(
            "usage.bad-argument", file.name, f"needs --unit: {kind} does not say it.", "Add --unit mm, cm, m or inch."
        )
    if file.stat().st_size > FILE_BYTES:
        raise refused(
            "synthesis.mesh-refused",
            file.name,
            f"is larger than {FILE_BYTES >> 20} MiB.",
            "Export it with fewer faces.",
        )


def _keypoints(path: Path) -> dict[str, tuple[float, float, float]]:
    if not path.is_file() or path.stat().st_size > _KEYPOINT_BYTES:
        raise bad_usage("usage.bad-argument", path, "is no file of keypoints.", "Name a small JSON or CSV file.")
    return read_keypoints(path.name, path.read_bytes())


def _loaded(file: Path, *, unit: str | None, tolerance_m: float, name: str | None) -> CadPart:
    from workbench.adapters.cad import FileToRead, read_part

    return read_part(FileToRead(path=file, unit=unit, tolerance_m=tolerance_m, name=name))


def _index(workspace: Workspace) -> list[CataloguePart]:
    """Return the index as it is, or as it would be made."""
    layout = workspace.layout
    return read_index(layout) if index_path(layout).is_file() else builtin_index()


def _as_known(index: list[CataloguePart], wanted: Wanted) -> Wanted:
    """Return what is wanted under the name that the same bytes have already, if no other was asked for."""
    for row in index:
        if row.file_sha256 == wanted.file_sha256 and row.body is None and not wanted.split and not wanted.part_id:
            return replace(wanted, part_id=row.part_id, name=row.name)
    return wanted


def _unit_note(file: Path, loaded: CadPart) -> Finding:
    said = "its unit" if loaded.unit not in ("mm", "cm", "m", "inch") else f"that its numbers are {loaded.unit}"
    return Finding(
        code="synthesis.unit-in-file",
        subject=file.name,
        message=f"says {said} itself; --unit was not used.",
        remedy="Leave --unit out for STEP and 3MF.",
        severity=Severity.NOTE,
    )


def _facts(rows: list[CataloguePart]) -> dict[str, Any]:
    """Return what a program may want to know of parts; the first one's facts stand at the top."""
    first = rows[0]
    return {
        "part": first.part_id,
        "parts": [row.part_id for row in rows],
        "faces": first.faces,
        "extent_mm": [round(side * 1000, 3) for side in first.extent_m],
        "diameter_mm": round(first.diameter_m * 1000, 3),
        "category": first.category,
        "unit": first.unit,
        "watertight": first.watertight,
        "components": [
            {"name": body.name, "faces": body.faces, "colour": body.colour} for row in rows for body in row.components
        ],
        "sha256": first.sha256,
        "file_sha256": first.file_sha256,
    }


def _added(fresh: list[CataloguePart], notes: list[Finding], *, dry_run: bool) -> Report:
    """Say what was added, or would be."""
    done, geometry = ("Would add", "") if dry_run else ("Added", "; its geometry is sealed in custody")
    bodies = [body for row in fresh for body in row.components]
    if len(fresh) == 1:
        row = fresh[0]
        sides = " x ".join(f"{side * 1000:.4g}" for side in row.extent_m)
        what = f"{row.part_id} ({counted(len(bodies), 'body', 'bodies')}, {row.faces} faces, {sides} mm)"
    else:
        what = f"{len(fresh)} parts: {', '.join(row.part_id for row in fresh)}"
    opened = [
        Finding(
            code="synthesis.mesh-open",
            subject=row.part_id,
            message="is not watertight: its surface ends somewhere.",
            remedy="Close it in the program that made it, if it should be solid; it can be rendered as it is.",
            severity=Severity.WARNING,
        )
        for row in fresh
        if not row.watertight
    ]
    return Report(
        summary=f"{done} {what}{geometry}.",
        data=_facts(fresh) | {"dry_run": dry_run, "added": len(fresh)},
        rows=[
            {"body": body.name, "faces": body.faces, "colour": body.colour or "none"}
            for body in bodies[:_LISTED_BODIES]
        ]
        if len(bodies) > 1
        else (),
        findings=[*notes, *opened],
        next_command=None if dry_run else f"workbench synthesis turntable {fresh[0].part_id} {fresh[0].part_id}.png",
    )
