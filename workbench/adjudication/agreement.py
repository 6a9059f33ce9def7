"""How far annotators agree: F1, IoU and Krippendorff's alpha, overall, by category and by pair of annotators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.adjudication.matching import match_instances
from workbench.domain.annotation import Instance

#: What an annotator said of an object nobody else of the pair marked: a value of its own, so that misses count.
_NOT_MARKED = "(not marked)"


@dataclass(slots=True)
class Tally:
    """Counts over photographs answered by two annotators."""

    photographs: int = 0
    matched: int = 0
    first: int = 0
    second: int = 0
    ious: list[float] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    both: list[tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the figures; a figure that is not defined is null.

        ``f1`` counts an object as found when both annotators marked it with the same category, so it counts misses.
        ``alpha_category`` is Krippendorff's nominal alpha (Krippendorff, Content Analysis, 4th ed., chapter 12) of the
        categories given to the objects that both marked; of one category, of whether they were called so.
        """
        total = self.first + self.second
        same = sum(a == b for a, b in self.said)
        return {
            "photographs": self.photographs,
            "objects": len(self.said),
            "matched": self.matched,
            "f1": 2 * same / total if total else None,
            "mean_iou": float(np.mean(self.ious)) if self.ious else None,
            "alpha_category": nominal_alpha(self.both),
        }


def nominal_alpha(said: Sequence[tuple[str | None, str | None]]) -> float | None:
    """Return Krippendorff's nominal alpha of two coders' values for the same units; null where it is not defined.

    It is undefined for no units, and where only one value occurs at all.
    """
    import krippendorff

    values = sorted({value for pair in said for value in pair if value is not None})
    if len(values) < 2:  # noqa: PLR2004 -- with one value there is nothing to disagree about
        return None
    codes = {value: float(number) for number, value in enumerate(values)}
    data = np.array(
        [[np.nan if pair[coder] is None else codes[pair[coder] or ""] for pair in said] for coder in (0, 1)]
    )
    alpha = float(krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))
    return alpha if np.isfinite(alpha) else None


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
    both: list[tuple[str, str]] = []
    for key in sorted(answers):
        for one, other in _pairs_of(sorted(answers[key])):
            first, second = answers[key][one], answers[key][other]
            said, ious = _said(first, second, match_iou)
            both += said[: len(ious)]
            for tally in (overall, pairs.setdefault((one, other), Tally())):
                _count(tally, first, second, said, ious)
            for code in {instance.category for instance in (*first, *second)}:
                of = categories.setdefault(code, Tally())
                here = [pair for pair in said if code in pair]
                shared = [iou for pair, iou in zip(said, ious, strict=False) if code in pair]
                _count(of, _called(first, code), _called(second, code), here, shared)
    for code, tally in categories.items():
        # All objects both marked take part, else agreement on what is not of this category would not count.
        tally.both = [(_whether(a, code), _whether(b, code)) for a, b in both]
    return {
        "overall": overall.to_json(),
        "pairs": [{"annotators": list(key), **pairs[key].to_json()} for key in sorted(pairs)],
        "categories": {code: categories[code].to_json() for code in sorted(categories)},
    }


def _called(instances: Sequence[Instance], code: str) -> list[Instance]:
    return [instance for instance in instances if instance.category == code]


def _whether(said: str, code: str) -> str:
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
    tally.said += said
    tally.both += said[: len(ious)]
