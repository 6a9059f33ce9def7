"""What agreement is made of, counted photograph by photograph: overall, by category, by pair of annotators, by project."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication.marks import Marks
from workbench.adjudication.objects import Pairs
from workbench.adjudication.sums import Figures, Sums, SumsByImage, ratio
from workbench.adjudication.units import add_units, alpha_of, alphas_whether

Numbers = NDArray[np.integer]

#: The figures that every group of objects has, in the order they are told.
FIGURES = ("f1", "f1_mean", "mean_iou", "alpha_category", "alpha_with_misses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A way to group pairs of answers: its name, how many groups, and the group of each pair of answers."""

    name: str
    count: int
    of_pair: Numbers


def add_pairs(sums: SumsByImage, marks: Marks, pairs: Pairs, scopes: list[Scope]) -> None:
    """Count for each scope, and for each category, what pairs of answers have in common."""
    image = marks.task_image[marks.answer_task[pairs.left]]
    matched = pairs.matched
    categories = marks.mark_category[matched.first], marks.mark_category[matched.second]
    same = categories[0] == categories[1]
    everything = np.concatenate([matched.group, matched.group, pairs.alone_pair])
    called = np.concatenate([*categories, marks.mark_category[pairs.alone_mark]])
    marked = np.bincount(everything, minlength=len(image))
    alike = np.bincount(matched.group[same], minlength=len(image))
    for scope in scopes:
        name, count, of = scope.name, scope.count, scope.of_pair
        group = matched.group
        sums.add(f"{name}.matched", image=image[group], of=of[group], count=count)
        sums.add(f"{name}.iou", image=image[group], of=of[group], value=matched.iou, count=count)
        sums.add(f"{name}.marks", image=image, of=of, value=marked, count=count)
        sums.add(f"{name}.same", image=image, of=of, value=alike, count=count)
        _add_means(sums, name, count, image=image, of=of, marked=marked, alike=alike)
        _add_photographs(sums, name, count, image=image, of=of)
    of_category = len(marks.categories)
    keys, which = np.unique(everything * of_category + called, return_inverse=True)
    pair, category = np.divmod(keys, of_category)
    by_category = np.bincount(which.reshape(-1), minlength=len(keys))
    both = np.searchsorted(keys, matched.group[same] * of_category + categories[0][same])
    both_called = np.bincount(both, minlength=len(keys))
    where = image[pair]
    sums.add("category.marks", image=where, of=category, value=by_category, count=of_category)
    sums.add("category.same", image=where, of=category, value=both_called, count=of_category)
    _add_means(sums, "category", of_category, image=image[pair], of=category, marked=by_category, alike=both_called)
    _add_photographs(sums, "category", of_category, image=image[pair], of=category)
    for number, side in enumerate(categories):
        rows = np.arange(len(side)) if number == 0 else np.flatnonzero(~same)  # a pair of one category counts once
        at, of = image[matched.group[rows]], side[rows]
        sums.add("category.matched", image=at, of=of, count=of_category)
        sums.add("category.iou", image=at, of=of, value=matched.iou[rows], count=of_category)


def _add_means(
    sums: SumsByImage, name: str, count: int, *, image: Numbers, of: Numbers, marked: Numbers, alike: Numbers
) -> None:
    """Count each pair's own F1, where either marked anything."""
    some = marked > 0
    sums.add(f"{name}.f1", image=image[some], of=of[some], value=2 * alike[some] / marked[some], count=count)
    sums.add(f"{name}.f1_of", image=image[some], of=of[some], count=count)


