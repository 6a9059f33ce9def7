"""What the augmentation stage promises: only training photographs, the same bytes ever after, labels that follow."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.adapters.albumentations import AugmentationRecipe, engine, step_problem
from workbench.adapters.masks import decode_mask
from workbench.adapters.pixels import read_rgb
from workbench.adapters.processes import Processes
from workbench.augmentation.augment import AugmentationOutcome, run_augmentation
from workbench.augmentation.recipe import parse_recipe
from workbench.domain.findings import Refused
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.tables import INSTANCES, read_rows, row_instance

PARAMS: dict[str, Any] = {
    "activity": "augmentation/1",
    "copies": 3,
    "seed": 11,
    "size_px": 200,
    "jpeg_quality": 90,
    "recipe": [
        {"name": "RandomSizedBBoxSafeCrop", "height": 200, "width": 200, "erosion_rate": 0.0, "p": 0.7},
        {"name": "HorizontalFlip", "p": 0.5},
        {"name": "RandomBrightnessContrast", "brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.8},
        {"name": "HueSaturationValue", "p": 0.5},
    ],
}


class Shuffled:
    """Works through the items in another order, and hands the results back in the items' order."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        order = list(range(len(items)))
        random.Random(4).shuffle(order)
        results = {index: function(items[index]) for index in order}
        return iter([results[index] for index in range(len(items))])


def augment(layout: Layout, params: dict[str, Any] = PARAMS, compute: Any = None) -> AugmentationOutcome:
    recipe = parse_recipe(params, step_problem)
    at_work = AugmentationRecipe.from_params(params)
    return run_augmentation(
        layout, recipe, make_copy=at_work.make_copy, engine=engine(), compute=compute or Processes(1)
    )


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_hex(path.read_bytes()) for path in files}


def only(step: dict[str, Any], size_px: int = 4000) -> AugmentationRecipe:
    return AugmentationRecipe.from_params(PARAMS | {"recipe": [step], "size_px": size_px, "jpeg_quality": 95})


def by_shape(instances: Sequence[Any]) -> dict[str, Any]:
    return {instance.shape.value: instance for instance in instances}


def test_only_labelled_photographs_of_the_training_split_are_copied(curated: Layout) -> None:
    augment(curated)
    copies = pd.read_parquet(curated.augmentation / "images.parquet")
    parents = {sha256_hex(f"original {seed}".encode()) for seed in (0, 1)}
    assert set(copies["parent_image_id"]) == parents
    assert set(copies["split"]) == {"train"}
    assert set(copies["origin"]) == {"augmented"}
    assert len(copies) == 6


def test_a_copy_keeps_its_parent_s_group_and_licence(curated: Layout) -> None:
    augment(curated)
    images = pd.read_parquet(curated.curation / "images.parquet").set_index("image_id")
    for copy in pd.read_parquet(curated.augmentation / "images.parquet").itertuples():
        parent = images.loc[copy.parent_image_id]
        assert (copy.group_id, copy.licence) == (parent["group_id"], parent["licence"])


