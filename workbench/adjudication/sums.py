"""Figures that are ratios of sums over photographs, and how far they would differ with other photographs.

Everything that agreement is made of is a sum over photographs. So the figures for any sample of photographs follow from
one sparse matrix, and a bootstrap costs a product with it; nothing is counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Samples drawn at a time: 20 MB of weights for 100,000 photographs.
_AT_ONCE = 25

#: Sums by name, each (count,) or, for some samples at once, (count, samples).
Sums = Mapping[str, NDArray[np.float64]]
#: Figures by name, of the same form; NaN where a figure is not defined.
Figures = Mapping[str, NDArray[np.float64]]


@dataclass(slots=True)
class SumsByImage:
    """Sums under names, each of several things, kept apart by image so that images can be drawn again."""

    images: int
    _size: int = 0
    _slices: dict[str, slice] = field(default_factory=dict)
    _parts: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]] = field(default_factory=list)
    _summed: Any = None

    def add(
        self,
        name: str,
        *,
        image: NDArray[np.integer],
        of: NDArray[np.integer] | int = 0,
        value: NDArray[np.floating] | NDArray[np.integer] | float = 1.0,
        count: int = 1,
    ) -> None:
        """Add values to the sums called ``name``, of which there are ``count``: ``of`` says to which, ``image`` from where."""
        if name not in self._slices:
            self._slices[name] = slice(self._size, self._size + count)
            self._size += count
        if not len(image):
            return
        keys = (self._slices[name].start + np.broadcast_to(of, len(image))).astype(np.int64) * self.images + image
        unique, which = np.unique(keys, return_inverse=True)
        totals = np.bincount(which.reshape(-1), weights=np.broadcast_to(value, len(image)), minlength=len(unique))
        kept = totals != 0
        rows, columns = np.divmod(unique[kept], self.images)
        self._parts.append((rows.astype(np.int32), columns.astype(np.int32), totals[kept]))

    def totals(self) -> Sums:
        """Return the sums over all images, each (count,)."""
        matrix = self._matrix()
        return self._named(np.asarray(matrix.sum(axis=1)).reshape(-1))

    def intervals(
        self, figures: Callable[[Sums], Figures], *, rounds: int, seed: int, level: float = 0.95
    ) -> dict[str, NDArray[np.float64]]:
        """Return for each figure the ends of its bootstrap interval, (count, 2); NaN where it is not defined.

        Images that count in any sum are drawn anew, as many as there are, with replacement; marks of one photograph are
        not independent, so it stays whole. The interval lies between the percentiles of the figure over the rounds
        (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Hayes and Krippendorff (2007) resample
        pairs of values instead, as if every object stood alone. A round in which a figure is not defined does not count;
        where it is in fewer than half of the rounds, there is no interval.

        Parameters
        ----------
        figures
            Makes figures of sums.
        rounds
            How many samples; 0 gives no interval at all.
        seed
            Of round r the generator is ``default_rng([seed, r])``: equal sums and seed give equal ends.
        level
            The share of samples between the ends, in (0, 1).

        """
        matrix = self._matrix()
        images = matrix.shape[1]
        drawn: dict[str, list[NDArray[np.float64]]] = {}
        for start in range(0, rounds if images else 0, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, rounds))
            weights = np.stack([_redrawn(images, seed, number) for number in numbers], axis=1)
            for name, values in figures(self._named(matrix @ weights)).items():
                drawn.setdefault(name, []).append(values)
        ends = [(1 - level) / 2, (1 + level) / 2]
        return {name: _between(np.concatenate(parts, axis=-1), ends) for name, parts in drawn.items()}

    def _named(self, sums: NDArray[np.float64]) -> Sums:
        return {name: sums[place] for name, place in self._slices.items()}

    def _matrix(self) -> Any:
        """Return the sums as a sparse matrix, (sums, images that count in any); nothing can be added from then on."""
        from scipy.sparse import csr_array

        if self._summed is None:
            rows, columns, values = (
                np.concatenate([part[number] for part in self._parts]) if self._parts else np.zeros(0, np.int32)
                for number in range(3)
            )
            self._parts.clear()
            touched = np.zeros(self.images, bool)
            touched[columns] = True
            place = (np.cumsum(touched) - 1).astype(np.int32)
            self._summed = csr_array((values, (rows, place[columns])), shape=(self._size, int(touched.sum())))
        return self._summed


def _redrawn(count: int, seed: int, number: int) -> NDArray[np.float64]:
    """Return how often each of some images was drawn in a round."""
    rng = np.random.default_rng([seed, number])
    return np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)


def _between(values: NDArray[np.float64], ends: Sequence[float]) -> NDArray[np.float64]:
    """Return the quantiles of the defined values along the last axis, (count, 2)."""
    defined = np.isfinite(values).sum(axis=-1) * 2 >= values.shape[-1]
    found = np.full((len(values), 2), np.nan)
    if defined.any():
        found[defined] = np.nanquantile(values[defined], ends, axis=-1).T
    return found


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a quotient; NaN where there is nothing below."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0))


def alpha_of_sums(differing: NDArray[np.float64], said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Krippendorff's nominal alpha; NaN where only one value occurs.

    Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: alpha = 1 - (n - 1) * D / E, with D the
    pairs of different values within units, each unit's over its number of values less one, and E those among all n values.
    It works on counts: the `krippendorff` library, which the tests hold it to, keeps units x values x values numbers, 19 GB
    for 100,000 photographs.

    Parameters
    ----------
    differing
        D, (...).
    said
        How often each value was given in units that can be compared, (values, ...).

    """
    total = said.sum(axis=0)
    expected = total**2 - (said**2).sum(axis=0)
    defined = expected > 0.5  # noqa: PLR2004 -- it is a whole number, at least 2 where two values occur
    alpha = 1.0 - np.divide((total - 1) * differing, expected, out=np.full(np.shape(expected), np.nan), where=defined)
    return np.asarray(alpha)
