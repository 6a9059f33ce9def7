"""What is worth a curator's look: photographs unlike all others, and labels that their look-alikes contradict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.ports import MostAlike

Row = Mapping[str, Any]

#: How many look-alikes are asked.
_NEIGHBOURS = 10

#: With fewer photographs, everything is unlike everything.
_FEWEST = 30

#: Robust deviations from which a photograph is an outlier (Iglewicz and Hoaglin, How to detect and handle outliers, 1993).
OUTLIER_FROM = 3.5

#: So many of a label's look-alikes are asked, each of another group, and so many must agree on one other category.
_VOTERS, _AGREE = 5, 4

#: Makes the median absolute deviation comparable with a standard deviation of normal data.
_MAD_TO_SIGMA = 0.6745


def outliers(ids: Sequence[str], vectors: NDArray[np.float32], most_alike: MostAlike) -> list[dict[str, Any]]:
    """Return rows of `tables.HINTS` for photographs that lie far from their nearest, by the modified z-score.

    Parameters
    ----------
    ids, vectors
        The photographs and their vectors of length 1, (n, d).
    most_alike
        What finds the nearest.

    """
    if len(ids) < _FEWEST:
        return []
    _, cosines = most_alike(vectors, vectors, _NEIGHBOURS + 1)
    distances = 1 - np.round(cosines[:, 1:].mean(axis=1).astype(float), 4)  # rounded: the same on every processor
    middle = float(np.median(distances))
    spread = float(np.median(np.abs(distances - middle)))
    if not spread:
        return []
    scores = _MAD_TO_SIGMA * (distances - middle) / spread
    return [
        {
            "image_id": image_id,
            "kind": "outlier",
            "instance_id": None,
            "score": round(float(score), 2),
            "detail": "looks unlike all other photographs.",
        }
        for image_id, score in zip(ids, scores, strict=True)
        if score >= OUTLIER_FROM
    ]


def label_suspects(
    instances: Sequence[Row], vectors: NDArray[np.float32], groups: Mapping[str, str], most_alike: MostAlike
) -> list[dict[str, Any]]:
    """Return rows of `tables.HINTS` for objects whose look-alikes of other groups bear one other category.

    Look-alikes of its own group say nothing: they are the same object, labelled by the same hand.

    Parameters
    ----------
    instances
        Rows of `tables.INSTANCES`, each with a box.
    vectors
        The vectors of what their boxes show, (n, d).
    groups
        The group of each image_id.

    """
    if not instances:
        return []
    places, _ = most_alike(vectors, vectors, min(len(instances), 8 * _VOTERS))
    found = []
    for row, near in zip(instances, places.tolist(), strict=True):
        voters: dict[str, str] = {}  # one vote a group
        for place in near:
            other = instances[place]
            group = groups[other["image_id"]]
            if group != groups[row["image_id"]] and len(voters) < _VOTERS:
                voters.setdefault(group, other["category"])
        votes = Counter(voters.values()).most_common(1)
        if not votes or votes[0][0] == row["category"] or votes[0][1] < _AGREE or row["category"] in voters.values():
            continue
        category, count = votes[0]
        detail = (
            f"is called {row['category']}; {count} of the {len(voters)} objects that look most like it are {category}."
        )
        found.append(
            {
                "image_id": row["image_id"],
                "kind": "label",
                "instance_id": row["instance_id"],
                "score": count / len(voters),
                "detail": detail,
            }
        )
    return found
