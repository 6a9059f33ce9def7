"""`workbench adjudication`: from answers to ground truth and a list of dissent."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import dvc
from workbench.adjudication.stage import read_case_files, run_adjudication, settle_all
from workbench.cli import adjudication_explain, adjudication_queue, adjudication_report
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import refused

StageOption = Annotated[bool, typer.Option("--stage", hidden=True, help="Do the stage's work here: dvc.yaml calls it.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add `adjudication` and what belongs to it."""
    group = typer.Typer(
        help="Make ground truth of answers; put disagreements before adjudicators; tell how it came to be, "
        "and how far people agree."
    )
    app.add_typer(group, name="adjudication")
    command(group, callback=True)(adjudication)
    command(group, "queue")(adjudication_queue.queue)
    command(group, "decisions")(adjudication_queue.decisions)
    command(group, "explain")(adjudication_explain.explain)
    command(group, "report")(adjudication_report.report)


def adjudication(*, workspace: Workspace, stage: StageOption = False, dry_run: DryRunOption = False) -> Report:
    """Match the annotators' answers, measure agreement, make ground truth where they agree, list where not."""
    layout, params = workspace.layout, workspace.section("adjudication")
    if dry_run:
        settled = settle_all(*read_case_files(layout, params, workspace.taxonomy))
        outcomes = Counter(outcome.status for outcome in settled.values() if outcome.status)
        told = ", ".join(f"{count} {status}" for status, count in sorted(outcomes.items()))
        return Report(summary=f"Would settle {outcomes.total()} photographs: {told}.", data=dict(outcomes))
    if stage:
        run_adjudication(layout, params, taxonomy=workspace.taxonomy)
    else:
        require_answers(workspace)
        dvc.repro(layout.root, ["adjudication"])
    return _told(workspace)


def require_answers(workspace: Workspace) -> None:
    """Refuse to go on without any answers.

    Raises
    ------
    Refused
        ``workspace.input-missing``.

    """
    if not any(workspace.layout.labelling.glob("*/annotations.parquet")):
        raise refused(
            "workspace.input-missing",
            "data/02_labelling",
            "holds no answers yet.",
            "Run `workbench labelling pull`, or `workbench labelling import` for existing labels.",
        )


def _told(workspace: Workspace) -> Report:
    folder = workspace.layout.adjudication
    labelled = tables.read_rows(folder / "labelled.parquet", tables.LABELLED)
    truth = tables.read_rows(folder / "instances.parquet", tables.INSTANCES)
    dissent = tables.read_rows(folder / "disagreements.parquet", tables.DISAGREEMENTS)
    measured = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    statuses = Counter(row["status"] for row in labelled)
    kinds = Counter(row["kind"] for row in dissent)
    rows = [_row("all", measured["overall"])]
    rows += [_row(code, figures) for code, figures in measured["categories"].items()]
    rows += [_row(" & ".join(pair["annotators"]), pair) for pair in measured["pairs"]]
    told = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return Report(
        summary=f"{len(truth)} ground-truth instances on {len(labelled)} photographs ({told}); "
        f"{len(dissent)} disagreements{f' ({listed})' if listed else ''}.",
        data={"instances": len(truth), "photographs": dict(statuses), "disagreements": dict(kinds), **measured},
        rows=rows if measured["overall"]["photographs"] else (),
        next_command="workbench adjudication queue"
        if set(kinds) - {"dissent", "single", "relabel"}
        else "workbench curation",
    )


def _row(of: str, figures: dict[str, Any]) -> dict[str, str | int | None]:
    """Return a line of the table: each figure, and between which values it would lie with other photographs."""

    def rounded(name: str) -> str:
        value, ends = figures[name], figures["intervals"].get(name)
        told = "-" if value is None else f"{value:.3f}"
        return f"{told} ({ends[0]:.2f} to {ends[1]:.2f})" if ends else told

    return {
        "of": of,
        "objects": int(figures["objects"] or 0),
        "F1": rounded("f1"),
        "mean IoU": rounded("mean_iou"),
        "alpha": rounded("alpha_category"),
    }
