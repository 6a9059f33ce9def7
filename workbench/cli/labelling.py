"""Commands of labelling: put photographs before people, fetch their answers, take over existing labels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.adapters import dvc
from workbench.cli.command import command
from workbench.cli.label_studio import connect
from workbench.cli.labelling_check import check
from workbench.cli.labelling_import import admitted, import_labels
from workbench.cli.labelling_predict import predict, rank
from workbench.cli.redaction_covering import forget_uncovered
from workbench.cli.redaction_state import open_for_labelling
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.curation.decisions import read_decisions, standing
from workbench.domain.annotation import Annotation
from workbench.domain.findings import Finding, refused
from workbench.labelling import changes, predictions, pseudonyms, snapshot
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.tasks import TaskPlan, plan_tasks
from workbench.ports import Labeller

ProjectOption = Annotated[str, typer.Option("--project", help="A folder of label_configs/.")]
LanguageOption = Annotated[str, typer.Option("--language", help="Language of the labels shown, as en or fr.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Put photographs before labellers; fetch or import labels.", no_args_is_help=True)
    app.add_typer(group, name="labelling")
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
    project: ProjectOption = "parts",
    language: LanguageOption = "en",
    overlap: Annotated[int, typer.Option("--overlap", min=1, help="How many people answer each photograph.")] = 2,
    suggest: Annotated[
        str | None, typer.Option("--suggest", help="Show labellers what this model predicted; none unless named.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Give every admitted photograph one task in Label Studio; repeating it adds only what is missing.

    A photograph that a curator sent back (`curation decide relabel`) gets one more.
    """
    config = read_label_config(workspace.layout.label_configs / project, workspace.taxonomy, language=language)
    told = [] if dry_run else forget_uncovered(workspace)
    admissible = admitted(workspace)
    images, held = open_for_labelling(workspace, admissible, project=project)
    server, media_root = connect(workspace)
    model, shown, findings = _pre_annotations(workspace, config, images, suggest)
    with workspace.exclusive("labelling"):
        project_id = server.find_project(config.title)
        existing = server.tasks(project_id) if project_id is not None else []
        plan = plan_tasks(
            images.values(),
            existing,
            data=workspace.layout.data,
            media_root=media_root,
            predictions=shown,
            sent_back=standing(read_decisions(workspace.layout.curation_decisions)).sent_back,
        )
        if not dry_run:
            project_id = _apply(server, plan, config, media_root, overlap=overlap)
            if shown:
                server.show_suggestions(project_id, model)
    counts = {"new": len(plan.new), "kept": plan.kept, "moved": len(plan.moved)}
    counts |= {"held": len(admissible) - len(images), "pre_annotated": len(plan.predictions)}
    counts["pre_annotated"] += sum("predictions" in task for task in plan.new)
    verb = "would be added" if dry_run else "added"
    return Report(
        summary=f"{config.title}: {counts['new']} tasks {verb}, {counts['kept']} were there already"
        + (f", {counts['held']} photographs are held back." if counts["held"] else "."),
        data={"project": project, "project_id": project_id, **counts},
        findings=[*told, *held, *findings],
        next_command="workbench labelling push" if dry_run else "workbench labelling status",
    )


def _apply(server: Labeller, plan: TaskPlan, config: LabelConfig, media_root: Path, *, overlap: int) -> int:
    project_id = server.ensure_project(
        config.title, label_config=config.xml, instructions=config.instructions, overlap=overlap
    )
    server.ensure_media(project_id, [media_root / name for name in plan.media])
    server.import_tasks(project_id, plan.new)
    server.import_predictions(project_id, plan.predictions)
    for task in plan.moved:
        server.update_task(task["task"], task["data"])
    return project_id


