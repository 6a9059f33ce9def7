from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import krippendorff
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from workbench.adjudication.agreement import Bootstrap, measure_agreement
from workbench.adjudication.marks import DRAWN, SAID, Marks, arranged
from workbench.adjudication.matching import match_instances
from workbench.adjudication.matching_many import Groups, match_groups
from workbench.adjudication.objects import object_of_marks, pair_answers
from workbench.adjudication.questions import Question, add_question, kappas
from workbench.adjudication.sums import SumsByImage
from workbench.adjudication.transcription import character_errors
from workbench.adjudication.units import add_units, alpha_of
from workbench.domain.annotation import Instance, Keypoint, Shape
from workbench.domain.geometry import Box, ring_box
from workbench.tables import ANNOTATIONS, INSTANCES, instance_row

CODES = ("ammo.case", "ammo.cartridge", "unknown")
NO_INTERVALS = Bootstrap(rounds=0, seed=0)


def box(name: str, x: float, y: float, side: float = 10, category: str = "part.barrel", **more: Any) -> Instance:
    edges = Box(x_min=x, y_min=y, x_max=x + side, y_max=y + side)
    return Instance(instance_id=name, image_id="i", category=category, shape=Shape.BOX, box=edges, **more)


def polygon(name: str, ring: tuple[float, ...], category: str = "unknown") -> Instance:
    return Instance(
        instance_id=name, image_id="i", category=category, shape=Shape.POLYGON, rings=(ring,), box=ring_box(ring)
    )


def point(name: str, x: float, y: float) -> Instance:
    at = Keypoint(name="point", x_px=x, y_px=y)
    return Instance(instance_id=name, image_id="i", category="unknown", shape=Shape.KEYPOINT, keypoints=(at,))


def marks_of(answers: Mapping[str, Mapping[str, Sequence[Instance]]]) -> Marks:
    """Return the marks of answers: for each photograph the instances of each annotator."""
    said, drawn = [], []
    for image_id, of in answers.items():
        for annotator, instances in of.items():
            key = f"{image_id}|{annotator}"
            said.append({"annotation_id": key, "image_id": image_id, "annotator": annotator})
            for number, instance in enumerate(instances):
                row = {**instance_row(instance), "annotation_id": key, "instance_id": f"{number:06d}"}
                drawn.append({name: row[name] for name in DRAWN})
    fixed = {"project": "parts", "pass_": "blind1", "taxonomy_version": "1"}
    answered = pa.Table.from_pylist(
        [{**fixed, **row} for row in said], schema=pa.schema([ANNOTATIONS.field(name) for name in SAID])
    )
    marks = pa.Table.from_pylist(drawn, schema=pa.schema([INSTANCES.field(name) for name in DRAWN]))
    return arranged(answered, marks, stand_ins={}, taxonomy=None)


def measured(answers: Mapping[str, Mapping[str, Sequence[Instance]]], **more: Any) -> dict[str, Any]:
    marks = marks_of(answers)
    pairs, objects = pair_answers(marks, match_iou=0.5), object_of_marks(marks, match_iou=0.5)
    return measure_agreement(marks, pairs, objects, **({"bootstrap": NO_INTERVALS} | more))


def alpha(units: Sequence[Sequence[str | None]]) -> float:
    """Alpha of units of what each coder said, None for nothing."""
    said = [(unit, value) for unit, values in enumerate(units) for value in values if value is not None]
    words = sorted({value for _, value in said})
    sums = SumsByImage(images=1)
    add_units(
        sums,
        "u",
        unit=np.array([unit for unit, _ in said], np.int64),
        value=np.array([words.index(value) for _, value in said], np.int64),
        image_of_unit=np.zeros(len(units), np.int64),
        values=len(words),
    )
    return float(alpha_of(sums.totals(), "u")[0])


