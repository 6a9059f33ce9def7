"""What the splits came to: classes and partners in each, whether released photographs moved, whether partners leak."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.curation import strata
from workbench.curation.strata import Stratum
from workbench.domain.dataset import SPLITS, Split
from workbench.domain.findings import Finding, Severity
from workbench.ports import Guess

Row = Mapping[str, Any]

#: The audit of partners looks at no more photographs than this, chosen by hash: more change the figure little.
_AUDITED = 5000

#: Guessed this much better than chance, the partner shows in the pictures.
_LEAKS_FROM = 0.25


def partner_leakage(rows: Sequence[Row], vectors: NDArray[np.float32], guess: Guess) -> dict[str, Any]:
    """Return how well partners can be guessed from pictures of groups not seen: accuracy, chance, partners.

    Figures are null where there are too few partners or groups to tell.
    """
    chosen = sorted(
        (hashlib.sha256(row["image_id"].encode()).digest(), place)
        for place, row in enumerate(rows)
        if row["partner_id"] and row["split"]
    )[:_AUDITED]
    places = sorted(place for _, place in chosen)
    names = [rows[place]["partner_id"] for place in places]
    answer = guess(vectors[places], names, [rows[place]["group_id"] for place in places]) if places else None
    accuracy, chance = answer or (None, None)
    return {
        "partners": len(set(names)),
        "photographs": len(places),
        "balanced_accuracy": accuracy and round(accuracy, 3),
        "chance": chance and round(chance, 3),
    }


def leakage_findings(audit: Mapping[str, Any]) -> list[Finding]:
    """Return a warning where partners are guessed far better than chance."""
    accuracy, chance = audit["balanced_accuracy"], audit["chance"]
    if accuracy is None or accuracy < chance + _LEAKS_FROM:
        return []
    return [
        Finding(
            code="curation.partner-leakage",
            subject="partners",
            message=f"can be told from the pictures alone ({accuracy:.0%} right, {chance:.0%} by chance).",
            remedy="A model may learn the partner: test with a partner held out (params.yaml curation.holdout).",
            severity=Severity.NOTE,
        )
    ]


def balance(rows: Sequence[Row], instances: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Return for each category how many photographs of each split show it; photographs left out do not count."""
    split_of = {row["image_id"]: row["split"] for row in rows if row["split"]}
    shown = {(row["category"], row["image_id"]) for row in instances if row["image_id"] in split_of}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for category, image_id in shown:
        counts[category][split_of[image_id]] += 1
    return {category: {str(split): counts[category][split] for split in SPLITS} for category in sorted(counts)}


def balance_findings(counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Return one note that names the categories which validation or test lack."""
    lacking = sorted(name for name, splits in counts.items() if not splits["val"] or not splits["test"])
    if not lacking:
        return []
    named = ", ".join(lacking[:6]) + (f" and {len(lacking) - 6} more" if len(lacking) > 6 else "")  # noqa: PLR2004 -- as many as a line holds
    return [
        Finding(
            code="curation.class-missing",
            subject=f"{len(lacking)} of {len(counts)} categories",
            message=f"have no photograph in val or test: {named}.",
            remedy="More seizures that show them help; moving photographs by hand would break the splits.",
            severity=Severity.NOTE,
        )
    ]


def lacking(
    rows: Sequence[Row], categories: Mapping[str, frozenset[str]], shares: Mapping[str, float]
) -> dict[str, dict[str, dict[str, int]]]:
    """Return the categories of which a split has fewer groups than its part: by split, groups there are and should be."""
    shown: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["split"]:
            shown[row["group_id"]] |= categories.get(row["image_id"], frozenset())
    splits = {row["group_id"]: Split(row["split"]) for row in rows if row["split"]}
    groups = {
        name: Stratum(split=splits[name], categories=frozenset(codes), free=False) for name, codes in shown.items()
    }
    return {
        category: {str(split): {"groups": have, "part": part} for split, (have, part) in lacks.items()}
        for category, lacks in sorted(strata.lacking(groups, shares).items())
    }


def by_partner(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return for each partner how many photographs of each split come from it."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["split"]:
            counts[row["partner_id"] or "none"][row["split"]] += 1
    return {name: {str(split): counts[name][split] for split in SPLITS} for name in sorted(counts)}


def moved(rows: Sequence[Row], frozen: Mapping[str, Split]) -> dict[str, int]:
    """Return how many released photographs are still in a split, and how many of them in another than released."""
    still = [row for row in rows if row["image_id"] in frozen and row["split"]]
    elsewhere = sum(row["split"] != str(frozen[row["image_id"]]) for row in still)
    return {"released": len(frozen), "still_in": len(still), "moved": elsewhere}


def folds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows of `tables.FOLDS`: the partner of each photograph's group, none where a group is of several."""
    partners: defaultdict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        partners[row["group_id"]].add(row["partner_id"])
    return [
        {
            "image_id": row["image_id"],
            "fold": row["partner_id"] if len(partners[row["group_id"]]) == 1 else None,
        }
        for row in rows
        if row["split"]
    ]
