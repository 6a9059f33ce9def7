from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench.adjudication.answers import Answers
from workbench.adjudication.consensus import Outcome
from workbench.adjudication.matching import match_instances, overlap_matrix
from workbench.adjudication.settling import Rules, settle, settle_photograph
from workbench.adjudication.stage import ACTIVITY, run_adjudication
from workbench.domain.annotation import DecidedBy, Instance, Keypoint, Shape
from workbench.domain.findings import Refused
from workbench.domain.geometry import Box, box_iou, ring_box
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.tables import (
    ANNOTATIONS,
    DISAGREEMENTS,
    INSTANCES,
    LABELLED,
    instance_row,
    read_rows,
    write_table,
)

TAXONOMY_FILE = Path(__file__).resolve().parents[3] / "label_configs" / "taxonomy.yaml"
TAXONOMY = Taxonomy.from_mapping(yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8")))
PARAMS: dict[str, Any] = {
    "match_iou": 0.5,
    "accept_iou": 0.7,
    "single_annotator": "accept",
    "bootstrap_rounds": 20,
    "bootstrap_seed": 1,
    "session_gap_min": 30,
    "queue": ["category"],
}


def rules(**params: Any) -> Rules:
    return Rules(params=PARAMS | params, decisions={})


def decide(answers: dict[str, list[Instance]], *, match_iou: float, accept_iou: float) -> Outcome:
    return settle(
        Answers(blind=answers, adjudicated={}, imported={}), rules(match_iou=match_iou, accept_iou=accept_iou)
    )


def box(name: str, x: float, y: float, side: float = 10, category: str = "part.barrel", **more: object) -> Instance:
    edges = Box(x_min=x, y_min=y, x_max=x + side, y_max=y + side)
    return Instance(instance_id=name, image_id="i", category=category, shape=Shape.BOX, box=edges, **more)  # type: ignore[arg-type]


def polygon(name: str, ring: tuple[float, ...]) -> Instance:
    return Instance(
        instance_id=name, image_id="i", category="unknown", shape=Shape.POLYGON, rings=(ring,), box=ring_box(ring)
    )


def test_the_pairing_with_the_greatest_overlap_wins_over_the_first_come() -> None:
    first = [box("a", 0, 0), box("b", 4, 0)]
    second = [box("c", 3, 0), box("d", -2, 0)]
    pairs = {(match.first, match.second) for match in match_instances(first, second, match_iou=0.3)}
    assert pairs == {(0, 1), (1, 0)}


@given(st.permutations(range(5)))
def test_the_pairing_does_not_depend_on_the_order_of_marks(order: list[int]) -> None:
    first = [box(f"a{n}", 30 * n, 0) for n in range(5)]
    second = [box(f"b{n}", 30 * n + 1, 1) for n in order]
    assert {(m.first, order[m.second]) for m in match_instances(first, second, match_iou=0.5)} == {
        (n, n) for n in range(5)
    }


def test_polygons_are_compared_as_areas_not_as_boxes() -> None:
    lower = polygon("a", (0, 0, 10, 10, 0, 10))
    upper = polygon("b", (0, 0, 10, 0, 10, 10))
    assert overlap_matrix([lower], [upper])[0, 0] == pytest.approx(0)
    assert overlap_matrix([lower], [lower])[0, 0] == pytest.approx(1)
    crossing = polygon("c", (0, 0, 10, 10, 10, 0, 0, 10))
    assert 0 < overlap_matrix([crossing], [lower])[0, 0] < 1


def test_points_match_by_distance() -> None:
    def point(x: float) -> Instance:
        at = Keypoint(name="point", x_px=x, y_px=0)
        return Instance(instance_id="k", image_id="i", category="unknown", shape=Shape.KEYPOINT, keypoints=(at,))

    assert match_instances([point(0)], [point(19)], match_iou=0.5)
    assert not match_instances([point(0)], [point(21)], match_iou=0.5)


def test_what_all_mark_alike_is_ground_truth() -> None:
    outcome = decide({"p": [box("a", 0, 0)], "q": [box("b", 1, 0)]}, match_iou=0.5, accept_iou=0.7)
    (truth,) = outcome.truth
    assert outcome.status == "agreed"
    assert truth.decided_by is DecidedBy.AGREEMENT
    assert truth.agreement_iou == pytest.approx(90 / 110)
    assert not outcome.disagreements


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        ([box("b", 1, 0, category="unknown")], "category"),
        ([], "unmatched"),
        ([box("b", 2.5, 0)], "geometry"),
    ],
)
def test_what_they_do_not_settle_is_listed_and_not_truth(other: list[Instance], kind: str) -> None:
    outcome = decide({"p": [box("a", 0, 0)], "q": other}, match_iou=0.5, accept_iou=0.7)
    assert outcome.status == "disagreed"
    assert not outcome.truth
    assert [row["kind"] for row in outcome.disagreements] == [kind]