def _pre_annotations(
    workspace: Workspace, config: LabelConfig, images: Mapping[str, Mapping[str, Any]], suggest: str | None
) -> tuple[str, dict[str, dict[str, Any]], list[Finding]]:
    """Return whose suggestions are shown, and what they are: one model's, else the existing labels handed in."""
    if suggest is None:
        rows = predictions.read_imported(workspace.layout.labelling)
        return predictions.IMPORTED, *predictions.plan_predictions(rows, config=config, images=images)
    version, folder = predictions.find_model(workspace.layout.labelling, suggest)
    rows, scores = predictions.read_predicted(folder)
    planned = predictions.plan_predictions(rows, config=config, images=images, model_version=version, scores=scores)
    return version, *planned


def pull(
    *,
    workspace: Workspace,
    project: ProjectOption = "parts",
    dry_run: DryRunOption = False,
) -> Report:
    """Freeze the answers given so far as a hashed snapshot in data/02_labelling, tracked by DVC."""
    config = read_label_config(workspace.layout.label_configs / project, workspace.taxonomy)
    images = admitted(workspace)
    server, _ = connect(workspace)
    exported = server.export(_project_id(server, config))
    with workspace.exclusive("labelling"):
        frozen = snapshot.read_answers(exported, images=images, config=config, pseudonym=_pseudonym(workspace))
        folder = workspace.layout.labelling / project
        hashes: dict[str, str] = {}
        changed = changes.read_changes(exported, images=images, config=config, pseudonym=_pseudonym(workspace))
        if not dry_run:
            changes.write_changes(folder, changed)
            hashes = snapshot.write_snapshot(folder, frozen, taxonomy_version=workspace.taxonomy.version)
            dvc.add(workspace.layout.root, [workspace.layout.labelling])
    answers, objects = len(frozen.annotations), len(frozen.instances)
    return Report(
        summary=f"{config.title}: {answers} answers with {objects} objects {'found' if dry_run else 'frozen'}.",
        data={
            "project": project,
            "answers": answers,
            "objects": objects,
            "sha256": hashes,
            "suggestions": changes.summarise(changed),
        },
        rows=_by_annotator(frozen.annotations),
        findings=frozen.findings,
        next_command="workbench adjudication",
    )


def status(*, workspace: Workspace, project: ProjectOption = "parts") -> Report:
    """Say how many tasks there are and who has answered how many."""
    config = read_label_config(workspace.layout.label_configs / project, workspace.taxonomy)
    server, _ = connect(workspace)
    project_id = _project_id(server, config)
    tasks = server.tasks(project_id)
    frozen = snapshot.read_answers(
        server.export(project_id),
        images=admitted(workspace),
        config=config,
        pseudonym=_pseudonym(workspace),
    )
    answered = sum(task.answers > 0 for task in tasks)
    return Report(
        summary=f"{config.title}: {len(tasks)} tasks, {answered} of them answered, {len(frozen.annotations)} answers.",
        data={"project": project, "tasks": len(tasks), "answered": answered, "answers": len(frozen.annotations)},
        rows=_by_annotator(frozen.annotations),
        findings=frozen.findings,
        next_command="workbench labelling pull",
    )


def _pseudonym(workspace: Workspace) -> Callable[[str], str]:
    key = pseudonyms.read_or_make_key(workspace.layout.custody / "annotators.key")
    return functools.partial(pseudonyms.pseudonym, key)


def _by_annotator(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    """Return a row an annotator: answers and objects."""
    rows: dict[str, dict[str, Any]] = {}
    for annotation in annotations:
        row = rows.setdefault(annotation.annotator, {"annotator": annotation.annotator, "answers": 0, "objects": 0})
        row["answers"] += 1
        row["objects"] += len(annotation.instances)
    return [rows[name] for name in sorted(rows)]


def _project_id(server: Labeller, config: LabelConfig) -> int:
    project_id = server.find_project(config.title)
    if project_id is None:
        raise refused(
            "labelling.no-project", config.title, "is not in Label Studio.", "Run `workbench labelling push` first."
        )
    return project_id
