"""Commands of composition: put cut-outs on photographs of empty surfaces, add such photographs, show what was made."""

from __future__ import annotations

import functools
import importlib.metadata
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption
from workbench.cli.command import command
from workbench.cli.intake import intake_params
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Severity, bad_usage

composition = typer.Typer(help="Put cut-outs of catalogue parts, with their shadows, on photographs of empty surfaces.")

#: Pictures on a contact sheet.
_SHEET = 24
#: What scenes of cut-outs say of where they come from.
_RECIPE = "cut-out"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(composition, name="composition")


@command(composition, callback=True)
def compose(
    *,
    workspace: Workspace,
    stage: Annotated[bool, typer.Option("--stage", hidden=True, help="Do the work in this process.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many pictures would be made; make none.")] = False,
) -> Report:
    """Put together the pictures that the section `composition` of params.yaml asks for."""
    from workbench.adapters import dvc
    from workbench.composition.added import ensure_backgrounds
    from workbench.composition.recipe import Recipe
    from workbench.composition.stage import CompositionOutcome, preview, run_composition

    recipe = Recipe.from_params(workspace.section("composition"))
    outcome: CompositionOutcome | None = None
    if dry_run:
        planned = preview(workspace.layout, recipe, _tools(workspace, recipe))
        return Report(
            summary=f"{planned.cutouts_missing} cut-outs would be rendered, {planned.pictures_missing} of "
            f"{planned.pictures} pictures put together.",
            data={
                "to_cut_out": planned.cutouts_missing,
                "to_make": planned.pictures_missing,
                "known": planned.pictures - planned.pictures_missing,
                "dry_run": True,
            },
            next_command="workbench composition",
        )
    # Without any delivery DVC could not run the stages before this one; drawn tables need none of them.
    if stage or not workspace.layout.deliveries.is_dir():
        from workbench.adapters.processes import Processes

        outcome = run_composition(
            workspace.layout,
            recipe,
            _tools(workspace, recipe),
            compute=Processes(workspace.processes),
            track=workspace.track,
        )
    else:
        if ensure_backgrounds(workspace.layout):
            dvc.add(workspace.layout.root, [workspace.layout.backgrounds])
        dvc.repro(workspace.layout.root, ["composition"])
    return _report(workspace, recipe, outcome)


