"""What labellers made of the suggestions that they were shown: left, moved, renamed, deleted, and what they added."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.layout import Layout
from workbench.tables import CHANGES, read_columns

#: What may become of a suggestion, in the order it is told.
KINDS = ("untouched", "moved", "reclassed", "retyped", "deleted", "added")


def suggestion_figures(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return for each labeller who was shown suggestions how many answers began from them, and what became of each.

    ``kept_frac`` is the share of suggestions left as they were. Who leaves all of them has trusted the model, or not looked.
    """
    columns = ["annotation_id", "annotator", "change"]
    paths = sorted(layout.labelling.glob("*/changes.parquet"))
    rows = pa.concat_tables(
        [CHANGES.empty_table().select(columns), *(read_columns(path, CHANGES, columns) for path in paths)]
    )
    told: dict[str, dict[str, Any]] = {}
    for name in sorted(set(rows["annotator"].to_pylist())):
        mine = rows.filter(pc.equal(rows["annotator"], name))
        counts = {kind: int(pc.sum(pc.equal(mine["change"], kind)).as_py() or 0) for kind in KINDS}
        shown = sum(counts.values()) - counts["added"]
        told[name] = {
            "answers": len(mine["annotation_id"].unique()),
            **counts,
            "kept_frac": counts["untouched"] / shown if shown else None,
        }
    return told
