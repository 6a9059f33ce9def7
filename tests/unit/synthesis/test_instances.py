"""What a rendering's labels say: oriented boxes, truncation, and points that are seen, hidden or outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.scene import Camera, Environment, Material, PlacedPart, Scene, Table
from workbench.ports import Labels
from workbench.synthesis.instances import (
    keypoints_of,
    label_rows,
    labels_sha256,
    oriented_box,
    pose_rows,
    scene_points,
)

#: A camera a metre above the origin that looks straight down, x to the right.
_DOWN = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_FLAT = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
POINTS = {"plate": {"middle": (0.0, 0.0, 0.01), "edge": (0.05, 0.0, 0.01), "far": (2.0, 0.0, 0.01)}}


def scene() -> Scene:
    material = Material(name="steel", base_rgb=(0.5, 0.5, 0.5), metallic=1.0, roughness=0.3)
    part = PlacedPart(part_id="plate", mesh_sha256="aa", category="negative.tool", material=material, pose=_FLAT)
    return Scene(
        recipe="drawn",
        seed=1,
        parts=(part,),
        cards=(),
        camera=Camera(width_px=100, height_px=100, focal_px=100.0, pose=_DOWN),
        lights=(),
        environment=Environment(name="office", seed=1, strength=1.0),
        table=Table(kind="wood", seed=1, tile_m=0.4, roughness=0.5),
    )


def labels(first_m: Any) -> Labels:
    index = np.full((100, 100), -1, np.int32)
    index[40:60, 80:100] = 0
    alone = np.zeros((1, 100, 100), bool)
    alone[0, 40:60, 70:100] = True
    return Labels(
        instance_hw=index,
        depth_hw=np.ones((100, 100), np.float32),
        alone_nhw=alone,
        whole_px=np.array([20 * 60]),
        whole_xyxy=np.array([[70, 40, 130, 60]]),
        first_m=np.asarray(first_m, float),
    )


def test_points_are_seen_hidden_or_outside() -> None:
    placed = scene_points(scene(), POINTS)
    away = np.linalg.norm(placed - [0, 0, 1], axis=1)
    # by name: edge, far, middle; something stands 1 cm before the edge
    points = keypoints_of(scene(), labels(away - [0.01, 0, 0]), POINTS)[0]
    assert {p["name"]: p["visibility"] for p in points} == {"edge": 1, "far": 0, "middle": 2}
    middle = next(p for p in points if p["name"] == "middle")
    assert (middle["x_px"], middle["y_px"]) == (50, 50)
    edge = next(p for p in points if p["name"] == "edge")
    assert edge["x_px"] == pytest.approx(50 + 100 * 0.05 / 0.99, abs=1e-3)


def test_what_is_cut_by_the_frame_and_what_is_hidden_are_told_apart() -> None:
    seen = labels(np.full(3, np.inf))
    (row,) = pose_rows(scene(), seen, image_id="ab" * 32, encode_mask=lambda mask: str(int(mask.sum())), points=POINTS)
    assert row["visible_frac"] == pytest.approx(20 / 30)
    assert row["truncated_frac"] == pytest.approx(1 - 30 / 60)
    assert (row["amodal_x_min"], row["amodal_x_max"], row["amodal_rle"]) == (70, 130, "600")
    (instance,) = label_rows(scene(), seen, image_id="ab" * 32, encode_mask=lambda _: "x", points=POINTS)
    assert [point["name"] for point in instance["keypoints"]] == ["edge", "middle"]


def test_the_hash_of_labels_follows_what_they_say_and_not_the_file() -> None:
    def hashed(image_id: str, seen: Labels) -> str:
        how: dict[str, Any] = {"image_id": image_id, "encode_mask": lambda m: str(m.sum()), "points": POINTS}
        return labels_sha256(label_rows(scene(), seen, **how), pose_rows(scene(), seen, **how))

    seen = labels(np.full(3, np.inf))
    assert hashed("ab" * 32, seen) == hashed("cd" * 32, seen)
    assert hashed("ab" * 32, seen) != hashed("ab" * 32, replace(seen, whole_px=np.array([1300])))


@given(st.integers(0, 2**32 - 1))
def test_an_oriented_box_is_the_smallest_around_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:40, 0:50] + 0.5
    angle, centre = rng.uniform(0, np.pi), rng.uniform(15, 25, 2)
    along = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
    across = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
    mask = (np.abs(along) < rng.uniform(3, 14)) & (np.abs(across) < rng.uniform(2, 6))
    box = np.reshape(oriented_box(mask), (4, 2))
    sides = np.linalg.norm(box - np.roll(box, -1, axis=0), axis=1)
    rows, columns = np.nonzero(mask)
    corners = np.concatenate([np.stack([columns + i, rows + j], axis=1) for i in (0, 1) for j in (0, 1)])
    # every corner of every pixel lies inside, and no other direction would take less
    for start, end in zip(box, np.roll(box, -1, axis=0), strict=True):
        side = np.cross(np.append(end - start, 0), np.c_[corners - start, np.zeros(len(corners))])[:, 2]
        assert (side >= -1e-2).all() or (side <= 1e-2).all()
    turns = np.linspace(0, np.pi / 2, 181)
    ways = np.stack([np.cos(turns), np.sin(turns)]), np.stack([-np.sin(turns), np.cos(turns)])
    areas = np.ptp(corners @ ways[0], axis=0) * np.ptp(corners @ ways[1], axis=0)
    assert sides[0] * sides[1] <= areas.min() + 0.01
