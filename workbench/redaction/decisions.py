"""The decisions table: who decided what about which region, and when; rows are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from workbench.domain.geometry import Box
from workbench.domain.redaction import Decision, Region, State
from workbench.layout import Layout
from workbench.tables import REDACTION_DECISIONS, read_rows, write_table

_NAME = "redaction.parquet"


def ensure_decisions(layout: Layout) -> bool:
    """Make the table, empty, where there never was one; say whether that was so. Intake depends on it."""
    path = layout.redaction_decisions / _NAME
    if path.is_file() or _is_tracked(layout):
        return False
    write_table(path, REDACTION_DECISIONS, [])
    return True


def read_decisions(layout: Layout) -> tuple[Decision, ...]:
    """Return all decisions, oldest first; none where nobody decided yet.

    Raises
    ------
    Refused
        ``tables.schema`` if the table is damaged, ``workspace.input-missing`` if DVC tracks it but it is not here: to
        go on without it would uncover what was covered.

    """
    path = layout.redaction_decisions / _NAME
    if not path.is_file() and not _is_tracked(layout):
        return ()
    return tuple(_decision(row) for row in read_rows(path, REDACTION_DECISIONS))


def _is_tracked(layout: Layout) -> bool:
    return layout.redaction_decisions.with_name(layout.redaction_decisions.name + ".dvc").is_file()


def append_decisions(layout: Layout, decisions: Iterable[Decision]) -> Path:
    """Add decisions at the end of the table; return its path."""
    path = layout.redaction_decisions / _NAME
    write_table(path, REDACTION_DECISIONS, [_row(entry) for entry in (*read_decisions(layout), *decisions)])
    return path


def latest(decisions: Sequence[Decision]) -> dict[str, Decision]:
    """Return the decision that counts for each region, by region id: the last one."""
    return {decision.region.region_id: decision for decision in decisions}


def _row(decision: Decision) -> dict[str, object]:
    region = decision.region
    edges = zip(("x_min", "y_min", "x_max", "y_max"), map(float, region.box.xyxy), strict=True)
    return {
        "region_id": region.region_id,
        "image_id": region.image_id,
        "category": region.category,
        **dict(edges),
        "source": region.source,
        "score": region.score,
        "state": decision.state.value,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at,
        "reason": decision.reason,
    }


def _decision(row: dict[str, object]) -> Decision:
    edges = {name: float(str(row[name])) for name in ("x_min", "y_min", "x_max", "y_max")}
    score, reason = row["score"], row["reason"]
    return Decision(
        region=Region(
            image_id=str(row["image_id"]),
            box=Box(**edges),
            category=str(row["category"]),
            source=str(row["source"]),
            score=None if score is None else float(str(score)),
        ),
        state=State(str(row["state"])),
        decided_by=str(row["decided_by"]),
        decided_at=str(row["decided_at"]),
        reason=None if reason is None else str(reason),
    )
