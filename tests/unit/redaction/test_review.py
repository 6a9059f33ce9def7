"""Who decided what: proposals, decisions, and where a photograph stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from workbench import long_runs
from workbench.domain.findings import Refused
from workbench.domain.geometry import Box
from workbench.domain.redaction import Decision, Labelled, Region, State
from workbench.layout import Layout
from workbench.ports import silent
from workbench.redaction import review, stage
from workbench.redaction.decisions import append_decisions, ensure_decisions, read_decisions
from workbench.redaction.review import Standing
from workbench.tables import IMAGES, SEARCHED, read_rows, write_table

PARAMS: dict[str, Any] = {
    "activity": stage.ACTIVITY,
    "faces": True,
    "longest_px": 640,
    "least_score": 0.5,
    "margin_frac": 0.0,
    "labelled": {"context.face": "accept", "context.person": "propose"},
    "unreviewed": "block",
}
BOX = Box(x_min=10, y_min=10, x_max=50, y_max=50)


def _row(letter: str, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(IMAGES.names) | {"image_id": letter * 64, "file_sha256": letter.upper() * 64}
    row |= {"width_px": 100, "height_px": 80, "path": f"01_intake/c/images/{letter}.jpg", "origin": "real"}
    return row | {"licence": "CC0-1.0", "work_key": "k"} | changes


def _searched(row: dict[str, Any], *boxes: Box, score: float = 0.9) -> dict[str, Any]:
    edges = ("x_min", "y_min", "x_max", "y_max")
    faces = [dict(zip(edges, box.xyxy, strict=True)) | {"score": score} for box in boxes]
    return {"image_id": row["image_id"], "file_sha256": row["file_sha256"], "work_key": "k", "faces": faces}


def _decision(state: State, box: Box = BOX, *, letter: str = "a", source: str = "face-search/1") -> Decision:
    region = Region(image_id=letter * 64, box=box, category="context.face", source=source, score=0.9)
    return Decision(region=region, state=state, decided_by="someone", decided_at="2026-01-01T00:00:00+00:00")


def _standing(
    row: dict[str, Any], searched: Sequence[dict[str, Any]], decisions: Sequence[Decision] = (), **changes: Any
) -> Standing:
    covered = changes.pop("covered", {})
    (seen,) = review.review_photographs([row], searched, covered, decisions, {**PARAMS, **changes}).values()
    return seen.standing


def test_a_photograph_goes_from_unsearched_to_clear_by_decision_and_covering_alone() -> None:
    row = _row("a")
    assert _standing(row, []) is Standing.UNSEARCHED
    assert _standing(row, [_searched(row)]) is Standing.CLEAR
    found = [_searched(row, BOX)]
    assert _standing(row, found) is Standing.UNREVIEWED, "blocked even before anybody ran propose"
    assert _standing(row, found, [_decision(State.PROPOSED)]) is Standing.UNREVIEWED
    assert _standing(row, found, [_decision(State.PROPOSED), _decision(State.REJECTED)]) is Standing.CLEAR
    accepted = [_decision(State.PROPOSED), _decision(State.ACCEPTED)]
    assert _standing(row, found, accepted) is Standing.NOT_APPLIED
    child = _row("b", parent_image_id="a" * 64)
    assert _standing(child, [_searched(child)], accepted, covered={"a" * 64: [BOX]}) is Standing.CLEAR
    assert _standing(child, [], accepted, covered={"a" * 64: [BOX]}) is Standing.UNSEARCHED


def test_a_picture_made_anew_must_be_searched_anew() -> None:
    row = _row("a")
    assert _standing({**row, "file_sha256": "f" * 64}, [_searched(row)]) is Standing.UNSEARCHED


def test_without_a_search_for_faces_only_proposals_hold_a_photograph_back() -> None:
    row = _row("a")
    assert _standing(row, [], faces=False) is Standing.CLEAR
    assert _standing(row, [], [_decision(State.PROPOSED)], faces=False) is Standing.UNREVIEWED


def test_the_same_face_a_few_pixels_off_is_not_proposed_again() -> None:
    row = _row("a")
    shifted = Box(x_min=12, y_min=9, x_max=51, y_max=52)
    other = Box(x_min=60, y_min=10, x_max=90, y_max=50)
    detected = review.detected_regions([row], [_searched(row, shifted, other)], PARAMS)
    planned = review.plan_decisions(detected, [], [_decision(State.REJECTED)], now="now")
    assert [decision.region.box for decision in planned] == [other]
    assert planned[0].decided_by == "face-search/1"


def test_a_face_left_uncovered_on_a_covered_image_is_proposed_on_the_photograph() -> None:
    child = _row("b", parent_image_id="a" * 64)
    (region,) = review.detected_regions([child], [_searched(child, BOX)], PARAMS)
    assert region.image_id == "a" * 64


def test_a_proposal_inside_an_accepted_region_needs_no_decision() -> None:
    row = _row("a")
    around = Box(x_min=5, y_min=5, x_max=55, y_max=55)
    decisions = [_decision(State.PROPOSED), _decision(State.ACCEPTED, around, source="person")]
    assert review.open_regions(decisions, []) == {}
    assert _standing(row, [_searched(row)], decisions) is Standing.NOT_APPLIED


def test_labels_are_accepted_proposed_or_ignored_by_the_rule_and_once() -> None:
    def labelled(category: str) -> dict[str, Any]:
        edges = {"x_min": 1.5, "y_min": 2.0, "x_max": 30.0, "y_max": 40.0}
        return {"image_id": "a" * 64, "category": category, **edges}

    rows = [("parts", labelled(code)) for code in ("context.face", "context.person", "part.barrel")]
    found = review.labelled_regions(rows, PARAMS)
    planned = review.plan_decisions([], found, [], now="now")
    assert {d.region.category: d.state for d in planned} == {
        "context.face": State.ACCEPTED,
        "context.person": State.PROPOSED,
    }
    assert {decision.decided_by for decision in planned} == {review.RULE}
    assert review.plan_decisions([], found, planned, now="later") == []
    suggested = review.labelled_regions(rows[:1], PARAMS, suggested=True)
    assert [rule for _, rule in suggested] == [Labelled.PROPOSE], "nobody looked at a pre-annotation"
    drawn = review.labelled_regions([("redaction", labelled("unknown"))], PARAMS | {"reviewed_in": "redaction"})
    assert [rule for _, rule in drawn] == [Labelled.ACCEPT], "all that is drawn where people look for what to cover"


def test_a_labelled_point_without_extent_covers_nothing() -> None:
    point = {"image_id": "a" * 64, "category": "context.face", "x_min": None}
    assert review.labelled_regions([("parts", point)], PARAMS) == []


def test_a_margin_stays_inside_the_picture() -> None:
    grown = review.with_margin(Box(x_min=5, y_min=10, x_max=45, y_max=78), 0.25, _row("a"))
    assert grown.xyxy == (0, 0, 55, 80)


def test_decisions_are_only_ever_added(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert ensure_decisions(layout)
    assert not ensure_decisions(layout)
    first, second = _decision(State.PROPOSED), _decision(State.ACCEPTED)
    append_decisions(layout, [first])
    before = read_decisions(layout)
    append_decisions(layout, [second])
    assert read_decisions(layout)[: len(before)] == before
    assert read_decisions(layout) == (first, second)
    assert review.accepted_regions(read_decisions(layout)) == {"a" * 64: (second.region,)}


def test_a_table_that_is_tracked_but_not_here_is_no_empty_table(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert read_decisions(layout) == ()
    layout.data.mkdir()
    (layout.data / "01_decisions.dvc").touch()
    assert not ensure_decisions(layout)
    with pytest.raises(Refused, match="workspace.input-missing"):
        read_decisions(layout)


class _Here:
    """A `Compute` in this process that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def map(self, function: Any, items: Sequence[str]) -> Any:
        for item in items:
            self.asked.append(Path(item).stem)
            yield function(item)