def test_alpha_is_the_one_of_krippendorffs_worked_example() -> None:
    # Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section A: two coders, binary data, alpha 0.095.
    one, other = "0100000010", "1110010000"
    assert alpha(list(zip(one, other, strict=True))) == pytest.approx(0.0952, abs=1e-4)


@pytest.mark.parametrize(
    ("coders", "published"),
    [
        # The three coders and 15 units of krippendorff.alpha's own example.
        (("*****34121133*3", "1*213343*******", "**21344*21133*4"), 0.691358),
        # Four observers and 12 units: Krippendorff (2011), section C.
        (("123321412***", "1233224125*3", "*3332342251*", "12332441251*"), 0.743),
    ],
)
def test_alpha_is_that_of_the_library_on_its_own_examples(coders: tuple[str, ...], published: float) -> None:
    ours = alpha([[None if value == "*" else value for value in unit] for unit in zip(*coders, strict=True)])
    data = [[np.nan if value == "*" else int(value) for value in coder] for coder in coders]
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert ours == pytest.approx(published, abs=5e-4)


@given(st.lists(st.tuples(*[st.sampled_from("abcd") | st.none()] * 3), min_size=1, max_size=30))
def test_alpha_is_what_the_library_computes(units: list[tuple[str | None, ...]]) -> None:
    ours = alpha(units)
    data = np.array([[np.nan if value is None else "abcd".index(value) for value in unit] for unit in units]).T
    if np.isfinite(ours):
        theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
        assert ours == pytest.approx(theirs, abs=1e-9)


def _shaken(rng: np.random.Generator, photographs: int, names: str = "pqr") -> dict[str, dict[str, list[Instance]]]:
    """Draw photographs whose objects overlap at times, and answers that miss, shift and rename some."""
    answers: dict[str, dict[str, list[Instance]]] = {}
    for number in range(photographs):
        seen = [(x, y, str(rng.choice(CODES))) for x, y in rng.uniform(0, 60, (int(rng.integers(0, 5)), 2))]
        answers[f"i{number:03d}"] = {
            name: [
                box(
                    f"{name}{place}",
                    x + rng.normal(0, 2),
                    y + rng.normal(0, 2),
                    side=20,
                    category=code if rng.random() < 0.8 else str(rng.choice(CODES)),
                )
                for place, (x, y, code) in enumerate(seen)
                if rng.random() < 0.85
            ]
            for name in names
        }
    return answers


def _for_kalos(answers: Mapping[str, Mapping[str, Sequence[Instance]]]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for number, image in enumerate(sorted(answers)):
        of = answers[image]
        found[number] = {"rater_list": sorted(of), "annotations_by_rater": {name: [] for name in sorted(of)}}
        for name in sorted(of):
            for place, instance in enumerate(of[name]):
                assert instance.box is not None
                mark = {"id": number * 1000 + ord(name) * 10 + place, "rater_id": name}
                mark |= {"category_id": CODES.index(instance.category), "bbox": list(instance.box.xywh)}
                found[number]["annotations_by_rater"][name].append(mark)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_alpha_with_misses_is_that_of_kalos_with_its_sequential_hungarian_matching(seed: int) -> None:
    core = pytest.importorskip("kalos.iaa.core")
    answers = _shaken(np.random.default_rng(seed), 25, names="pq")
    found = core.calculate_iaa(
        _for_kalos(answers), dict(enumerate(CODES)), "shm", "bbox_iou_similarity", "category_lenient", 0.5,
        calculate_vitality=False, calculate_difficulty=False, collaboration_clusters=True, all_raters=["p", "q"],
    )  # fmt: skip
    ours = measured(answers)
    assert ours["overall"]["alpha_with_misses"] == pytest.approx(found[1], abs=1e-9)
    assert ours["pairs"][0]["alpha_with_misses"] == pytest.approx(found[8]["p"]["q"], abs=1e-9)


def test_alpha_with_misses_of_three_is_kalos_alpha_of_the_same_objects() -> None:
    core = pytest.importorskip("kalos.iaa.core")
    answers = _shaken(np.random.default_rng(9), 30)
    marks = marks_of(answers)
    objects = object_of_marks(marks, match_iou=0.5)
    columns: list[list[float]] = []
    for number in range(int(objects.max()) + 1):
        rows = np.flatnonzero(objects == number)
        column = [-1.0, -1.0, -1.0]
        for row in rows:
            name = marks.annotators[marks.answer_annotator[marks.mark_answer[row]]]
            column["pqr".index(name)] = CODES.index(marks.categories[marks.mark_category[row]])
        columns.append(column)
    columns += [[-1.0] * 3 for of in answers.values() if not any(of.values())]
    theirs = core.vision_alpha(np.array(columns).T)
    assert measured(answers)["overall"]["alpha_with_misses"] == pytest.approx(theirs, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 0.8]))
