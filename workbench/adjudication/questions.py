"""Questions with one answer out of a list: facets of objects, and tags of whole photographs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.adjudication.marks import Marks, read_blind_answers
from workbench.adjudication.sums import Figures, Sums, SumsByImage, ratio
from workbench.adjudication.units import add_units, alpha_of
from workbench.layout import Layout

Numbers = NDArray[np.integer]

#: The figures of a question, in the order they are told.
FIGURES = ("alpha", "same_frac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question, and what was answered: of which unit, by which annotator, which of ``values``.

    ``kind`` is facets or tags; a unit is an object, or a photograph put to a project. ``annotator`` and ``image_of_unit``
    are numbers in ``annotators`` and ``images``.
    """

    kind: str
    code: str
    values: Sequence[str]
    unit: Numbers
    annotator: Numbers
    value: Numbers
    image_of_unit: Numbers
    images: Sequence[str]
    annotators: Sequence[str]

    @property
    def name(self) -> str:
        """What its sums are called."""
        return f"{self.kind}.{self.code}"


def facet_questions(marks: Marks, objects: Numbers) -> list[Question]:
    """Return the facets that were answered of any object, by code."""
    encoded = marks.carried["facets"].combine_chunks().dictionary_encode()
    said = [json.loads(text) for text in encoded.dictionary.to_pylist()]
    which = encoded.indices.to_numpy(zero_copy_only=False)
    image_of_unit = np.zeros(int(objects.max(initial=-1)) + 1, np.int64)
    image_of_unit[objects] = marks.task_image[marks.mark_task]
    found = []
    for code in sorted({code for facets in said for code in facets}):
        values = sorted({facets[code] for facets in said if code in facets})
        place = np.array([values.index(facets[code]) if code in facets else -1 for facets in said])[which]
        rows = np.flatnonzero(place >= 0)
        found.append(
            Question(
                kind="facets",
                code=code,
                values=values,
                unit=objects[rows],
                annotator=marks.answer_annotator[marks.mark_answer[rows]],
                value=place[rows],
                image_of_unit=image_of_unit,
                images=marks.images,
                annotators=marks.annotators,
            )
        )
    return found


def read_tags(layout: Layout) -> list[Question]:
    """Return the questions about whole photographs that were answered in the blind answers that count, by code.

    Where several values were given to a question, they are one value together: two people agree if they gave the same.
    """
    marks, table = read_blind_answers(layout)
    answer = pc.index_in(table["annotation_id"], marks.answer_ids)
    table = table.append_column("answer", answer).filter(pc.is_valid(answer))
    given: dict[str, dict[int, list[str]]] = {}
    for row in table.select(["answer", "question", "value"]).to_pylist():
        given.setdefault(row["question"], {}).setdefault(row["answer"], []).append(row["value"])
    found = []
    for code in sorted(given):
        answers = np.array(sorted(given[code]), np.int64)
        words = [" + ".join(sorted(set(given[code][number]))) for number in answers.tolist()]
        values = sorted(set(words))
        found.append(
            Question(
                kind="tags",
                code=code,
                values=values,
                unit=marks.answer_task[answers],
                annotator=marks.answer_annotator[answers],
                value=np.array([values.index(word) for word in words], np.int64),
                image_of_unit=marks.task_image,
                images=marks.images,
                annotators=marks.annotators,
            )
        )
    return found


def add_question(sums: SumsByImage, question: Question, number: Mapping[str, int]) -> None:
    """Count what was answered, where at least two people answered of one unit; ``number`` gives each image's number."""
    image_of_unit = np.array([number[image_id] for image_id in question.images], np.int64)[question.image_of_unit]
    add_units(
        sums,
        question.name,
        unit=question.unit,
        value=question.value,
        values=len(question.values),
        image_of_unit=image_of_unit,
    )
    answers = np.bincount(question.unit, minlength=len(image_of_unit))
    units = np.flatnonzero(answers > 1)
    image = image_of_unit[units]
    sums.add(f"{question.name}.answered", image=image)
    keys, counts = np.unique(question.unit.astype(np.int64) * len(question.values) + question.value, return_counts=True)
    alike = np.bincount(keys // len(question.values), weights=counts * (counts - 1), minlength=len(answers))
    sums.add(f"{question.name}.alike", image=image, value=alike[units] / (answers * (answers - 1.0))[units])


def question_figures(sums: Sums, name: str) -> Figures:
    """Return alpha, and the share of pairs of answers that are the same, as the mean over units."""
    return {
        "alpha": alpha_of(sums, name),
        "same_frac": ratio(sums[f"{name}.alike"], sums[f"{name}.answered"]),
    }


def kappas(question: Question) -> list[dict[str, Any]]:
    """Return Cohen's kappa of every two annotators who answered of the same units; null where it is not defined.

    Cohen, A coefficient of agreement for nominal scales (1960): of the share o of same answers and the share e expected
    by chance from how often each of the two gives each value, kappa = (o - e) / (1 - e).
    """
    told = []
    annotators = question.annotators
    held = [np.flatnonzero(question.annotator == number) for number in range(len(annotators))]
    for one in range(len(annotators)):
        for other in range(one + 1, len(annotators)):
            _, at, place = np.intersect1d(question.unit[held[one]], question.unit[held[other]], return_indices=True)
            if not len(at):
                continue
            pair = question.value[held[one][at]], question.value[held[other][place]]
            many = len(question.values)
            counts = np.bincount(pair[0] * many + pair[1], minlength=many * many).reshape(many, many)
            told.append(
                {
                    "annotators": [annotators[one], annotators[other]],
                    "answered": int(counts.sum()),
                    "kappa": _kappa(counts),
                }
            )
    return told


def _kappa(counts: NDArray[np.integer]) -> float | None:
    """Return kappa of a table of counts, (values, values), the one's answers down and the other's across."""
    total = int(counts.sum())
    chance = int(counts.sum(axis=1) @ counts.sum(axis=0))
    expected = total * total - chance
    return float((total * int(np.trace(counts)) - chance) / expected) if expected else None