def _search(layout: Layout, rows: Sequence[dict[str, Any]], *, fail_at: str = "", **changes: Any) -> list[str]:
    def find(path: str) -> list[tuple[Box, float]]:
        if Path(path).stem == fail_at:
            raise KeyboardInterrupt
        return [(Box(x_min=1.2, y_min=2.6, x_max=9.9, y_max=8.1), 0.87654)] if Path(path).stem == "b" else []

    write_table(layout.intake / "c" / "images.parquet", IMAGES, rows)
    here = _Here()
    stage.run_redaction(
        layout, {**PARAMS, **changes}, find=find, engine={"reading": "fake/1"}, compute=here, track=silent
    )
    return here.asked


def test_each_content_is_searched_once(tmp_path: Path) -> None:
    layout, rows = Layout(tmp_path), [_row("a"), _row("b")]
    assert _search(layout, rows) == ["a", "b"]
    before = (layout.redaction / "searched.parquet").read_bytes()
    assert _search(layout, rows) == []
    assert (layout.redaction / "searched.parquet").read_bytes() == before
    assert _search(layout, [*rows, _row("c")]) == ["c"]
    assert _search(layout, rows, least_score=0.6) == ["a", "b"]
    assert _search(layout, rows, least_score=0.6, unreviewed="warn") == [], (
        "what does not shape the search redoes nothing"
    )
    found = {row["image_id"][0]: row["faces"] for row in read_rows(layout.redaction / "searched.parquet", SEARCHED)}
    assert found["b"] == [{"x_min": 1.0, "y_min": 3.0, "x_max": 10.0, "y_max": 8.0, "score": 0.877}]
    assert found["a"] == []


def test_an_interrupted_search_goes_on_where_its_table_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_runs.Interim, "step", lambda self: self._write())
    layout, rows = Layout(tmp_path), [_row(letter) for letter in "abcdef"]
    with pytest.raises(KeyboardInterrupt):
        _search(layout, rows, fail_at="f")
    assert _search(layout, rows) == ["f"]


def test_a_search_that_is_off_leaves_an_empty_table(tmp_path: Path) -> None:
    assert _search(Layout(tmp_path), [_row("a")], faces=False) == []
    assert read_rows(Layout(tmp_path).redaction / "searched.parquet", SEARCHED) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("faces", "yes"),
        ("longest_px", 16),
        ("least_score", 0),
        ("margin_frac", -0.1),
        ("labelled", {"context.face": "blur"}),
        ("unreviewed", "off"),
        ("activity", "face-search/0"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=name if name != "activity" else "face-search/0"):
        stage.check_params({**PARAMS, name: value})
