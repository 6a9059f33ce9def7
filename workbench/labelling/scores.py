"""Scores of photographs from a table that some other tool wrote: which are worth a look first."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from workbench.domain.findings import refused


def read_scores(path: Path) -> dict[str, float]:
    """Return the score of each image_id from a .csv or .parquet table with the columns image_id and score.

    Raises
    ------
    Refused
        ``labelling.scores-unusable`` if it is no such table, or a score is no finite number.

    """
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pc.read_csv(path)
        image_ids = table.column("image_id").cast(pa.string()).to_pylist()
        scores = table.column("score").cast(pa.float64()).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise refused(
            "labelling.scores-unusable",
            path,
            f"is no table of image_id and score ({error}).",
            "Name a .csv or .parquet table with these two columns in photographs.scores.",
        ) from error
    wrong = [image_id for image_id, score in zip(image_ids, scores, strict=True) if score is None or math.isnan(score)]
    if wrong:
        raise refused(
            "labelling.scores-unusable",
            path,
            f"has no score for {wrong[0]} and {len(wrong) - 1} others.",
            "Leave out the rows of photographs without a score: they come last.",
        )
    return dict(zip(image_ids, scores, strict=True))
