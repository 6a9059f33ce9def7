"""Splits: stable under growth, order and regrouping; partners and countries held out; curators' decisions in force."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.curation import audit
from workbench.curation.params import Holdout
from workbench.curation.splits import Placed, assign_splits
from workbench.domain.dataset import Split
from workbench.domain.lineage import sha256_hex
from workbench.tables import IMAGES, write_table

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


def _ids(count: int) -> list[str]:
    return [sha256_hex(str(number).encode()) for number in range(count)]


def _assign(rows: list[dict[str, Any]], alike: Any = (), **more: Any) -> tuple[dict[str, Placed], list[Any]]:
    return assign_splits(rows, list(alike), {}, shares=SHARES, salt="s", **{"frozen": {}, **more})


def _row(image_id: str, seizure: str | None = None, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "seizure_id": seizure, "item_id": None, "partner_id": "p", **more}


@settings(max_examples=60)
@given(st.data())
def test_over_many_releases_nothing_released_moves_however_the_collection_grows_and_regroups(data: Any) -> None:
    """Each release freezes; in between, photographs come, seizures are corrected and duplicates are found."""
    ids, frozen, released = _ids(40), {}, 0
    for _ in range(data.draw(st.integers(2, 4))):
        released = data.draw(st.integers(released, 40))
        seizures = data.draw(st.lists(st.integers(0, 12), min_size=released, max_size=released))
        rows = [_row(ids[n], f"s{kind}" if kind else None) for n, kind in enumerate(seizures)]
        pairs = (
            st.tuples(st.sampled_from(ids[:released]), st.sampled_from(ids[:released])) if released else st.nothing()
        )
        alike = data.draw(st.lists(pairs, max_size=6)) if released else []
        placed, _ = _assign(data.draw(st.permutations(rows)), data.draw(st.permutations(alike)), frozen=frozen)
        assert {name: placed[name].split for name in frozen} == frozen
        moved = audit.moved([{"image_id": name, "split": place.split} for name, place in placed.items()], frozen)
        assert moved["moved"] == 0
        assert moved["still_in"] == len(frozen)
        _assert_together(placed, rows, alike, frozen)
        frozen = {name: place.split for name, place in placed.items() if place.split}


def _assert_together(placed: Any, rows: Any, alike: Any, frozen: dict[str, Split]) -> None:
    """What is not frozen lies in one split with all it belongs to, or is left out."""
    first: dict[str, str] = {}
    held = [row for row in rows if row["seizure_id"]]
    pairs = [*alike, *((row["image_id"], first.setdefault(row["seizure_id"], row["image_id"])) for row in held)]
    for one, other in pairs:
        splits = {placed[name].split for name in (one, other) if placed[name].split}
        assert len(splits) < 2 or {one, other} <= set(frozen)


def test_the_frozen_side_wins_and_the_newcomer_that_joins_two_is_left_out_with_one_finding() -> None:
    rows = [_row(name) for name in ("old-train", "old-test", "new", "alone")]
    frozen = {"old-train": Split.TRAIN, "old-test": Split.TEST}
    placed, findings = _assign(rows, [("old-train", "new"), ("new", "old-test")], frozen=frozen)
    assert (placed["old-train"].split, placed["old-test"].split) == (Split.TRAIN, Split.TEST)
    assert (placed["new"].split, placed["new"].excluded) == (None, "joins two frozen splits")
    assert placed["alone"].split is not None
    assert [finding.code for finding in findings].count("curation.split-conflict") == 1
    joined, _ = _assign(rows, [("old-train", "new")], frozen=frozen)
    assert joined["new"].split is Split.TRAIN


def test_a_partner_held_out_goes_to_test_with_its_groups_but_what_was_released_stays() -> None:
    names = _ids(30)
    rows = [_row(name, f"s{n // 3}", partner_id="lab" if n < 15 else "ngo") for n, name in enumerate(names)]
    holdout = Holdout(partners=frozenset({"lab"}))
    held = {row["image_id"]: holdout.split for row in rows if holdout.held_out(row, {})}
    placed, findings = _assign(rows, [(names[14], names[15])], held_out=held)
    assert {placed[name].split for name in names[:18]} == {Split.TEST}
    assert not [finding for finding in findings if finding.code == "curation.holdout-frozen"]
    kept, findings = _assign(rows, held_out=held, frozen={names[0]: Split.TRAIN})
    assert {kept[name].split for name in names[:3]} == {Split.TRAIN}
    assert {kept[name].split for name in names[3:15]} == {Split.TEST}
    assert [finding.code for finding in findings].count("curation.holdout-frozen") == 1


def test_a_country_is_held_out_by_its_seizures() -> None:
    holdout = Holdout(countries=frozenset({"XK"}), split=Split.VAL)
    country_of = {"p/s1": "XK", "p/s2": "DE"}
    told = [holdout.held_out(_row("a", seizure), country_of) for seizure in ("p/s1", "p/s2", "p/s3", None)]
    assert told == [True, False, False, False]


def test_a_curator_leaves_out_even_what_was_released_and_the_rest_of_its_group_stays() -> None:
    rows = [_row("a", "s"), _row("b", "s")]
    placed, _ = _assign(rows, frozen={"a": Split.TEST, "b": Split.TEST}, left_out={"a": "excluded by ada: blurred"})
    assert (placed["a"].split, placed["a"].excluded) == (None, "excluded by ada: blurred")
    assert placed["b"].split is Split.TEST


def test_the_splits_of_bullet_holes_as_published_leak_by_video_and_ours_do_not(shared_data: Path) -> None:
    folder = shared_data / "photos" / "bullet-holes" / "coco-v1"
    rows, upstream = [], {}
    for path in sorted(folder.rglob("*.jpg")):
        video = re.match(r"v\d\d|IMG", path.name)
        rows.append(_row(path.name, video[0] if video else None))
        upstream[path.name] = path.parent.name
    assert len(rows) == 184
    placed, _ = _assign(rows)
    assert len(_straddling(rows, upstream)) == 15
    assert _straddling(rows, {name: str(place.split) for name, place in placed.items()}) == set()


def _straddling(rows: list[dict[str, Any]], split_of: dict[str, str]) -> set[str]:
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["seizure_id"] and row["seizure_id"].startswith("v"):
            found.setdefault(row["seizure_id"], set()).add(split_of[row["image_id"]])
    return {video for video, splits in found.items() if len(splits) > 1}


def test_decisions_on_the_command_line_reach_the_list_and_a_dry_run_does_not(
    tmp_path: Path, workbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.cli.curation_decisions.dvc.add", lambda *_: None)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    names = _ids(2)
    needed = {"origin": "real", "path": "x", "file_sha256": "f", "width_px": 1, "height_px": 1, "licence": "l"}
    rows = [{**needed, "work_key": "k", "image_id": name} for name in names]
    write_table(tmp_path / "data" / "01_intake" / "c" / "images.parquet", IMAGES, rows)
    at = ("--workspace", tmp_path)
    decide = ("curation", "decide", "exclude", names[0][:8], "--reason", "out of focus", "--by", "ada")
    assert workbench(*decide, "--dry-run", *at)["next"] == "workbench curation"
    assert workbench("curation", "decisions", *at)["data"]["decisions"] == 0
    workbench(*decide, *at)
    workbench("curation", "decide", "relabel", names[1], "--reason", "box too wide", "--by", "bob", *at)
    answer = workbench("curation", "decisions", *at)
    assert answer["data"] == {"decisions": 2, "excluded": 1, "sent_back": 1}
    assert [(row["by"], row["action"]) for row in answer["rows"]] == [("ada", "exclude"), ("bob", "relabel")]
    unknown = workbench("curation", "decide", "keep", "f" * 64, "--reason", "r", *at, expect=1)
    assert unknown["findings"][0]["code"] == "curation.unknown-image"
    workbench("curation", "decide", "group", names[0], "--reason", "r", *at, expect=2)


def test_shares_reached_are_reported_and_labels_have_no_say_in_a_split() -> None:
    """Strata would tie a split to labels, and labels change: a photograph relabelled would move."""
    rng = np.random.default_rng(5)
    rows = [_row(name, f"s{int(rng.integers(0, 40))}") for name in _ids(120)]
    assert _assign(rows)[0] == _assign([{**row, "category": "part.slide"} for row in rows])[0]
