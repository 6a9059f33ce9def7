"""How far annotators read the same text on the objects that both marked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication.marks import Marks
from workbench.adjudication.objects import Pairs
from workbench.adjudication.sums import Figures, Sums, SumsByImage, ratio
from workbench.adjudication.transcription import character_errors

#: The figures of transcriptions, in the order they are told.
FIGURES = ("character_error_rate", "same_frac")


def add_readings(sums: SumsByImage, marks: Marks, pairs: Pairs) -> None:
    """Count the texts that both of a pair read on one object, and those that one of them read alone."""
    image = marks.task_image[marks.answer_task[pairs.left]]
    encoded = marks.carried["transcription"].combine_chunks().dictionary_encode()
    texts = [*encoded.dictionary.to_pylist(), ""]
    which = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    first, second = which[pairs.matched.first], which[pairs.matched.second]
    blank = np.array([not text.strip() for text in texts])
    image = image[pairs.matched.group]
    sums.add("texts.one", image=image[blank[first] != blank[second]])
    both = ~blank[first] & ~blank[second]
    errors, lengths = _compared(texts, first[both], second[both])
    image = image[both]
    sums.add("texts.both", image=image)
    sums.add("texts.same", image=image[errors == 0])
    sums.add("texts.errors", image=image, value=errors)
    sums.add("texts.characters", image=image, value=lengths)


def _compared(
    texts: list[str], first: NDArray[np.integer], second: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return errors and length of each pair of texts; each two different texts are compared once."""
    keys, place = np.unique(first.astype(np.int64) * len(texts) + second, return_inverse=True)
    found = np.array(
        [character_errors(texts[key // len(texts)], texts[key % len(texts)]) for key in keys.tolist()], np.int64
    ).reshape(-1, 2)
    return found[place.reshape(-1), 0], found[place.reshape(-1), 1]


def reading_figures(sums: Sums) -> Figures:
    """Return the character error rate over all texts that both read, and the share of texts read alike."""
    return {
        "character_error_rate": ratio(sums["texts.errors"], sums["texts.characters"]),
        "same_frac": ratio(sums["texts.same"], sums["texts.both"]),
    }
