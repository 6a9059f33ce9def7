"""Commands of labelling: put photographs before people, fetch their answers, take over existing labels."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption
from workbench.cli.command import command
from workbench.cli.label_studio import connect
from workbench.cli.labelling_bring import bring
from workbench.cli.labelling_campaigns import plan, push_campaign, read
from workbench.cli.labelling_check import check
from workbench.cli.labelling_import import admitted, import_labels
from workbench.cli.labelling_predict import predict, rank
from workbench.cli.labelling_pull import ProjectOption, pull, status
from workbench.cli.redaction_covering import forget_uncovered
from workbench.cli.redaction_state import open_for_labelling
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.curation.decisions import read_decisions, standing
from workbench.domain.findings import BadUsage, Finding, bad_usage
from workbench.labelling import predictions
from workbench.labelling.label_config import LabelConfig, read_labellers_config
from workbench.labelling.pushing import Target
from workbench.labelling.tasks import TaskPlan, plan_tasks
from workbench.ports import LabellerProject

LanguageOption = Annotated[str, typer.Option("--language", help="Language of the labels shown, as en or fr.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Put photographs before labellers; fetch or import labels.", no_args_is_help=True)
    app.add_typer(group, name="labelling")
    command(group, "plan")(plan)
    command(group, "push")(push)
    command(group, "pull")(pull)
    command(group, "status")(status)
    command(group, "import")(import_labels)
    command(group, "check")(check)
    command(group, "predict")(predict)
    command(group, "rank")(rank)


def push(
    *,
    workspace: Workspace,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="A file of campaigns/, by name; without one, a project for all.")
    ] = None,
    project: ProjectOption = "parts",
    language: LanguageOption = "en",
    overlap: Annotated[int, typer.Option("--overlap", min=1, help="How many people answer each photograph.")] = 2,
    suggest: Annotated[
        str | None, typer.Option("--suggest", help="Show labellers what this model predicted; none unless named.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Bring photographs before labellers in Label Studio; repeating it adds only what is missing.

    Without a campaign every admitted photograph gets one task in a project that all labellers share, and one more each
    time a curator sends it back (`curation decide relabel`). With one, each labeller finds their own photographs in a
    project of their own. Project, language and overlap then stand in the campaign's file.
    """
    if campaign is not None:
        if suggest is not None and read(workspace, campaign).blind:
            raise _blind(campaign)
        return push_campaign(
            workspace, campaign, suggest=functools.partial(_pre_annotations, model=suggest), dry_run=dry_run
        )
    config = read_labellers_config(workspace.layout.label_configs / project, workspace.taxonomy, language=language)
    told = [] if dry_run else forget_uncovered(workspace)
    admissible = admitted(workspace)
    images, held = open_for_labelling(workspace, admissible, project=project)
    server, media_root = connect(workspace)
    shown, findings = _pre_annotations(workspace, config, images, model=suggest)
    sent_back = standing(read_decisions(workspace.layout.curation_decisions)).sent_back
    target = Target(title=config.title, config=config, overlap=overlap)

    def look(projects: Mapping[str, LabellerProject]) -> list[tuple[Target, TaskPlan]]:
        there = server.tasks(projects[config.title].project_id) if config.title in projects else []
        lacking = plan_tasks(
            images.values(),
            there,
            data=workspace.layout.data,
            media_root=media_root,
            predictions=shown,
            sent_back=sent_back,
        )
        return [(target, lacking)]

    first, done = bring(workspace, server, look, media_root=media_root, dry_run=dry_run)
    ((_, lacking),) = first
    counts = _counts(lacking, removed=done.removed, held=len(admissible) - len(images))
    verb = "would be added" if dry_run else "added"
    return Report(
        summary=f"{config.title}: {counts['new']} tasks {verb}, {counts['kept']} were there already"
        + (f", {counts['held']} photographs are held back." if counts["held"] else "."),
        data={"project": project, "project_id": done.projects.get(config.title), **counts},
        findings=[*told, *held, *findings],
        next_command="workbench labelling push" if dry_run else "workbench labelling status",
    )


def _counts(lacking: TaskPlan, *, removed: int, held: int) -> dict[str, int]:
    suggested = len(lacking.predictions) + sum("predictions" in task for task in lacking.new)
    counts = {"new": len(lacking.new), "kept": lacking.kept, "moved": len(lacking.moved), "removed": removed}
    return {**counts, "held": held, "pre_annotated": suggested}


def _blind(campaign: str) -> BadUsage:
    return bad_usage(
        "labelling.blind",
        f"campaign {campaign}",
        "is blind: its labellers see no suggestions.",
        "Leave out --suggest; or say `blind: false` in the campaign's file, and its answers are no blind passes any more.",
    )


def _pre_annotations(
    workspace: Workspace,
    config: LabelConfig,
    images: Mapping[str, Mapping[str, Any]],
    *,
    model: str | None,
) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """Return what is suggested about each photograph: what one model predicted, else the existing labels handed in."""
    if model is None:
        rows = predictions.read_imported(workspace.layout.labelling)
        return predictions.plan_predictions(rows, config=config, images=images)
    version, folder = predictions.find_model(workspace.layout.labelling, model)
    rows, scores = predictions.read_predicted(folder)
    return predictions.plan_predictions(rows, config=config, images=images, model_version=version, scores=scores)