def _tools(workspace: Workspace, recipe: Any) -> Any:
    """Return what the stage needs of the renderer, of the catalogue and of what turns pixels."""
    from workbench.adapters import compositing, cutouts
    from workbench.adapters.pixels import encode_rgb_jpeg
    from workbench.composition.stage import Tools
    from workbench.synthesis.bare_table import draw_bare_table
    from workbench.synthesis.lone import draw_lone_scene
    from workbench.synthesis.prints import textures_of

    compositing.prepare()
    renderer = cutouts.CutOutRenderer(samples_per_pixel=recipe.samples_per_pixel)
    parts = _parts(workspace) if recipe.images else []
    meshes = {part.part_id: part.mesh for part in parts}
    size_wh = (recipe.size_px, recipe.size_px * 3 // 4)  # as phones photograph

    return Tools(
        draw_lone=lambda setting, number: draw_lone_scene(
            parts, recipe=_RECIPE, seed=recipe.seed, setting=setting, number=number, size_px=recipe.cutout_px
        ),
        cut_out=lambda scene: renderer(scene, meshes=meshes, textures=textures_of(scene)),
        cutout_engine=renderer.engine,
        draw_table=lambda number: draw_bare_table(recipe.seed, number, width_px=size_wh[0], height_px=size_wh[1]),
        encode_jpeg=functools.partial(encode_rgb_jpeg, quality=recipe.jpeg_quality),
        compose=compositing.compose,
        engine={"opencv": importlib.metadata.version("opencv-python-headless")},
    )


def _parts(workspace: Workspace) -> Any:
    from workbench.cli.rendering import resting_parts_of

    return resting_parts_of(workspace)


def _report(workspace: Workspace, recipe: Any, outcome: Any) -> Report:
    """Say what stands in the tables."""
    from workbench.tables import IMAGES, INSTANCES, MADE_OF, read_rows

    folder = workspace.layout.composition
    images = read_rows(folder / "images.parquet", IMAGES)
    categories = Counter(row["category"] for row in read_rows(folder / "instances.parquet", INSTANCES))
    sources = Counter(row["source"] for row in read_rows(folder / "made_of.parquet", MADE_OF))
    fresh = "" if outcome is None else f", {outcome.made} of them made now"
    told = ", ".join(f"{count} on {name} backgrounds" for name, count in sorted(sources.items()))
    return Report(
        summary=f"{len(images)} composed pictures with {categories.total()} labelled objects{fresh}"
        f"{f' ({told})' if told else ''}.",
        data={
            "images": len(images),
            "instances": categories.total(),
            "backgrounds": dict(sorted(sources.items())),
            "made": None if outcome is None else outcome.made,
            "cut_out": None if outcome is None else outcome.cut_out,
        },
        rows=[{"category": code, "objects": count} for code, count in sorted(categories.items())],
        next_command="workbench composition sheet composed.png"
        if recipe.images
        else "set composition.images in params.yaml, then: workbench composition",
    )


@command(composition, "add")
def add(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures of empty surfaces, or one picture.")],
    *,
    workspace: Workspace,
    licence: Annotated[str, typer.Option("--licence", help="The licence they may be used under, as CC0-1.0.")],
    source: Annotated[str, typer.Option("--source", help="Where they are from.")] = "not stated",
    dry_run: DryRunOption = False,
) -> Report:
    """Add pictures of empty surfaces to be composed on: metadata-free copies, decoded in the sandbox.

    Look at them first: what is added counts as showing no object.
    """
    from workbench.adapters import dvc
    from workbench.composition.added import add_pictures, ensure_backgrounds, read_added

    if not folder.exists():
        raise bad_usage("usage.bad-argument", folder, "is not there.", "Name a folder of pictures.")
    if not licence.strip():
        raise bad_usage("usage.bad-argument", "--licence", "is empty.", "State the licence, as CC0-1.0.")
    pictures, findings = _decoded(workspace, folder)
    if dry_run:
        return Report(
            summary=f"Would add {len(pictures)} pictures under {licence}.",
            data={"pictures": len(pictures), "dry_run": True},
            findings=findings,
        )
    layout = workspace.layout
    with workspace.exclusive("backgrounds"):
        ensure_backgrounds(layout)
        new = add_pictures(layout, pictures, licence=licence.strip(), source=source)
        dvc.add(layout.root, [layout.backgrounds])
    return Report(
        summary=f"Added {new} pictures under {licence}; {len(read_added(layout))} are there.",
        data={"added": new, "pictures": len(read_added(layout))},
        findings=findings,
        next_command="workbench composition",
    )


def _decoded(workspace: Workspace, folder: Path) -> tuple[list[tuple[bytes, int, int]], list[Finding]]:
    """Return the working copies of a folder's pictures, in the order of their names, and what was refused.

    Raises
    ------
    Refused
        ``composition.no-picture`` if there is none.

    """
    from workbench.adapters import images, inspection
    from workbench.adapters.sandbox import Sandbox
    from workbench.domain.findings import refused

    limits = intake_params(workspace)
    endings = {ending for known in images.FORMATS.values() for ending in known}
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    chosen = [path for path in paths if path.is_file() and path.suffix.lower() in endings]
    sandbox: Any = Sandbox(
        functools.partial(inspection.inspect_item, parameters=dict(limits)),
        prepare=inspection.prepare_pictures,
        workers=workspace.processes,
        timeout_s=limits["timeout_s"],
    )
    with sandbox:
        done = dict(sandbox.map((path.read_bytes(), path.suffix.lower()) for path in chosen))
    copies, findings = [], []
    for index, path in enumerate(chosen):
        result = done[index]
        if isinstance(result, images.Copied):
            copies.append((result.jpeg, int(result.width_px), int(result.height_px)))
        else:
            findings.append(_refused(path, getattr(result, "detail", "It takes too much time or memory to decode.")))
    if not copies:
        raise refused("composition.no-picture", folder, "holds no picture that can be used.", "Name another folder.")
    return copies, findings


def _refused(path: Path, detail: str) -> Finding:
    return Finding(
        code="composition.picture-refused",
        subject=path.name,
        message=f"was not added. {detail}",
        remedy="Leave it out, or save it anew.",
        severity=Severity.WARNING,
    )


@command(composition, "sheet")
def sheet(
    out: Annotated[Path, typer.Argument(help="The picture to write, .png or .jpg.")],
    *,
    workspace: Workspace,
    labels: Annotated[bool, typer.Option("--labels", help="Draw the labels beside each picture.")] = False,
) -> Report:
    """Write a contact sheet of the composed pictures."""
    from workbench.adapters.pixels import read_rgb
    from workbench.adapters.plots import LabelledPicture, write_pairs
    from workbench.adapters.render_files import write_sheet
    from workbench.tables import IMAGES, INSTANCES, read_rows, row_instance

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise bad_usage("usage.bad-argument", out, "is named like no picture.", "Let its name end in .png or .jpg.")
    folder, data = workspace.layout.composition, workspace.layout.data
    rows = read_rows(folder / "images.parquet", IMAGES)[:_SHEET]
    if not rows:
        return Report(summary="There is no composed picture to show.", next_command="workbench composition")
    if labels:
        shown: dict[str, list[Any]] = {row["image_id"]: [] for row in rows}
        for row in read_rows(folder / "instances.parquet", INSTANCES):
            if row["image_id"] in shown:
                shown[row["image_id"]].append(row_instance(row))
        pictures = [(read_rgb(data / row["path"]), shown[row["image_id"]]) for row in rows]
        pairs = [
            (LabelledPicture(image_hwc=image, instances=[]), LabelledPicture(image_hwc=image, instances=drawn))
            for image, drawn in pictures
        ]
        write_pairs(pairs, out)
    else:
        write_sheet([data / row["path"] for row in rows], out)
    return Report(
        summary=f"Wrote {len(rows)} composed pictures to {out}.", data={"path": str(out), "pictures": len(rows)}
    )
