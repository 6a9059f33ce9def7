"""Which photographs to label first: those that models are unsure about, or differ about.

Uncertainty is the entropy of a model's score taken as the odds of a coin, greatest over its objects: Settles, Active Learning
Literature Survey (2009), section 3.1, taken over a picture by its maximum as Brust, Kaeding and Denzler, Active Learning for Deep
Object Detection (VISAPP 2019), section 3.2. Disagreement is that of a committee: Seung, Opper and Sompolinsky, Query by
Committee (COLT 1992); here 1 - F1 of objects that overlap by half and have one category.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from workbench.domain.annotation import Instance
from workbench.labelling.pairing import f1

_SAME_IOU = 0.5
_DIGITS = 6

#: What one model, or one labeller, says about each photograph it looked at.
View = Mapping[str, Sequence[Instance]]


class RankBy(StrEnum):
    """What the order goes by."""

    UNCERTAINTY = "uncertainty"
    DISAGREEMENT = "disagreement"
    BOTH = "both"


def entropy_bit(score: float) -> float:
    """Return the entropy of a yes that is right with this probability, in [0, 1] bit.

    Examples
    --------
    >>> entropy_bit(0.5), entropy_bit(1.0)
    (1.0, 0.0)

    """
    return -sum(p * math.log2(p) for p in (score, 1.0 - score) if p > 0)


def uncertainty(predicted: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return for each photograph the greatest entropy of a score, 0 where nothing was found.

    Parameters
    ----------
    predicted
        Rows of `tables.PREDICTED` of any number of models; objects without a score are passed over.

    """
    found: dict[str, float] = {}
    for row in predicted:
        said = [entropy_bit(one["score"]) for one in row["objects"] if one["score"] is not None]
        found[row["image_id"]] = max([found.get(row["image_id"], 0.0), *said])
    return found


def disagreement(models: Sequence[View], answers: Sequence[View] = ()) -> dict[str, float]:
    """Return for each photograph the mean of 1 - F1, over pairs of two models and of a model and an answer.

    A photograph that no such pair looked at is not in it. Two answers are not compared: agreement between people is the
    business of adjudication.
    """
    found: dict[str, list[float]] = {}
    for first, second in [*itertools.combinations(models, 2), *itertools.product(models, answers)]:
        for image_id in first.keys() & second.keys():
            found.setdefault(image_id, []).append(1.0 - f1(first[image_id], second[image_id], least_iou=_SAME_IOU))
    return {image_id: sum(parts) / len(parts) for image_id, parts in found.items()}


def rank(uncertain: Mapping[str, float], disagreed: Mapping[str, float], *, by: RankBy) -> list[dict[str, Any]]:
    """Return rows of `tables.RANKING`, most to be learnt first; equal scores in the order of their ids.

    ``both`` is the mean of what is known of a photograph. Photographs without what the order goes by are not in it.
    """
    used = {
        RankBy.UNCERTAINTY: (uncertain,),
        RankBy.DISAGREEMENT: (disagreed,),
        RankBy.BOTH: (uncertain, disagreed),
    }[by]
    rows = []
    for image_id in {image_id for part in used for image_id in part}:
        known = [part[image_id] for part in used if image_id in part]
        rows.append(
            {
                "image_id": image_id,
                "score": round(sum(known) / len(known), _DIGITS),
                "uncertainty": _rounded(uncertain.get(image_id)),
                "disagreement": _rounded(disagreed.get(image_id)),
            }
        )
    return sorted(rows, key=lambda row: (-float(row["score"]), row["image_id"]))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
