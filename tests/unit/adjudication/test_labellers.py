from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
import yaml

from workbench.adjudication.dawid_skene import estimate_classes
from workbench.adjudication.sessions import fatigue_figures, place_answers, time_figures
from workbench.adjudication.stage import ACTIVITY, run_adjudication
from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box
from workbench.domain.taxonomy import REJECT, About, Taxonomy
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, INSTANCES, LABELLED, TAGS, instance_row, read_rows, write_table

TAXONOMY_FILE = Path(__file__).resolve().parents[3] / "label_configs" / "taxonomy.yaml"
TAXONOMY = Taxonomy.from_mapping(yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8")))
QUESTION = next(
    facet
    for facet in TAXONOMY.facets
    if facet.about is About.PHOTOGRAPH and facet.code != REJECT and len(facet.values) > 2
)
REASON = next(iter(next(facet for facet in TAXONOMY.facets if facet.code == REJECT).values))
PARAMS = {
    "activity": ACTIVITY,
    "match_iou": 0.5,
    "accept_iou": 0.7,
    "single_annotator": "accept",
    "bootstrap_rounds": 20,
    "bootstrap_seed": 1,
    "session_gap_min": 30,
    "queue": ["category"],
}

#: Dawid and Skene (1979), table 1: how five anaesthetists, the first of them three times, rated 45 patients.
PATIENTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3
232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1
222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1|232 2 2 2 2
111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3
221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""


def test_the_anaesthetists_of_dawid_and_skene_come_out_as_published() -> None:
    said = [
        (patient, doctor, int(grade) - 1)
        for patient, row in enumerate(PATIENTS.replace("\n", "|").strip("|").split("|"))
        for doctor, grades in enumerate(row.split())
        for grade in grades
    ]
    unit, annotator, value = (np.array(column) for column in zip(*said, strict=True))
    found = estimate_classes(unit=unit, annotator=annotator, value=value, units=45, annotators=5, values=4, trust=0)
    assert found.share == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.006)
    assert found.tables[0] == pytest.approx(
        np.array([[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]), abs=0.006
    )


def test_careless_annotators_are_told_from_careful_ones_without_knowing_the_truth() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, 3000)
    right = (0.97, 0.9, 0.6)
    said = np.stack([np.where(rng.random(3000) < share, truth, rng.integers(0, 4, 3000)) for share in right], axis=1)
    found = estimate_classes(
        unit=np.repeat(np.arange(3000), 3),
        annotator=np.tile([0, 1, 2], 3000),
        value=said.reshape(-1),
        units=3000,
        annotators=3,
        values=4,
    )
    true_share = [(said[:, number] == truth).mean() for number in range(3)]
    estimated = [np.diag(found.tables[number]) @ found.share for number in range(3)]
    assert estimated == pytest.approx(true_share, abs=0.02)
    best = found.classes[found.pattern_of_unit].argmax(axis=1)
    assert (best == truth).mean() > true_share[0]


def test_a_long_pause_ends_a_session_and_a_long_answer_does_not() -> None:
    submitted = np.array([100.0, 160.0, 5000.0, 5050.0, np.nan])
    lead = np.array([50.0, 50.0, 4800.0, 40.0, 9.0])
    placed = place_answers(submitted, lead, gap_s=1800)
    assert placed.session.tolist() == [0, 0, 0, 0, 1]
    assert placed.place_frac.tolist() == [0, 0.25, 0.5, 0.75, 0]
    shorter = place_answers(submitted, np.array([50.0, 50.0, 20.0, 40.0, 9.0]), gap_s=1800)
    assert shorter.session.tolist() == [0, 0, 1, 1, 2]


def test_time_is_told_by_order_so_that_one_page_left_open_moves_little() -> None:
    spent = np.array([10.0, 12, 11, 9, 10, 100_000])
    told = time_figures(spent, np.array([1, 2, 1, 0, 5, 1]))
    assert told["median_s"] == 10.5
    assert told["median_for_an_object_s"] == 10
    assert time_figures(np.array([np.nan]), np.array([1]))["median_s"] is None


