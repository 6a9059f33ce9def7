"""Parts that fall onto a table and come to rest on it and on one another, by MuJoCo.

MuJoCo collides convex shapes only. A part is cut into cells, and each cell's piece of the surface stands in by its
convex hull: no piece of the real surface sticks out of its hulls, so what rests here does not interpenetrate there,
while hollows stay open down to about a cell's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from workbench.domain.scene import Pose
from workbench.ports import Mesh

Points = NDArray[np.float64]

#: Cells along the longest side of a part, and their least size.
_CELLS, _LEAST_CELL_M = 5, 0.004
_STEP_S, _LEAST_S, _MOST_S = 0.002, 0.4, 3.0
#: Less than the earth's, in m/s2: what lies still lies the same, but nothing flies so fast that it passes through.
_GRAVITY = 4.0
#: Slower than this, in m/s and rad/s, is at rest.
_STILL = 0.004
#: Where parts are put down is rounded to this: the last bits of a sine differ between kinds of CPU, and a heap of
#: parts makes much of little.
_DECIMALS = 6


def drop(meshes: Sequence[Mesh], starts: Sequence[Pose], *, half_m: float) -> tuple[list[Pose], float]:
    """Return where parts come to rest that are let go at ``starts``, and how deep any two then press into one another.

    The same arguments give the same poses. A hit may drive a thin part into another; the depth, metres, tells.

    Parameters
    ----------
    meshes, starts
        The parts and where each begins, in any number; they may not overlap.
    half_m
        Invisible walls stand so far from the middle, and keep what rolls.

    """
    import mujoco

    if not meshes:
        return [], 0.0
    model = _described(mujoco, meshes, [np.round(np.reshape(start, (4, 4)), _DECIMALS) for start in starts], half_m)
    data = mujoco.MjData(model)
    steps = 0
    while steps * _STEP_S < _MOST_S:
        mujoco.mj_step(model, data)
        steps += 1
        if steps * _STEP_S > _LEAST_S and np.abs(data.qvel).max() < _STILL:
            break
    poses = [_pose(data.xpos[i + 1], data.xmat[i + 1]) for i in range(len(meshes))]
    return poses, max([0.0, *(-float(contact.dist) for contact in data.contact)])


def _pose(position_m: Points, rotation: Points) -> Pose:
    # A tenth of a nanometre: far below what shows, and the same text everywhere.
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.reshape(rotation, (3, 3)), position_m
    return tuple(round(float(value), 10) for value in matrix.ravel())


def _described(mujoco: Any, meshes: Sequence[Mesh], starts: Sequence[Points], half_m: float) -> Any:
    """Return the compiled model: table, walls, and a free body a part."""
    spec = mujoco.MjSpec()
    spec.option.timestep = _STEP_S
    spec.option.gravity = [0, 0, -_GRAVITY]
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    contact = {
        "friction": [0.7, 0.005, 0.0008],
        "condim": 6,
        "solref": [0.005, 1.0],
        "solimp": [0.97, 0.995, 0.0002, 0.5, 2],
    }
    world = spec.worldbody
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    world.add_geom(type=plane, size=[1, 1, 0.1], **contact)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        tilt = [0.7071067811865476, -0.7071067811865476 * y, 0.7071067811865476 * x, 0]
        world.add_geom(type=plane, size=[1, 1, 0.1], pos=[-x * half_m, -y * half_m, 0], quat=tilt, **contact)
    hulls: dict[int, list[str]] = {}
    for i, (mesh, start) in enumerate(zip(meshes, starts, strict=True)):
        if id(mesh) not in hulls:
            hulls[id(mesh)] = []
            for n, piece in enumerate(convex_pieces(mesh)):
                # As a body's frame is the part's own, pieces keep the part's coordinates.
                spec.add_mesh(
                    name=f"m{i}p{n}", uservert=piece.ravel(), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
                )
                hulls[id(mesh)].append(f"m{i}p{n}")
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, np.ascontiguousarray(start[:3, :3]).ravel())
        body = world.add_body(pos=start[:3, 3], quat=quat)
        joint = body.add_freejoint()
        joint.damping = [2e-4, 0, 0]
        for name in hulls[id(mesh)]:
            body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, density=1400, **contact)
    return spec.compile()


def convex_pieces(mesh: Mesh) -> list[Points]:
    """Return the corners of convex hulls that together hold the whole surface, each (n, 3) in the part's coordinates."""
    extent = np.ptp(mesh.vertices_m, axis=0)
    cell = max(float(extent.max()) / _CELLS, _LEAST_CELL_M)
    corners = _split(mesh.vertices_m[mesh.faces], cell * 0.5)
    place = np.floor((corners.mean(axis=1) - mesh.vertices_m.min(axis=0)) / cell).astype(int)
    _, of = np.unique(place, axis=0, return_inverse=True)
    of = np.ravel(of)
    pieces = []
    for piece in range(int(of.max()) + 1):
        points = np.unique(np.round(corners[of == piece].reshape(-1, 3), 7), axis=0)
        pieces.append(_hull(points))
    return pieces


def _hull(points: Points) -> Points:
    """Return the corners of the points' hull; what is flat gains a twentieth of a millimetre to each side."""
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):
        around = 5e-5 * np.array([(1, 1, 1), (-1, -1, 1), (-1, 1, -1), (1, -1, -1)])
        thick = (points[:, None, :] + around[None]).reshape(-1, 3)
        return np.asarray(thick[ConvexHull(thick).vertices])


def _split(corners: Points, longest_m: float) -> Points:
    """Return triangles, (n, 3, 3), halved across their longest side until none has a side over ``longest_m``."""
    done = []
    while len(corners):
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        small = sides.max(axis=1) <= longest_m
        done.append(corners[small])
        corners, sides = corners[~small], sides[~small]
        first = sides.argmax(axis=1)
        row = np.arange(len(corners))
        a, b, c = (corners[row, (first + k) % 3] for k in range(3))
        middle = (a + b) / 2
        corners = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return np.concatenate(done)
