"""Campaigns: the file is checked whole, photographs are chosen by a safe query, and nobody is told what is a check."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.campaign import Campaign, Choice, Desk, Exposure, Gold, Order, Seat
from workbench.domain.findings import Refused
from workbench.labelling.assignment import Assignment, Slot, State, assign, choose_photographs
from workbench.labelling.campaign_file import campaign_text, read_campaign
from workbench.labelling.query import QueryProblem, read_query

TODAY = "2026-11-25"
SEATS = (Seat(name="ana"), Seat(name="bo", language="fr"), Seat(name="cy", language="ar", sensitive=False))


def _ids(count: int, start: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(start, start + count)]


def _campaign(**changes: Any) -> Campaign:
    return Campaign(**{"name": "autumn", "project": "parts", "labellers": SEATS} | changes)


def _read(path: Path) -> Campaign:
    return read_campaign(path, projects=["parts"], languages=["en", "fr", "ar"])


def _slots(campaign: Campaign, made: Assignment, state: State = State.OPEN, day: str = TODAY) -> list[Slot]:
    return [
        Slot(desk=desk, image_id=image_id, state=state, day=day)
        for title, ids in made.added.items()
        if (desk := campaign.desk(title)) is not None
        for image_id in ids
    ]


def test_a_campaign_written_and_read_is_the_same(tmp_path: Path) -> None:
    campaign = _campaign(
        photographs=Choice(where='"part.*" in categories', order=Order.SCORE, scores="scores.csv", at_most=7),
        gold=Gold(photographs=tuple(_ids(2)), share_frac=0.1),
        exposure=Exposure(where='"context.person" in categories', at_most=9, at_most_a_day=3),
        blind=False,
    )
    path = tmp_path / "autumn.yaml"
    for each in (campaign, _campaign()):
        path.write_text(campaign_text(each), encoding="utf-8")
        assert _read(path) == each


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "Autumn!.yaml"
    path.write_text(
        "project: wings\noverlap: 9\nblind: true\nlabellers:\n  - {name: ana, language: xx}\n  - {name: ana}\n"
        "photographs: {where: 'open(1)', order: score}\ngold: {share: 1.5, photographs: [abc]}\n"
        "exposure: {where: 'colour == 1', at_most_a_day: -1}\n",
        encoding="utf-8",
    )
    with pytest.raises(Refused) as caught:
        _read(path)
    told = " ".join(finding.message for finding in caught.value.findings)
    for word in ("is called", "wings", "overlap of 9", "'xx'", "ana twice", "open(1)", "scores", "1.5", "'abc'"):
        assert word in told
    assert "colour" in told
    assert "at_most_a_day" in told
    assert {finding.code for finding in caught.value.findings} == {"labelling.campaign-invalid"}


@pytest.mark.parametrize("text", ["[1, 2]", "labellers: ana", "overlap: yes\nproject: parts", "colour: red", "a: [b"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "autumn.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="labelling.campaign-invalid"):
        _read(path)
    with pytest.raises(Refused, match="labelling.no-campaign"):
        _read(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abc"),
        ('partner == "lab"', "a"),
        ('partner != "lab"', "b"),
        ("partner == None", "c"),
        ('not partner == "lab"', "bc"),
        ("answers < 2 and width_px >= 100", "a"),
        ('"part.*" in categories or answers == 5', "ab"),
        ('"part.slide" in categories', ""),
        ('partner in ["lab", "other"]', "ab"),
        ('partner not in ["lab"]', "b"),
        ("0 < answers <= 5", "b"),
        ('"ab" in partner', "a"),
        ("answers > -1", "ab"),
    ],
)
def test_a_query_finds_what_it_says(text: str, expected: str) -> None:
    rows = {
        "a": {"partner": "lab", "answers": 0, "width_px": 100, "categories": ["part.barrel"]},
        "b": {"partner": "other", "answers": 5, "width_px": 50, "categories": []},
        "c": {"partner": None, "answers": None, "width_px": 1, "categories": None},
    }
    query = read_query(text, {"partner", "answers", "width_px", "categories"})
    assert "".join(name for name, row in rows.items() if query.matches(row)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "partner.upper() == 'A'",
        "[x for x in partner]",
        "@partner",
        "partner[0] == 'l'",
        "lambda: 1",
        "partner + partner == 'x'",
        "f'{partner}' == 'x'",
        "(y := 1) == 1",
        "partner == b'x'",
        "unknown == 1",
        "partner ==",
        "(" * 500 + ")" * 500,
    ],
)
def test_a_query_can_do_nothing_but_compare(text: str) -> None:
    with pytest.raises(QueryProblem):
        read_query(text, {"partner"})


def test_a_query_that_compares_different_kinds_says_so() -> None:
    with pytest.raises(QueryProblem, match="different kinds"):
        read_query("partner < 3", {"partner"}).matches({"partner": "lab"})


def test_a_photograph_stays_in_the_campaign_when_the_query_no_longer_finds_it() -> None:
    first, second, third = _ids(3)
    assert choose_photographs([second, third], [first], Choice(at_most=2), {}) == [first, second]
    by_score = Choice(order=Order.SCORE, scores="s")
    assert choose_photographs([first, second, third], [], by_score, {third: 0.5, second: 0.9}) == [second, third, first]
    shuffled = choose_photographs(_ids(50), [], Choice(order=Order.RANDOM, seed=3), {})
    assert shuffled != sorted(shuffled)
    fewer = choose_photographs(_ids(40), [], Choice(order=Order.RANDOM, seed=3), {})
    assert [image_id for image_id in shuffled if image_id in set(fewer)] == fewer


@given(count=st.integers(0, 40), overlap=st.integers(1, 3), steps=st.lists(st.integers(0, 40), max_size=3))
def test_everyone_answers_once_and_every_photograph_as_often_as_asked(
    count: int, overlap: int, steps: list[int]
) -> None:
    campaign = _campaign(overlap=overlap)
    standing: list[Slot] = []
    for number in [*sorted(min(step, count) for step in steps), count]:
        made = assign(campaign, _ids(number), standing, today=TODAY)
        standing += _slots(campaign, made, State.ANSWERED)
    given_out = Counter((slot.desk.seat.name, slot.image_id) for slot in standing)
    assert set(given_out.values()) <= {1}
    assert Counter(slot.image_id for slot in standing) == dict.fromkeys(_ids(count), overlap)
    loads = Counter(slot.desk.seat.name for slot in standing)
    assert max(loads.values(), default=0) - min(loads.values(), default=0) <= overlap
    assert assign(campaign, _ids(count), standing, today=TODAY) == Assignment(added={})


def test_a_skipped_photograph_goes_to_somebody_else_and_so_does_what_a_leaver_left_open() -> None:
    campaign = _campaign(overlap=1)
    (image_id,) = _ids(1)
    made = assign(campaign, [image_id], [], today=TODAY)
    (first,) = made.added
    skipped = _slots(campaign, made, State.SKIPPED)
    (second,) = assign(campaign, [image_id], skipped, today=TODAY).added
    assert first != second
    left = _campaign(overlap=1, labellers=tuple(seat for seat in SEATS if seat != skipped[0].desk.seat))
    assert len(assign(left, [image_id], _slots(campaign, made), today=TODAY).added) == 1
    assert assign(left, [image_id], _slots(campaign, made, State.ANSWERED), today=TODAY).added == {}


def test_checks_are_a_share_of_each_desk_lie_anywhere_and_never_come_alone() -> None:
    gold = _ids(30, start=1000)
    campaign = _campaign(gold=Gold(photographs=tuple(gold), share_frac=0.2))
    made = assign(campaign, _ids(60), [], gold=gold, today=TODAY)
    places = []
    for ids in made.added.values():
        checks = [place for place, image_id in enumerate(ids) if image_id in gold]
        assert len(checks) == 10  # of 40 ordinary ones: a fifth of all 50
        places += [place / len(ids) for place in checks]
    assert min(places) < 0.25
    assert max(places) > 0.75
    standing = _slots(campaign, made)
    again = assign(campaign, _ids(60), standing, gold=gold, today=TODAY)
    assert again.added == {}
    more = assign(campaign, _ids(63), standing, gold=gold, today=TODAY)
    assert sum(more.gold.values()) <= sum(len(ids) for ids in more.added.values()) / 2
    orders = [tuple(image_id for image_id in ids if image_id in gold) for ids in made.added.values()]
    assert all(one != other for one, other in pairwise(orders))


def test_sensitive_photographs_are_blurred_limited_and_never_given_to_who_declined() -> None:
    campaign = _campaign(overlap=2, exposure=Exposure(where="x", at_most=5, at_most_a_day=3))
    flagged = _ids(10)
    made = assign(campaign, flagged, [], sensitive=flagged, today=TODAY)
    assert {title: len(ids) for title, ids in made.added.items()} == {
        "autumn · ana · blurred": 3,
        "autumn · bo · blurred": 3,
    }
    assert made.short == dict.fromkeys(flagged[3:], 2)
    standing = _slots(campaign, made, State.ANSWERED)
    assert assign(campaign, flagged, standing, sensitive=flagged, today=TODAY).added == {}
    tomorrow = assign(campaign, flagged, standing, sensitive=flagged, today="2026-11-26")
    assert {len(ids) for ids in tomorrow.added.values()} == {2}


def test_somebody_who_takes_few_gets_few_checks_included() -> None:
    gold = _ids(30, start=1000)
    few = Seat(name="few", at_most=10)
    campaign = _campaign(labellers=(*SEATS, few), gold=Gold(photographs=tuple(gold), share_frac=0.2))
    made = assign(campaign, _ids(60), [], gold=gold, today=TODAY)
    assert len(made.added["autumn · few"]) == 10
    assert made.gold["few"] == 2


def test_titles_fit_label_studio() -> None:
    longest = Desk(campaign="a" * 16, seat=Seat(name="b" * 16), veiled=True)
    assert len(longest.title) <= 50
