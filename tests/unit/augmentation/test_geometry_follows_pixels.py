"""What is drawn on a photograph lies on the same object after any transform: the object is painted and looked for."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.adapters.albumentations import AugmentationRecipe, step_problem
from workbench.adapters.masks import decode_mask, encode_mask, instance_mask, mask_box
from workbench.domain.annotation import Instance, Keypoint, Shape
from workbench.domain.geometry import Box

WIDTH, HEIGHT = 320, 240
#: Every kind of step that moves pixels: mirrors, turns, crops, scaling, affine, perspective, padding.
STEPS: list[dict[str, Any]] = [
    {"name": "HorizontalFlip", "p": 1.0},
    {"name": "VerticalFlip", "p": 1.0},
    {"name": "Transpose", "p": 1.0},
    {"name": "RandomRotate90", "p": 1.0},
    {"name": "D4", "p": 1.0},
    {"name": "Rotate", "limit": [-30, 30], "p": 1.0},
    {"name": "Affine", "scale": [0.7, 1.2], "rotate": [-20, 20], "shear": [-8, 8], "p": 1.0},
    {"name": "Perspective", "scale": [0.03, 0.08], "p": 1.0},
    {"name": "RandomSizedBBoxSafeCrop", "height": 200, "width": 260, "erosion_rate": 0.0, "p": 1.0},
    {"name": "RandomCrop", "height": 200, "width": 280, "p": 1.0},
    {"name": "Resize", "height": 300, "width": 500, "p": 1.0},
    {"name": "LongestMaxSize", "max_size": 250, "p": 1.0},
    {"name": "PadIfNeeded", "min_height": 300, "min_width": 400, "p": 1.0},
]


def painted(corners: NDArray[np.float64]) -> tuple[NDArray[np.uint8], list[Instance]]:
    """Return a grey picture with one blue object, and the object as box, oriented box, mask and named corners."""
    large = np.full((HEIGHT * 8, WIDTH * 8, 3), 128, np.uint8)
    cv2.fillPoly(large, [np.round(corners * 8).astype(np.int32)], (0, 0, 255))
    image = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    mask = blue(image)
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = Box(x_min=float(low[0]), y_min=float(low[1]), x_max=float(high[0]), y_max=float(high[1]))
    common: dict[str, Any] = {"image_id": "f" * 64, "category": "part.frame"}
    ring = tuple(float(value) for value in corners.ravel())
    points = tuple(Keypoint(name=f"corner-{n}", x_px=float(x), y_px=float(y)) for n, (x, y) in enumerate(corners))
    return image, [
        Instance(instance_id="a", shape=Shape.BOX, box=box, **common),
        Instance(instance_id="b", shape=Shape.POLYGON, box=box, rings=(ring,), **common),
        Instance(instance_id="c", shape=Shape.MASK, box=mask_box(mask), mask_rle=encode_mask(mask), **common),
        Instance(instance_id="d", shape=Shape.KEYPOINT, keypoints=points, **common),
    ]


def blue(image_hwc: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of the object: at least half blue."""
    return np.asarray(image_hwc[..., 2].astype(int) - image_hwc[..., 0] > 127)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def augmented(step: dict[str, Any], corners: NDArray[np.float64], seed: int) -> tuple[Any, dict[str, Instance]]:
    image, instances = painted(corners)
    recipe = AugmentationRecipe.from_params({"recipe": [step], "seed": seed, "size_px": 4000, "jpeg_quality": 100})
    made = recipe.copy_of(image, instances, "f" * 64, 0)
    pixels = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    return pixels, {instance.shape.value: instance for instance in made.instances}


@st.composite
def oriented(draw: st.DrawFn) -> NDArray[np.float64]:
    """Return the corners of a turned rectangle inside the picture, (4, 2), pixels."""
    centre = np.array([draw(st.floats(90, WIDTH - 90)), draw(st.floats(80, HEIGHT - 80))])
    half = np.array([draw(st.floats(25, 50)), draw(st.floats(15, 30))])
    angle = draw(st.floats(0, math.pi))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.round(centre + (signs * half) @ turn.T, 3)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
@given(corners=oriented(), seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_box_oriented_box_mask_and_points_stay_on_the_object(
    step: dict[str, Any], corners: NDArray[np.float64], seed: int
) -> None:
    assert step_problem(step) is None
    pixels, found = augmented(step, corners, seed)
    seen = blue(pixels)
    if seen.sum() < 200:  # nearly all of it was cropped away
        return
    height, width = seen.shape
    mask = decode_mask(str(found["mask"].mask_rle), height_px=height, width_px=width)
    assert overlap(mask, seen) > 0.9
    assert overlap(instance_mask(found["polygon"], height_px=height, width_px=width), seen) > 0.9
    tight = mask_box(seen)
    for shape in ("polygon", "mask"):
        assert found[shape].box is not None
        assert np.abs(np.subtract(found[shape].box.xyxy, tight.xyxy)).max() < 2.5, shape
    # the box of a box holds the object; under turns it cannot be tight, for it does not know the object's outline
    x_min, y_min, x_max, y_max = found["box"].box.xyxy
    assert (x_min, y_min) < (tight.x_min + 2.5, tight.y_min + 2.5)
    assert (x_max, y_max) > (tight.x_max - 2.5, tight.y_max - 2.5)
    for point in found["keypoint"].keypoints if "keypoint" in found else ():
        rows, columns = np.nonzero(seen)
        nearest = np.hypot(columns + 0.5 - point.x_px, rows + 0.5 - point.y_px).min()
        assert nearest < 3, point


@given(corners=oriented(), seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_an_oriented_box_stays_one_with_its_four_corners_in_order(corners: NDArray[np.float64], seed: int) -> None:
    turning = {"name": "Rotate", "limit": [-15, 15], "p": 1.0}
    _, found = augmented(turning, corners, seed)
    ring = np.array(found["polygon"].rings[0]).reshape(-1, 2)
    if len(ring) != 4:  # a corner left the frame, and the frame's edge came in
        return
    lengths = [np.hypot(*(np.roll(shape, -1, axis=0) - shape).T) for shape in (corners, ring)]
    assert np.allclose(lengths[0], lengths[1], atol=0.05)
    named = np.array([(point.x_px, point.y_px) for point in found["keypoint"].keypoints])
    assert np.allclose(named, ring, atol=0.01)  # both are the same corners
    assert [point.name for point in found["keypoint"].keypoints] == [f"corner-{n}" for n in range(4)]


def test_an_argument_the_library_does_not_know_is_an_error_for_every_kind_of_step() -> None:
    for step in STEPS:
        problem = step_problem(step | {"no_such_argument": 1})
        assert problem is not None, step["name"]
        assert "no_such_argument" in problem
