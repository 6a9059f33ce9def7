"""The lens: the domain's projection against OpenCV's, rays against projection, pictures against rays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from workbench.adapters.lens import slopes, straight_size, through_lens
from workbench.adapters.phone import photograph
from workbench.domain.scene import Camera
from workbench.synthesis.photographer import look_at

LENSES = [(0.0, 0.0, 0.0, 0.0, 0.0), (-0.15, 0.09, 0.001, -0.0008, 0.0), (0.1, -0.04, -0.001, 0.0005, 0.002)]
POSE = look_at(np.array([0.2, -0.1, 0.3]), np.array([0.01, 0.0, 0.0]), roll=0.2)


def camera(distortion: Any = LENSES[1], **more: Any) -> Camera:
    return Camera(width_px=64, height_px=48, focal_px=60.0, pose=POSE, distortion=distortion, **more)


@pytest.mark.parametrize("lens", LENSES)
def test_a_point_is_projected_as_opencv_projects_it(lens: Any) -> None:
    rng = np.random.default_rng(3)
    points = np.c_[rng.uniform(-0.1, 0.1, (40, 2)), rng.uniform(0, 0.05, 40)]
    seen = camera(lens)
    to_camera = np.linalg.inv(np.reshape(seen.pose, (4, 4)))
    turn = cv2.Rodrigues(to_camera[:3, :3])[0]
    matrix = np.array([[60.0, 0, 32], [0, 60.0, 24], [0, 0, 1]])
    expected = cv2.projectPoints(points, turn, to_camera[:3, 3], matrix, np.array(lens))[0][:, 0]
    for point, (u, v) in zip(points, expected, strict=True):
        assert seen.project(tuple(point))[:2] == pytest.approx((u, v), abs=1e-9)


def test_what_lies_behind_the_camera_has_no_place() -> None:
    assert camera().project((0.4, -0.2, 0.6)) is None


@pytest.mark.parametrize("lens", LENSES)
def test_rays_through_pixels_come_back_to_their_pixels(lens: Any) -> None:
    seen = camera(lens)
    x, y = (np.ravel(slope) for slope in slopes(seen))
    pose = np.reshape(seen.pose, (4, 4))
    for i in range(0, 64 * 48, 37):
        u, v, depth = seen.project(tuple((pose @ [0.4 * x[i], 0.4 * y[i], 0.4, 1])[:3]))
        assert (u, v) == pytest.approx((i % 64 + 0.5, i // 64 + 0.5), abs=1e-6)
        assert depth == pytest.approx(0.4)


def test_the_straight_picture_holds_all_that_the_lens_sees() -> None:
    for lens in LENSES:
        seen = camera(lens)
        (x, y), (width, height) = slopes(seen), straight_size(seen)
        assert np.abs(x).max() * 60 <= width / 2
        assert np.abs(y).max() * 60 <= height / 2
        assert (width % 2, height % 2) == (0, 0)


def test_the_picture_is_bent_as_the_labels_are() -> None:
    seen = camera()
    width, height = straight_size(seen)
    # A straight picture whose values are the slopes themselves, at its pixels' centres.
    v, u = np.mgrid[0:height, 0:width] + 0.5
    straight = np.stack([(u - width / 2) / 60, (v - height / 2) / 60], axis=-1).astype(np.float32)
    bent = through_lens(straight, seen)
    assert bent.shape == (48, 64, 2)
    assert np.abs(bent - np.stack(slopes(seen), axis=-1)).max() < 1e-5


def test_a_phone_leaves_marks_of_its_own_where_asked() -> None:
    flat = np.full((*straight_size(camera())[::-1], 3), 0.3, np.float32)
    flat[:, :40] *= 0.4
    plain = {"vignetting": 0.0, "noise": 0.0, "sharpening": 0.0}
    clean = photograph(flat, camera(**plain), seed=1)
    assert np.array_equal(clean, photograph(flat, camera(**plain), seed=2))
    dark = photograph(flat, camera(**{**plain, "vignetting": 0.5}), seed=1)
    assert dark[0, 60].mean() < 0.85 * clean[0, 60].mean()
    noisy = photograph(flat, camera(**{**plain, "noise": 0.02}), seed=1)
    assert np.array_equal(noisy, photograph(flat, camera(**{**plain, "noise": 0.02}), seed=1))
    assert noisy[10:30, 45:60].std() > 2 > clean[10:30, 45:60].std()
    blurred = photograph(flat, camera(**plain, motion_px=(6.0, 0.0)), seed=1)
    steep = np.abs(np.diff(clean[24, :, 1].astype(int))).max()
    assert np.abs(np.diff(blurred[24, :, 1].astype(int))).max() < 0.6 * steep
    crisp = photograph(flat, camera(**{**plain, "sharpening": 1.0}), seed=1)
    assert np.abs(np.diff(crisp[24, :, 1].astype(int))).max() > steep
    warm = photograph(flat, camera(**plain, white_balance_rgb=(1.3, 1.0, 0.7)), seed=1)
    assert warm[24, 50, 0] > warm[24, 50, 2] + 20


def test_motion_does_not_move_the_picture() -> None:
    still = camera(LENSES[0], vignetting=0.0, noise=0.0)
    dot = np.full((48, 64, 3), 0.02, np.float32)
    dot[20:24, 30:34] = 1.0
    moved = photograph(dot, replace(still, motion_px=(5.0, 3.0)), seed=1).astype(float)[..., 1]
    moved -= moved.min()
    v, u = np.mgrid[0:48, 0:64]
    assert ((u * moved).sum() / moved.sum(), (v * moved).sum() / moved.sum()) == pytest.approx((31.5, 21.5), abs=0.05)
