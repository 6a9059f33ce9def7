"""The intake stage where regions are to be covered: a new image stands for the photograph, nothing else changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workbench.domain.geometry import Box
from workbench.intake import admit
from workbench.intake.admit import Frame, Verdict, run_intake
from workbench.intake.covers import Covers
from workbench.layout import Layout
from workbench.ports import silent
from workbench.tables import FILES, IMAGES, REDACTIONS, read_rows, read_stand_ins, write_table

FACTS = {"width_px": 40, "height_px": 30, "original_width_px": 40, "original_height_px": 30}
FACTS |= {"orientation": 1, "scale": 1.0}
BOX = Box(x_min=1, y_min=2, x_max=3, y_max=4)


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    rows = [
        {
            "image_id": _id(name),
            "contribution_id": "c-1",
            "partner_id": "lab",
            "licence": "CC0-1.0",
            "size_bytes": 10,
            "suffix": ".jpg",
            "name_digest": _id("name " + name),
            "item_id": f"item-{name}",
        }
        for name in "ab"
    ]
    write_table(layout.deliveries / "c-1" / "files.parquet", FILES, sorted(rows, key=lambda row: str(row["image_id"])))
    (layout.deliveries / "c-1" / "contribution.json").write_text(json.dumps({"contribution_id": "c-1"}))
    return layout


def _run(layout: Layout, boxes: Mapping[str, Sequence[Box]]) -> list[str]:
    """Run intake; return which photographs had to be decoded."""
    asked: list[str] = []

    def inspect(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Verdict]]:
        for position, row in enumerate(rows):
            asked.append(row["image_id"])
            yield position, Verdict(jpeg=b"copy of " + row["image_id"].encode(), facts=FACTS)

    def fill(jpeg: bytes, covered: Sequence[Box]) -> bytes:
        return jpeg + repr([box.xyxy for box in covered]).encode()

    params = {"activity": admit.ACTIVITY, "jpeg_quality": 95}
    run_intake(layout, params, inspect=inspect, track=silent, covers=Covers(boxes=boxes, fill=fill))
    return asked


def _images(layout: Layout) -> dict[str, dict[str, Any]]:
    rows = read_rows(layout.intake / "c-1" / "images.parquet", IMAGES)
    return {row["item_id"]: row for row in rows}


def test_a_covered_image_is_a_new_one_with_its_parent_and_the_uncovered_file_is_gone(layout: Layout) -> None:
    _run(layout, {})
    before = _images(layout)
    assert _run(layout, {_id("a"): [BOX]}) == [_id("a")], "the other photograph is not touched"
    after = _images(layout)
    assert after["item-b"] == before["item-b"]
    row = after["item-a"]
    assert row["parent_image_id"] == _id("a")
    assert row["image_id"] == row["file_sha256"] != before["item-a"]["file_sha256"]
    assert not (layout.data / before["item-a"]["path"]).exists()
    assert read_stand_ins(layout.intake) == {_id("a"): row["image_id"]}
    (lineage,) = read_rows(layout.intake / "c-1" / "redactions.parquet", REDACTIONS)
    assert lineage["regions"] == [{"x_min": 1.0, "y_min": 2.0, "x_max": 3.0, "y_max": 4.0}]


def test_a_repeat_decodes_nothing_though_the_uncovered_file_is_gone(layout: Layout) -> None:
    _run(layout, {_id("a"): [BOX]})
    before = {path: path.read_bytes() for path in layout.intake.rglob("*") if path.is_file()}
    assert _run(layout, {_id("a"): [BOX]}) == []
    assert {path: path.read_bytes() for path in layout.intake.rglob("*") if path.is_file()} == before


def test_the_order_of_decisions_does_not_matter(layout: Layout) -> None:
    other = Box(x_min=5, y_min=5, x_max=9, y_max=9)
    _run(layout, {_id("a"): [BOX, other]})
    assert _run(layout, {_id("a"): [other, BOX]}) == []


def test_other_regions_make_another_image_of_the_same_photograph(layout: Layout) -> None:
    _run(layout, {_id("a"): [BOX]})
    first = _images(layout)["item-a"]
    assert _run(layout, {_id("a"): [Box(x_min=0, y_min=0, x_max=9, y_max=9)]}) == [_id("a")]
    second = _images(layout)["item-a"]
    assert second["parent_image_id"] == first["parent_image_id"]
    assert second["image_id"] != first["image_id"]
    assert not (layout.data / first["path"]).exists()


def test_without_regions_it_is_the_photograph_again(layout: Layout) -> None:
    _run(layout, {})
    before = _images(layout)
    _run(layout, {_id("a"): [BOX]})
    _run(layout, {})
    assert _images(layout) == before
    assert read_stand_ins(layout.intake) == {}


def test_one_frame_of_a_film_is_covered_and_the_others_stay(layout: Layout) -> None:
    asked: list[str] = []

    def inspect(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Verdict]]:
        for position, row in enumerate(rows):
            asked.append(row["image_id"])
            frames = [Frame(time_s=at, jpeg=f"{row['image_id']} at {at}".encode(), facts=FACTS) for at in (0.0, 2.0)]
            yield position, Verdict(frames=tuple(frames))

    def run(boxes: Mapping[str, Sequence[Box]]) -> list[dict[str, Any]]:
        params = {"activity": admit.ACTIVITY, "jpeg_quality": 95}
        covers = Covers(boxes=boxes, fill=lambda jpeg, _: jpeg + b" covered")
        run_intake(layout, params, inspect=inspect, track=silent, covers=covers)
        return read_rows(layout.intake / "c-1" / "images.parquet", IMAGES)

    before = run({})
    wanted = {before[1]["image_id"]: [BOX]}
    asked.clear()
    after = run(wanted)
    assert asked == [before[1]["source_image_id"]], "of a film all frames are taken again, or none"
    assert [after[i] for i in (0, 2, 3)] == [before[i] for i in (0, 2, 3)]
    assert after[1]["parent_image_id"] == before[1]["image_id"]
    assert after[1]["source_image_id"] == before[1]["source_image_id"]
    assert read_stand_ins(layout.intake) == {before[1]["image_id"]: after[1]["image_id"]}
    asked.clear()
    assert run(wanted) == after
    assert asked == []
