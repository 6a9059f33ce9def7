"""Commands of synthesis: render the recipe, show what was rendered."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.rendering import planned_renders, resting_parts_of, studio_of, with_recipe
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage

synthesis = typer.Typer(help="Render the CAD catalogue into images with exact boxes, masks and poses.")

#: So many images a process renders before a new one takes its place: what an engine leaks ends with it.
_REPLACE_AFTER = 250
#: Below so many images a process, starting one costs more than it saves.
_WORTH_A_PROCESS = 6
#: What a rendering process may come to hold at 640 px, and some to spare.
_WORKER_BYTES = 1_500_000_000


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(synthesis, name="synthesis")


WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        envvar="WORKBENCH_RENDER_WORKERS",
        help="How many processes render. [default: one a processor, fewer for few images or little memory]",
    ),
]


@command(synthesis, callback=True)
def synthesise(
    *,
    workspace: Workspace,
    stage: Annotated[bool, typer.Option("--stage", hidden=True, help="Do the work in this process.")] = False,
    workers: WorkersOption = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", help="Render one share of the images only, as 2/8; a run without it completes."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many images would be rendered; render none.")
    ] = False,
) -> Report:
    """Render what the section `synthesis` of params.yaml asks for."""
    from workbench.adapters import dvc
    from workbench.synthesis.catalogue import ensure_builtin_catalogue
    from workbench.synthesis.stage import shard_of

    share = shard_of(shard) if shard else None
    if dry_run:
        return _planned(workspace, share)
    if share is not None:
        return _shard_report(workspace, shard, _render(workspace, workers, share))
    rendered = None
    if stage:
        rendered = _render(workspace, workers).rendered
    else:
        if ensure_builtin_catalogue(workspace.layout):
            dvc.add(workspace.layout.root, [workspace.layout.catalogue])
        if workers is not None:  # the stage runs in a process of DVC's, which hands on no option
            os.environ["WORKBENCH_RENDER_WORKERS"] = str(workers)
        dvc.repro(workspace.layout.root, ["synthesis"])
    return _rendered_report(workspace, rendered)


def _planned(workspace: Workspace, share: Any) -> Report:
    """Say what a run would do."""
    from workbench.synthesis.stage import renders_to_make

    plan = [planned for planned in planned_renders(workspace) if share is None or share.has(planned)]
    missing = len(renders_to_make(workspace.layout, plan))
    return Report(
        summary=f"{missing} images would be rendered, {len(plan) - missing} are there already.",
        data={"to_render": missing, "known": len(plan) - missing, "dry_run": True},
        next_command="workbench synthesis",
    )


def _render(workspace: Workspace, workers: int | None, share: Any = None) -> Any:
    """Run the stage with the real renderer; return its outcome."""
    from workbench.adapters.expendable import ExpendableProcesses
    from workbench.synthesis.stage import renders_to_make, run_synthesis

    purpose = "synthesis" if share is None else f"synthesis-{share.number}-of-{share.of}"
    with workspace.exclusive(purpose):
        parts = resting_parts_of(workspace)
        plan = planned_renders(workspace, parts)
        missing = len(renders_to_make(workspace.layout, plan))
        count = workers or _fitting_workers(workspace, missing)
        return run_synthesis(
            studio_of(workspace, parts, threads=max(1, workspace.processes // count)),
            plan,
            compute=ExpendableProcesses(count, replace_after=_REPLACE_AFTER),
            shard=share,
            track=workspace.track,
        )


def _fitting_workers(workspace: Workspace, images: int) -> int:
    """Return how many processes are worth starting: by processors, images and free memory."""
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(workspace.processes, images // _WORTH_A_PROCESS, free_bytes // _WORKER_BYTES))


def _shard_report(workspace: Workspace, shard: str | None, outcome: Any) -> Report:
    return Report(
        summary=f"Shard {shard}: {outcome.images} images, {outcome.rendered} of them rendered now.",
        data={"shard": shard, "images": outcome.images, "rendered": outcome.rendered},
        next_command=f"workbench synthesis gather {workspace.layout.root}, in the workspace that puts the shards together",
    )


def _rendered_report(workspace: Workspace, rendered: int | None) -> Report:
    """Say what stands in the tables."""
    from workbench.tables import IMAGES, INSTANCES, read_rows

    folder = workspace.layout.synthesis
    images = read_rows(folder / "images.parquet", IMAGES)
    categories = Counter(row["category"] for row in read_rows(folder / "instances.parquet", INSTANCES))
    fresh = "" if rendered is None else f", {rendered} of them rendered now"
    return Report(
        summary=f"{len(images)} rendered images with {categories.total()} labelled objects{fresh}.",
        data={"images": len(images), "instances": categories.total(), "rendered": rendered},
        rows=[{"category": code, "objects": count} for code, count in sorted(categories.items())],
        next_command="workbench synthesis sheet renders.png",
    )


@command(synthesis, "sheet")
def contact_sheet(
    out: Annotated[Path, typer.Argument(help="The picture to write, .png or .jpg.")],
    *,
    workspace: Workspace,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Show images of this recipe only.")] = None,
) -> Report:
    """Write a contact sheet of the rendered images, to judge them by eye."""
    from workbench.adapters.render_files import write_sheet
    from workbench.tables import IMAGES, read_rows

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise bad_usage("usage.bad-argument", out, "is named like no picture.", "Let its name end in .png or .jpg.")
    with_recipe(workspace.section("synthesis"), recipe)
    rows = read_rows(workspace.layout.synthesis / "images.parquet", IMAGES)
    if recipe:
        rows = [row for row in rows if row["group_id"] == f"render:{recipe}"]
    if not rows:
        said = f"There is no rendered image{f' of recipe {recipe}' if recipe else ''} to show."
        shown = f" --recipe {recipe}" if recipe else ""
        return Report(summary=said, next_command=f"workbench synthesis preview {out}{shown}")
    paths = [workspace.layout.data / row["path"] for row in sorted(rows, key=lambda row: str(row["seed"]))]
    write_sheet(paths[:48], out)
    return Report(summary=f"Wrote {min(len(paths), 48)} renders to {out}.", data={"path": str(out)})
