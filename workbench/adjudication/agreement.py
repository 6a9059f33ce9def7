"""How far annotators agree: F1, IoU and Krippendorff's alpha, overall, by category and by pair of annotators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from workbench.adjudication.matching import match_instances
from workbench.domain.annotation import Instance

#: What an annotator said of an object nobody else of the pair marked: a value of its own, so that misses count.
_NOT_MARKED = "(not marked)"


@dataclass(slots=True)
class Tally:
    """Counts over photographs answered by two annotators.

    ``said`` counts what the two said of an object, `_NOT_MARKED` by one of them included; ``both`` only of the objects
    that both marked. Counts, because lists for every category would not fit into memory with many photographs.
    """

    photographs: int = 0
    matched: int = 0
    first: int = 0
    second: int = 0
    ious: list[float] = field(default_factory=list)
    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    both: Counter[tuple[str | None, ...]] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return the figures; a figure that is not defined is null.

        ``f1`` counts an object as found when both annotators marked it with the same category, so it counts misses.
        ``alpha_category`` is Krippendorff's nominal alpha (Krippendorff, Content Analysis, 4th ed., chapter 12) of the
        categories given to the objects that both marked; of one category, of whether they were called so.
        """
        total = self.first + self.second
        same = sum(count for (a, b), count in self.said.items() if a == b)
        return {
            "photographs": self.photographs,
            "objects": self.said.total(),
            "matched": self.matched,
            "f1": 2 * same / total if total else None,
            "mean_iou": float(np.mean(self.ious)) if self.ious else None,
            "alpha_category": nominal_alpha(self.both),
        }


def nominal_alpha(said: Mapping[tuple[str | None, ...], int]) -> float | None:
    """Return Krippendorff's nominal alpha; null where it is not defined.

    It is undefined where nobody can be compared, and where only one value occurs at all. The formula is that of
    Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: with n values that can be paired, n_c of
    them c, and o_ck pairs of c with k, alpha = 1 - (n - 1) * sum of o_ck / sum of n_c * n_k, both sums over c != k. It
    works on counts of equal units: the `krippendorff` library, which the tests hold it to, keeps units x values x values
    numbers, 19 GB for 100,000 photographs.

    Parameters
    ----------
    said
        For what the coders said of a unit, None for a coder who said nothing, how many units there are of which this
        was said.

    """
    occurring: Counter[str] = Counter()
    differing = Fraction(0)
    for unit, count in said.items():
        values = [value for value in unit if value is not None]
        if len(values) < 2:  # noqa: PLR2004 -- a value alone cannot be compared
            continue
        for value, times in Counter(values).items():
            occurring[value] += times * count
            differing += Fraction(times * (len(values) - times) * count, len(values) - 1)
    total = occurring.total()
    expected = total * total - sum(number * number for number in occurring.values())
    return float(1 - (total - 1) * differing / expected) if expected else None


def measure_agreement(answers: Mapping[str, Mapping[str, Sequence[Instance]]], *, match_iou: float) -> dict[str, Any]:
    """Return agreement over photographs with at least two annotators.

    Parameters
    ----------
    answers
        For each photograph (in one project) the instances of each annotator.
    match_iou
        From this overlap on, two instances show the same object.

    """
    overall, pairs = Tally(), dict[tuple[str, str], Tally]()
    categories: dict[str, Tally] = {}
    for key in sorted(answers):
        for one, other in _pairs_of(sorted(answers[key])):
            first, second = answers[key][one], answers[key][other]
            said, ious = _said(first, second, match_iou)
            for tally in (overall, pairs.setdefault((one, other), Tally())):
                _count(tally, first, second, said, ious)
            for code in {instance.category for instance in (*first, *second)}:
                of = categories.setdefault(code, Tally())
                here = [pair for pair in said if code in pair]
                shared = [iou for pair, iou in zip(said, ious, strict=False) if code in pair]
                _count(of, _called(first, code), _called(second, code), here, shared)
    for code, tally in categories.items():
        # All objects both marked take part, else agreement on what is not of this category would not count.
        tally.both = Counter()
        for (a, b), count in overall.both.items():
            tally.both[_whether(a, code), _whether(b, code)] += count
    return {
        "overall": overall.to_json(),
        "pairs": [{"annotators": list(key), **pairs[key].to_json()} for key in sorted(pairs)],
        "categories": {code: categories[code].to_json() for code in sorted(categories)},
    }


def _called(instances: Sequence[Instance], code: str) -> list[Instance]:
    return [instance for instance in instances if instance.category == code]


def _whether(said: str | None, code: str) -> str:
    return code if said == code else f"not {code}"


def _pairs_of(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    return ((one, other) for number, one in enumerate(names) for other in names[number + 1 :])


def _said(
    first: Sequence[Instance], second: Sequence[Instance], match_iou: float
) -> tuple[list[tuple[str, str]], list[float]]:
    """Return what both said of each object, matched ones first, and the IoU of the matched."""
    matches = match_instances(first, second, match_iou=match_iou)
    said = [(first[m.first].category, second[m.second].category) for m in matches]
    taken_first, taken_second = {m.first for m in matches}, {m.second for m in matches}
    said += [(item.category, _NOT_MARKED) for number, item in enumerate(first) if number not in taken_first]
    said += [(_NOT_MARKED, item.category) for number, item in enumerate(second) if number not in taken_second]
    return said, [m.iou for m in matches]


def _count(
    tally: Tally,
    first: Sequence[Instance],
    second: Sequence[Instance],
    said: Sequence[tuple[str, str]],
    ious: Sequence[float],
) -> None:
    """Add one photograph's objects, those both marked (one IoU each) first."""
    tally.photographs += 1
    tally.matched += len(ious)
    tally.first += len(first)
    tally.second += len(second)
    tally.ious += ious
    tally.said.update(said)
    tally.both.update(said[: len(ious)])
