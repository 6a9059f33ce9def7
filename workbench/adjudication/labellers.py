"""How each labeller works: in line with the others, with the consensus, with hidden checks; how long; whether they tire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication.agreement import Bootstrap, value_of
from workbench.adjudication.dawid_skene import Estimate, estimate_classes
from workbench.adjudication.marks import Marks
from workbench.adjudication.objects import Pairs
from workbench.adjudication.sessions import Placed, fatigue_figures, place_answers, time_figures
from workbench.adjudication.sums import SumsByImage, ratio

#: Parts that sessions are divided into for the curves, and confusions told of each labeller.
_PARTS, _TOLD = 10, 5


def labeller_figures(
    marks: Marks,
    pairs: Pairs,
    objects: NDArray[np.int64],
    checks: Mapping[str, Mapping[str, Any]],
    *,
    gap_s: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Return for each labeller, by pseudonym, what is known of their work, as JSON values.

    Parameters
    ----------
    checks
        What came of each labeller's hidden checks.
    gap_s
        A longer pause ends a session.

    """
    same, marked = _with_others(marks, pairs)
    peers = _peers(marks, same, marked, bootstrap)
    consensus = consensus_figures(marks, objects)
    sizes = np.diff(marks.mark_bounds)
    told: dict[str, Any] = {}
    for who, name in enumerate(marks.annotators):
        rows = np.flatnonzero(marks.answer_annotator == who)
        lead = marks.lead_time_s[rows]
        placed = place_answers(marks.submitted_s[rows], lead, gap_s=gap_s)
        told[name] = {
            "answers": len(rows),
            "objects": int(sizes[rows].sum()),
            "peers": peers[who],
            "consensus": consensus.get(name),
            "checks": checks.get(name),
            "time": time_figures(lead, sizes[rows]),
            "fatigue": {
                **fatigue_figures(placed, lead, same[rows], marked[rows], seed=bootstrap.seed),
                "curve": _curve(placed, lead, same[rows], marked[rows]),
            },
        }
    for name in sorted(set(checks) - set(told)):
        told[name] = {"answers": 0, "objects": 0, "checks": checks[name]}
    return told