@settings(max_examples=40)
def test_many_photographs_are_paired_as_each_would_be(seed: int, match_iou: float) -> None:
    rng = np.random.default_rng(seed)
    answers: dict[str, dict[str, list[Instance]]] = {}
    for number in range(6):
        of: dict[str, list[Instance]] = {"p": [], "q": []}
        for name, drawn in of.items():
            for place in range(int(rng.integers(0, 6))):
                x, y, code = *rng.uniform(0, 25, 2), str(rng.choice(CODES))
                kind = rng.integers(0, 3)
                if kind == 0:
                    drawn.append(box(f"{name}{place}", x, y, side=15, category=code))
                elif kind == 1:
                    drawn.append(polygon(f"{name}{place}", (x, y, x + 15, y, x + 15, y + 15, x, y + 15), code))
                else:
                    drawn.append(point(f"{name}{place}", x, y))
        answers[f"i{number}"] = of
    marks = marks_of(answers)
    left = np.flatnonzero(marks.answer_annotator == 0)
    sides = [Groups.of_answers(marks, side) for side in (left, left + 1)]
    many = match_groups(marks, *sides, match_iou=match_iou)
    for group, image in enumerate(sorted(answers)):
        each = match_instances(answers[image]["p"], answers[image]["q"], match_iou=match_iou)
        rows = many.group == group
        starts = [marks.mark_bounds[answer] for answer in (left[group], left[group] + 1)]
        found = sorted(
            zip(many.first[rows] - starts[0], many.second[rows] - starts[1], many.iou[rows].round(9), strict=True)
        )
        assert found == sorted((match.first, match.second, round(match.iou, 9)) for match in each)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_no_object_has_two_marks_of_one_annotator(seed: int) -> None:
    marks = marks_of(_shaken(np.random.default_rng(seed), 8))
    objects = object_of_marks(marks, match_iou=0.3)
    told = list(zip(objects, marks.answer_annotator[marks.mark_answer], strict=True))
    assert len(set(told)) == len(told)
    tasks = {(number, task) for number, task in zip(objects, marks.mark_task, strict=True)}
    assert len(tasks) == len({number for number, _ in tasks})


def test_a_mark_that_the_first_annotator_missed_is_matched_with_the_second() -> None:
    marks = marks_of({"i": {"p": [], "q": [box("a", 0, 0)], "r": [box("b", 1, 0)]}})
    assert object_of_marks(marks, match_iou=0.5).tolist() == [0, 0]


def test_agreement_that_is_not_defined_is_null() -> None:
    assert np.isnan(alpha([("a", "a")] * 3))
    assert np.isnan(alpha([("a", None), ("b", None)]))
    figures = measured({"i": {"p": [], "q": []}})["overall"]
    assert figures["photographs"] == 1
    assert [figures[name] for name in ("f1", "mean_iou", "alpha_category", "alpha_with_misses")] == [None] * 4
    assert measured({})["overall"]["photographs"] == 0