def _sessions(slower: float, worse: float, seed: int) -> dict[str, Any]:
    """Eight sessions of thirty answers that end ``slower`` times as slow and ``worse`` in F1."""
    rng = np.random.default_rng(seed)
    place = np.tile(np.arange(30) / 29, 8)
    lead = rng.lognormal(3, 0.3, 240) * (1 + (slower - 1) * place)
    submitted = np.arange(240) * 100.0 + np.repeat(np.arange(8) * 1e6, 30)
    marked = np.full(240, 10.0)
    same = 10 * np.clip(0.9 - worse * place + rng.normal(0, 0.05, 240), 0, 1)
    placed = place_answers(submitted, lead, gap_s=1800)
    assert len(placed.sizes) == 8
    return fatigue_figures(placed, lead, same, marked, seed=1)


def test_a_tiring_labeller_is_seen_to_slow_down_and_to_agree_less() -> None:
    told = _sessions(slower=2.0, worse=0.3, seed=1)
    assert told["time_ratio"] == pytest.approx(1.6, abs=0.25)
    assert told["f1_change"] == pytest.approx(-0.2, abs=0.05)
    assert told["intervals"]["time_ratio"][0] > 1
    assert told["intervals"]["f1_change"][1] < 0
    assert told["time_trend"] > 0.3
    assert told["f1_trend"] < -0.5


def test_a_steady_labeller_is_not_said_to_tire() -> None:
    told = _sessions(slower=1.0, worse=0.0, seed=2)
    assert told["intervals"]["time_ratio"][0] < 1 < told["intervals"]["time_ratio"][1]
    assert told["intervals"]["f1_change"][0] < 0 < told["intervals"]["f1_change"][1]


def test_sessions_too_short_to_compare_tell_nothing() -> None:
    placed = place_answers(np.arange(4) * 60.0, np.full(4, 10.0), gap_s=1800)
    told = fatigue_figures(placed, np.full(4, 10.0), np.ones(4), np.full(4, 2.0), seed=1)
    assert (told["sessions"], told["sessions_compared"]) == (1, 0)
    assert [told[name] for name in ("time_ratio", "f1_change", "time_trend", "f1_trend")] == [None] * 4


def _answer(
    image: str, annotator: str, pass_: str, *marks: tuple[float, str], project: str = "parts"
) -> dict[str, Any]:
    return {"image": image, "annotator": annotator, "pass_": pass_, "marks": marks, "project": project}


def _snapshot(layout: Layout, answers: list[dict[str, Any]]) -> None:
    said, drawn = [], []
    for number, answer in enumerate(answers):
        key = f"a{number:03d}"
        said.append(
            {
                "annotation_id": key,
                "image_id": answer["image"],
                "project": answer["project"],
                "annotator": answer["annotator"],
                "pass_": answer["pass_"],
                "submitted_at": f"2026-01-01T00:{number % 60:02d}:00Z",
                "lead_time_s": 10.0 + number,
                "source": "label-studio",
                "taxonomy_version": TAXONOMY.version,
            }
        )
        for place, (x, category) in enumerate(answer["marks"]):
            mark = Instance(
                instance_id=f"{key}-{place}",
                image_id=answer["image"],
                category=category,
                shape=Shape.BOX,
                box=Box(x_min=x, y_min=0, x_max=x + 10, y_max=10),
                annotation_id=key,
                annotator=answer["annotator"],
            )
            drawn.append(instance_row(mark))
    for project in sorted({answer["project"] for answer in answers}):
        ids = {row["annotation_id"] for row in said if row["project"] == project}
        for name, schema, rows in (("annotations", ANNOTATIONS, said), ("instances", INSTANCES, drawn)):
            listed = [row for row in rows if row["annotation_id"] in ids]
            write_table(layout.labelling / project / f"{name}.parquet", schema, listed)