def test_facets_go_by_majority_and_ties_cannot_tell() -> None:
    def said(name: str, value: str) -> Instance:
        return box(name, 0, 0, facets={"completeness": value})

    three = {"p": [said("a", "finished")], "q": [said("b", "finished")], "r": [said("c", "fragment")]}
    assert decide(three, match_iou=0.5, accept_iou=0.7).truth[0].facets == {"completeness": "finished"}
    tie = {"p": [said("a", "finished")], "q": [said("b", "fragment")]}
    outcome = decide(tie, match_iou=0.5, accept_iou=0.7)
    assert outcome.truth[0].facets == {"completeness": "cannot_tell"}
    assert outcome.disagreements[0]["kind"] == "facet"


def test_texts_read_differently_are_not_kept() -> None:
    both = {"p": [box("a", 0, 0, transcription="A1")], "q": [box("b", 0, 0, transcription="A7")]}
    outcome = decide(both, match_iou=0.5, accept_iou=0.7)
    assert outcome.truth[0].transcription is None
    assert outcome.disagreements[0]["kind"] == "transcription"


def test_two_empty_answers_agree() -> None:
    assert decide({"p": [], "q": []}, match_iou=0.5, accept_iou=0.7).status == "agreed"


def test_people_outweigh_imports_and_adjudicators_outweigh_people() -> None:
    human, imported, judged = box("h", 0, 0), box("m", 50, 0), box("j", 90, 0)
    both = Answers(blind={"p": [human]}, adjudicated={}, imported={"import:coco": [imported]})
    assert [t.box for t in settle(both, rules()).truth] == [human.box]
    final = settle(replace(both, adjudicated={"z": [judged]}), rules())
    assert [t.box for t in final.truth] == [judged.box]
    assert final.disagreements[0]["instance_ids"] == ["h"]
    assert settle(both, rules(single_annotator="hold")).status == "disagreed"


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_annotators_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    answers = {
        name: [box(f"{name}{n}", 40 * n + rng.normal(0, 1), rng.normal(0, 1)) for n in range(3)] for name in "pqr"
    }
    one = decide(answers, match_iou=0.5, accept_iou=0.6)
    other = decide(dict(reversed(answers.items())), match_iou=0.5, accept_iou=0.6)
    assert one == other


def test_a_cartridge_and_its_headstamp_in_one_place_are_not_taken_crosswise() -> None:
    first = [box("a", 0, 0, category="ammo.cartridge"), box("b", 1, 0, category="ammo.headstamp")]
    second = [box("c", 1, 0, category="ammo.cartridge"), box("d", 0, 0, category="ammo.headstamp")]
    pairs = {(match.first, match.second) for match in match_instances(first, second, match_iou=0.5)}
    assert pairs == {(0, 0), (1, 1)}


