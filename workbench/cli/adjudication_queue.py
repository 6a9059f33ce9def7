"""`adjudication queue` and `adjudication decisions`: disagreements put before an adjudicator, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from workbench.adapters import dvc
from workbench.adjudication.decisions import FOLDER, all_decisions
from workbench.adjudication.queue import order_disputes, stale_decisions, stale_finding
from workbench.adjudication.stage import read_case_files, settle_all
from workbench.cli.acting import DryRunOption
from workbench.cli.label_studio import connect
from workbench.cli.labelling_import import admitted
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.adjudication import Decision, Dispute
from workbench.domain.findings import Finding, Severity, refused
from workbench.labelling import decided, pseudonyms
from workbench.labelling.adjudicating import TOGETHER, QueuePlan, Shown, plan_queue
from workbench.labelling.deciding import Known, decisions_from_export
from workbench.labelling.guidelines import guideline_rules
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.snapshot import canonical_export
from workbench.ports import Labeller
from workbench.reference.calibres import load_calibres
from workbench.reference.search import name_key

LanguageOption = Annotated[str, typer.Option("--language", help="Language the answers are told in, as en or fr.")]


def queue(*, workspace: Workspace, language: LanguageOption = "en", dry_run: DryRunOption = False) -> Report:
    """Put what labellers disagree about before adjudicators in Label Studio, the most consequential first.

    Each disagreement is a task that shows the answers as A and B. Repeating it adds only what is new: a disagreement that
    was decided comes back only if an answer to it has changed.
    """
    config = read_label_config(workspace.layout.label_configs / FOLDER, workspace.taxonomy, language=language)
    disputes, stale = open_disputes(workspace)
    server, media_root = connect(workspace)
    shown = Shown(
        images=admitted(workspace),
        data=workspace.layout.data,
        media_root=media_root,
        taxonomy=workspace.taxonomy,
        language=language,
    )
    with workspace.exclusive("labelling"):
        project_id = server.find_project(config.title)
        existing = server.tasks(project_id) if project_id is not None else []
        plan = plan_queue(disputes, existing, config=config, shown=shown)
        if not dry_run:
            project_id = _fill(workspace, server, plan, config, shown)
    verb = "would be put into the queue" if dry_run else "put into the queue"
    return Report(
        summary=f"{len(disputes)} disagreements are open: {len(plan.new)} {verb}, {plan.kept} were there already"
        + (
            f", {len(plan.obsolete)} tasks about changed answers {'would be ' if dry_run else ''}taken out."
            if plan.obsolete
            else "."
        ),
        data={
            "project_id": project_id,
            "open": len(disputes),
            "new": len(plan.new),
            "kept": plan.kept,
            "obsolete": len(plan.obsolete),
        },
        rows=[_row(number, dispute) for number, dispute in enumerate(disputes, start=1)],
        findings=[*stale, *_without_picture(plan)],
        next_command=_next(len(disputes), dry_run=dry_run),
    )


def _next(open_now: int, *, dry_run: bool) -> str:
    if not open_now:
        return "workbench curation"
    return "workbench adjudication queue" if dry_run else "workbench adjudication decisions"


def open_disputes(workspace: Workspace) -> tuple[list[Dispute], list[Finding]]:
    """Return what is disagreed about and not decided, in the order of params.yaml, and the decisions that no longer stand."""
    params = workspace.section("adjudication")
    answers, rules = read_case_files(workspace.layout, params, workspace.taxonomy)
    outcomes = settle_all(answers, rules)
    disputes = order_disputes(
        (dispute for outcome in outcomes.values() for dispute in outcome.disputes), params["queue"]
    )
    open_now = {dispute.dispute_id for dispute in disputes}
    photographs = {(dispute.image_id, dispute.project) for dispute in disputes}
    stale = [
        stale_finding(
            decision,
            queued_again=decision.dispute_id in open_now or (decision.image_id, decision.project) in photographs,
        )
        for decision in stale_decisions(all_decisions(workspace.layout.labelling), outcomes)
    ]
    return disputes, stale


def _fill(workspace: Workspace, server: Labeller, plan: QueuePlan, config: LabelConfig, shown: Shown) -> int:
    """Record what stands behind each letter, then add the tasks: a task is never there without its record."""
    if plan.queued:
        decided.append_queue(workspace.layout.labelling / FOLDER, plan.queued)
        dvc.add(workspace.layout.root, [workspace.layout.labelling])
    project_id = server.ensure_project(
        config.title, label_config=config.xml, instructions=config.instructions, overlap=1
    )
    server.ensure_media(project_id, [shown.media_root / name for name in plan.media])
    server.import_tasks(project_id, plan.new)
    server.show_suggestions(project_id, TOGETHER)
    if plan.obsolete:
        server.remove_untouched(project_id, plan.obsolete)
    return project_id


def _row(number: int, dispute: Dispute) -> dict[str, Any]:
    return {
        "place": number,
        "kind": ", ".join(dict.fromkeys(kind.value for kind in dispute.kinds)),
        "photograph": dispute.image_id[:12],
        "project": dispute.project,
        "answers": len(dispute.given),
        "what": dispute.detail,
    }


def _without_picture(plan: QueuePlan) -> list[Finding]:
    return [
        Finding(
            code="labelling.unknown-photograph",
            subject=f"photograph {dispute.image_id[:12]}",
            message="is disagreed about, but this workspace does not have it.",
            remedy="Run `workbench intake` if the photograph is still to be admitted.",
            severity=Severity.WARNING,
        )
        for dispute in plan.without_picture
    ]


def decisions(*, workspace: Workspace, dry_run: DryRunOption = False) -> Report:
    """Fetch what adjudicators decided, hold it against what was put before them, and keep it; nothing is ever dropped."""
    config = read_label_config(workspace.layout.label_configs / FOLDER, workspace.taxonomy)
    folder = workspace.layout.labelling / FOLDER
    known = known_to_decide(workspace, config)
    server, _ = connect(workspace)
    project_id = server.find_project(config.title)
    if project_id is None:
        raise refused(
            "labelling.no-project",
            config.title,
            "is not in Label Studio.",
            "Run `workbench adjudication queue` first.",
        )
    exported = server.export(project_id)
    with workspace.exclusive("labelling"):
        key = pseudonyms.read_or_make_key(workspace.layout.custody / "annotators.key")
        clean = with_times(canonical_export(exported, lambda email: pseudonyms.pseudonym(key, email)), exported)
        found, findings = decisions_from_export(clean, known)
        before = {decision.decision_id for decision in all_decisions(workspace.layout.labelling)}
        new = [decision for decision in found if decision.decision_id not in before]
        if not dry_run:
            decided.append_decisions(folder, found, export=clean)
            dvc.add(workspace.layout.root, [workspace.layout.labelling])
    verb = "would be added" if dry_run else "added"
    return Report(
        summary=f"{len(found)} decisions found, {len(new)} {verb} to {len(before)} known before.",
        data={"found": len(found), "new": len(new), "known": len(before)},
        rows=[_told(decision) for decision in new],
        findings=findings,
        next_command="workbench adjudication decisions" if dry_run else "workbench adjudication",
    )


def known_to_decide(workspace: Workspace, config: LabelConfig) -> Known:
    """Return what decisions are held against: the queue's record, the photographs, the guidelines and the calibres."""
    configs = workspace.layout.label_configs
    rules = {
        path.parent.name: len(guideline_rules(path.read_text(encoding="utf-8")))
        for path in sorted(configs.glob("*/guidelines.md"))
    }
    calibres = load_calibres().calibres
    names = {name_key(name.name) for calibre in calibres for name in calibre.names}
    names |= {calibre.slug for calibre in calibres} | {calibre.calibre_id for calibre in calibres}
    return Known(
        config=config,
        queue=decided.read_queue(workspace.layout.labelling / FOLDER),
        images=admitted(workspace),
        taxonomy_version=workspace.taxonomy.version,
        rules=rules,
        is_calibre=lambda name: name in names or name_key(name) in names,
    )


def with_times(clean: Sequence[Mapping[str, Any]], exported: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a canonical export with the time of the last change of each answer: a changed mind is a later decision."""
    times = {
        (task["id"], answer["id"]): answer.get("updated_at")
        for task in exported
        for answer in task.get("annotations", ())
    }
    return [
        {**task, "annotations": [{**a, "updated_at": times.get((task["id"], a["id"]))} for a in task["annotations"]]}
        for task in clean
    ]


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "photograph": decision.image_id[:12],
        "project": decision.project,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "reference": decision.reference,
        "adjudicator": decision.adjudicator,
    }