def test_hidden_checks_are_held_against_ground_truth_and_decide_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    true = [(0.0, "part.barrel"), (50.0, "part.grip"), (90.0, "part.slide")]
    _snapshot(
        layout,
        [
            _answer("known", "p", "blind1", *true),
            _answer("known", "q", "blind2", *true),
            _answer("known", "r", "gold", (0, "part.barrel"), (50, "unknown"), (200, "part.slide")),
            _answer("open", "p", "blind1", (0, "part.barrel")),
            _answer("open", "q", "blind2", (0, "part.grip")),
            _answer("open", "r", "gold", (0, "part.barrel")),
            # Another project asked for other things on the same photograph: they are not missing from this one's check.
            *(_answer("known", name, "blind1", (300, "marking.maker"), project="markings") for name in "pq"),
        ],
    )
    agreement = run_adjudication(layout, PARAMS, taxonomy=TAXONOMY)
    told = json.loads((layout.adjudication / "labellers.json").read_text(encoding="utf-8"))
    assert set(told) == {"p", "q", "r"}
    checks = told["r"]["checks"]
    assert (checks["photographs"], checks["true"], checks["marked"]) == (1, 3, 3)
    assert checks["recall"] == checks["precision"] == checks["f1"] == pytest.approx(1 / 3)
    assert checks["same_category_frac"] == pytest.approx(0.5)
    assert told["p"]["checks"] is None
    assert [pair["annotators"] for pair in agreement["pairs"]] == [["p", "q"]]
    labelled = read_rows(layout.adjudication / "labelled.parquet", LABELLED)
    assert [(row["image_id"], row["annotators"], row["status"]) for row in labelled] == [
        ("known", 2, "agreed"),
        ("open", 2, "disagreed"),
    ]