def test_f1_counts_same_category_on_the_same_object() -> None:
    answers = {
        "i": {"p": [box("a", 0, 0), box("b", 50, 0)], "q": [box("c", 0, 0), box("d", 50, 0, category="unknown")]}
    }
    figures = measured(answers)
    assert figures["overall"]["matched"] == 2
    assert figures["overall"]["f1"] == pytest.approx(0.5)
    assert figures["categories"]["unknown"]["f1"] == pytest.approx(0)
    assert figures["categories"]["part.barrel"]["f1"] == pytest.approx(2 / 3)
    assert figures["categories"]["part.barrel"]["objects"] == 2


def test_the_mean_of_f1_is_over_pairs_of_answers_and_those_that_mark_nothing_stay_out() -> None:
    answers = {
        "i": {"p": [box("a", 0, 0)], "q": [box("b", 0, 0)]},
        "j": {"p": [box("a", 0, 0), box("b", 50, 0), box("c", 90, 0)], "q": []},
        "k": {"p": [], "q": []},
    }
    figures = measured(answers)["overall"]
    assert figures["f1_mean"] == pytest.approx(0.5)
    assert figures["f1"] == pytest.approx(2 / 5)


def test_full_agreement_on_each_of_two_categories_is_alpha_1() -> None:
    marks = {"p": [box("a", 0, 0), box("b", 50, 0, category="unknown")]}
    marks["q"] = [replace(mark, instance_id=f"{mark.instance_id}q") for mark in marks["p"]]
    figures = measured({"i": marks})
    assert figures["overall"]["alpha_category"] == pytest.approx(1)
    assert figures["categories"]["unknown"]["alpha_category"] == pytest.approx(1)


def test_each_pair_of_annotators_is_told_apart() -> None:
    answers = {
        "i": {"p": [box("a", 0, 0)], "q": [box("b", 0, 0)]},
        "j": {"p": [box("a", 0, 0)], "r": [box("b", 50, 0)]},
    }
    pairs = {tuple(pair["annotators"]): pair for pair in measured(answers)["pairs"]}
    assert pairs["p", "q"]["f1"] == pytest.approx(1)
    assert pairs["p", "r"]["f1"] == pytest.approx(0)
    assert pairs["p", "r"]["objects"] == 2


def test_intervals_are_those_of_photographs_drawn_again_and_measured_from_scratch() -> None:
    answers = _shaken(np.random.default_rng(3), 12)
    rounds, seed = 30, 8
    found = measured(answers, bootstrap=Bootstrap(rounds=rounds, seed=seed))
    images = sorted(answers)
    again: dict[str, list[float]] = {
        "f1": [],
        "f1_mean": [],
        "mean_iou": [],
        "alpha_category": [],
        "alpha_with_misses": [],
    }
    for number in range(rounds):
        drawn = np.random.default_rng([seed, number]).integers(0, len(images), len(images))
        figures = measured({f"{place:02d}": answers[images[which]] for place, which in enumerate(drawn)})["overall"]
        for name, values in again.items():
            values.append(figures[name])
    for name, values in again.items():
        ends = found["overall"]["intervals"][name]
        assert ends == pytest.approx(list(np.quantile(values, [0.025, 0.975])), abs=1e-12)
        assert ends[0] <= found["overall"][name] <= ends[1]


def test_more_photographs_make_narrower_intervals() -> None:
    widths = []
    for photographs in (20, 320):
        answers = _shaken(np.random.default_rng(1), photographs)
        low, high = measured(answers, bootstrap=Bootstrap(rounds=200, seed=1))["overall"]["intervals"]["f1"]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2.5


def test_photographs_that_one_person_answered_change_nothing() -> None:
    answers = _shaken(np.random.default_rng(2), 10)
    alone = {**answers, "z": {"p": [box("a", 0, 0)]}, "a": {"q": [box("b", 0, 0, facets={"material": "wood"})]}}
    drawn = Bootstrap(rounds=20, seed=1)
    assert measured(alone, bootstrap=drawn) == measured(answers, bootstrap=drawn)


