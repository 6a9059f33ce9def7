"""What coders said of units, counted so that Krippendorff's alpha follows for any sample of photographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.adjudication.sums import Sums, SumsByImage, alpha_of_sums

Numbers = NDArray[np.integer]


def add_units(
    sums: SumsByImage,
    name: str,
    *,
    unit: Numbers,
    value: Numbers,
    image_of_unit: Numbers,
    values: int,
    times: Numbers | None = None,
    group_of_unit: Numbers | None = None,
    groups: int = 1,
) -> None:
    """Count what was said of units; a unit of which fewer than two things were said cannot be compared and stays out.

    Parameters
    ----------
    unit, value, times
        Of which unit (from 0) which value (below ``values``) was said, and by how many coders; by one, without ``times``.
    image_of_unit, group_of_unit
        For each unit its image, and in which of ``groups`` it is counted.

    """
    times = np.ones(len(unit), np.int64) if times is None else times
    keys, which = np.unique(unit.astype(np.int64) * values + value, return_inverse=True)
    counts = np.bincount(which.reshape(-1), weights=times, minlength=len(keys))
    unit, value = np.divmod(keys, values)
    coders = np.bincount(unit, weights=counts, minlength=len(image_of_unit))[unit]
    kept = (coders > 1) & (counts > 0)
    unit, value, counts, coders = unit[kept], value[kept], counts[kept], coders[kept]
    image = image_of_unit[unit]
    group = np.zeros(len(unit), np.int64) if group_of_unit is None else group_of_unit[unit].astype(np.int64)
    against = counts * (coders - counts) / (coders - 1)
    sums.add(f"{name}.differing", image=image, of=group, value=against, count=groups)
    sums.add(f"{name}.said", image=image, of=group * values + value, value=counts, count=groups * values)
    if groups == 1:
        sums.add(f"{name}.whether", image=image, of=value, value=2 * against, count=values)


def alpha_of(sums: Sums, name: str) -> NDArray[np.float64]:
    """Return alpha of the units called ``name``: (groups,) or (groups, samples)."""
    differing, said = sums[f"{name}.differing"], sums[f"{name}.said"]
    by_group = said.reshape(len(differing), -1, *said.shape[1:]) if len(differing) else said[:, None]
    return alpha_of_sums(differing, np.moveaxis(by_group, 1, 0))


def alphas_whether(sums: Sums, name: str) -> NDArray[np.float64]:
    """Return for each value alpha of whether it or another was said: (values,) or (values, samples)."""
    said, differing = sums[f"{name}.said"], sums[f"{name}.whether"]
    return alpha_of_sums(differing, np.stack([said, said.sum(axis=0) - said]))