def test_what_a_labeller_misses_and_confuses_is_told_from_all_answers(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    answers = []
    for number in range(12):
        full = [(0.0, "part.barrel"), (50.0, "part.grip")]
        answers += [_answer(f"i{number:02d}", name, "blind1", *full) for name in "pq"]
        weak = [(0.0, "part.barrel" if number % 3 else "part.slide")] + ([full[1]] if number % 2 else [])
        answers.append(_answer(f"i{number:02d}", "r", "blind1", *weak))
    _snapshot(layout, answers)
    run_adjudication(layout, PARAMS, taxonomy=TAXONOMY)
    told = json.loads((layout.adjudication / "labellers.json").read_text(encoding="utf-8"))
    assert told["p"]["consensus"]["right_frac"] == pytest.approx(1, abs=1e-3)
    weak = told["r"]["consensus"]
    assert weak["missed_frac"] == pytest.approx(6 / 24, abs=1e-3)
    assert weak["right_frac"] == pytest.approx(14 / 24, abs=1e-3)
    assert weak["confusions"][:2] == [
        {"is": "part.grip", "said": None, "expected": 6.0},
        {"is": "part.barrel", "said": "part.slide", "expected": 4.0},
    ]
    assert told["p"]["peers"]["f1"] > told["r"]["peers"]["f1"]


def test_the_plots_tables_name_every_category_and_labeller(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _snapshot(layout, [_answer("i", name, "blind1", (0, "part.barrel")) for name in "pq"])
    run_adjudication(layout, PARAMS, taxonomy=TAXONOMY)
    lines = (layout.adjudication / "agreement_by_category.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["category,objects,f1,f1_low,f1_high,mean_iou,alpha_with_misses", "part.barrel,1,1,1,1,1,"]
    assert (layout.adjudication / "labellers.csv").read_text(encoding="utf-8").splitlines()[1].startswith("p,1,1,1,")


def _tags(layout: Layout, project: str, said: list[tuple[str, str, dict[str, list[str]]]]) -> None:
    """Write a snapshot of answers about whole photographs: photograph, annotator, values by question."""
    answers, tags = [], []
    for number, (image, annotator, about) in enumerate(said):
        key = f"{project}{number:03d}"
        answers.append(
            {
                "annotation_id": key,
                "image_id": image,
                "project": project,
                "annotator": annotator,
                "pass_": "blind1",
                "submitted_at": f"2026-01-02T00:{number:02d}:00Z",
                "lead_time_s": 5.0,
                "source": "label-studio",
                "taxonomy_version": TAXONOMY.version,
            }
        )
        tags += [
            {"annotation_id": key, "image_id": image, "annotator": annotator, "question": question, "value": value}
            for question, values in about.items()
            for value in values
        ]
    write_table(layout.labelling / project / "annotations.parquet", ANNOTATIONS, answers)
    write_table(layout.labelling / project / "instances.parquet", INSTANCES, [])
    write_table(layout.labelling / project / "tags.parquet", TAGS, tags)


def test_answers_about_whole_photographs_agree_or_not_and_miss_no_object(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _snapshot(layout, [_answer("i0", name, "blind1", (0, "part.barrel")) for name in "pq"])
    shows = QUESTION.code
    first, second, *_ = QUESTION.values
    _tags(
        layout,
        "triage",
        [
            *(("t1", name, {shows: [first]}) for name in "xy"),
            *(("t2", name, {shows: [second]}) for name in "xy"),
            ("t3", "x", {shows: [first]}),
            ("t3", "y", {shows: [second]}),
        ],
    )
    agreement = run_adjudication(layout, PARAMS, taxonomy=TAXONOMY)
    told = agreement["tags"][shows]
    assert (told["answered"], told["same_frac"]) == (3, pytest.approx(2 / 3))
    data = [[0, 1, 0], [0, 1, 1]]
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
    assert told["alpha"] == pytest.approx(theirs, abs=1e-9)
    assert told["pairs"] == [{"annotators": ["x", "y"], "answered": 3, "kappa": pytest.approx(0.4)}]
    assert agreement["overall"]["photographs"] == 1
    assert [pair["annotators"] for pair in agreement["pairs"]] == [["p", "q"]]


def test_who_rejected_a_photograph_has_not_found_it_empty(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _snapshot(
        layout,
        [
            _answer("i", "p", "blind1", (0, "part.barrel")),
            _answer("i", "q", "blind2"),
            _answer("j", "p", "blind1", (0, "part.barrel")),
            _answer("j", "q", "blind2", (0, "part.barrel")),
        ],
    )
    rows = [{"annotation_id": "a001", "image_id": "i", "annotator": "q", "question": REJECT, "value": REASON}]
    write_table(layout.labelling / "parts" / "tags.parquet", TAGS, rows)
    agreement = run_adjudication(layout, PARAMS, taxonomy=TAXONOMY)
    assert agreement["overall"]["f1"] == 1
    assert agreement["overall"]["photographs"] == 1
    assert agreement["tags"] == {}


def test_how_many_photographs_are_held_at_a_time_changes_no_byte(tmp_path: Path) -> None:
    written: list[dict[str, bytes]] = []
    for block in (1, 3, 1000):
        layout = Layout(tmp_path / str(block))
        answers = []
        for number in range(7):
            answers.append(_answer(f"i{number}", "p", "blind1", (0, "part.barrel"), (50, "part.grip")))
            answers.append(
                _answer(f"i{number}", "q", "blind2", (0, "part.barrel"), (50 + 4 * (number % 2), "part.grip"))
            )
        _snapshot(layout, answers)
        run_adjudication(layout, PARAMS, taxonomy=TAXONOMY, block=block)
        written.append({path.name: path.read_bytes() for path in layout.adjudication.iterdir()})
    assert len(read_rows(layout.adjudication / "labelled.parquet", LABELLED)) == 7
    assert written[0] == written[1] == written[2]
