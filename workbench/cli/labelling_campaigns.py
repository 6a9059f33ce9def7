"""`workbench labelling plan`, and `push --campaign`: a campaign's file made, looked through, and carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from workbench.adjudication.decisions import FOLDER
from workbench.cli.acting import DryRunOption
from workbench.cli.label_studio import connect
from workbench.cli.labelling_bring import bring, oldest
from workbench.cli.labelling_import import admitted
from workbench.cli.redaction_covering import forget_uncovered
from workbench.cli.redaction_state import now, open_for_labelling
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.campaign import Campaign, Choice, Desk, Exposure, Gold, Order, Seat
from workbench.domain.findings import Busy, Finding, Severity, refused
from workbench.labelling.campaign_file import campaign_text, read_campaign
from workbench.labelling.campaign_plan import CampaignPlan, plan_campaign
from workbench.labelling.candidates import COLUMNS, read_candidates
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.pushing import Target
from workbench.labelling.query import QueryProblem, read_query
from workbench.labelling.scores import read_scores
from workbench.labelling.snapshot import write_text
from workbench.labelling.tasks import TaskPlan
from workbench.labelling.veil import veiled
from workbench.ports import LabellerProject, LabellerTask

#: Finds pre-annotations of photographs for a labelling project.
Suggest = Callable[
    [Workspace, LabelConfig, Mapping[str, Mapping[str, Any]]], tuple[dict[str, dict[str, Any]], list[Finding]]
]


def plan(
    *,
    workspace: Workspace,
    name: Annotated[str, typer.Argument(help="The campaign's name: small letters, digits and hyphens.")],
    labeller: Annotated[
        list[str] | None, typer.Option("--labeller", help="A labeller's handle, and perhaps a language: ana, bo:fr.")
    ] = None,
    project: Annotated[str, typer.Option("--project", help="A folder of label_configs/.")] = "parts",
    where: Annotated[str, typer.Option("--where", help="Which photographs: a query; empty: all.")] = "",
    order: Annotated[Order, typer.Option("--order", help="In which order they are handed out.")] = Order.RANDOM,
    scores: Annotated[
        str | None, typer.Option("--scores", help="For score: a table of image_id and score, in the workspace.")
    ] = None,
    at_most: Annotated[int | None, typer.Option("--at-most", min=0, help="How many photographs.")] = None,
    overlap: Annotated[int, typer.Option("--overlap", min=1, help="How many people answer each photograph.")] = 2,
    blind: Annotated[bool, typer.Option("--blind/--suggestions", help="Whether pre-annotations stay hidden.")] = True,
    gold_where: Annotated[
        str | None, typer.Option("--gold-where", help="Which photographs with settled labels serve as hidden checks.")
    ] = None,
    gold_share: Annotated[float, typer.Option("--gold-share", help="Share of checks among a labeller's tasks.")] = 0.1,
    sensitive_where: Annotated[
        str, typer.Option("--sensitive-where", help="Which photographs are blurred and counted: a query.")
    ] = "",
    dry_run: DryRunOption = False,
) -> Report:
    """Make a campaign's file, or look through one that is there; say what a push would do.

    A file that is there is edited by hand, never written over. The guide for labelling leads describes it.
    """
    path = workspace.layout.campaigns / f"{name}.yaml"
    fresh = not path.is_file()
    if fresh:
        campaign = Campaign(
            name=name,
            project=project,
            labellers=tuple(_seat(word) for word in labeller or ()),
            photographs=Choice(where=where, order=order, scores=scores, at_most=at_most),
            overlap=overlap,
            blind=blind,
            gold=Gold(photographs=_gold(workspace, project, gold_where), share_frac=gold_share if gold_where else 0.0),
            exposure=Exposure(where=sensitive_where),
        )
        campaign = _checked(workspace, campaign)
    else:
        if labeller:
            raise refused(
                "labelling.campaign-exists", path, "is there already.", "Edit it, then run `workbench labelling plan`."
            )
        campaign = read(workspace, name)
    planned, findings, _ = _look_once(workspace, campaign)
    if fresh and not dry_run:
        path.parent.mkdir(exist_ok=True)
        write_text(path, campaign_text(campaign))
    made = (
        ""
        if not fresh
        else " The file would be made."
        if dry_run
        else f" Made campaigns/{name}.yaml: edit it as you need."
    )
    return _report(campaign, planned, findings, verb="would be added", after=made)


def _seat(word: str) -> Seat:
    name, _, language = word.partition(":")
    return Seat(name=name, language=language or "en")


def _checked(workspace: Workspace, campaign: Campaign) -> Campaign:
    """Return a campaign as its file will be read, so that a file that is made is sound."""
    path = workspace.layout.state / "labelling" / f"{campaign.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_text(path, campaign_text(campaign))
        return _read(workspace, path)
    finally:
        path.unlink(missing_ok=True)


def read(workspace: Workspace, name: str) -> Campaign:
    """Return a campaign of the workspace.

    Raises
    ------
    Refused
        ``labelling.no-campaign`` or ``labelling.campaign-invalid``.

    """
    return _read(workspace, workspace.layout.campaigns / f"{name}.yaml")


def _read(workspace: Workspace, path: Any) -> Campaign:
    configs = workspace.layout.label_configs.glob("*/config.yaml")
    projects = [folder.parent.name for folder in configs if folder.parent.name != FOLDER]
    languages = [language.code for language in workspace.taxonomy.languages]
    return read_campaign(path, projects=projects, languages=languages)


def all_campaigns(workspace: Workspace, *, project: str) -> list[Campaign]:
    """Return every campaign of a labelling project."""
    paths = sorted(workspace.layout.campaigns.glob("*.yaml"))
    return [campaign for path in paths if (campaign := _read(workspace, path)).project == project]


def _gold(workspace: Workspace, project: str, where: str | None) -> tuple[str, ...]:
    """Return the photographs with settled labels that a query finds."""
    if where is None:
        return ()
    try:
        asked = read_query(where, COLUMNS)
        facts = read_candidates(workspace.layout, admitted(workspace).values(), project=project)
        return tuple(image_id for image_id, known in facts.items() if known["truth"] and asked.matches(known))
    except QueryProblem as problem:
        raise refused("labelling.campaign-invalid", "--gold-where", f"{problem}.", "Correct the query.") from problem


Looking = Callable[[Mapping[Desk, Sequence[LabellerTask]], Any], CampaignPlan]


def _prepare(workspace: Workspace, campaign: Campaign, suggest: Suggest | None) -> tuple[Looking, list[Finding], int]:
    """Return what makes a plan from what is on the server, what is worth telling, and how many photographs are held."""
    admissible = admitted(workspace)
    images, held = open_for_labelling(workspace, admissible, project=campaign.project)
    facts = read_candidates(workspace.layout, admissible.values(), project=campaign.project)
    scored = campaign.photographs.scores if campaign.photographs.order is Order.SCORE else None
    scores = read_scores(workspace.layout.root / scored) if scored else {}
    shown: dict[str, dict[str, Any]] = {}
    findings: list[Finding] = [*held]
    if suggest is not None and not campaign.blind:
        config = read_label_config(workspace.layout.label_configs / campaign.project, workspace.taxonomy)
        shown, notes = suggest(workspace, config, images)
        findings += notes

    def make(there: Mapping[Desk, Sequence[LabellerTask]], media_root: Any) -> CampaignPlan:
        return plan_campaign(
            campaign,
            facts,
            images,
            there,
            scores=scores,
            predictions=shown,
            data=workspace.layout.data,
            media_root=media_root,
            today=now()[:10],
        )

    return make, findings, len(admissible) - len(images)


def _look_once(workspace: Workspace, campaign: Campaign) -> tuple[CampaignPlan, list[Finding], int]:
    """Return what a push would do now; without a server, as if nothing had been pushed."""
    make, findings, held = _prepare(workspace, campaign, None)
    there: dict[Desk, Sequence[LabellerTask]] = {}
    media_root = workspace.layout.intake
    try:
        server, media_root = connect(workspace)
        there = {
            desk: server.tasks(project.project_id)
            for title, project in oldest(server).items()
            if (desk := campaign.desk(title)) is not None
        }
    except Busy as error:
        also = "The plan is made as if nothing had been pushed yet."
        findings += [
            replace(finding, message=f"{finding.message} {also}", severity=Severity.NOTE) for finding in error.findings
        ]
    return make(there, media_root), findings, held


def push_campaign(workspace: Workspace, name: str, *, suggest: Suggest, dry_run: bool) -> Report:
    """Bring every desk of a campaign what it lacks."""
    campaign = read(workspace, name)
    told = [] if dry_run else forget_uncovered(workspace)
    server, media_root = connect(workspace)
    make, findings, _ = _prepare(workspace, campaign, suggest)
    targets = _Targets(workspace, campaign)
    plans: list[CampaignPlan] = []

    def look(projects: Mapping[str, LabellerProject]) -> list[tuple[Target, TaskPlan]]:
        desks = {desk: project for title, project in projects.items() if (desk := campaign.desk(title)) is not None}
        planned = make({desk: server.tasks(project.project_id) for desk, project in desks.items()}, media_root)
        plans.append(planned)
        return [(targets.of(desk), lacking) for desk, lacking in planned.desks.items()]

    _, done = bring(workspace, server, look, media_root=media_root, dry_run=dry_run)
    verb = "would be added" if dry_run else "added"
    return _report(campaign, plans[0], [*told, *findings], verb=verb, removed=done.removed)


class _Targets:
    """How the project of each desk should be, each language compiled once."""

    def __init__(self, workspace: Workspace, campaign: Campaign) -> None:
        self._workspace, self._campaign = workspace, campaign
        self._made: dict[Desk, Target] = {}
        self._configs: dict[str, LabelConfig] = {}

    def of(self, desk: Desk) -> Target:
        if desk not in self._made:
            language = desk.seat.language
            if language not in self._configs:
                folder = self._workspace.layout.label_configs / self._campaign.project
                self._configs[language] = read_label_config(folder, self._workspace.taxonomy, language=language)
            config = self._configs[language]
            self._made[desk] = Target(
                title=desk.title,
                config=config,
                overlap=1,
                suggestions=not self._campaign.blind,
                xml=veiled(config.xml) if desk.veiled else None,
            )
        return self._made[desk]


def _report(
    campaign: Campaign,
    planned: CampaignPlan,
    findings: Sequence[Finding],
    *,
    verb: str,
    after: str = "",
    removed: int = 0,
) -> Report:
    new = sum(len(plan.new) for plan in planned.desks.values())
    kept = sum(plan.kept for plan in planned.desks.values())
    rows = [_seat_row(seat, planned) for seat in campaign.labellers]
    return Report(
        summary=f"Campaign {campaign.name}: {len(planned.photographs)} photographs; {new} tasks {verb}, "
        f"{kept} were there already.{after}",
        data={
            "campaign": campaign.name,
            "project": campaign.project,
            "photographs": len(planned.photographs),
            "new": new,
            "kept": kept,
            "removed": removed,
            "checks": sum(planned.assignment.gold.values()),
            "short": len(planned.assignment.short),
            "desks": {desk.title: len(plan.new) for desk, plan in planned.desks.items()},
        },
        rows=rows,
        findings=[*findings, *planned.findings],
        next_command=f"workbench labelling {'status' if verb == 'added' else 'push'} --campaign {campaign.name}",
    )


def _seat_row(seat: Seat, planned: CampaignPlan) -> dict[str, Any]:
    added = [i for desk, plan in planned.desks.items() if desk.seat.name == seat.name for i in _ids(plan)]
    has = [slot.image_id for slot in planned.standing if slot.desk.seat.name == seat.name]
    return {
        "labeller": seat.name,
        "language": seat.language,
        "added": len(added),
        "there": len(has),
        "checks": sum(image_id in planned.gold for image_id in (*added, *has)),
        "sensitive": sum(image_id in planned.sensitive for image_id in (*added, *has)),
    }


def _ids(plan: TaskPlan) -> list[str]:
    return [task["data"]["sha256"] for task in plan.new]
