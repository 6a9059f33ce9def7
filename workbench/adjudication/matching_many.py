"""Which marks of two answers show the same object, for all photographs at once.

It pairs as `matching.match_instances` does, which the tests hold it to. What can only be paired in one way is paired by
array arithmetic; the assignment is solved for the rest alone. Memory stays flat: candidates are looked at in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication.marks import Marks
from workbench.adjudication.overlaps import pair_overlaps

#: Candidate pairs looked at in one go: some tens of megabytes of arrays.
_BLOCK = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Marks in groups: ``rows`` are numbers of marks; group g has those from ``bounds[g]`` to ``bounds[g + 1]``."""

    rows: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def of_answers(cls, marks: Marks, answers: NDArray[np.int64]) -> Groups:
        """Return a group an answer, in the order given."""
        starts, ends = marks.mark_bounds[answers], marks.mark_bounds[answers + 1]
        return cls(rows=_ranges(starts, ends), bounds=np.append(0, np.cumsum(ends - starts)))

    @classmethod
    def by(cls, rows: NDArray[np.int64], group: NDArray[np.int64], count: int) -> Groups:
        """Return rows put into groups 0 to ``count`` by the group of each, in a group in the order given."""
        order = np.argsort(group, kind="stable")
        return cls(rows=rows[order], bounds=np.searchsorted(group[order], np.arange(count + 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Pairs of marks taken for the same object: group, the two marks' numbers, and their overlap in [0, 1]."""

    group: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    iou: NDArray[np.float64]


def match_groups(marks: Marks, first: Groups, second: Groups, *, match_iou: float) -> Matched:
    """Return the best pairing of each group of the first with the group of the same number of the second.

    The best pairing has the most pairs of one category, and among such the greatest total overlap; pairs below
    ``match_iou`` are no pairs. Both sums run over parts that cannot be paired with each other, so it is found part by part.
    """
    found = [_match_block(marks, *candidates, match_iou) for candidates in _candidates(first, second)]
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)] if found else [np.zeros(0)] * 4
    order = np.lexsort((columns[1], columns[0]))
    group, one, other = (columns[number][order].astype(np.int64) for number in range(3))
    return Matched(group=group, first=one, second=other, iou=columns[3][order].astype(np.float64))


def _candidates(
    first: Groups, second: Groups
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield every pair of a group as group, first and second mark, some groups at a time."""
    sizes = np.diff(first.bounds), np.diff(second.bounds)
    pairs = sizes[0] * sizes[1]
    filled = np.flatnonzero(pairs)
    blocks = np.cumsum(pairs[filled]) // _BLOCK
    for groups in np.split(filled, np.flatnonzero(np.diff(blocks)) + 1):
        if not len(groups):
            continue
        group = np.repeat(groups, pairs[groups])
        place = _ranges(np.zeros(len(groups), np.int64), pairs[groups])
        one, other = np.divmod(place, sizes[1][group])
        yield group, first.rows[first.bounds[group] + one], second.rows[second.bounds[group] + other]


def _match_block(
    marks: Marks,
    group: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    match_iou: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    iou = pair_overlaps(marks, first, second)
    near = np.flatnonzero(iou >= match_iou)
    group, first, second, iou = group[near], first[near], second[near], iou[near]
    # A mark may stand in several groups, so that it is told apart by group and mark.
    rivals = np.zeros(len(group), bool)
    for side in (first, second):
        keys = group * len(marks.mark_answer) + side
        _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
        rivals |= counts[which.reshape(-1)] > 1
    contested = np.isin(group, group[rivals])
    chosen = [np.flatnonzero(~contested)]
    for rows in np.split(np.flatnonzero(contested), np.flatnonzero(np.diff(group[contested])) + 1):
        if len(rows):
            same = marks.mark_category[first[rows]] == marks.mark_category[second[rows]]
            chosen.append(rows[_assigned(first[rows], second[rows], iou[rows], same)])
    taken = np.concatenate(chosen)
    return group[taken], first[taken], second[taken], iou[taken]


def _assigned(
    first: NDArray[np.int64], second: NDArray[np.int64], iou: NDArray[np.float64], same: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return which of one group's near pairs make up the best pairing (Kuhn's assignment)."""
    from scipy.optimize import linear_sum_assignment

    ones, row = np.unique(first, return_inverse=True)
    others, column = np.unique(second, return_inverse=True)
    # A pair of one category outweighs any sum of overlaps, each of which is at most 1.
    worth = np.zeros((len(ones), len(others)))
    worth[row, column] = iou + same * (min(worth.shape) + 1.0)
    number = np.full(worth.shape, -1)
    number[row, column] = np.arange(len(first))
    taken = number[linear_sum_assignment(worth, maximize=True)]
    return np.asarray(taken[taken >= 0])


def _ranges(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers from each start up to its end, one range after another.

    Examples
    --------
    >>> _ranges(np.array([0, 5]), np.array([2, 8]))
    array([0, 1, 5, 6, 7])

    """
    lengths = ends - starts
    begins = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(lengths.sum()) - np.repeat(begins - starts, lengths), np.int64)
