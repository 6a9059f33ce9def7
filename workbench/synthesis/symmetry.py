"""Turns that bring a part onto itself: poses that differ by one of them look the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.domain.scene import Pose

Xyz = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A line in the part's own coordinates: a unit direction through a point in metres."""

    direction: Xyz
    through_m: Xyz = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Symmetry:
    """The symmetries of a part, as far as they are known.

    Parameters
    ----------
    continuous
        Axes about which every turn brings the part onto itself (`models_info.json` of BOP: symmetries_continuous).
    discrete
        Single motions that do, 4x4 matrices in metres, without the identity (BOP: symmetries_discrete).

    """

    continuous: tuple[Axis, ...] = ()
    discrete: tuple[Pose, ...] = ()


#: Of a part of which none is known.
NO_SYMMETRY = Symmetry()


def turns(axis: Axis, count: int) -> tuple[Pose, ...]:
    """Return the motions of a ``count``-fold axis, the identity left out.

    Examples
    --------
    >>> [round(value) for value in turns(Axis(direction=(0, 0, 1)), 2)[0][:6]]
    [-1, 0, 0, 0, 0, -1]

    """
    return tuple(turn(axis, 2 * np.pi * step / count) for step in range(1, count))


def turn(axis: Axis, angle: float) -> Pose:
    """Return the turn about an axis by radians (Rodrigues' formula), row by row; entries rounded to 1e-12."""
    d, through = np.asarray(axis.direction, float), np.asarray(axis.through_m, float)
    cross = np.array([[0, -d[2], d[1]], [d[2], 0, -d[0]], [-d[1], d[0], 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = through - matrix[:3, :3] @ through
    return tuple(float(value) + 0.0 for value in np.round(matrix.ravel(), 12))