def test_copies_are_bit_identical_in_any_order_and_on_any_number_of_workers(curated: Layout) -> None:
    made = []
    for compute in (Processes(1), Processes(2), Shuffled()):
        for path in sorted(curated.augmentation.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        augment(curated, PARAMS | {"copies": 8}, compute)
        made.append(contents(curated.augmentation))
    assert len(made[0]) == 19  # 16 pictures, two tables, the recipe
    assert made[0] == made[1] == made[2]


def test_a_repeat_makes_nothing_and_more_copies_keep_the_former_ones(curated: Layout) -> None:
    assert augment(curated).made == 6
    before = contents(curated.augmentation)
    assert augment(curated).made == 0
    assert contents(curated.augmentation) == before
    more = augment(curated, PARAMS | {"copies": 4})
    assert (more.copies, more.made) == (8, 2)
    assert set(before) - set(contents(curated.augmentation)) == set()


def test_an_altered_copy_is_made_anew(curated: Layout) -> None:
    augment(curated)
    before = contents(curated.augmentation)
    next(curated.augmentation.rglob("*.jpg")).write_bytes(b"spoilt")
    assert augment(curated).made == 1
    assert contents(curated.augmentation) == before


def test_a_run_broken_off_goes_on_where_it_was(curated: Layout) -> None:
    class Broken:
        def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
            yield from map(function, items[:2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment(curated, compute=Broken())
    assert augment(curated).made == 4


def test_copies_no_longer_asked_for_are_removed(curated: Layout) -> None:
    augment(curated)
    augment(curated, PARAMS | {"copies": 0})
    assert list(curated.augmentation.rglob("*.jpg")) == []
    assert len(pd.read_parquet(curated.augmentation / "images.parquet")) == 0


def test_the_recipe_at_work_gives_the_pixels_that_are_stored(curated: Layout) -> None:
    augment(curated)
    truth = read_rows(curated.adjudication / "instances.parquet", INSTANCES)
    stored = read_rows(curated.augmentation / "instances.parquet", INSTANCES)
    images = pd.read_parquet(curated.curation / "images.parquet").set_index("image_id")
    parent_id = sha256_hex(b"original 1")
    labels = [row_instance(row) for row in truth if row["image_id"] == parent_id]
    pixels, moved = AugmentationRecipe.from_params(PARAMS)(
        read_rgb(curated.data / images.loc[parent_id, "path"]), labels, parent_id, 2
    )
    copy_id = moved[0].image_id
    path = curated.augmentation / "images" / copy_id[:2] / f"{copy_id}.jpg"
    assert np.array_equal(pixels, read_rgb(path))
    assert {i.instance_id for i in moved} == {row["instance_id"] for row in stored if row["image_id"] == copy_id}


def test_a_horizontal_flip_mirrors_every_shape_exactly(drawn: Callable[..., Any]) -> None:
    image, instances = drawn((320, 240))
    pixels, moved = only({"name": "HorizontalFlip", "p": 1.0})(image, instances, "a", 0)
    found = by_shape(moved)
    assert np.abs(pixels.astype(int) - image[:, ::-1]).mean() < 3
    assert found["box"].box.xyxy == (220.0, 60.0, 280.0, 140.0)
    assert found["polygon"].rings == ((170.0, 40.0, 100.0, 60.0, 140.0, 130.0),)
    assert found["polygon"].box.xyxy == (100.0, 40.0, 170.0, 130.0)
    assert (found["keypoint"].keypoints[0].x_px, found["keypoint"].keypoints[0].y_px) == (140.0, 130.0)
    mask = decode_mask(found["mask"].mask_rle, height_px=240, width_px=320)
    assert mask.sum() == 60 * 80
    assert mask[60:140, 220:280].all()


def test_a_resize_scales_every_shape_by_its_edges(drawn: Callable[..., Any]) -> None:
    image, instances = drawn((320, 240))
    found = by_shape(only({"name": "Resize", "height": 480, "width": 960, "p": 1.0})(image, instances, "a", 0)[1])
    assert found["box"].box.xyxy == (120.0, 120.0, 300.0, 280.0)
    assert found["polygon"].rings == ((450.0, 80.0, 660.0, 120.0, 540.0, 260.0),)
    assert (found["keypoint"].keypoints[0].x_px, found["keypoint"].keypoints[0].y_px) == (540.0, 260.0)


def test_a_quarter_turn_of_a_crop_carries_polygons_with_the_pixels(drawn: Callable[..., Any]) -> None:
    image, instances = drawn((320, 240))
    steps = [
        {"name": "Crop", "x_min": 10, "y_min": 20, "x_max": 310, "y_max": 220, "p": 1.0},
        {"name": "Transpose", "p": 1.0},
    ]
    recipe = AugmentationRecipe.from_params(PARAMS | {"recipe": steps, "size_px": 4000})
    found = by_shape(recipe(image, instances, "a", 0)[1])
    assert found["polygon"].rings == ((20.0, 140.0, 40.0, 210.0, 110.0, 170.0),)
    assert found["box"].box.xyxy == (40.0, 30.0, 120.0, 90.0)


def test_what_a_crop_cuts_is_clipped_and_what_it_loses_is_dropped(drawn: Callable[..., Any]) -> None:
    image, instances = drawn((320, 240))
    crop = {"name": "Crop", "x_min": 0, "y_min": 0, "x_max": 70, "y_max": 240, "p": 1.0}
    found = by_shape(only(crop)(image, instances, "a", 0)[1])
    assert set(found) == {"box", "mask"}
    assert found["box"].box.xyxy == (40.0, 60.0, 70.0, 140.0)
    assert found["mask"].box.xyxy == (40, 60, 70, 140)
    crop["x_max"] = 200
    ring = by_shape(only(crop)(image, instances, "a", 0)[1])["polygon"].rings[0]
    assert max(ring[0::2]) == 200.0


def test_a_larger_result_is_scaled_to_the_size_asked_for(drawn: Callable[..., Any]) -> None:
    image, instances = drawn((320, 240))
    pixels, moved = only({"name": "NoOp", "p": 1.0}, size_px=160)(image, instances, "a", 0)
    assert pixels.shape == (120, 160, 3)
    assert by_shape(moved)["box"].box.xyxy == (20.0, 30.0, 50.0, 70.0)


def test_steps_of_equal_chance_do_not_fire_together(drawn: Callable[..., Any]) -> None:
    image, instances = drawn((320, 240))
    steps = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "VerticalFlip", "p": 0.5}]
    recipe = AugmentationRecipe.from_params(PARAMS | {"recipe": steps, "size_px": 4000})
    seen = set()
    for number in range(24):
        x_min, y_min, _, _ = by_shape(recipe(image, instances, "a", number)[1])["box"].box.xyxy
        seen.add((x_min, y_min))
    assert seen == {(40.0, 60.0), (220.0, 60.0), (40.0, 100.0), (220.0, 100.0)}


def test_every_bad_step_is_told_at_once() -> None:
    steps = [
        {"name": "HorizontalFlop"},
        {"name": "HorizontalFlip", "probability": 0.5},
        {"name": "RandomSizedBBoxSafeCrop", "height": 200},
        {"name": "Normalize"},
        {"name": "HorizontalFlip", "p": 0.5},
        "HorizontalFlip",
    ]
    with pytest.raises(Refused) as caught:
        parse_recipe(PARAMS | {"recipe": steps}, step_problem)
    assert [finding.code for finding in caught.value.findings] == ["augmentation.bad-recipe"] * 5
    subjects = " ".join(finding.subject for finding in caught.value.findings)
    assert [f"recipe[{index}]" in subjects for index in range(6)] == [True, True, True, True, False, True]


@pytest.mark.parametrize("wrong", [{"copies": -1}, {"size_px": "640"}, {"jpeg_quality": 0}, {"seed": True}])
def test_a_number_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"workspace\.params-invalid"):
        parse_recipe(PARAMS | wrong, step_problem)


def test_a_photograph_that_is_gone_is_named(curated: Layout) -> None:
    for path in curated.intake.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(Refused, match=r"augmentation\.unreadable-image"):
        augment(curated)