@given(st.integers(0, 2**32 - 1))
def test_overlaps_of_many_boxes_are_those_of_each_two(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [box("x", x, y, side) for x, y, side in rng.uniform(0, 15, (8, 3)).tolist()]
    first, second = drawn[:4], drawn[4:]
    plain = [[box_iou(one.box, other.box) for other in second] for one in first if one.box]  # type: ignore[arg-type]
    assert overlap_matrix(first, second) == pytest.approx(np.array(plain))


def test_projects_ask_different_things_so_their_answers_do_not_contradict() -> None:
    parts = Answers(blind={"p": [box("a", 0, 0)], "q": [box("b", 0, 0)]}, adjudicated={}, imported={})
    stamps = Answers(blind={"p": [box("c", 50, 0, category="ammo.headstamp")]}, adjudicated={}, imported={})
    outcome = settle_photograph({"parts": parts, "headstamps": stamps}, rules())
    assert {truth.category for truth in outcome.truth} == {"part.barrel", "ammo.headstamp"}
    assert outcome.status == "single"
    assert not outcome.disagreements


def _snapshot(folder: Path, answers: list[dict[str, Any]]) -> None:
    """Write a labelling snapshot: for each answer its row and one box at x = its ``x``."""
    marks = [box(f"m-{a['annotation_id']}", a["x"], 0, annotation_id=a["annotation_id"]) for a in answers]
    rows = [
        {
            "image_id": "i",
            "project": folder.name,
            "source": "label-studio",
            "taxonomy_version": "1",
            **{key: value for key, value in answer.items() if key != "x"},
        }
        for answer in answers
    ]
    write_table(folder / "annotations.parquet", ANNOTATIONS, rows)
    write_table(folder / "instances.parquet", INSTANCES, [instance_row(mark) for mark in marks])


def test_the_latest_adjudicator_decides_whatever_their_names(tmp_path: Path) -> None:
    def judged(key: str, annotator: str, day: int, x: float) -> dict[str, Any]:
        when = f"2026-01-0{day}T00:00:00Z"
        return {"annotation_id": key, "annotator": annotator, "pass_": "adjudication", "submitted_at": when, "x": x}

    layout = Layout(tmp_path)
    early, late, again = judged("1", "zoe", 1, 10), judged("2", "ann", 3, 20), judged("3", "zoe", 2, 30)
    _snapshot(layout.labelling / "parts", [early, late, again])
    run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=TAXONOMY)
    (truth,) = read_rows(layout.adjudication / "instances.parquet", INSTANCES)
    assert truth["x_min"] == 20
    assert truth["decided_by"] == "adjudication"


def test_equal_answers_give_equal_bytes(tmp_path: Path) -> None:
    def answer(key: str, annotator: str, x: float) -> dict[str, Any]:
        return {"annotation_id": key, "annotator": annotator, "pass_": "blind1", "submitted_at": None, "x": x}

    answers = [answer("1", "p", 0), answer("2", "q", 1)]
    written: list[dict[str, bytes]] = []
    for order in (answers, answers[::-1]):
        layout = Layout(tmp_path / str(len(written)))
        _snapshot(layout.labelling / "parts", order)
        run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=TAXONOMY)
        written.append({path.name: path.read_bytes() for path in layout.adjudication.iterdir()})
    assert written[0] == written[1]
    tables = {"instances.parquet", "disagreements.parquet", "labelled.parquet", "headstamps.parquet"}
    tables |= {"accounts.parquet", "dissent.parquet", "tags.parquet"}
    plots = {"agreement_by_category.csv", "labellers.csv", "sessions.csv"}
    assert set(written[0]) == tables | plots | {"agreement.json", "labellers.json"}


def test_without_any_answer_it_says_how_to_get_some(tmp_path: Path) -> None:
    (tmp_path / "data" / "02_labelling" / "parts").mkdir(parents=True)
    with pytest.raises(Refused, match="labelling pull"):
        run_adjudication(Layout(tmp_path), {"activity": ACTIVITY, **PARAMS}, taxonomy=TAXONOMY)


@pytest.mark.parametrize(
    "change", [{"match_iou": "half"}, {"accept_iou": 0}, {"single_annotator": "maybe"}, {"bootstrap_rounds": -1}]
)
def test_parameters_that_cannot_be_used_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"adjudication.{next(iter(change))}"):
        run_adjudication(Layout(tmp_path), {"activity": ACTIVITY, **PARAMS, **change}, taxonomy=TAXONOMY)


def _altered(folder: Path, **change: Any) -> None:
    rows = read_rows(folder / "instances.parquet", INSTANCES)
    write_table(folder / "instances.parquet", INSTANCES, [{**rows[0], **change}, *rows[1:]])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"category": "part.unheard_of"}, "part.unheard_of"),
        ({"facets": '{"completeness":"rusty"}'}, "completeness=rusty"),
        ({"facets": '{"mood":"good"}'}, "mood=good"),
    ],
)
def test_codes_the_taxonomy_does_not_have_are_refused_and_nothing_is_written(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    layout = Layout(tmp_path)
    answer = {"annotation_id": "1", "annotator": "p", "pass_": "blind1", "submitted_at": None, "x": 0}
    _snapshot(layout.labelling / "parts", [answer])
    _altered(layout.labelling / "parts", **change)
    with pytest.raises(Refused, match=told) as error:
        run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=TAXONOMY)
    assert error.value.findings[0].code == "taxonomy.unknown-code"
    assert not layout.adjudication.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"annotation_id": "9"}, "answer 9"),
        ({"image_id": "elsewhere"}, "another photograph"),
        ({"shape": "sphere"}, "sphere"),
        ({"facets": "none"}, "cannot be read"),
    ],
)
def test_a_snapshot_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    layout = Layout(tmp_path)
    answer = {"annotation_id": "1", "annotator": "p", "pass_": "blind1", "submitted_at": None, "x": 0}
    _snapshot(layout.labelling / "parts", [answer])
    _altered(layout.labelling / "parts", **change)
    with pytest.raises(Refused, match=told) as error:
        run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=TAXONOMY)
    assert error.value.findings[0].code == "tables.schema"


