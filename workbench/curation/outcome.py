"""What curation hands on: its tables, its figures as JSON, and the few that DVC compares and plots."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.curation import audit
from workbench.curation.stage import Curated
from workbench.domain.dataset import SPLITS
from workbench.domain.lineage import canonical_json
from workbench.layout import Layout
from workbench.tables import DUPLICATES, FOLDS, HINTS, IMAGES, QUALITY, write_table


def write_curation(layout: Layout, curated: Curated) -> None:
    """Write data/04_curation."""
    target = layout.curation
    write_table(target / "images.parquet", IMAGES, curated.images)
    write_table(target / "quality.parquet", QUALITY, curated.quality)
    write_table(target / "hints.parquet", HINTS, curated.hints)
    write_table(target / "folds.parquet", FOLDS, curated.folds)
    write_table(target / "duplicates.parquet", DUPLICATES, [asdict(pair) for pair in curated.pairs])
    figures = curation_figures(curated)
    for name, text in _plots(figures).items():
        _write(target / name, text)
    _write(target / "metrics.json", canonical_json(_metrics(figures)) + "\n")
    _write(target / "curation.json", canonical_json(figures) + "\n")


def curation_figures(curated: Curated) -> dict[str, Any]:
    """Return counts (photographs, groups, splits, exclusions by reason, duplicates by kind, flags), shares, and findings."""
    images = curated.images
    used = [row for row in images if row["split"]]
    groups = {row["group_id"]: row["split"] for row in used}
    labelled = [row["split"] for row in used if row["image_id"] in curated.labelled]
    reasons = [re.split(r" of | by ", row["excluded"])[0] for row in images if row["excluded"]]
    return {
        "photographs": len(images),
        "groups": len({row["group_id"] for row in images}),
        "splits": _counts(row["split"] for row in used),
        "shares_of_groups": _shares(_counts(groups.values())),
        "shares_of_photographs": _shares(_counts(row["split"] for row in used)),
        "labelled": _counts(labelled),
        "excluded": _counts(reasons),
        "duplicates": _counts(pair.kind for pair in curated.pairs),
        "quality": _counts(flag for row in curated.quality for flag in row["flags"]),
        "hints": _counts(row["kind"] for row in curated.hints),
        "against_releases": dict(curated.moved),
        "balance": {name: dict(splits) for name, splits in curated.balance.items()},
        "lacking": {name: dict(lacks) for name, lacks in curated.lacking.items()},
        "partners": audit.by_partner(images),
        "partner_leakage": dict(curated.leakage),
        "findings": [finding.to_json() for finding in curated.findings],
    }


def _metrics(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers that DVC compares between versions; null where something is not defined."""
    leakage = figures["partner_leakage"]
    return {
        "photographs": figures["photographs"],
        "groups": figures["groups"],
        "moved": figures["against_releases"]["moved"],
        "categories_lacking": len(figures["lacking"]),
        "excluded": sum(figures["excluded"].values()),
        "duplicates": sum(figures["duplicates"].values()),
        "partner_guessed": leakage["balanced_accuracy"],
        "partner_chance": leakage["chance"],
        "hints": sum(figures["hints"].values()),
        "splits": {str(split): figures["splits"].get(str(split), 0) for split in SPLITS},
    }


def _plots(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that `dvc plots` draws: bars of categories, splits and pairs."""
    balance = [(c, s, n) for c, splits in figures["balance"].items() for s, n in splits.items()]
    splits = [(str(split), figures["splits"].get(str(split), 0)) for split in SPLITS]
    return {
        "balance.csv": _csv(("category", "split", "photographs"), balance),
        "splits.csv": _csv(("split", "photographs"), splits),
        "duplicates.csv": _csv(
            ("kind", "pairs"), [(k, figures["duplicates"].get(k, 0)) for k in ("exact", "near", "overlap")]
        ),
    }


def _csv(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: round(count / total, 4) for name, count in counts.items()}
