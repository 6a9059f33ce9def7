from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.annotation import Instance, Keypoint, Shape
from workbench.domain.geometry import Box, ring_box
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.exchange import instances_from_results, results_from_instances
from workbench.labelling.label_config import read_label_config

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
TAXONOMY = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
CONFIG = read_label_config(CONFIGS / "parts", TAXONOMY)
OF: dict[str, Any] = {
    "config": CONFIG,
    "image_id": "i" * 64,
    "annotation_id": "a",
    "annotator": "annotator-1",
    "task": "task 1",
}


def _millionths(limit: int) -> st.SearchStrategy[float]:
    return st.integers(0, limit * 1_000_000).map(lambda value: value / 1_000_000)


@st.composite
def _instances(draw: st.DrawFn, width: int, height: int) -> Instance:
    shape = draw(st.sampled_from([Shape.BOX, Shape.POLYGON, Shape.KEYPOINT]))
    points = draw(st.lists(st.tuples(_millionths(width), _millionths(height)), min_size=3, max_size=8))
    ring = tuple(value for point in points for value in point)
    facets = draw(st.dictionaries(st.sampled_from(sorted(CONFIG.facets)), st.none()))
    parts: dict[str, Any] = {
        Shape.BOX: {"box": ring_box(ring)},
        Shape.POLYGON: {"box": ring_box(ring), "rings": (ring,)},
        Shape.KEYPOINT: {"keypoints": (Keypoint(name="point", x_px=points[0][0], y_px=points[0][1]),)},
    }[shape]
    return Instance(
        instance_id=draw(st.text("abcdef0123456789", min_size=1, max_size=10)),
        image_id=OF["image_id"],
        annotation_id="a",
        annotator="annotator-1",
        category=draw(st.sampled_from(CONFIG.labels[shape])),
        shape=shape,
        facets={code: draw(st.sampled_from(CONFIG.facets[code])) for code in facets},
        confidence=draw(st.none() | st.sampled_from(["certain", "probable", "possible", "cannot_tell"])),
        transcription=draw(st.none() | st.text(min_size=1)),
        **parts,
    )


@st.composite
def _answers(draw: st.DrawFn) -> tuple[tuple[int, int], list[Instance]]:
    size = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
    return size, draw(st.lists(_instances(*size), max_size=4, unique_by=lambda instance: instance.instance_id))


@given(_answers())
def test_what_goes_to_label_studio_comes_back_exactly(answer: tuple[tuple[int, int], list[Instance]]) -> None:
    size_wh, instances = answer
    results, simplified = results_from_instances(instances, config=CONFIG, size_wh=size_wh)
    back, findings = instances_from_results(results, size_wh=size_wh, **OF)
    assert (simplified, findings) == ((), ())
    assert [replace(instance, instance_id="") for instance in back] == [
        replace(instance, instance_id="") for instance in instances
    ]
    assert len({instance.instance_id for instance in back}) == len(instances)


def _box(**changes: Any) -> dict[str, Any]:
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["part.barrel"]}
    region = {"id": "r", "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value}
    region |= {"original_width": 200, "original_height": 100, "image_rotation": 0}
    for key, change in changes.items():
        (value if key in value else region)[key] = change
    return region


def _choice(name: str, choice: str, region: str = "r") -> dict[str, Any]:
    return {"id": region, "from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [choice]}}


def test_percentages_become_pixels_of_the_working_copy() -> None:
    ((instance,), findings) = instances_from_results([_box()], size_wh=(200, 100), **OF)
    assert instance.box == Box(x_min=20, y_min=20, x_max=80, y_max=60)
    assert not findings


def test_a_box_turned_by_hand_becomes_the_polygon_of_its_corners() -> None:
    # about its top-left corner (20, 20), clockwise by a quarter: 60 wide and 40 high becomes 40 wide and 60 high
    ((instance,), _) = instances_from_results([_box(rotation=90)], size_wh=(200, 100), **OF)
    assert instance.shape is Shape.POLYGON
    assert instance.rings == ((20, 20, 20, 80, -20, 80, -20, 20),)


def test_an_ellipse_is_kept_as_points_on_it() -> None:
    value = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 20, "rotation": 0, "ellipselabels": ["ammo.headstamp"]}
    region = {"id": "r", "from_name": "ellipse", "to_name": "image", "type": "ellipselabels", "value": value}
    of = OF | {"config": read_label_config(CONFIGS / "headstamp", TAXONOMY)}
    ((instance,), findings) = instances_from_results([region], size_wh=(200, 100), **of)
    assert not findings
    assert instance.shape is Shape.POLYGON
    assert instance.box == Box(x_min=50, y_min=30, x_max=150, y_max=70)
    xs, ys = instance.rings[0][0::2], instance.rings[0][1::2]
    assert all(((x - 100) / 50) ** 2 + ((y - 50) / 20) ** 2 == pytest.approx(1) for x, y in zip(xs, ys, strict=True))
    value["rotation"] = 90
    ((turned,), _) = instances_from_results([region], size_wh=(200, 100), **of)
    assert turned.box == Box(x_min=80, y_min=0, x_max=120, y_max=100)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([_box(rectanglelabels=["part.wing"])], "labelling.unknown-label"),
        ([_box(rectanglelabels=[])], "labelling.unknown-label"),
        ([_box(rectanglelabels=["part.slide", "part.barrel"])], "labelling.unknown-label"),
        ([_box(from_name="my_box")], "labelling.unknown-label"),
        ([_box(to_name="other")], "labelling.unknown-label"),
        ([_box(), _choice("material", "cheese")], "labelling.unknown-label"),
        ([_box(), _choice("smell", "strong")], "labelling.unknown-label"),
        ([_box(), _choice("material", "polymer", region="elsewhere")], "labelling.unknown-label"),
        ([_box(type="ellipselabels")], "labelling.unknown-label"),
        ([_box(x=float("nan"))], "labelling.unreadable-answer"),
        ([_box(x="left")], "labelling.unreadable-answer"),
        ([_box(width=-5)], "labelling.unreadable-answer"),
        ([_box(original_width=999)], "labelling.unreadable-answer"),
        ([_box(image_rotation=90)], "labelling.unreadable-answer"),
        ([_box(value=None)], "labelling.unreadable-answer"),
        ([_box(value={})], "labelling.unreadable-answer"),
        ([_box(rectanglelabels=7)], "labelling.unreadable-answer"),
        (["nonsense"], "labelling.unreadable-answer"),
        ([_box(rectanglelabels=[["part.barrel"]])], "labelling.unknown-label"),
    ],
)
def test_an_answer_edited_into_something_unknown_stays_out_with_a_finding(results: list[Any], code: str) -> None:
    instances, findings = instances_from_results(results, size_wh=(200, 100), **OF)
    assert instances == ()
    assert [(finding.code, finding.subject) for finding in findings] == [(code, "task 1")]


def test_a_link_between_regions_does_not_lose_the_answer() -> None:
    link = {"type": "relation", "from_id": "r", "to_id": "s", "direction": "right"}
    instances, findings = instances_from_results([_box(), link], size_wh=(200, 100), **OF)
    assert (len(instances), findings) == (1, ())


def test_a_mask_is_shown_as_its_box_and_counted_as_simplified() -> None:
    box = Box(x_min=1, y_min=2, x_max=3, y_max=4)
    mask = Instance(instance_id="m", image_id="i", category="part.grip", shape=Shape.MASK, box=box, mask_rle="04")
    results, simplified = results_from_instances([mask], config=CONFIG, size_wh=(10, 10))
    assert simplified == (mask,)
    assert [result["type"] for result in results] == ["rectanglelabels"]
