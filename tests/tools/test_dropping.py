"""Parts that fall, by the real physics: they come to rest where they should, the same way each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from workbench.adapters.mujoco import convex_pieces, drop
from workbench.synthesis.parts import BUILTIN, open_box, toy_brick, washer
from workbench.synthesis.scene import as_pose

pytestmark = pytest.mark.tools


def at(x: float, y: float, z: float) -> Any:
    matrix = np.eye(4)
    matrix[:3, 3] = (x, y, z)
    return as_pose(matrix)


def test_the_same_fall_ends_the_same_to_the_bit() -> None:
    meshes = [open_box(), toy_brick(), washer()]
    starts = [at(0, 0, 0.02), at(0.01, 0, 0.06), at(0.0, 0.005, 0.09)]
    assert drop(meshes, starts, half_m=0.1) == drop(meshes, starts, half_m=0.1)


def test_what_falls_into_an_open_box_lies_on_its_floor() -> None:
    box, ring = open_box(), washer()
    middle = (box.vertices_m.min(axis=0) + box.vertices_m.max(axis=0)) / 2
    (held, fallen), _ = drop([box, ring], [at(-middle[0], -middle[1], 0.001), at(0, 0, 0.06)], half_m=0.2)
    low = (ring.vertices_m @ np.reshape(fallen, (4, 4))[:3, :3].T)[:, 2].min() + np.reshape(fallen, (4, 4))[2, 3]
    # On the floor of 3 mm, not on a lid over the rim at 22 mm.
    assert 0.002 < low < 0.008
    assert np.reshape(held, (4, 4))[2, 3] == pytest.approx(0, abs=2e-4)


def test_nothing_falls_through_the_table_or_leaves_the_walls() -> None:
    bricks = [toy_brick()] * 6
    poses, pressed_m = drop(bricks, [at(0.01 * i, 0, 0.02 + 0.03 * i) for i in range(6)], half_m=0.06)
    assert 0 <= pressed_m < 2e-4
    for pose in poses:
        posed = toy_brick().vertices_m @ np.reshape(pose, (4, 4))[:3, :3].T + np.reshape(pose, (4, 4))[:3, 3]
        assert posed[:, 2].min() > -2e-4
        assert np.abs(posed[:, :2]).max() < 0.062


def test_no_parts_no_poses() -> None:
    assert drop([], [], half_m=0.1) == ([], 0.0)


@pytest.mark.parametrize("make", [entry[4] for entry in BUILTIN], ids=[entry[0] for entry in BUILTIN])
def test_hulls_hold_the_whole_surface(make: Any) -> None:
    mesh = make()
    rng = np.random.default_rng(1)
    face = rng.integers(len(mesh.faces), size=300)
    share = rng.dirichlet((1, 1, 1), 300)
    points = np.einsum("nk,nkd->nd", share, mesh.vertices_m[mesh.faces[face]])
    outside = np.full(len(points), np.inf)
    for piece in convex_pieces(mesh):
        sides = ConvexHull(piece).equations
        outside = np.minimum(outside, (points @ sides[:, :3].T + sides[:, 3]).max(axis=1))
    assert outside.max() < 1e-6
