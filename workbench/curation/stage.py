"""The curation stage: every admitted photograph with its group, its split, or why it is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.curation.duplicates import Pair, exact_pairs, near_pairs, superseded, union_pairs
from workbench.curation.quality import quality_row
from workbench.curation.splits import Placed, assign_splits, check_shares
from workbench.domain.dataset import Split
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.lineage import canonical_json, require_activity
from workbench.layout import Layout
from workbench.ports import Fingerprint, Gauge, Within
from workbench.tables import DUPLICATES, IMAGES, LABELLED, QUALITY, read_all_rows, read_rows, write_table

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "curation/2"

#: Length of a perceptual hash.
_HASH_BITS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """What the stage decided: rows of `tables.IMAGES` and `tables.QUALITY`, duplicates, findings; what is labelled."""

    images: tuple[Mapping[str, Any], ...]
    quality: tuple[Mapping[str, Any], ...]
    pairs: tuple[Pair, ...]
    findings: tuple[Finding, ...]
    labelled: frozenset[str]


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be used.

    Raises
    ------
    Refused
        ``workspace.activity-version`` or ``workspace.params-invalid``.

    """
    require_activity(params, ACTIVITY, section="curation")
    check_shares(params.get("splits"))
    bits, salt = params.get("near_duplicate_bits"), params.get("split_salt")
    if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits < _HASH_BITS:
        raise _bad_param("near_duplicate_bits", bits, f"Set it to a whole number from 0 to {_HASH_BITS - 1}.")
    if not isinstance(salt, str):
        raise _bad_param("split_salt", salt, "Set it to a text, and never change it after the first release.")


def _bad_param(name: str, value: object, remedy: str) -> Refused:
    return refused("workspace.params-invalid", f"params.yaml curation.{name}", f"is {value!r}.", remedy)


def plan_curation(
    layout: Layout,
    params: Mapping[str, Any],
    *,
    fingerprint: Fingerprint,
    within: Within,
    gauge: Gauge,
    frozen: Mapping[str, Split],
) -> Curated:
    """Return groups and splits for all admitted photographs; nothing is written.

    A photograph that two contributions brought is one photograph, of the first in order.

    Raises
    ------
    Refused
        ``workspace.activity-version`` or ``workspace.params-invalid``.

    """
    check_params(params)
    rows: dict[str, Mapping[str, Any]] = {}
    for row in read_all_rows(sorted(layout.intake.glob("*/images.parquet")), IMAGES):
        rows.setdefault(row["image_id"], row)
    frozen = _with_stand_ins(frozen, rows.values())
    contents = {image_id: row["file_sha256"] for image_id, row in rows.items()}
    exact = exact_pairs(contents)
    files = [(row["file_sha256"], layout.data / row["path"]) for row in rows.values()]
    hashes, sights = fingerprint(files), gauge(files)
    repeats = {pair.other_image_id for pair in exact}
    distinct = {image_id: hashes[content] for image_id, content in contents.items() if image_id not in repeats}
    pairs = exact + near_pairs(distinct, most_bits=params["near_duplicate_bits"], within=within)
    placed, findings = assign_splits(
        list(rows.values()),
        union_pairs(pairs),
        superseded(contents, frozen),
        shares=params["splits"],
        salt=params["split_salt"],
        frozen=frozen,
    )
    ordered = sorted(pairs, key=lambda pair: (pair.image_id, pair.other_image_id))
    return Curated(
        images=tuple(_placed_row(rows[image_id], placed[image_id]) for image_id in sorted(rows)),
        quality=tuple(quality_row(rows[image_id], sights[contents[image_id]]) for image_id in sorted(rows)),
        pairs=tuple(ordered),
        findings=tuple(findings),
        labelled=frozenset(_labelled(layout)),
    )


def _with_stand_ins(frozen: Mapping[str, Split], rows: Iterable[Mapping[str, Any]]) -> dict[str, Split]:
    """Return the frozen splits, with that of a photograph for the image that stands for it since regions were covered."""
    parents = {row["image_id"]: row["parent_image_id"] for row in rows if row["parent_image_id"] in frozen}
    return {**{image_id: frozen[parent] for image_id, parent in parents.items()}, **frozen}


def _placed_row(row: Mapping[str, Any], place: Placed) -> dict[str, Any]:
    split = place.split and str(place.split)
    return {**row, "group_id": place.group_id, "split": split, "excluded": place.excluded}


def _labelled(layout: Layout) -> Iterator[str]:
    """Yield the photographs somebody answered about; none before the first adjudication."""
    path = layout.adjudication / "labelled.parquet"
    if path.is_file():
        yield from (row["image_id"] for row in read_rows(path, LABELLED))


def write_curation(layout: Layout, curated: Curated) -> None:
    """Write data/04_curation."""
    target = layout.curation
    write_table(target / "images.parquet", IMAGES, curated.images)
    write_table(target / "quality.parquet", QUALITY, curated.quality)
    write_table(target / "duplicates.parquet", DUPLICATES, [asdict(pair) for pair in curated.pairs])
    part = target / "curation.json.part"
    part.write_text(canonical_json(curation_figures(curated)) + "\n", encoding="utf-8")
    os.replace(part, target / "curation.json")


def curation_figures(curated: Curated) -> dict[str, Any]:
    """Return counts (photographs, groups, splits, exclusions by reason, duplicates by kind, flags) and the findings."""
    images = curated.images
    labelled = [row["split"] for row in images if row["split"] and row["image_id"] in curated.labelled]
    reasons = [row["excluded"].split(" of ")[0] for row in images if row["excluded"]]
    return {
        "photographs": len(images),
        "groups": len({row["group_id"] for row in images}),
        "splits": _counts(row["split"] for row in images if row["split"]),
        "labelled": _counts(labelled),
        "excluded": _counts(reasons),
        "duplicates": _counts(pair.kind for pair in curated.pairs),
        "quality": _counts(flag for row in curated.quality for flag in row["flags"]),
        "findings": [finding.to_json() for finding in curated.findings],
    }


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
