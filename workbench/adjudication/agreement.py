"""How far annotators agree: F1, IoU and Krippendorff's alpha, overall, by category and by pair of annotators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication import questions, readings, tallies
from workbench.adjudication.marks import Marks
from workbench.adjudication.objects import Pairs
from workbench.adjudication.questions import Question
from workbench.adjudication.sums import Figures, Sums, SumsByImage
from workbench.adjudication.tallies import Scope

#: Confusions told.
_CONFUSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How intervals are drawn: in how many rounds, and the seed they follow from."""

    rounds: int
    seed: int


def measure_agreement(
    marks: Marks,
    pairs: Pairs,
    objects: NDArray[np.int64],
    *,
    bootstrap: Bootstrap,
    tags: Sequence[Question] = (),
) -> dict[str, Any]:
    """Return agreement over photographs with at least two annotators, as JSON values; a figure not defined is null.

    ``f1`` counts an object as found when both of two annotators marked it with one category, so it counts misses; it is
    pooled over all pairs of answers, ``f1_mean`` is the mean of theirs. ``alpha_category`` is Krippendorff's nominal alpha
    of the categories that those who marked an object gave it; for ``alpha_with_misses`` not to have marked it is an
    answer too, as in KaLOS. Of one category, alpha is of whether objects were called so. ``intervals`` has the ends of
    the 95 % bootstrap interval of each figure, ``confusions`` what was most often called two things by two people.

    Parameters
    ----------
    pairs, objects
        The pairs of answers to one task, and which object each mark shows.
    tags
        Questions about whole photographs, with what was answered.

    """
    found, scopes = _scopes(marks, pairs)
    asked = [*questions.facet_questions(marks, objects), *tags]
    sums = _counted(marks, pairs, objects, scopes, asked)

    def figures(of: Sums) -> Figures:
        named = {scope: tallies.figures_of(of, scope) for scope in (*(scope.name for scope in scopes), "category")}
        named |= {each.name: questions.question_figures(of, each.name) for each in asked}
        named["texts"] = readings.reading_figures(of)
        return {f"{group}.{name}": values for group, each in named.items() for name, values in each.items()}

    totals = sums.totals()
    told = _Told(totals, figures(totals), sums.intervals(figures, rounds=bootstrap.rounds, seed=bootstrap.seed))
    seen = np.flatnonzero(totals["category.marks"]).tolist()
    document: dict[str, Any] = {
        "overall": told.objects("overall"),
        "pairs": [
            {"annotators": [marks.annotators[one], marks.annotators[other]], **told.objects("pair", number)}
            for number, (one, other) in enumerate(found)
        ],
        "categories": {marks.categories[code]: told.objects("category", code) for code in seen},
        "projects": {
            name: told.objects("project", number)
            for number, name in enumerate(marks.projects)
            if len(marks.projects) > 1
        },
    }
    for kind in ("facets", "tags"):
        document[kind] = {
            each.code: told.of(each.name, ("answered",), questions.FIGURES) | {"pairs": questions.kappas(each)}
            for each in asked
            if each.kind == kind and totals[f"{each.name}.answered"][0]
        }
    document["transcriptions"] = told.of("texts", ("both", "one"), readings.FIGURES)
    document["confusions"] = _confusions(marks, pairs)
    return document


def _confusions(marks: Marks, pairs: Pairs) -> list[dict[str, Any]]:
    """Return which two categories were most often given to one object by two annotators, and how often."""
    many = len(marks.categories)
    called = np.sort([marks.mark_category[pairs.matched.first], marks.mark_category[pairs.matched.second]], axis=0)
    keys, counts = np.unique(called[0].astype(np.int64) * many + called[1], return_counts=True)
    told = [
        {"categories": [marks.categories[key // many], marks.categories[key % many]], "times": count}
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True)
        if key // many != key % many
    ]
    return sorted(told, key=lambda row: (-row["times"], row["categories"]))[:_CONFUSIONS]


def _scopes(marks: Marks, pairs: Pairs) -> tuple[list[tuple[int, int]], list[Scope]]:
    """Return the pairs of annotators that answered one task, and the ways in which pairs of answers are grouped."""
    left, right = marks.answer_annotator[pairs.left], marks.answer_annotator[pairs.right]
    keys, of_pair = np.unique(left.astype(np.int64) * len(marks.annotators) + right, return_inverse=True)
    project = marks.task_project[marks.answer_task[pairs.left]]
    scopes = [
        Scope(name="overall", count=1, of_pair=np.zeros(len(left), np.int64)),
        Scope(name="pair", count=len(keys), of_pair=of_pair.reshape(-1)),
        Scope(name="project", count=len(marks.projects), of_pair=project),
    ]
    return [divmod(key, len(marks.annotators)) for key in keys.tolist()], scopes


def _counted(
    marks: Marks, pairs: Pairs, objects: NDArray[np.int64], scopes: list[Scope], asked: list[Question]
) -> SumsByImage:
    """Return all sums that the figures follow from."""
    # Questions may be about photographs on which nobody looked for objects.
    images = dict.fromkeys([*marks.images, *(image_id for question in asked for image_id in question.images)])
    number = {image_id: place for place, image_id in enumerate(images)}
    sums = SumsByImage(images=max(1, len(number)))
    tallies.add_pairs(sums, marks, pairs, scopes)
    for scope in scopes[1:]:
        tallies.add_pair_units(sums, marks, pairs, scope)
    tallies.add_object_units(sums, marks, objects)
    for question in asked:
        questions.add_question(sums, question, number)
    readings.add_readings(sums, marks, pairs)
    return sums


class _Told:
    """Counts, figures and intervals as JSON values."""

    def __init__(self, totals: Sums, figures: Figures, ends: Figures) -> None:
        self._totals, self._figures, self._ends = totals, figures, ends

    def objects(self, scope: str, number: int = 0) -> dict[str, Any]:
        return self.of(scope, ("photographs", "objects", "matched"), tallies.FIGURES, number)

    def of(self, group: str, counts: Sequence[str], names: Sequence[str], number: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = {name: int(self._totals[f"{group}.{name}"][number]) for name in counts}
        told |= {name: value_of(self._figures[f"{group}.{name}"][number]) for name in names}
        ends = {name: self._ends[f"{group}.{name}"][number] for name in names if f"{group}.{name}" in self._ends}
        told["intervals"] = {
            name: [value_of(end) for end in pair] for name, pair in ends.items() if np.isfinite(pair).all()
        }
        return told


def value_of(number: float) -> float | None:
    """Return a figure as JSON has it; null where it is not defined."""
    return float(number) if np.isfinite(number) else None