def _add_photographs(sums: SumsByImage, name: str, count: int, *, image: Numbers, of: Numbers) -> None:
    """Count each photograph once for each group that it is in."""
    keys = np.unique(of.astype(np.int64) * sums.images + image)
    sums.add(f"{name}.photographs", image=keys % sums.images, of=keys // sums.images, count=count)


def add_pair_units(sums: SumsByImage, marks: Marks, pairs: Pairs, scope: Scope) -> None:
    """Count for alpha what the two of each pair of answers said of each object, for the groups of one scope."""
    image = marks.task_image[marks.answer_task[pairs.left]]
    matched, missing = pairs.matched, len(marks.categories)
    met, alone = len(matched.group), len(pairs.alone_pair)
    empty = np.flatnonzero(np.bincount(np.append(matched.group, pairs.alone_pair), minlength=len(image)) == 0)
    of_unit = np.concatenate([matched.group, pairs.alone_pair, empty])
    both = np.concatenate([np.arange(met), np.arange(met)])
    called = np.concatenate([marks.mark_category[matched.first], marks.mark_category[matched.second]])
    groups = {"group_of_unit": scope.of_pair[of_unit], "groups": scope.count, "image_of_unit": image[of_unit]}
    add_units(sums, f"{scope.name}.called", unit=both, value=called, values=missing, **groups)
    lonely, nothing = met + np.arange(alone), met + alone + np.arange(len(empty))
    add_units(
        sums,
        f"{scope.name}.seen",
        unit=np.concatenate([both, lonely, lonely, nothing, nothing]),
        value=np.concatenate([called, marks.mark_category[pairs.alone_mark], np.full(alone + 2 * len(empty), missing)]),
        values=missing + 1,
        **groups,
    )
    sums.add(
        f"{scope.name}.objects",
        image=image[of_unit[: met + alone]],
        of=scope.of_pair[of_unit[: met + alone]],
        count=scope.count,
    )


def add_object_units(sums: SumsByImage, marks: Marks, objects: Numbers) -> None:
    """Count for alpha what all annotators of a photograph said of each of its objects, and of nothing where all saw none."""
    answers = np.diff(marks.answer_bounds)
    task, missing = marks.mark_task, len(marks.categories)
    several = answers[task] > 1
    object_of, category, of_task = objects[several], marks.mark_category[several], task[several]
    number, unit = np.unique(object_of, return_inverse=True)
    unit = unit.reshape(-1)
    task_of_unit = np.zeros(len(number), np.int64)
    task_of_unit[unit] = of_task
    empty = np.setdiff1d(np.flatnonzero(answers > 1), of_task)
    tasks = np.concatenate([task_of_unit, empty])
    image = marks.task_image[tasks]
    add_units(sums, "overall.called", unit=unit, value=category, values=missing, image_of_unit=image)
    absent = answers[tasks] - np.bincount(unit, minlength=len(tasks))
    add_units(
        sums,
        "overall.seen",
        unit=np.concatenate([unit, np.arange(len(tasks))]),
        value=np.concatenate([category, np.full(len(tasks), missing)]),
        times=np.concatenate([np.ones(len(unit), np.int64), absent]),
        values=missing + 1,
        image_of_unit=image,
    )
    sums.add("overall.objects", image=image[: len(number)])
    keys = np.unique(unit.astype(np.int64) * missing + category) if len(unit) else np.zeros(0, np.int64)
    sums.add("category.objects", image=image[keys // max(1, missing)], of=keys % max(1, missing), count=missing)


def figures_of(sums: Sums, scope: str) -> Figures:
    """Return the figures of one scope from its sums, each (groups,) or (groups, samples)."""
    if scope == "category":
        called = alphas_whether(sums, "overall.called")
        seen = alphas_whether(sums, "overall.seen")[:-1]
    else:
        called, seen = alpha_of(sums, f"{scope}.called"), alpha_of(sums, f"{scope}.seen")
    return {
        "f1": ratio(2 * sums[f"{scope}.same"], sums[f"{scope}.marks"]),
        "f1_mean": ratio(sums[f"{scope}.f1"], sums[f"{scope}.f1_of"]),
        "mean_iou": ratio(sums[f"{scope}.iou"], sums[f"{scope}.matched"]),
        "alpha_category": called,
        "alpha_with_misses": seen,
    }
