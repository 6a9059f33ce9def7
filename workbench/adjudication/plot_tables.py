"""What `dvc plots show` draws of adjudication, as tables: agreement by category, labellers, and a session's course."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

#: The columns of each table, in order.
_COLUMNS = {
    "agreement_by_category": ("category", "objects", "f1", "f1_low", "f1_high", "mean_iou", "alpha_with_misses"),
    "labellers": ("annotator", "answers", "objects", "f1", "right_frac", "check_f1", "median_s"),
    "sessions": ("annotator", "part", "answers", "median_s", "f1"),
}


def plot_tables(agreement: Mapping[str, Any], labellers: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Return the rows of each table by its name, the head first; a figure that is not defined is empty."""
    categories = [
        {"category": code, **figures, **_ends(figures["intervals"], "f1")}
        for code, figures in agreement["categories"].items()
    ]
    people, course = [], []
    for name, told in labellers.items():
        people.append(
            {
                "annotator": name,
                "answers": told["answers"],
                "objects": told["objects"],
                "f1": told.get("peers", {}).get("f1"),
                "right_frac": (told.get("consensus") or {}).get("right_frac"),
                "check_f1": (told.get("checks") or {}).get("f1"),
                "median_s": told.get("time", {}).get("median_s"),
            }
        )
        course += [{"annotator": name, **part} for part in told.get("fatigue", {}).get("curve", ())]
    tables = {"agreement_by_category": categories, "labellers": people, "sessions": course}
    return {
        name: [list(columns), *([row.get(column) for column in columns] for row in tables[name])]
        for name, columns in _COLUMNS.items()
    }


def _ends(intervals: Mapping[str, Sequence[float]], name: str) -> dict[str, float]:
    return dict(zip((f"{name}_low", f"{name}_high"), intervals[name], strict=True)) if name in intervals else {}


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV text; figures with six digits, nothing for null."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in rows:
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    return buffer.getvalue()
