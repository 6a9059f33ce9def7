"""`workbench release gate`: what a release would hold, leave out, and be refused for; and whether its day still holds."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Refused


def register(release: typer.Typer) -> None:
    """Add `release gate`."""
    command(release, "gate")(gate)


def gate(*, workspace: Workspace) -> Report:
    """Say what a release of the stages' tables would leave out and why, and what would refuse it; write nothing."""
    from workbench.release.basis import read_basis
    from workbench.release.gate import judge

    basis = read_basis(workspace.layout, workspace.section("release"), workspace.taxonomy)
    findings, counts = judge(basis.contents, basis.rules)
    found = sum(counts.values())
    left_out = sum(basis.contents.left_out.values())
    verdict = "nothing stands against it" if not found else f"{found} breaches stand against it"
    return Report(
        summary=f"A release would hold {len(basis.contents.images)} images with {len(basis.contents.instances)} "
        f"labelled objects, leaving out {left_out}; {verdict}.",
        data={"breaches": counts, "left_out": dict(basis.contents.left_out), "images": len(basis.contents.images)},
        rows=[{"left out because": reason, "images": count} for reason, count in basis.contents.left_out.items()],
        findings=findings,
        next_command=None if found else "workbench release build NAME",
    )


def require_day_holds(workspace: Workspace) -> None:
    """Refuse to sign when terms were read as of a day to come, or would forbid the release if read today.

    Raises
    ------
    Refused
        ``release.as-of-future``, ``release.as-of-stale``.

    """
    from workbench.release.terms import Intent, day_problems, read_terms
    from workbench.tables import IMAGES, read_rows

    layout = workspace.layout
    rows = read_rows(layout.release / "images.parquet", IMAGES)
    released = {row["contribution_id"] for row in rows if row["contribution_id"] is not None}
    intent = Intent.from_params(workspace.section("release"))
    today = datetime.now(tz=UTC).date()
    findings = list(day_problems(read_terms(layout), intent, released, today=today))
    if findings:
        raise Refused(*findings)
