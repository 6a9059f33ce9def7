"""Recipes: everything wrong is told at once; mixtures and streams change only what they name."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.domain.findings import Refused
from workbench.synthesis.recipe import Recipe, recipe_of, recipes_of
from workbench.synthesis.scene import sample_scene
from workbench.synthesis.stage import check_params

ROOT = Path(__file__).parents[3]
SHIPPED = yaml.safe_load((ROOT / "params.yaml").read_text())["synthesis"]


def test_the_recipes_shipped_can_be_used() -> None:
    check_params(SHIPPED)
    assert set(recipes_of(SHIPPED)) == set(SHIPPED["recipe"])


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = {
        "objects": [3, 2],
        "dropped": 1.5,
        "surfaces": {"lava": 1},
        "fill": [0.5],
        "elevaton_deg": [40, 50],
        "rooms": {"office": 0},
        "noise": [0.0, float("nan")],
    }
    with pytest.raises(Refused) as refusal:
        check_params({**SHIPPED, "size_px": 3, "recipe": {"odd": 1}, "recipes": {"odd": wrong}})
    subjects = [finding.subject.removeprefix("params.yaml synthesis.") for finding in refusal.value.findings]
    assert sorted(subjects) == sorted(["size_px", *(f"recipes.odd.{key}" for key in wrong)])
    assert any("Is elevation_deg meant?" in finding.message for finding in refusal.value.findings)


@pytest.mark.parametrize("picked", ["nothing", {"nothing": 1}, {"clutter": -1}, {"clutter": 0}, 7, {}])
def test_a_recipe_that_cannot_be_picked_is_refused(picked: Any) -> None:
    with pytest.raises(Refused, match=r"synthesis\.recipe"):
        recipes_of({**SHIPPED, "recipe": picked})


def test_a_mixture_gives_each_recipe_its_share() -> None:
    params = {"recipe": {"a": 3, "b": 1}, "seed": 5}
    drawn = [recipe_of(params, number) for number in range(400)]
    assert 0.68 < drawn.count("a") / 400 < 0.82


def test_another_range_of_lamps_moves_no_part(upright_parts: Any) -> None:
    params = {"recipe": "r", "size_px": 64}
    plain = sample_scene({**params, "recipes": {"r": {}}}, upright_parts, seed=4)
    lit = sample_scene({**params, "recipes": {"r": {"lamps": [4, 4]}}}, upright_parts, seed=4)
    assert len(lit.lights) >= 4
    assert (lit.parts, lit.cards, lit.table) == (plain.parts, plain.cards, plain.table)
    same = replace(lit.camera, white_balance_rgb=plain.camera.white_balance_rgb)
    assert same == plain.camera


def test_things_that_lie_about_are_labelled_only_where_the_recipe_says_so(upright_parts: Any) -> None:
    params = {"recipe": "r", "size_px": 64, "recipes": {"r": {"distractors": [3, 3], "distractors_labelled": 0}}}
    scene = sample_scene(params, upright_parts, seed=1)
    assert scene.props
    assert not {part.part_id for part in scene.parts} & {prop.part_id for prop in scene.props}
    params["recipes"]["r"]["distractors_labelled"] = 1
    labelled = sample_scene(params, upright_parts, seed=1)
    assert not labelled.props
    assert {part.category for part in labelled.parts if part.part_id.startswith("prop-")} <= {
        "unknown",
        "negative.tool",
    }


def test_a_room_from_files_needs_files(upright_parts: Any) -> None:
    params = {"recipe": "r", "size_px": 64, "recipes": {"r": {"rooms": {"files": 1}}}}
    with pytest.raises(Refused) as refusal:
        sample_scene(params, upright_parts, seed=1)
    assert refusal.value.findings[0].code == "synthesis.environment-missing"
    scene = sample_scene(params, upright_parts, seed=1, environments={"hall.hdr": "aa"})
    assert (scene.environment.name, scene.environment.sha256) == ("hall.hdr", "aa")


def test_the_guide_says_what_every_key_of_a_recipe_means() -> None:
    guide = (ROOT / "docs" / "synthesis.md").read_text()
    for entry in fields(Recipe):
        assert f"| `{entry.name}` |" in guide
        assert entry.metadata["about"] in guide
