"""`workbench labelling pull` and `status`: answers fetched and frozen, and how far everybody is."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from workbench.adapters import dvc
from workbench.cli.acting import DryRunOption
from workbench.cli.label_studio import connect
from workbench.cli.labelling_bring import oldest
from workbench.cli.labelling_campaigns import all_campaigns, read
from workbench.cli.labelling_import import admitted
from workbench.cli.redaction_state import now
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.annotation import Annotation, Pass
from workbench.domain.campaign import Campaign
from workbench.domain.findings import Finding, Severity, refused
from workbench.labelling import changes, pseudonyms, snapshot
from workbench.labelling.campaign_plan import sensitive_photographs
from workbench.labelling.candidates import read_candidates
from workbench.labelling.fetch import Place, find_places
from workbench.labelling.history import Seen, plan_versions, read_history, write_history
from workbench.labelling.label_config import LabelConfig, read_labellers_config
from workbench.labelling.pulling import Pulled, pull_answers, read_frozen, write_marks
from workbench.ports import Labeller, LabellerTask

ProjectOption = Annotated[str, typer.Option("--project", help="A folder of label_configs/.")]


def pull(
    *,
    workspace: Workspace,
    project: ProjectOption = "parts",
    dry_run: DryRunOption = False,
) -> Report:
    """Freeze the answers given so far as a hashed snapshot in data/02_labelling, tracked by DVC.

    Answers of every campaign of the project come together. Only what was touched since the last pull is fetched. Every
    version of every answer is kept; what was edited or deleted in Label Studio since is told.
    """
    config = read_labellers_config(workspace.layout.label_configs / project, workspace.taxonomy)
    images = admitted(workspace)
    server, _ = connect(workspace)
    campaigns = all_campaigns(workspace, project=project)
    with workspace.exclusive("labelling"):
        folder = workspace.layout.labelling / project
        state = workspace.layout.state / "labelling" / f"{project}.json"
        known = read_history(folder)
        places = _places(server, config, campaigns, known={row["place"] for row in known})
        frozen, marks = read_frozen(folder, state)
        pulled = pull_answers(server, places, frozen=frozen, marks=marks, pseudonym=pseudonym_of(workspace))
        seen = [*pulled.seen, *_vanished({row["place"] for row in known}, places)]
        added, told = plan_versions(known, seen, project=project, pseudonym=pseudonym_of(workspace), now=now())
        read_now = snapshot.read_answers(pulled.export, images=images, config=config, pseudonym=str)
        changed = changes.read_changes(pulled.export, images=images, config=config, pseudonym=str)
        hashes: dict[str, str] = {}
        if not dry_run:
            changes.write_changes(folder, changed)
            write_history(folder, known, added)
            hashes = snapshot.write_snapshot(folder, read_now, taxonomy_version=workspace.taxonomy.version)
            write_marks(state, pulled.marks, export_sha256=hashes["export.json"])
            dvc.add(workspace.layout.root, [workspace.layout.labelling])
    suggestions = changes.summarise(changed)
    return _pull_report(
        config, read_now, pulled, hashes, suggestions, findings=[*told, *read_now.findings], dry_run=dry_run
    )


def _pull_report(
    config: LabelConfig,
    frozen: snapshot.Snapshot,
    pulled: Pulled,
    hashes: dict[str, str],
    suggestions: Sequence[dict[str, Any]],
    *,
    findings: Sequence[Finding],
    dry_run: bool,
) -> Report:
    answers, objects = len(frozen.annotations), len(frozen.instances)
    return Report(
        summary=f"{config.title}: {answers} answers with {objects} objects {'found' if dry_run else 'frozen'}."
        + "".join(map(_suggestions_told, suggestions)),
        data={
            "project": config.project,
            "answers": answers,
            "objects": objects,
            "checks": sum(annotation.pass_ is Pass.GOLD for annotation in frozen.annotations),
            "tasks_fetched": pulled.fetched,
            "sha256": hashes,
            "suggestions": suggestions,
        },
        rows=_by_annotator(frozen.annotations),
        findings=findings,
        next_command="workbench adjudication",
    )


def _suggestions_told(row: Mapping[str, Any]) -> str:
    changed = {kind: row[kind] for kind in changes.KINDS if row[kind]}
    return f" Of what {row['model']} suggested: {', '.join(f'{count} {kind}' for kind, count in changed.items())}."


def _places(server: Labeller, config: LabelConfig, campaigns: Iterable[Campaign], *, known: set[str]) -> list[Place]:
    """Return where answers may lie; refuse where there is nowhere yet.

    Raises
    ------
    Refused
        ``labelling.no-project``.

    """
    places = find_places(server.projects(), config.title, campaigns, known)
    if not places and not known:
        raise refused(
            "labelling.no-project", config.title, "is not in Label Studio.", "Run `workbench labelling push` first."
        )
    return places


def _vanished(known: set[str], places: Iterable[Place]) -> list[Seen]:
    """Return an empty look at each place that answers were pulled from and that is there no more."""
    return [Seen(place=title, tasks=()) for title in sorted(known - {place.title for place in places})]


def status(
    *,
    workspace: Workspace,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="A file of campaigns/, by name; without one, the project for all.")
    ] = None,
    project: ProjectOption = "parts",
) -> Report:
    """Say how many tasks there are and who has answered how many."""
    if campaign is not None:
        return _campaign_status(workspace, campaign)
    config = read_labellers_config(workspace.layout.label_configs / project, workspace.taxonomy)
    server, _ = connect(workspace)
    place, *_ = _places(server, config, (), known=set())  # the oldest of that title
    tasks = server.tasks(place.on_server.project_id)
    frozen = snapshot.read_answers(
        server.export(place.on_server.project_id),
        images=admitted(workspace),
        config=config,
        pseudonym=pseudonym_of(workspace),
    )
    answered = sum(task.answers > 0 for task in tasks)
    return Report(
        summary=f"{config.title}: {len(tasks)} tasks, {answered} of them answered, {len(frozen.annotations)} answers.",
        data={"project": project, "tasks": len(tasks), "answered": answered, "answers": len(frozen.annotations)},
        rows=_by_annotator(frozen.annotations),
        findings=frozen.findings,
        next_command="workbench labelling pull",
    )


def _campaign_status(workspace: Workspace, name: str) -> Report:
    """Say how far each labeller of a campaign is, and how much that is sensitive they have been shown."""
    campaign = read(workspace, name)
    server, _ = connect(workspace)
    facts = read_candidates(workspace.layout, admitted(workspace).values(), project=campaign.project)
    sensitive = sensitive_photographs(campaign, facts)
    rows: dict[str, dict[str, Any]] = {seat.name: _empty_row(seat.name, seat.language) for seat in campaign.labellers}
    findings: list[Finding] = []
    for title, on_server in oldest(server).items():
        desk = campaign.desk(title)
        if desk is None:
            continue
        row = rows.setdefault(desk.seat.name, _empty_row(desk.seat.name, "left"))
        tasks = server.tasks(on_server.project_id)
        findings += duplicates(title, tasks)
        for task in tasks:
            _count(row, task, campaign, sensitive)
    total = sum(row["tasks"] for row in rows.values())
    answered = sum(row["answered"] for row in rows.values())
    return Report(
        summary=f"Campaign {name}: {total} tasks, {answered} answered.",
        data={"campaign": name, "project": campaign.project, "tasks": total, "answered": answered},
        rows=list(rows.values()),
        findings=findings,
        next_command=f"workbench labelling pull --project {campaign.project}",
    )


def _empty_row(name: str, language: str) -> dict[str, Any]:
    counts = ("tasks", "answered", "skipped", "open", "checks", "sensitive", "sensitive_seen")
    return {"labeller": name, "language": language, **dict.fromkeys(counts, 0)}


def _count(row: dict[str, Any], task: LabellerTask, campaign: Campaign, sensitive: set[str]) -> None:
    row["tasks"] += 1
    row["answered"] += task.answers > 0
    row["skipped"] += not task.answers and task.skips > 0
    row["open"] += not task.answers and not task.skips
    row["checks"] += task.sha256 in campaign.gold.photographs
    row["sensitive"] += task.sha256 in sensitive
    row["sensitive_seen"] += task.sha256 in sensitive and (task.answers > 0 or task.skips > 0 or task.begun)


def duplicates(title: str, tasks: Iterable[LabellerTask]) -> list[Finding]:
    """Return a finding if photographs have more than one task on a desk."""
    counts = Counter(task.sha256 for task in tasks)
    twice = sorted(image_id for image_id, number in counts.items() if number > 1)
    if not twice:
        return []
    finding = Finding(
        code="labelling.duplicate-task",
        subject=f"{len(twice)} photographs in {title} ({', '.join(image_id[:12] for image_id in twice[:3])})",
        message="have more than one task: an import was repeated while the server still worked on the first.",
        remedy="Push the campaign again: what nobody has touched is taken back.",
        severity=Severity.WARNING,
    )
    return [finding]


def pseudonym_of(workspace: Workspace) -> Callable[[str], str]:
    """Return what turns a user's e-mail into the pseudonym they have in this workspace."""
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