def _with_others(marks: Marks, pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each answer twice its objects found alike, and the objects of both, summed over the others' answers."""
    alike = marks.mark_category[pairs.matched.first] == marks.mark_category[pairs.matched.second]
    same = 2.0 * np.bincount(pairs.matched.group[alike], minlength=len(pairs.left))
    sizes = np.diff(marks.mark_bounds)
    both = (sizes[pairs.left] + sizes[pairs.right]).astype(np.float64)
    many = len(marks.answer_task)
    sides = np.append(pairs.left, pairs.right)
    totals = [np.bincount(sides, weights=np.tile(each, 2), minlength=many).astype(float) for each in (same, both)]
    return totals[0], totals[1]


def _peers(
    marks: Marks, same: NDArray[np.float64], marked: NDArray[np.float64], bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Return each labeller's F1 with everybody who answered the same photographs."""
    image, people = marks.task_image[marks.answer_task], len(marks.annotators)
    shared = np.diff(marks.answer_bounds)[marks.answer_task] > 1
    sums = SumsByImage(images=max(1, len(marks.images)))
    for name, value in (("same", same), ("marked", marked), ("answers", shared.astype(float))):
        sums.add(name, image=image, of=marks.answer_annotator, value=value, count=people)
    totals = sums.totals()
    values = ratio(totals["same"], totals["marked"])
    ends = sums.intervals(
        lambda of: {"f1": ratio(of["same"], of["marked"])}, rounds=bootstrap.rounds, seed=bootstrap.seed
    ).get("f1", np.full((people, 2), np.nan))
    return [
        {
            "answers": int(totals["answers"][who]),
            "f1": value_of(values[who]),
            "intervals": {"f1": ends[who].tolist()} if np.isfinite(ends[who]).all() else {},
        }
        for who in range(people)
    ]


def consensus_figures(marks: Marks, objects: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Return how each labeller's answers compare with what all answers together make likely (Dawid and Skene).

    Of every object that somebody marked, each annotator of the photograph said a category, or did not mark it.
    ``right_frac`` is the share of a labeller's answers that are expected to be right, ``missed_frac`` the expected share of
    real objects that they did not mark, ``spurious_frac`` the expected share of their marks where nothing is; ``confusions``
    are the commonest mistakes: what it is, what they said, and how often that is expected to have happened.
    """
    answers = np.diff(marks.answer_bounds)
    rows = np.flatnonzero(answers[marks.mark_task] > 1)
    if not len(rows):
        return {}
    _, unit = np.unique(objects[rows], return_inverse=True)
    unit = unit.reshape(-1)
    task = np.zeros(int(unit.max()) + 1, np.int64)
    task[unit] = marks.mark_task[rows]
    missing = len(marks.categories)
    # Every annotator of a photograph answers of every object on it: first as not marked, then as marked.
    of_unit = np.repeat(np.arange(len(task)), answers[task])
    places = np.arange(len(of_unit)) - np.repeat(np.cumsum(answers[task]) - answers[task], answers[task])
    annotator = marks.answer_annotator[marks.answer_bounds[task][of_unit] + places]
    value = np.full(len(of_unit), missing)
    begins = np.cumsum(answers[task]) - answers[task]
    value[begins[unit] + marks.answer_rank[marks.mark_answer[rows]]] = marks.mark_category[rows]
    estimate = estimate_classes(
        unit=of_unit,
        annotator=annotator,
        value=value,
        units=len(task),
        annotators=len(marks.annotators),
        values=missing + 1,
    )
    return {
        name: _compared(estimate, estimate.pattern_of_unit[of_unit[mine]], value[mine], [*marks.categories, None])
        for who, name in enumerate(marks.annotators)
        if len(mine := np.flatnonzero(annotator == who))
    }


def _compared(
    estimate: Estimate, pattern: NDArray[np.integer], value: NDArray[np.integer], words: list[str | None]
) -> dict[str, Any]:
    """Return one labeller's answers compared with what the objects most likely are."""
    missing = len(words) - 1
    keys, counts = np.unique(pattern * len(words) + value, return_counts=True)
    pattern, value = np.divmod(keys, len(words))
    expected = np.zeros((len(words), len(words)))
    np.add.at(expected.T, value, estimate.classes[pattern] * counts[:, None])
    real, marked = expected[:missing].sum(), expected[:, :missing].sum()
    wrong = [
        {"is": words[true], "said": words[said], "expected": round(float(expected[true, said]), 1)}
        for true, said in zip(*np.nonzero(expected >= 0.5), strict=True)  # noqa: PLR2004 -- less rounds to none
        if true != said
    ]
    wrong.sort(key=lambda row: (-row["expected"], str(row["is"]), str(row["said"])))
    return {
        "objects": int(counts.sum()),
        "right_frac": value_of(float(np.trace(expected) / counts.sum())),
        "missed_frac": value_of(float(expected[:missing, missing].sum() / real)) if real else None,
        "spurious_frac": value_of(float(expected[missing, :missing].sum() / marked)) if marked else None,
        "confusions": wrong[:_TOLD],
    }


def _curve(
    placed: Placed, lead_time_s: NDArray[np.float64], same: NDArray[np.float64], marked: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return time and F1 in each tenth of the sessions that are long enough."""
    part = np.minimum((placed.place_frac * _PARTS).astype(int), _PARTS - 1)
    told = []
    for number in range(_PARTS):
        here = placed.compared & (part == number)
        spent = lead_time_s[here & np.isfinite(lead_time_s)]
        told.append(
            {
                "part": number + 1,
                "answers": int(here.sum()),
                "median_s": float(np.median(spent)) if len(spent) else None,
                "f1": value_of(float(same[here].sum() / marked[here].sum())) if marked[here].sum() else None,
            }
        )
    return told if placed.compared.any() else []
