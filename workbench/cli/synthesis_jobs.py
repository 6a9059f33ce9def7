"""Commands of synthesis about single images and shares of a job: preview, render one anew, gather shards."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.rendering import planned_renders, resting_parts_of, studio_of, with_recipe
from workbench.cli.report import Report
from workbench.cli.synthesis import synthesis
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, bad_usage

#: A preview's longer side and paths a pixel: seconds for a look at a recipe.
_PREVIEW_PX, _PREVIEW_SAMPLES = 320, 4


def register(_app: typer.Typer) -> None:
    """Add the commands of this module to the group `synthesis`."""
    command(synthesis, "preview")(preview)
    command(synthesis, "render")(render_again)
    command(synthesis, "gather")(gather_shards)


def preview(
    out: Annotated[Path, typer.Argument(help="The picture to write, .png or .jpg.")],
    *,
    workspace: Workspace,
    count: Annotated[int, typer.Option("--count", min=1, max=48, help="How many images of the recipe to show.")] = 4,
    first: Annotated[int, typer.Option("--first", min=0, help="The number of the first one.")] = 0,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="One recipe of params.yaml. [default: what `recipe` there picks]")
    ] = None,
) -> Report:
    """Show in seconds what a recipe would give: its first images, small and with few paths a pixel."""
    from workbench.adapters.render_files import write_sheet
    from workbench.synthesis.again import smaller

    _require_picture(out)
    picked = with_recipe(workspace.section("synthesis"), recipe)
    params = {**picked, "images": first + count, "samples_per_pixel": _PREVIEW_SAMPLES}
    parts = resting_parts_of(workspace)
    plan = planned_renders(workspace, parts, params=params)[first:]
    studio = studio_of(workspace, parts, params=params)
    small = [replace(planned, scene=smaller(planned.scene, size_px=_PREVIEW_PX)) for planned in plan]
    shots = [studio.shoot(planned) for planned in workspace.track(small, total=len(small), doing="preview")]
    write_sheet([io.BytesIO(shot.jpeg) for shot in shots], out)
    return Report(
        summary=f"Wrote {len(shots)} small renders of {_names(params['recipe'])} to {out}; nothing else was written.",
        data={"path": str(out), "images": len(shots), "size_px": _PREVIEW_PX, "samples_per_pixel": _PREVIEW_SAMPLES},
        next_command="workbench synthesis",
    )


def render_again(
    image_id: Annotated[str, typer.Argument(help="The image's id, or enough of its beginning.")],
    *,
    workspace: Workspace,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A folder to write the picture to, with depth, normals and instances as .npy."),
    ] = None,
) -> Report:
    """Render one image anew from what is recorded of it, and compare labels and bytes with what is stored."""
    from workbench.synthesis.again import compare, require_assets, stored_image, write_passes

    stored = stored_image(workspace.layout, image_id)
    params = {**workspace.section("synthesis"), "samples_per_pixel": stored.render["samples_per_pixel"]}
    parts = resting_parts_of(workspace)
    require_assets(stored, parts)
    studio = studio_of(workspace, parts, params=params)
    shot = studio.shoot(stored.planned)
    told = compare(stored, shot)
    full_id = str(stored.image["image_id"])
    data = {
        "image_id": full_id,
        "same_labels": told.same_labels,
        "same_pixels": told.same_pixels,
        "made_otherwise": list(told.made_otherwise),
        "render": dict(stored.render),
    }
    if out is not None:
        seen = studio.renderer.label(stored.scene, meshes=studio.meshes, normals=True)
        arrays = {"depth_m": seen.depth_hw, "normals": seen.normal_hwc, "instances": seen.instance_hw}
        data["files"] = [str(path) for path in write_passes(out, full_id, shot, arrays)]
    if told.same_labels and (told.same_pixels or told.made_otherwise):
        how = "every byte the same" if told.same_pixels else f"the same labels, other pixels ({told.made_otherwise[0]})"
        return Report(summary=f"Image {full_id[:12]} is reproduced: {how}.", data=data)
    what = "pixels" if told.same_labels else "labels"
    found = Finding(
        code="synthesis.not-reproduced",
        subject=full_id,
        message=f"comes out with other {what} than are stored{_because(told.made_otherwise)}.",
        remedy="Render it with what its row in renders.parquet names.",
    )
    return Report(summary=f"Image {full_id[:12]} is NOT reproduced.", data=data, findings=[found])


def _because(made_otherwise: tuple[str, ...]) -> str:
    return f" ({'; '.join(made_otherwise)})" if made_otherwise else ""


def gather_shards(
    others: Annotated[list[Path], typer.Argument(help="Workspaces in which shards were rendered.")],
    *,
    workspace: Workspace,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is there to be taken over; copy nothing.")
    ] = False,
) -> Report:
    """Take over what shards rendered in other workspaces; `workbench synthesis` then completes the tables."""
    from workbench.layout import Layout
    from workbench.synthesis.again import gather
    from workbench.synthesis.studio import read_notes

    for other in others:
        if not other.is_dir():
            raise bad_usage("usage.bad-argument", other, "is no folder.", "Name a workspace that holds a shard.")
    plan = planned_renders(workspace)
    layouts = [Layout(other.absolute()) for other in others]
    if dry_run:
        wanted = {planned.work_key for planned in plan}
        notes = {key for layout in layouts for key in read_notes(layout)}
        return Report(
            summary=f"{len(notes & wanted)} images would be taken over, {len(notes - wanted)} passed over.",
            data={"taken": len(notes & wanted), "passed_over": len(notes - wanted), "dry_run": True},
        )
    with workspace.exclusive("synthesis"):
        taken, passed = gather(workspace.layout, layouts, plan)
    said = f" {passed} are of other parameters, parts or engine and were passed over." if passed else ""
    return Report(
        summary=f"Took over {taken} images.{said}",
        data={"taken": taken, "passed_over": passed},
        next_command="workbench synthesis",
    )


def _names(recipe: Any) -> str:
    """Return the name of a recipe, or of all that are picked by weight."""
    return f"recipe {recipe}" if isinstance(recipe, str) else f"recipes {', '.join(recipe)}"


def _require_picture(out: Path) -> None:
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise bad_usage("usage.bad-argument", out, "is named like no picture.", "Let its name end in .png or .jpg.")
