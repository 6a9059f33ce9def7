"""What objects most likely are, and how reliable each annotator is, from the answers alone (Dawid and Skene).

Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm (1979). Every annotator has
a table: how often an object of each class gets each answer from them. Tables and classes are estimated in turns. No small
library has it: crowd-kit, which does, brings a hub of language models along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer]

#: EM ends when no class probability moves by more than this, or after so many rounds.
_STILL, _MOST_ROUNDS = 1e-6, 200
#: Stands for a probability of nothing, whose logarithm would be infinite.
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What EM ends with.

    Parameters
    ----------
    pattern_of_unit
        (units,) which set of answers each unit got.
    classes
        (patterns, values) probability that a unit with these answers is of each class.
    share
        (values,) how common each class is.
    tables
        (annotators, values, values): of annotator a, ``[a, j, k]`` is the probability of answer k to a unit of class j;
        zeros for a class that a never saw.

    """

    pattern_of_unit: NDArray[np.int64]
    classes: NDArray[np.float64]
    share: NDArray[np.float64]
    tables: NDArray[np.float64]


def estimate_classes(
    *, unit: Numbers, annotator: Numbers, value: Numbers, units: int, annotators: int, values: int, trust: float = 1.0
) -> Estimate:
    """Return the estimate from answers: of which unit which annotator said which value.

    Units that got the same answers of the same annotators are estimated once, so that it is quick for many. The start is
    the share of answers for each value. With two annotators it leans on who is more in line with the rest of their own
    answers; it needs three to tell who is right.

    Parameters
    ----------
    trust
        So many times as often as the start has a class, every annotator is taken to have been right about it, beyond what
        they answered. Without any (0, as published) a slip that one person makes again and again, "a bolt", explains
        itself as a class of its own, which everybody else calls a nut.

    """
    from scipy.sparse import csr_array

    patterns, pattern_of_unit = _patterns(unit, annotator.astype(np.int64) * values + value, units)
    count = len(patterns)
    weight = np.bincount(pattern_of_unit, minlength=count).astype(np.float64)
    pattern = np.repeat(np.arange(count), [len(row) for row in patterns])
    said = np.concatenate([*patterns, np.zeros(0, np.int64)]).astype(np.int64)
    # said_by[p, a * values + k]: how often annotator a gave answer k to a unit of pattern p
    said_by = csr_array((np.ones(len(said)), (pattern, said)), shape=(count, annotators * values))
    votes = csr_array((np.ones(len(said)), (pattern, said % values)), shape=(count, values)).toarray()
    classes = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    known_right = np.eye(values) * (trust * (classes * weight[:, None]).sum(axis=0))
    for _round in range(_MOST_ROUNDS):
        share, counts = _maximised(said_by, classes, weight, annotators, values)
        tables = _shares(counts + known_right)
        logs = np.log(np.maximum(tables, _TINY)).transpose(0, 2, 1).reshape(annotators * values, values)
        worth = said_by @ logs + np.log(np.maximum(share, _TINY))
        worth = np.exp(worth - worth.max(axis=1, keepdims=True))
        renewed = worth / worth.sum(axis=1, keepdims=True)
        moved = np.abs(renewed - classes).max(initial=0.0)
        classes = renewed
        if moved < _STILL:
            break
    share, counts = _maximised(said_by, classes, weight, annotators, values)
    return Estimate(pattern_of_unit=pattern_of_unit, classes=classes, share=share, tables=_shares(counts))


def _maximised(
    said_by: Any, classes: NDArray[np.float64], weight: NDArray[np.float64], annotators: int, values: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how common each class is, and how often each annotator is expected to have given each answer to each class."""
    weighted = classes * weight[:, None]
    share = weighted.sum(axis=0) / max(weight.sum(), 1.0)
    counts = (said_by.T @ weighted).reshape(annotators, values, values).transpose(0, 2, 1)
    return share, counts


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts as shares of their rows; zeros for a row of none."""
    seen = counts.sum(axis=2, keepdims=True)
    return np.asarray(np.divide(counts, seen, out=np.zeros_like(counts), where=seen > 0))


def _patterns(unit: Numbers, said: Numbers, units: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return the different sets of answers there are, and which each unit got."""
    order = np.lexsort((said, unit))
    bounds = np.searchsorted(unit[order], np.arange(units + 1))
    lengths = np.diff(bounds)
    padded = np.full((units, int(lengths.max(initial=0))), -1, np.int64)
    padded[unit[order], np.arange(len(order)) - bounds[unit[order]]] = said[order]
    different, which = np.unique(padded, axis=0, return_inverse=True)
    return [row[row >= 0] for row in different], which.reshape(-1)
