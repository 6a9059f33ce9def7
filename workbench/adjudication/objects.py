"""The objects of a photograph: marks of all its annotators that show the same thing, for all photographs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication.marks import Marks
from workbench.adjudication.matching_many import Groups, Matched, match_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Every two answers to one task, and which of their marks show the same object.

    ``left`` and ``right`` number the answers, the annotator that comes first on the left; ``matched.group`` numbers the
    pairs of answers. ``alone`` are the marks that the other did not make: pair of answers, mark, and the side (0 left).
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    matched: Matched
    alone_pair: NDArray[np.int64]
    alone_mark: NDArray[np.int64]
    alone_side: NDArray[np.int64]


def pair_answers(marks: Marks, *, match_iou: float) -> Pairs:
    """Return every two answers to one task, matched."""
    lefts: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    rights: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    last = int(marks.answer_rank.max(initial=0))
    for offset in range(1, last + 1):
        left = np.flatnonzero(marks.answer_task[:-offset] == marks.answer_task[offset:]).astype(np.int64)
        lefts.append(left)
        rights.append(left + offset)
    left, right = np.concatenate(lefts), np.concatenate(rights)
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    sides = Groups.of_answers(marks, left), Groups.of_answers(marks, right)
    matched = match_groups(marks, *sides, match_iou=match_iou)
    alone = []
    for number, (groups, taken) in enumerate(zip(sides, (matched.first, matched.second), strict=True)):
        pair = np.repeat(np.arange(len(left)), np.diff(groups.bounds))
        many = len(marks.mark_answer)
        missing = ~np.isin(pair * many + groups.rows, matched.group * many + taken)
        alone.append((pair[missing], groups.rows[missing], np.full(int(missing.sum()), number)))
    pair, mark, side = (np.concatenate(column) for column in zip(*alone, strict=True))
    return Pairs(left=left, right=right, matched=matched, alone_pair=pair, alone_mark=mark, alone_side=side)


def object_of_marks(marks: Marks, *, match_iou: float) -> NDArray[np.int64]:
    """Return the number of the object that each mark shows, from 0.

    Annotators join one after another: their marks are matched with those of each earlier annotator in turn, as far as
    neither is in an object with the other yet (sequential Hungarian matching; Tschirschwitz et al., A dataset for
    analysing complex document layouts, 2022). So no object has two marks of one annotator. Only tasks with at least two
    answers are matched; elsewhere every mark is an object.
    """
    rank = marks.answer_rank[marks.mark_answer]
    task = marks.mark_task.astype(np.int64)
    found = np.full(len(rank), -1, np.int64)
    count = 0
    for joining in range(int(rank.max(initial=-1)) + 1):
        new = np.flatnonzero(rank == joining)
        for earlier in range(joining):
            opened = new[found[new] < 0]
            known = np.flatnonzero(rank == earlier)
            known = known[~np.isin(found[known], found[new])]
            groups = [Groups.by(rows, task[rows], len(marks.task_image)) for rows in (known, opened)]
            matched = match_groups(marks, *groups, match_iou=match_iou)
            found[matched.second] = found[matched.first]
        left = new[found[new] < 0]
        found[left] = count + np.arange(len(left))
        count += len(left)
    return found