def test_facets_of_objects_that_both_marked_are_compared() -> None:
    def said(name: str, x: float, value: str) -> Instance:
        return box(name, x, 0, facets={"material": value})

    words = [("wood", "wood"), ("wood", "metal"), ("metal", "metal"), ("metal", "metal")]
    answers = {
        f"i{number}": {"p": [said("a", 0, one)], "q": [said("b", 0, other)]}
        for number, (one, other) in enumerate(words)
    }
    answers["z"] = {"p": [said("a", 0, "wood")], "q": [said("b", 90, "metal")]}
    found = measured(answers)["facets"]["material"]
    assert (found["answered"], found["same_frac"]) == (4, 0.75)
    assert found["alpha"] == pytest.approx(
        krippendorff.alpha(
            reliability_data=[["wmo".index(w[0]) for w in side] for side in zip(*words, strict=True)],
            level_of_measurement="nominal",
        ),
        abs=1e-9,
    )
    (pair,) = found["pairs"]
    assert pair["kappa"] == pytest.approx(cohen_kappa_score(*zip(*words, strict=True)), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_kappa_is_what_the_library_computes(said: list[tuple[int, int]]) -> None:
    unit = np.repeat(np.arange(len(said)), 2)
    question = Question(
        kind="tags",
        code="q",
        values=["a", "b", "c", "d"],
        unit=unit,
        annotator=np.tile([0, 1], len(said)),
        value=np.array(said).reshape(-1),
        image_of_unit=np.arange(len(said)),
        images=[f"i{number}" for number in range(len(said))],
        annotators=["p", "q"],
    )
    sums = SumsByImage(images=len(said))
    add_question(sums, question, {image_id: number for number, image_id in enumerate(question.images)})
    assert sums.totals()["tags.q.answered"][0] == len(said)
    ours = kappas(question)[0]["kappa"]
    if ours is None:
        assert len({value for pair in said for value in pair}) == 1
    else:
        assert ours == pytest.approx(cohen_kappa_score(*zip(*said, strict=True)), abs=1e-9)


def test_transcriptions_are_compared_by_characters_and_unreadable_ones_fit_any() -> None:
    def read(name: str, text: str | None, x: float = 0) -> Instance:
        return box(name, x, 0, transcription=text)

    answers = {
        "i": {"p": [read("a", "LC 71"), read("b", "9MM", 50)], "q": [read("c", "lc 17"), read("d", "9M?", 50)]},
        "j": {"p": [read("a", "X")], "q": [read("b", None)]},
    }
    found = measured(answers)["transcriptions"]
    assert (found["both"], found["one"]) == (2, 1)
    assert found["character_error_rate"] == pytest.approx(2 / 8)
    assert found["same_frac"] == pytest.approx(0.5)


@given(st.text("AB?", max_size=6), st.text("AB?", max_size=6))
def test_character_errors_are_the_fewest_edits(first: str, second: str) -> None:
    errors, longer = character_errors(first, second)
    assert character_errors(second, first) == (errors, longer)
    assert abs(len(first) - len(second)) <= errors <= longer == max(len(first), len(second))

    def fewest(one: str, other: str) -> int:
        if not one or not other:
            return len(one) + len(other)
        fits = one[0] == other[0] or "?" in (one[0], other[0])
        return min(fewest(one[1:], other) + 1, fewest(one, other[1:]) + 1, fewest(one[1:], other[1:]) + (not fits))

    if len(first) + len(second) <= 8:
        assert errors == fewest(first, second)


def test_marks_hold_no_more_than_was_answered() -> None:
    marks: Marks = marks_of({"i": {"p": [box("a", 0, 0)], "q": []}})
    assert len(marks.answer_task) == 2
    assert marks.mark_bounds.tolist() == [0, 1, 1]
    assert marks.boxes_xyxy.tolist() == [[0, 0, 10, 10]]
