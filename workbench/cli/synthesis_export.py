"""The command that writes renders as others read them: COCO, or BOP's layout with depth and masks."""

from __future__ import annotations

import os
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.rendering import resting_parts_of, studio_of
from workbench.cli.report import Report
from workbench.cli.synthesis import synthesis
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Severity, bad_usage


class ExportFormat(StrEnum):
    """The layouts that renders are exported in."""

    BOP = "bop"
    COCO = "coco"


def register(_app: typer.Typer) -> None:
    """Add the command of this module to the group `synthesis`."""
    command(synthesis, "export")(export)


def export(
    out: Annotated[Path, typer.Argument(help="The folder to write, which must not be there yet.")],
    *,
    workspace: Workspace,
    format_: Annotated[ExportFormat, typer.Option("--format", help="bop: poses, masks, depth; coco: one document.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")] = False,
) -> Report:
    """Write the rendered images with all their labels as BOP or COCO."""
    from workbench.synthesis.rendered import rendered_images

    if out.exists():
        raise bad_usage("usage.bad-argument", out, "is there already.", "Name a folder that is not there yet.")
    images = rendered_images(workspace.layout)
    data: dict[str, Any] = {"path": str(out), "format": format_.value, "images": len(images)}
    if dry_run:
        return Report(summary=f"Would write {len(images)} images to {out}.", data={**data, "dry_run": True})
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        data["objects"], findings = (_bop if format_ is ExportFormat.BOP else _coco)(workspace, images, part)
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Report(
        summary=f"Wrote {len(images)} images with {data['objects']} objects to {out} as {format_.value.upper()}.",
        data=data,
        findings=findings,
    )


def _coco(workspace: Workspace, images: Any, folder: Path) -> tuple[int, list[Finding]]:
    from workbench.synthesis.coco import write_coco

    return write_coco(folder, workspace.layout, images, workspace.taxonomy, track=workspace.track), []


def _bop(workspace: Workspace, images: Any, folder: Path) -> tuple[int, list[Finding]]:
    from workbench.adapters.masks import decode_mask
    from workbench.adapters.render_files import encode_png
    from workbench.synthesis.bop import BopTools, is_distorted, write_bop

    parts = resting_parts_of(workspace)
    studio = studio_of(workspace, parts)
    tools = BopTools(
        depth_of=lambda scene: studio.renderer.label(scene, meshes=studio.meshes).depth_hw,
        encode_png=encode_png,
        decode_mask=decode_mask,
    )
    count = write_bop(folder, workspace.layout, images, parts, tools=tools, track=workspace.track)
    bent = is_distorted(images, workspace.layout)
    if not bent:
        return count, []
    finding = Finding(
        code="synthesis.lens-not-told",
        subject=f"{bent} images",
        message="were taken through a lens that bends lines, which BOP's camera matrix cannot say.",
        remedy="Use the coefficients in scene_camera.json, or render a recipe without distortion.",
        severity=Severity.NOTE,
    )
    return count, [finding]
