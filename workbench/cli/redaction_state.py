"""What redaction's commands, intake and labelling know of the regions: tables read, standings told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from workbench import tables
from workbench.adapters import dvc
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Severity
from workbench.domain.geometry import Box
from workbench.domain.redaction import Decision, Unreviewed
from workbench.redaction import review, stage
from workbench.redaction.decisions import append_decisions, latest, read_decisions


def open_for_labelling(
    workspace: Workspace, images: Mapping[str, Mapping[str, Any]], *, project: str
) -> tuple[dict[str, Mapping[str, Any]], list[Finding]]:
    """Return the photographs that may be put before labellers, and why others may not (params.yaml: unreviewed).

    The project that params.yaml names as ``reviewed_in`` sees all: there people look for what is to be covered.
    """
    params = redaction_params(workspace)
    policy = Unreviewed(params["unreviewed"])
    if policy is Unreviewed.ALLOW or project == params.get("reviewed_in"):
        return dict(images), []
    reviews = read_reviews(workspace, params)
    findings = standing_findings(reviews, params, wanted=set(review.Standing))
    if policy is Unreviewed.WARN:
        return dict(images), findings
    clear = {name for name, seen in reviews.items() if seen.standing is review.Standing.CLEAR}
    return {name: row for name, row in images.items() if name in clear}, findings


_TOLD = {
    review.Standing.UNSEARCHED: (
        "redaction.unsearched",
        "were not searched for faces as they are now",
        "Run `workbench redaction`.",
    ),
    review.Standing.UNREVIEWED: (
        "redaction.unreviewed",
        "have regions that nobody decided about",
        "See them with `workbench redaction list --page review.html`, then `workbench redaction decide`.",
    ),
    review.Standing.NOT_APPLIED: (
        "redaction.not-applied",
        "have decisions that were not applied yet",
        "Run `workbench redaction apply`.",
    ),
}


def standing_findings(
    reviews: Mapping[str, review.Review], params: Mapping[str, Any], *, wanted: set[review.Standing]
) -> list[Finding]:
    """Return one finding for each standing that keeps photographs back, with how many and the first of them."""
    held = Unreviewed(params["unreviewed"]) is Unreviewed.BLOCK
    findings = []
    for standing, (code, message, remedy) in _TOLD.items():
        names = [name for name, seen in reviews.items() if seen.standing is standing]
        if names and standing in wanted:
            first = ", ".join(name[:12] for name in names[:3]) + (", ..." if len(names) > 3 else "")  # noqa: PLR2004 -- as many as are shown
            findings.append(
                Finding(
                    code=code,
                    subject=f"{len(names)} photographs ({first})",
                    message=f"{message}{'; labellers do not get them' if held else ''}.",
                    remedy=remedy,
                    severity=Severity.WARNING,
                )
            )
    return findings


def redaction_params(workspace: Workspace) -> Mapping[str, Any]:
    """Return the section redaction of params.yaml, checked."""
    params = workspace.section("redaction")
    stage.check_params(params)
    return params


def read_reviews(workspace: Workspace, params: Mapping[str, Any]) -> dict[str, review.Review]:
    """Return where each photograph stands, by the id it was delivered under."""
    return review.review_photographs(
        read_images(workspace),
        read_searched(workspace),
        read_covered(workspace),
        read_decisions(workspace.layout),
        params,
    )


#: Columns of an image's row that redaction needs; all columns of 100,000 rows fill much memory.
_NEEDED = ("image_id", "parent_image_id", "source_image_id", "path", "file_sha256", "width_px", "height_px")


def read_images(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the rows of all admitted photographs, of the images that stand for them now: the columns needed here alone."""
    return tables.read_all_rows(sorted(workspace.layout.intake.glob("*/images.parquet")), tables.IMAGES, _NEEDED)


def read_searched(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the rows of `tables.SEARCHED`; none before the first search."""
    path = workspace.layout.redaction / "searched.parquet"
    return tables.read_rows(path, tables.SEARCHED) if path.is_file() else []


def read_covered(workspace: Workspace) -> dict[str, list[Box]]:
    """Return the boxes that are covered now, by photograph; photographs without any are not there."""
    rows = tables.read_all_rows(sorted(workspace.layout.intake.glob("*/redactions.parquet")), tables.REDACTIONS)
    return {row["parent_image_id"]: [Box(**region) for region in row["regions"]] for row in rows}


def all_decisions(workspace: Workspace) -> dict[str, Decision]:
    """Return what counts for each region, with faces found that nobody entered yet as proposals."""
    params = redaction_params(workspace)
    known = latest(read_decisions(workspace.layout))
    detected = review.detected_regions(read_images(workspace), read_searched(workspace), params)
    planned = review.plan_decisions(detected, (), list(known.values()), now=now())
    return known | {decision.region.region_id: decision for decision in planned}


def append(workspace: Workspace, decisions: Sequence[Decision]) -> None:
    """Add decisions to the table, and have DVC track it as it is now."""
    append_decisions(workspace.layout, decisions)
    dvc.add(workspace.layout.root, [workspace.layout.redaction_decisions])


def to_be_covered(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the rows of admitted photographs whose accepted regions are not, or not so, covered."""
    accepted = {
        name: {region.box.xyxy for region in regions}
        for name, regions in review.accepted_regions(read_decisions(workspace.layout)).items()
    }
    covered = read_covered(workspace)
    return [
        row
        for row in read_images(workspace)
        if (wanted := accepted.get(name := review.photograph_id(row)))
        and wanted != {box.xyxy for box in covered.get(name, ())}
    ]


def now() -> str:
    """Return the present moment as decisions record it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
