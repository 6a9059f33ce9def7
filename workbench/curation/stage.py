"""The curation stage: every admitted photograph with its group, its split, or why it is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.curation import audit, hints
from workbench.curation.decisions import read_decisions, standing
from workbench.curation.duplicates import (
    Pair,
    exact_pairs,
    near_pairs,
    overlap_pairs,
    proposed_pairs,
    superseded,
    union_pairs,
)
from workbench.curation.params import ACTIVITY, Holdout, check_params
from workbench.curation.quality import quality_row
from workbench.curation.splits import Placed, assign_splits
from workbench.domain.dataset import Split
from workbench.domain.findings import Finding
from workbench.layout import Layout
from workbench.ports import Eyes
from workbench.tables import IMAGES, INSTANCES, LABELLED, SEIZURES, read_all_rows, read_designs, read_rows

__all__ = ["ACTIVITY", "Curated", "check_params", "plan_curation"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """What the stage decided and measured: rows of its tables, duplicates, findings, figures; what is labelled."""

    images: tuple[Row, ...]
    quality: tuple[Row, ...]
    hints: tuple[Row, ...]
    folds: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    findings: tuple[Finding, ...]
    labelled: frozenset[str]
    balance: Mapping[str, Mapping[str, int]]
    lacking: Mapping[str, Mapping[str, Any]]
    leakage: Mapping[str, Any]
    moved: Mapping[str, int]


def plan_curation(layout: Layout, params: Mapping[str, Any], *, eyes: Eyes, frozen: Mapping[str, Split]) -> Curated:
    """Return groups and splits for all admitted photographs; nothing is written.

    A photograph that two contributions brought is one photograph, of the first in order.

    Raises
    ------
    Refused
        ``workspace.activity-version``, ``workspace.params-invalid`` or ``curation.decisions-altered``.

    """
    holdout = check_params(params)
    decided = standing(read_decisions(layout.curation_decisions))
    rows = _admitted(layout)
    frozen = _with_stand_ins(frozen, rows.values())
    looks = _look(layout, rows, params, eyes)
    instances = _instances(layout, rows)
    placed, findings = assign_splits(
        list(rows.values()),
        [*union_pairs(looks.pairs), *_together(decided.together, rows), *_same_design(layout, rows)],
        superseded(_contents(rows), frozen),
        shares=params["splits"],
        salt=params["split_salt"],
        frozen=frozen,
        held_out=_held_out(layout, rows, holdout),
        left_out=decided.excluded,
        strata=_categories(instances) if params["stratify"] else None,
    )
    images = tuple(_placed_row(rows[image_id], placed[image_id]) for image_id in sorted(rows))
    counts = audit.balance(images, instances)
    leakage = audit.partner_leakage(
        [row for row in images if row["image_id"] in looks.vectors], looks.stacked, eyes.guess
    )
    return Curated(
        images=images,
        quality=tuple(quality_row(rows[image_id], looks.sights[image_id]) for image_id in sorted(rows)),
        hints=tuple(_hints(layout, images, instances, looks, eyes)),
        folds=tuple(audit.folds(images)),
        pairs=tuple(sorted(looks.pairs, key=lambda pair: (pair.image_id, pair.other_image_id))),
        findings=(*findings, *audit.balance_findings(counts), *audit.leakage_findings(leakage)),
        labelled=frozenset(_labelled(layout)),
        balance=counts,
        lacking=audit.lacking(images, _categories(instances), params["splits"]),
        leakage=leakage,
        moved=audit.moved(images, frozen),
    )


def _with_stand_ins(frozen: Mapping[str, Split], rows: Iterable[Row]) -> dict[str, Split]:
    """Return the frozen splits, with that of a photograph for the image that stands for it since regions were covered."""
    parents = {row["image_id"]: row["parent_image_id"] for row in rows if row["parent_image_id"] in frozen}
    return {**{image_id: frozen[parent] for image_id, parent in parents.items()}, **frozen}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """What looking at the pictures gave: who is alike, how each measures, the vector of each distinct content."""

    pairs: list[Pair]
    sights: Mapping[str, Any]
    vectors: Mapping[str, NDArray[np.float32]]

    @property
    def stacked(self) -> NDArray[np.float32]:
        """The vectors as one array, by image_id in order."""
        return (
            np.stack([self.vectors[name] for name in sorted(self.vectors)]) if self.vectors else np.zeros((0, 1), "f4")
        )


def _look(layout: Layout, rows: Mapping[str, Row], params: Mapping[str, Any], eyes: Eyes) -> _Looks:
    contents = _contents(rows)
    exact = exact_pairs(contents)
    repeats = {pair.other_image_id for pair in exact}
    files = [(row["file_sha256"], layout.data / row["path"]) for row in rows.values()]
    hashes, sights = eyes.fingerprint(files), eyes.gauge(files)
    distinct = [image_id for image_id in sorted(rows) if image_id not in repeats]
    near = near_pairs(
        {image_id: hashes[contents[image_id]] for image_id in distinct},
        most_bits=params["near_duplicate_bits"],
        within=eyes.within,
    )
    seen = [(contents[image_id], layout.data / rows[image_id]["path"]) for image_id in distinct]
    vectors = eyes.embed([(sha, path, None) for sha, path in seen])
    proposed = proposed_pairs(distinct, vectors, most_alike=eyes.most_alike, known=union_pairs(near))
    file_of = dict(zip(distinct, seen, strict=True))
    points = eyes.match_points([(file_of[one], file_of[other]) for one, other in proposed])
    overlaps = overlap_pairs(proposed, points, fewest=params["overlap_points"])
    return _Looks(
        pairs=exact + near + overlaps,
        sights={image_id: sights[contents[image_id]] for image_id in rows},
        vectors=dict(zip(distinct, vectors, strict=True)),
    )


def _hints(
    layout: Layout, images: Sequence[Row], instances: Sequence[Row], looks: _Looks, eyes: Eyes
) -> Iterator[dict[str, Any]]:
    """Yield rows of `tables.HINTS`: outliers, then labels that look-alikes contradict."""
    yield from hints.outliers(sorted(looks.vectors), looks.stacked, eyes.most_alike)
    by_id = {row["image_id"]: row for row in images}
    boxed = [row for row in instances if row["x_min"] is not None and by_id[row["image_id"]]["split"]]
    views = []
    for row in boxed:
        image, box = by_id[row["image_id"]], (row["x_min"], row["y_min"], row["x_max"], row["y_max"])
        key = f"{image['file_sha256']}:{','.join(f'{edge:.1f}' for edge in box)}"
        views.append((key, layout.data / image["path"], box))
    groups = {row["image_id"]: row["group_id"] for row in images}
    yield from hints.label_suspects(boxed, eyes.embed(views), groups, eyes.most_alike)


def _admitted(layout: Layout) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for row in read_all_rows(sorted(layout.intake.glob("*/images.parquet")), IMAGES):
        rows.setdefault(row["image_id"], row)
    return rows


def _contents(rows: Mapping[str, Row]) -> dict[str, str]:
    return {image_id: row["file_sha256"] for image_id, row in rows.items()}


def _held_out(layout: Layout, rows: Mapping[str, Row], holdout: Holdout) -> dict[str, Split]:
    """Return the split of each image of a partner or country held out."""
    seizures = read_all_rows(sorted(layout.deliveries.glob("*/seizures.parquet")), SEIZURES)
    country_of = {row["seizure_id"]: row["country"] for row in seizures if row["country"]}
    return {image_id: holdout.split for image_id, row in rows.items() if holdout.held_out(row, country_of)}


def _placed_row(row: Row, place: Placed) -> dict[str, Any]:
    split = place.split and str(place.split)
    return {**row, "group_id": place.group_id, "split": split, "excluded": place.excluded}


def _instances(layout: Layout, rows: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Return the ground truth of admitted photographs; none before the first adjudication."""
    path = layout.adjudication / "instances.parquet"
    return [row for row in read_rows(path, INSTANCES) if row["image_id"] in rows] if path.is_file() else []


def _together(pairs: Iterable[tuple[str, str]], rows: Mapping[str, Row]) -> Iterator[tuple[str, str]]:
    yield from (pair for pair in pairs if set(pair) <= set(rows))


def _same_design(layout: Layout, rows: Mapping[str, Row]) -> Iterator[tuple[str, str]]:
    """Yield pairs of photographs of stand-ins that were made from one design."""
    designs = read_designs(sorted(layout.deliveries.glob("*")))
    first: dict[str, str] = {}
    for image_id, row in sorted(rows.items()):
        if design := designs.get((row["seizure_id"], row["item_id"])):
            yield first.setdefault(design, image_id), image_id


def _categories(instances: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Return the categories that each photograph shows."""
    shown: dict[str, set[str]] = defaultdict(set)
    for row in instances:
        shown[row["image_id"]].add(row["category"])
    return {image_id: frozenset(codes) for image_id, codes in shown.items()}


def _labelled(layout: Layout) -> Iterator[str]:
    """Yield the photographs somebody answered about; none before the first adjudication."""
    path = layout.adjudication / "labelled.parquet"
    if path.is_file():
        yield from (row["image_id"] for row in read_rows(path, LABELLED))
