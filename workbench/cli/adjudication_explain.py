"""`adjudication explain`: how one ground-truth object, or all of a photograph, came to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adjudication.statement import state, write_page
from workbench.cli.acting import DryRunOption
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace


def explain(
    *,
    workspace: Workspace,
    subject: Annotated[str, typer.Argument(metavar="ID", help="An instance_id or image_id, or its beginning.")],
    page: Annotated[Path | None, typer.Option("--page", help="Write the statement as a page to print.")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Tell how ground truth came to be: whose answers, when, by which rule or decision, and what dissent stays."""
    statement = state(workspace.layout, subject)
    if page is not None and not dry_run:
        write_page(page, statement, image=_image(workspace, statement.image_id), data=workspace.layout.data)
    rows = [_told(number, each) for number, each in enumerate(statement.objects, start=1)]
    told = f"{len(statement.objects)} ground-truth objects" if len(rows) != 1 else f"{rows[0]['object']}"
    return Report(
        summary=f"Photograph {statement.image_id[:12]}, {statement.status or 'not labelled'}: {told}, "
        f"answers that stay as dissent: {len(statement.dissent)}, open disagreements: {len(statement.disagreements)}."
        + (f" The page {'would be' if dry_run else 'is'} {page}." if page else ""),
        data={
            "image_id": statement.image_id,
            "status": statement.status,
            "objects": list(statement.objects),
            "dissent": list(statement.dissent),
            "disagreements": list(statement.disagreements),
            "tags": list(statement.tags),
        },
        rows=rows,
        next_command=None if page else f"workbench adjudication explain {subject} --page statement.html",
    )


def _told(number: int, each: Mapping[str, Any]) -> dict[str, Any]:
    answers = "; ".join(f"{a['annotator'] or a['source']}: {a['said']}" for a in each["answers"])
    decision = f"{each['adjudicator']}, {each['verdict']}: {each['reason']}" if each["decision_id"] else ""
    return {
        "nr": number,
        "object": each["category"],
        "instance": each["instance_id"],
        "decided_by": each["decided_by"],
        "IoU": "-" if each["mean_iou"] is None else f"{each['mean_iou']:.3f}",
        "rule": each["rule"],
        "answers": answers,
        "decision": decision + (f" ({each['reference']})" if each["reference"] else ""),
    }


def _image(workspace: Workspace, image_id: str) -> dict[str, Any] | None:
    paths = sorted(workspace.layout.intake.glob("*/images.parquet"))
    rows = tables.read_all_rows(paths, tables.IMAGES)
    return next((row for row in rows if row["image_id"] == image_id), None)
