"""The queue and its decisions as files: rows are only ever added, so a repeat changes nothing and a loss shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.adjudication import Decision, Dispute
from workbench.domain.lineage import canonical_json
from workbench.labelling.adjudicating import queue_row
from workbench.labelling.deciding import decision_row
from workbench.labelling.snapshot import write_manifest, write_text

#: Every file of the folder that may be there, for the manifest.
_FILES = ("corrections.parquet", "decisions.parquet", "export.json", "queue.parquet")


def read_queue(folder: Path) -> dict[str, dict[str, Any]]:
    """Return everything that was ever put before adjudicators, by ``dispute_id.answers_digest``."""
    path = folder / "queue.parquet"
    rows = tables.read_rows(path, tables.QUEUE) if path.is_file() else []
    return {f"{row['dispute_id']}.{row['answers_digest']}": row for row in rows}


def append_queue(folder: Path, disputes: Iterable[Dispute]) -> None:
    """Add disputes to the queue's record; those that stand there stay as they are."""
    known = read_queue(folder)
    rows = [*known.values(), *(queue_row(dispute) for dispute in disputes if dispute.key not in known)]
    folder.mkdir(parents=True, exist_ok=True)
    tables.write_table(folder / "queue.parquet", tables.QUEUE, rows)
    write_manifest(folder, [name for name in _FILES if (folder / name).is_file()])


def append_decisions(folder: Path, decisions: Sequence[Decision], *, export: Sequence[Mapping[str, Any]]) -> int:
    """Add decisions that are not known yet, with what was drawn, and keep the export; return how many were added.

    What an adjudicator drew is written first: a decision without its drawings is never to be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, drawn = folder / "decisions.parquet", folder / "corrections.parquet"
    rows = tables.read_rows(path, tables.DECISIONS) if path.is_file() else []
    known = {row["decision_id"] for row in rows}
    new = [decision for decision in decisions if decision.decision_id not in known]
    kept = tables.read_rows(drawn, tables.INSTANCES) if drawn.is_file() else []
    there = {row["instance_id"] for row in kept}
    marks = [tables.instance_row(mark) for decision in new for mark in decision.corrections]
    kept += [row for row in marks if row["instance_id"] not in there]
    tables.write_table(drawn, tables.INSTANCES, sorted(kept, key=lambda row: str(row["instance_id"])))
    rows += [decision_row(decision) for decision in new]
    rows.sort(key=lambda row: (row["decided_at"], row["decision_id"]))
    tables.write_table(path, tables.DECISIONS, rows)
    write_text(folder / "export.json", canonical_json(list(export)) + "\n")
    write_manifest(folder, [name for name in _FILES if (folder / name).is_file()])
    return len(new)