def test_a_pass_nobody_knows_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    answer = {"annotation_id": "1", "annotator": "p", "pass_": "third", "submitted_at": None, "x": 0}
    _snapshot(layout.labelling / "parts", [answer])
    with pytest.raises(Refused, match="third"):
        run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=TAXONOMY)


def _moved(step: dict[str, Any], *, without: str) -> Taxonomy:
    """Return the taxonomy one version on, after a step that took a code away."""
    document = yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8"))
    del document["categories"][without]
    for entry in document["categories"].values():
        entry.pop("confused_with", None)
    return Taxonomy.from_mapping(document | {"version": "2.0", "migrations": [{"to": "2.0", **step}]})


def _answered(tmp_path: Path, version: str = "1.1.0") -> Layout:
    layout = Layout(tmp_path)
    answers = [
        {"annotation_id": key, "annotator": key, "pass_": "blind1", "submitted_at": None, "x": 0} for key in "ab"
    ]
    _snapshot(layout.labelling / "parts", [answer | {"taxonomy_version": version} for answer in answers])
    return layout


def test_a_renamed_code_is_read_as_its_new_name_and_the_snapshot_stays_as_it_was(tmp_path: Path) -> None:
    layout = _answered(tmp_path)
    frozen = (layout.labelling / "parts" / "instances.parquet").read_bytes()
    taxonomy = _moved({"rename": {"part.barrel": "part.muzzle_other"}}, without="part.barrel")
    run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=taxonomy)
    (truth,) = read_rows(layout.adjudication / "instances.parquet", INSTANCES)
    assert truth["category"] == "part.muzzle_other"
    assert (layout.labelling / "parts" / "instances.parquet").read_bytes() == frozen


@pytest.mark.parametrize(
    "step", [{"split": {"part.barrel": ["part.grip", "part.slide"]}}, {"deprecate": {"part.barrel": "unclear"}}]
)
def test_a_split_or_deprecated_code_is_listed_to_be_labelled_again(tmp_path: Path, step: dict[str, Any]) -> None:
    layout = _answered(tmp_path)
    run_adjudication(layout, {"activity": ACTIVITY, **PARAMS}, taxonomy=_moved(step, without="part.barrel"))
    assert not read_rows(layout.adjudication / "instances.parquet", INSTANCES)
    (row,) = read_rows(layout.adjudication / "disagreements.parquet", DISAGREEMENTS)
    assert (row["kind"], row["instance_ids"]) == ("relabel", ["m-a", "m-b"])
    (photograph,) = read_rows(layout.adjudication / "labelled.parquet", LABELLED)
    assert photograph["status"] == "disagreed"


def test_a_code_given_under_the_new_version_is_not_moved_again(tmp_path: Path) -> None:
    taxonomy = _moved({"rename": {"part.barrel": "part.grip"}}, without="part.barrel")
    with pytest.raises(Refused, match=r"part\.barrel"):
        run_adjudication(_answered(tmp_path, "2.0"), {"activity": ACTIVITY, **PARAMS}, taxonomy=taxonomy)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"rename": {"part.barrel": "part.nowhere"}}, "to part.nowhere"),
        ({"rename": {"part.grip": "part.slide"}}, "still has it"),
        ({"to": "3.0", "rename": {"part.barrel": "part.slide"}}, "version to come"),
        ({"split": {"part.barrel": ["part.grip"]}}, "fewer than two"),
        ({"move": {}}, "migration step with move"),
    ],
)
def test_a_migration_that_leads_nowhere_is_refused(step: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        _moved(step, without="part.barrel")
