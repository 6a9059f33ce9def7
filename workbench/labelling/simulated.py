"""Openly simulated labellers, for the demo and for tests: known answers made human by seeded noise.

Nothing here is ever called on a real campaign: whoever answers through it is named ``simulated-...`` in every table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box, ring_box

#: Share of instances a simulated labeller overlooks, and share it names differently.
_OVERLOOKED_FRAC = 0.02
_CONFUSED_FRAC = 0.03

#: What a simulated labeller mistakes an object for when unsure.
_MISTAKEN_FOR = "unknown"


def simulate_answer(
    truth: Sequence[Instance], *, width_px: int, height_px: int, rng: np.random.Generator, hand_px: float = 1.5
) -> list[Instance]:
    """Return one simulated labeller's instances for a photograph whose true instances are known.

    Corners move by a normal error of ``hand_px`` pixels; a few objects are overlooked or called
    ``unknown``. Ids are the truth's with the draw order appended, so an answer is reproducible from its ``rng``.

    Parameters
    ----------
    truth
        True instances, boxes or polygons, pixels of the upright working copy.
    width_px, height_px
        Size of the working copy; no corner leaves it.
    rng
        The labeller's own generator for this photograph.
    hand_px
        Standard deviation of a corner's error, in pixels.

    """
    answer = []
    for number, instance in enumerate(truth):
        fate = rng.random()
        moved = _shaken(instance, width_px=width_px, height_px=height_px, rng=rng, hand_px=hand_px)
        if fate < _OVERLOOKED_FRAC:
            continue
        if fate < _OVERLOOKED_FRAC + _CONFUSED_FRAC:
            moved = replace(moved, category=_MISTAKEN_FOR)
        answer.append(replace(moved, instance_id=f"{instance.instance_id}-{number}"))
    return answer


def _shaken(instance: Instance, *, width_px: int, height_px: int, rng: np.random.Generator, hand_px: float) -> Instance:
    """Return the instance with every corner moved a little, still inside the photograph."""

    def shake(values: Sequence[float], upper_px: float) -> list[float]:
        moved = np.asarray(values, dtype=float) + rng.normal(0.0, hand_px, len(values))
        return [float(value) for value in np.clip(moved, 0.0, upper_px)]

    if instance.shape is Shape.POLYGON:
        rings = []
        for ring in instance.rings:
            xs, ys = shake(ring[0::2], width_px), shake(ring[1::2], height_px)
            rings.append(tuple(value for pair in zip(xs, ys, strict=True) for value in pair))
        return replace(instance, rings=tuple(rings), box=ring_box(rings[0]))
    if instance.box is None:
        return instance
    x_min, x_max = sorted(shake((instance.box.x_min, instance.box.x_max), width_px))
    y_min, y_max = sorted(shake((instance.box.y_min, instance.box.y_max), height_px))
    return replace(instance, box=Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max))
