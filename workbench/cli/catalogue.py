"""Commands of synthesis about the catalogue: list the parts, show one turning, remove one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption
from workbench.cli.catalogue_sealing import purge, renders_of
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.synthesis import synthesis
from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage, refused
from workbench.synthesis.additions import slug
from workbench.synthesis.catalogue import (
    CataloguePart,
    builtin_index,
    ensure_builtin_catalogue,
    index_path,
    read_index,
    refreshed,
    write_index,
)

PartArgument = Annotated[str, typer.Argument(help="The part's name in the catalogue.")]


def register(_app: typer.Typer) -> None:
    """Add the commands of this module to the group `synthesis`."""
    command(synthesis, "catalogue")(list_catalogue)
    command(synthesis, "turntable")(turntable)
    command(synthesis, "remove")(remove_part)


def list_catalogue(
    *,
    workspace: Workspace,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Bring the built-in parts to those of this version; files stay.")
    ] = False,
) -> Report:
    """List the parts that renders are made of."""
    from workbench.adapters import dvc

    layout = workspace.layout
    with workspace.exclusive("catalogue"):
        changed = ensure_builtin_catalogue(layout)
        index = read_index(layout)
        if refresh and (anew := refreshed(index)) != index:
            write_index(layout, anew)
            index, changed = read_index(layout), True
    if changed:
        dvc.add(layout.root, [layout.catalogue])
    return Report(
        summary=f"The catalogue holds {len(index)} parts.",
        data={"parts": len(index), "changed": changed},
        rows=[_listed(row) for row in index],
        next_command="workbench synthesis",
    )


def _listed(row: CataloguePart) -> dict[str, Any]:
    return {
        "part": row.part_id,
        "category": row.category,
        "source": row.source,
        "mm": " x ".join(f"{side * 1000:.4g}" for side in row.extent_m),
        "bodies": max(len(row.components), 1),
        "keypoints": len(row.keypoints),
        "materials": ", ".join(row.materials),
        "sha256": row.sha256[:12],
    }


def counted(count: int, one: str, many: str) -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else many}"


def turntable(
    part: PartArgument,
    out: Annotated[Path, typer.Argument(help="The picture to write, .png or .jpg.")],
    *,
    workspace: Workspace,
    size_px: Annotated[int, typer.Option("--size", min=64, max=1024, help="Side of one view in pixels.")] = 240,
    material: Annotated[str | None, typer.Option("--material", help="In which of its materials.")] = None,
) -> Report:
    """Show a part of the catalogue from eight sides and from above, by the real renderer; nothing else is written."""
    from workbench.adapters.mitsuba import MitsubaRenderer
    from workbench.adapters.render_files import encode_jpeg, write_sheet
    from workbench.cli.rendering import resting_part_of
    from workbench.synthesis.prints import textures_of
    from workbench.synthesis.turntable import turntable_scenes

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise bad_usage("usage.bad-argument", out, "is named like no picture.", "Let its name end in .png or .jpg.")
    row = _known_part(workspace, part)
    if material is not None and material not in row.materials:
        raise bad_usage(
            "usage.bad-argument", material, "is none of its materials.", f"Use one of {', '.join(row.materials)}."
        )
    resting = resting_part_of(workspace, row)
    renderer = MitsubaRenderer(samples_per_pixel=16)
    views = []
    for scene in workspace.track(turntable_scenes(resting, size_px=size_px, material=material), total=9, doing="turn"):
        shot = renderer.render(scene, meshes={row.part_id: resting.mesh}, textures=textures_of(scene))
        views.append(io.BytesIO(encode_jpeg(shot.image_hwc)))
    write_sheet(views, out, columns=3, tile_px=size_px + 4)
    return Report(
        summary=f"Wrote {len(views)} views of {row.part_id} to {out}.",
        data={"part": row.part_id, "path": str(out), "views": len(views)},
        next_command="workbench synthesis",
    )


def _known_part(workspace: Workspace, part: str) -> CataloguePart:
    layout = workspace.layout
    index = read_index(layout) if index_path(layout).is_file() else builtin_index()
    for row in index:
        if row.part_id == part:
            return row
    near = sorted(row.part_id for row in index if slug(part) in row.part_id) or sorted(r.part_id for r in index)
    raise refused(
        "synthesis.part-unknown",
        part,
        "is no part of the catalogue.",
        f"It has {', '.join(near[:12])}; see all with `workbench synthesis catalogue`.",
    )


def remove_part(
    part: PartArgument,
    *,
    workspace: Workspace,
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence; it is entered in the ledger.")],
    destroy: Annotated[
        bool, typer.Option("--purge", help="Destroy the key and the sealed geometry too, for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before destroying geometry.")] = False,
    dry_run: DryRunOption = False,
) -> Report:
    """Take a part out of the catalogue, so that nothing more is rendered of it; the ledger keeps that it was there.

    Its sealed geometry stays in custody unless --purge. Renders that show it go with the next `workbench synthesis`.
    """
    from workbench.adapters import dvc

    layout = workspace.layout
    with workspace.exclusive("catalogue"):
        row = _known_part(workspace, part)
        index = read_index(layout) if index_path(layout).is_file() else builtin_index()
        rest = [other for other in index if other.part_id != row.part_id]
        if destroy and row.source == "builtin":
            raise bad_usage("usage.bad-argument", "--purge", "has nothing to destroy.", f"{part} is made by code.")
        shared = [
            other.part_id for other in rest if row.contribution_id and other.contribution_id == row.contribution_id
        ]
        if destroy and shared:
            raise refused(
                "synthesis.part-exists",
                part,
                f"is sealed together with {', '.join(shared)}, bodies of the same file.",
                "Remove those first, then this one with --purge.",
            )
        seen = renders_of(workspace, row.part_id)
        said = _said_of_renders(seen)
        if dry_run:
            return Report(
                summary=f"Would remove {row.part_id}. {said}", data=seen | {"part": row.part_id, "dry_run": True}
            )
        if destroy and not yes and not typer.confirm(f"Destroy the geometry of {row.part_id} for good?", err=True):
            raise refused(
                "usage.bad-argument", row.part_id, "was not confirmed; nothing was done.", "Repeat, and answer y."
            )
        purge(workspace, row, reason=reason, destroy=destroy)
        write_index(layout, rest)
    dvc.add(layout.root, [layout.catalogue])
    kept = "Its key and geometry are destroyed." if destroy else "Its geometry stays sealed in custody."
    return Report(
        summary=f"Removed {row.part_id}. {kept if row.source == 'file' else ''} {said}".replace("  ", " "),
        data=seen | {"part": row.part_id, "purged": destroy},
        next_command="workbench synthesis",
    )


def _said_of_renders(seen: dict[str, Any]) -> str:
    """Say what becomes of the renders that show a part."""
    if not seen["renders"]:
        return "No render shows it."
    count = counted(seen["renders"], "render shows", "renders show")
    text = f"{count} it; the next `workbench synthesis` puts others in their place."
    if seen["releases"]:
        text += f" Released with them: {', '.join(seen['releases'])}; releases do not change."
    return text
