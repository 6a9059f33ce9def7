"""The figures of a release that its card and its summary tell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.domain.dataset import SPLITS
from workbench.domain.photograph import Origin
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.release.contents import Contents
from workbench.release.terms import Intent
from workbench.tables import SEIZURES, read_rows

_ORIGINS = tuple(origin.value for origin in Origin)


def release_facts(
    contents: Contents,
    taxonomy: Taxonomy,
    *,
    title: str,
    intent: Intent,
    agreement: Mapping[str, float],
    countries: Mapping[str, str],
    formats: Sequence[str],
) -> dict[str, Any]:
    """Return what a release is, in JSON values: counts by split, origin, class, partner, country; what is missing.

    Parameters
    ----------
    countries
        The country (ISO 3166-1 alpha-2) of each seizure that a partner told it of, by seizure_id.
    formats
        The names of the formats it is written in.

    """
    photographs = [row for row in contents.images if row["origin"] in {"real", "replica"}]
    origin_of = {row["image_id"]: row["origin"] for row in contents.images}
    split_of = {row["image_id"]: row["split"] for row in contents.images}
    by_class: dict[str, Counter[str]] = {code: Counter() for code in taxonomy.codes}
    for row in contents.instances:
        by_class[row["category"]][origin_of[row["image_id"]]] += 1
    seen = {code: dict(counts) for code, counts in by_class.items() if counts}
    images_by_origin = Counter(origin_of.values())
    by_split = Counter((row["split"], row["origin"]) for row in contents.images)
    synthetic = images_by_origin["rendered"] + images_by_origin["augmented"]
    training = {row["category"] for row in contents.instances if split_of[row["image_id"]] == "train"}
    return {
        "title": title,
        "purpose": intent.purpose,
        "sharing": intent.sharing.value,
        "as_of": intent.as_of and intent.as_of.isoformat(),
        "taxonomy_version": taxonomy.version,
        "images": len(contents.images),
        "instances": len(contents.instances),
        "groups": len({row["group_id"] for row in contents.images}),
        "classes": list(taxonomy.codes),
        "formats": list(formats),
        "images_by_split_and_origin": {
            split.value: {origin: by_split[split.value, origin] for origin in _ORIGINS} for split in SPLITS
        },
        "instances_by_split": _counted(split_of[row["image_id"]] for row in contents.instances),
        "instances_by_class_and_origin": seen,
        "images_by_partner": _counted(row["partner_id"] or "none (rendered)" for row in contents.images),
        "photographs_by_partner": _counted(row["partner_id"] or "unknown" for row in photographs),
        "images_by_country": _counted(countries.get(row["seizure_id"], "unknown") for row in photographs),
        "images_by_licence": _counted(row["licence"] for row in contents.images),
        "instances_by_decision": _counted(row["decided_by"] or "unknown" for row in contents.instances),
        "synthetic_share": round(synthetic / len(contents.images), 4) if contents.images else 0.0,
        "left_out": dict(contents.left_out),
        "masked": list(contents.masked),
        "agreement": dict(agreement),
        "gaps": {
            "classes_without_objects": [code for code in taxonomy.codes if code not in seen],
            "classes_only_outside_training": sorted(set(seen) - training),
            "classes_only_synthetic": sorted(c for c, counts in seen.items() if not set(counts) & {"real", "replica"}),
            "empty_splits": [s.value for s in SPLITS if s.value not in set(split_of.values())],
            "images_without_objects": len(set(split_of) - {row["image_id"] for row in contents.instances}),
        },
    }


def facts_bytes(facts: Mapping[str, Any]) -> bytes:
    """Return the facts as JSON bytes for people and programs."""
    return (json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_agreement(path: Path) -> dict[str, float]:
    """Return the figures of adjudication's agreement.json, nested names joined by points; nothing if it is not there."""
    if not path.is_file():
        return {}
    return dict(sorted(_flat("", json.loads(path.read_text(encoding="utf-8")))))


def read_countries(layout: Layout) -> dict[str, str]:
    """Return the country of each seizure whose country a partner told, by seizure_id."""
    found: dict[str, str] = {}
    for path in sorted(layout.deliveries.glob("*/seizures.parquet")):
        for row in read_rows(path, SEIZURES):
            if row["country"]:
                found[row["seizure_id"]] = row["country"]
    return found


def _flat(prefix: str, value: object) -> Iterable[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield prefix, value


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
