"""Which photographs may stand behind cut-outs, and where cut-outs lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from workbench.composition.added import add_pictures
from workbench.composition.backgrounds import Source, read_backgrounds
from workbench.composition.placing import _outline, place_cutouts
from workbench.composition.plan import _Chooser
from workbench.composition.recipe import Recipe
from workbench.domain.annotation import Shape
from workbench.domain.composition import CutOut
from workbench.domain.findings import Refused
from workbench.layout import Layout


def test_a_photograph_is_a_background_only_if_its_terms_name_that_purpose(world: Any) -> None:
    for name, purposes in (("c-yes", ["background", "research"]), ("c-other", ["research"]), ("c-any", [])):
        world.contribution(name, purposes)
        world.photograph(name)
    world.write()
    found = read_backgrounds(world.layout)
    assert [background.image["contribution_id"] for background in found] == ["c-yes"]
    assert found[0].source is Source.PHOTOGRAPH


@pytest.mark.parametrize(
    ("why", "facts"),
    [
        ("it is in the test split", {"split": "test"}),
        ("nobody labelled it", {"status": None}),
        ("people disagree about it", {"status": "disagreed"}),
        ("it is left out", {"excluded": "near-duplicate of x"}),
        ("it shows something sought", {"category": "part.frame"}),
        ("it shows something unknown", {"category": "unknown"}),
        ("a person stands in it", {"category": "context.person"}),
        ("what it shows is a mask", {"category": "negative.tool", "shape": Shape.MASK, "mask_rle": "abc"}),
    ],
)
def test_a_photograph_is_no_background_when(why: str, facts: dict[str, Any], world: Any) -> None:
    world.contribution("c-1", ["background"])
    world.photograph("c-1", **facts)
    kept = world.photograph("c-1", category="negative.tool")
    world.write()
    assert [background.background_id for background in read_backgrounds(world.layout)] == [kept], why


def test_terms_that_cannot_be_read_are_told(world: Any) -> None:
    world.contribution("c-1", ["background"])
    (world.layout.deliveries / "c-1" / "contribution.json").write_text("{")
    world.write()
    with pytest.raises(Refused) as refusal:
        read_backgrounds(world.layout)
    assert refusal.value.findings[0].code == "composition.terms-unreadable"


def test_added_pictures_are_backgrounds_before_anything_was_delivered(layout: Layout) -> None:
    assert read_backgrounds(layout) == []
    assert add_pictures(layout, [(b"one", 4, 3), (b"two", 4, 3)], licence="CC0-1.0", source="a shelf") == 2
    assert add_pictures(layout, [(b"one", 4, 3)], licence="other", source="again") == 0
    found = read_backgrounds(layout)
    assert [background.licence for background in found] == ["CC0-1.0", "CC0-1.0"]
    assert {background.source for background in found} == {Source.ADDED}


@given(seed=st.integers(0, 10_000), count=st.integers(1, 5))
def test_outlines_never_touch_and_the_nearest_comes_last(drawn: Any, seed: int, count: int) -> None:

    cutouts = [drawn.entry(number, pixels_per_m=800.0 + 150 * number) for number in range(count)]
    placed = place_cutouts(cutouts, np.random.default_rng(seed), size_wh=(640, 480))
    assert len(placed) >= 1
    outlines = [_outline(one) for one in placed]
    for i, outline in enumerate(outlines):
        assert 0 < placed[i].scale <= 1
        assert not any(outline.intersects(other) for other in outlines[:i])
    depths = [one.top_px + one.cutout.ground_px[1] * one.scale for one in placed]
    assert depths == sorted(depths)
    metres = {round(one.scale * one.cutout.pixels_per_m, 6) for one in placed}
    assert len(metres) == 1  # one surface, one scale


def test_nothing_is_laid_over_what_the_background_shows(drawn: Any) -> None:
    cutouts: list[CutOut] = [drawn.entry(number) for number in range(3)]
    thing = (200.0, 100.0, 440.0, 380.0)
    for seed in range(25):
        for one in place_cutouts(cutouts, np.random.default_rng(seed), size_wh=(640, 480), taken_xyxy=[thing]):
            assert not shapely.box(*thing).intersects(_outline(one))


def test_another_background_changes_few_choices() -> None:
    names = [f"{number:064x}" for number in range(50)]
    before, after = _Chooser(names), _Chooser([*names, "f" * 64])
    old = [before(3, number) for number in range(1000)]
    new = [after(3, number) for number in range(1000)]
    changed = sum(a != b for a, b in zip(old, new, strict=True))
    assert 0 < changed < 60  # about one in 51
    assert all(b == 50 for a, b in zip(old, new, strict=True) if a != b)
    assert np.bincount(old, minlength=50).min() > 3


@pytest.mark.parametrize(
    ("key", "value"),
    [("images", -1), ("images", True), ("size_px", 10), ("objects_per_image", [3, 2]), ("objects_per_image", 4)],
)
def test_a_parameter_out_of_range_is_named(key: str, value: object, drawn: Any) -> None:
    assert Recipe.from_params(drawn.params).images == 3
    with pytest.raises(Refused) as refusal:
        Recipe.from_params({**drawn.params, key: value})
    assert refusal.value.findings[0].subject == f"params.yaml composition.{key}"
