"""Commands of augmentation: make the recipe's copies, and look at them beside their parents."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage

augmentation = typer.Typer(help="Make augmented copies of the training photographs, always the same ones.")

#: Pairs on a contact sheet.
_SHEET_PAIRS = 12


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(augmentation, name="augmentation")


@command(augmentation, callback=True)
def augment(
    *,
    workspace: Workspace,
    stage: Annotated[bool, typer.Option("--stage", hidden=True, help="Do the work in this process.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many copies would be made; make none.")] = False,
) -> Report:
    """Make the copies that the section `augmentation` of params.yaml asks for."""
    from workbench.adapters import albumentations, dvc
    from workbench.augmentation.recipe import parse_recipe

    recipe = parse_recipe(workspace.section("augmentation"), albumentations.step_problem)
    if dry_run:
        return _planned(workspace, recipe)
    made = None
    if stage:
        made = _run_stage(workspace, recipe)
    else:
        dvc.repro(workspace.layout.root, ["augmentation"])
    return _report(workspace, made)


def _planned(workspace: Workspace, recipe: Any) -> Report:
    """Say what a run would do with the tables as they stand."""
    from workbench.adapters import albumentations
    from workbench.augmentation.augment import read_plan

    plan, former = read_plan(workspace.layout, recipe, engine=albumentations.engine())
    missing = sum(planned.work_key not in former for planned in plan)
    return Report(
        summary=f"{missing} augmented copies would be made, {len(plan) - missing} are there already.",
        data={"to_make": missing, "known": len(plan) - missing, "dry_run": True},
        next_command="workbench augmentation",
    )


def _run_stage(workspace: Workspace, recipe: Any) -> int:
    """Run the stage with the real tool on all processors; return how many copies it had to make."""
    from workbench.adapters import albumentations
    from workbench.adapters.processes import Processes
    from workbench.augmentation.augment import run_augmentation

    at_work = albumentations.AugmentationRecipe.from_params(workspace.section("augmentation"))
    outcome = run_augmentation(
        workspace.layout,
        recipe,
        make_copy=at_work.make_copy,
        engine=albumentations.engine(),
        compute=Processes(workspace.processes),
        track=workspace.track,
    )
    return outcome.made


def _report(workspace: Workspace, made: int | None) -> Report:
    """Say what stands in the tables."""
    from workbench.tables import IMAGES, INSTANCES, read_rows

    folder = workspace.layout.augmentation
    images = read_rows(folder / "images.parquet", IMAGES)
    categories = Counter(row["category"] for row in read_rows(folder / "instances.parquet", INSTANCES))
    fresh = "" if made is None else f", {made} of them made now"
    parents = len({row["parent_image_id"] for row in images})
    return Report(
        summary=f"{len(images)} augmented copies of {parents} training photographs, "
        f"with {categories.total()} labelled objects{fresh}.",
        data={"images": len(images), "parents": parents, "instances": categories.total(), "made": made},
        rows=[{"category": code, "objects": count} for code, count in sorted(categories.items())],
        next_command="workbench augmentation sheet augmented.png",
    )


@command(augmentation, "sheet")
def sheet(
    out: Annotated[Path, typer.Argument(help="The picture to write, .png or .jpg.")],
    *,
    workspace: Workspace,
) -> Report:
    """Write a contact sheet: photographs and their augmented copies side by side, labels drawn."""
    from workbench.adapters.pixels import read_rgb
    from workbench.adapters.plots import LabelledPicture, write_pairs
    from workbench.tables import IMAGES, INSTANCES, read_rows, row_instance

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise bad_usage("usage.bad-argument", out, "is named like no picture.", "Let its name end in .png or .jpg.")
    layout = workspace.layout
    copies = read_rows(layout.augmentation / "images.parquet", IMAGES)[:_SHEET_PAIRS]
    if not copies:
        return Report(summary="There is no augmented copy to show.", next_command="workbench augmentation")
    parents = {row["image_id"]: row for row in read_rows(layout.curation / "images.parquet", IMAGES)}
    wanted = {row["image_id"] for row in copies} | {row["parent_image_id"] for row in copies}
    labels: dict[str, list[Any]] = {image_id: [] for image_id in wanted}
    for folder in (layout.adjudication, layout.augmentation):
        for row in read_rows(folder / "instances.parquet", INSTANCES):
            if row["image_id"] in labels:
                labels[row["image_id"]].append(row_instance(row))

    def picture(row: dict[str, Any]) -> LabelledPicture:
        return LabelledPicture(image_hwc=read_rgb(layout.data / row["path"]), instances=labels[row["image_id"]])

    write_pairs([(picture(parents[row["parent_image_id"]]), picture(row)) for row in copies], out)
    return Report(
        summary=f"Wrote {len(copies)} pairs to {out}: left the photograph, right its copy.",
        data={"path": str(out), "pairs": len(copies)},
    )
