"""The curation stage: every admitted photograph with its group, its split, or why it is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench.curation.duplicates import Pair, exact_pairs, near_pairs, union_pairs
from workbench.curation.splits import assign_splits
from workbench.domain.dataset import Split
from workbench.domain.findings import Finding
from workbench.domain.lineage import canonical_json, require_activity
from workbench.layout import Layout
from workbench.ports import Fingerprint
from workbench.tables import DUPLICATES, IMAGES, read_all_rows, write_table

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "curation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """What the stage decided: rows of `tables.IMAGES`, pairs of duplicates, findings."""

    images: tuple[Mapping[str, Any], ...]
    pairs: tuple[Pair, ...]
    findings: tuple[Finding, ...]


def plan_curation(
    layout: Layout, params: Mapping[str, Any], *, fingerprint: Fingerprint, frozen: Mapping[str, Split]
) -> Curated:
    """Return groups and splits for all admitted photographs; nothing is written.

    A photograph that two contributions brought is one photograph, of the first in order.
    """
    require_activity(params, ACTIVITY, section="curation")
    rows: dict[str, Mapping[str, Any]] = {}
    for row in read_all_rows(sorted(layout.intake.glob("*/images.parquet")), IMAGES):
        rows.setdefault(row["image_id"], row)
    exact = exact_pairs({image_id: row["file_sha256"] for image_id, row in rows.items()})
    hashes = fingerprint([(row["file_sha256"], layout.data / row["path"]) for row in rows.values()])
    of_image = {image_id: hashes[row["file_sha256"]] for image_id, row in rows.items() if row["file_sha256"] in hashes}
    duplicates = {pair.other_image_id: pair.image_id for pair in exact}
    distinct = {image_id: value for image_id, value in of_image.items() if image_id not in duplicates}
    pairs = exact + near_pairs(distinct, most_bits=params["near_duplicate_bits"])
    placed, findings = assign_splits(
        list(rows.values()),
        union_pairs(pairs),
        duplicates,
        shares=params["splits"],
        salt=params["split_salt"],
        frozen=frozen,
    )
    images = tuple(
        {
            **rows[image_id],
            "group_id": placed[image_id].group_id,
            "split": placed[image_id].split and str(placed[image_id].split),
            "excluded": placed[image_id].excluded,
        }
        for image_id in sorted(rows)
    )
    ordered = sorted(pairs, key=lambda pair: (pair.image_id, pair.other_image_id))
    return Curated(images=images, pairs=tuple(ordered), findings=tuple(findings))


def write_curation(layout: Layout, curated: Curated) -> None:
    """Write data/04_curation."""
    target = layout.curation
    write_table(target / "images.parquet", IMAGES, curated.images)
    write_table(target / "duplicates.parquet", DUPLICATES, [asdict(pair) for pair in curated.pairs])
    part = target / "curation.json.part"
    part.write_text(canonical_json(curation_figures(curated.images, curated.pairs)) + "\n", encoding="utf-8")
    os.replace(part, target / "curation.json")


def curation_figures(images: Sequence[Mapping[str, Any]], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return counts: photographs, groups, splits, exclusions by reason, duplicates by kind."""
    return {
        "photographs": len(images),
        "groups": len({row["group_id"] for row in images}),
        "splits": dict(sorted(Counter(row["split"] for row in images if row["split"]).items())),
        "excluded": dict(
            sorted(Counter(row["excluded"].split(" of ")[0] for row in images if row["excluded"]).items())
        ),
        "duplicates": dict(sorted(Counter(pair.kind for pair in pairs).items())),
    }
