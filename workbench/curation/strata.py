"""Categories that a split lacks are brought to it: whole groups that no release holds yet move, as few as do."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.domain.dataset import SPLITS, Split

#: The split that a lack is made good in first: the smaller ones lack most, and a test without a category tells nothing.
_FIRST = (Split.TEST, Split.VAL, Split.TRAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A group as it is drawn: its split, its photographs' categories, and whether it may still move."""

    split: Split
    categories: frozenset[str]
    free: bool


def even_out(drawn: Mapping[str, Stratum], shares: Mapping[str, float], *, salt: str) -> dict[str, Split]:
    """Return the groups that move, and where to, so that each split has its part of every category.

    A split's part of a category is its share of the groups that show it, rounded down, and one at least where there
    are groups for all splits (the largest split gives way). Categories are taken from the rarest on. A group moves only from a split that has more
    than its part of each of the group's categories, so what is made good in one place is never torn open in another.
    Which of several groups moves is drawn by a salted hash: the order of the photographs does not matter. The same idea
    as iterative stratification (Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, 2011), as
    a repair of the draw rather than instead of it: most groups stay where their hash puts them.

    Parameters
    ----------
    drawn
        Each group by its anchor.
    shares
        Shares of train, val and test; they add up to 1.

    """
    counts = {split: Counter[str]() for split in SPLITS}
    for group in drawn.values():
        counts[group.split].update(group.categories)
    parts = _parts(counts, shares)
    totals = Counter[str]()
    for count in counts.values():
        totals.update(count)
    order = sorted((anchor for anchor, group in drawn.items() if group.free), key=lambda a: _lot(salt, a))
    of_category: dict[str, list[str]] = {}
    for anchor in order:
        for category in drawn[anchor].categories:
            of_category.setdefault(category, []).append(anchor)
    now = {anchor: drawn[anchor].split for anchor in order}
    for category in sorted(of_category, key=lambda c: (totals[c], c)):
        for split in _FIRST:
            for anchor in of_category[category]:
                if counts[split][category] >= parts[split][category]:
                    break
                source, codes = now[anchor], drawn[anchor].categories
                if source is not split and all(counts[source][c] > parts[source][c] for c in codes):
                    counts[source].subtract(codes)
                    counts[split].update(codes)
                    now[anchor] = split
    return {anchor: split for anchor, split in now.items() if split is not drawn[anchor].split}


def lacking(drawn: Mapping[str, Stratum], shares: Mapping[str, float]) -> dict[str, dict[Split, tuple[int, int]]]:
    """Return the categories of which a split has less than its part: groups there are, and groups there should be."""
    counts = {split: Counter[str]() for split in SPLITS}
    for group in drawn.values():
        counts[group.split].update(group.categories)
    parts = _parts(counts, shares)
    lacks: dict[str, dict[Split, tuple[int, int]]] = {}
    for split in SPLITS:
        for category, part in sorted(parts[split].items()):
            if counts[split][category] < part:
                lacks.setdefault(category, {})[split] = (counts[split][category], part)
    return lacks


def _parts(counts: Mapping[Split, Counter[str]], shares: Mapping[str, float]) -> dict[Split, Counter[str]]:
    """Return how many groups of each category a split should have at least."""
    totals = Counter[str]()
    for count in counts.values():
        totals.update(count)
    used = [split for split in SPLITS if shares[split.value] > 0]
    parts = {split: Counter[str]() for split in SPLITS}
    for category, total in totals.items():
        for split in used:
            # A share of 0.15 of 20 groups is 3, though 0.15 * 20 is a little less in binary.
            part = math.floor(shares[split.value] * total + 1e-9)
            parts[split][category] = max(part, 1 if total >= len(used) else 0)
        while sum(parts[split][category] for split in used) > total:
            largest = max(used, key=lambda split: parts[split][category])
            parts[largest][category] -= 1
    return parts


def _lot(salt: str, anchor: str) -> bytes:
    return hashlib.sha256(f"{salt}|strata|{anchor}".encode()).digest()
