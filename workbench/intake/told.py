"""What a partner told of seizures and objects, as the tables beside the delivery's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.domain.delivery import Contribution
from workbench.intake.seizure_table import SeizureTable
from workbench.tables import FILES, ITEMS, SEIZURES, read_rows, write_table


def seizure_rows(contribution: Contribution, table: SeizureTable) -> list[dict[str, Any]]:
    """Return the rows of `tables.SEIZURES`, by seizure."""
    own = {"contribution_id": contribution.contribution_id}
    return [
        {"seizure_id": f"{contribution.partner_id}/{seizure}", **own, **facts}
        for seizure, facts in sorted(table.seizures.items())
    ]


def item_rows(contribution: Contribution, table: SeizureTable) -> list[dict[str, Any]]:
    """Return the rows of `tables.ITEMS`, by seizure and item."""
    partner, own = contribution.partner_id, {"contribution_id": contribution.contribution_id}
    return [
        {"item_id": f"{partner}/{item}", "seizure_id": f"{partner}/{seizure}", **own, **facts}
        for (seizure, item), facts in sorted(table.items.items())
    ]


def write_told(folder: Path, contribution: Contribution, table: SeizureTable) -> None:
    """Write seizures.parquet and items.parquet; neither where the partner told nothing."""
    for path, schema, rows in _tables(folder, contribution, table):
        if rows:
            write_table(path, schema, rows)
        else:
            path.unlink(missing_ok=True)


def told_otherwise(
    folder: Path, contribution: Contribution, table: SeizureTable, rows: Sequence[Mapping[str, Any]]
) -> bool:
    """Say whether a contribution on record was told of otherwise than a table tells now.

    ``rows`` are those of `tables.FILES` that the table would give.
    """
    own = ("seizure_id", "item_id", "view")
    before = {row["image_id"]: [row[name] for name in own] for row in read_rows(folder / "files.parquet", FILES)}
    if before != {row["image_id"]: [row[name] for name in own] for row in rows}:
        return True
    for path, schema, planned in _tables(folder, contribution, table):
        kept = read_rows(path, schema) if path.is_file() else []
        if kept != [{name: row.get(name) for name in schema.names} for row in planned]:
            return True
    return False


def _tables(
    folder: Path, contribution: Contribution, table: SeizureTable
) -> Iterator[tuple[Path, Any, list[dict[str, Any]]]]:
    yield folder / "seizures.parquet", SEIZURES, seizure_rows(contribution, table)
    yield folder / "items.parquet", ITEMS, item_rows(contribution, table)
