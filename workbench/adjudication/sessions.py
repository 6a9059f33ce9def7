"""How long answers take, and whether a session tires: time and agreement by the place of an answer in its session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A session must have so many answers before its first and last third are compared.
LEAST_ANSWERS = 9
#: Sessions needed before an interval is told, and how many samples of them it is drawn from.
_LEAST_SESSIONS, _ROUNDS = 5, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One annotator's answers in sessions: for each answer its session (from 0) and its place in it, as a share in [0, 1)."""

    session: NDArray[np.int64]
    place_frac: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @property
    def compared(self) -> NDArray[np.bool_]:
        """For each answer whether its session is long enough to be compared within."""
        return self.sizes[self.session] >= LEAST_ANSWERS


def place_answers(submitted_s: NDArray[np.float64], lead_time_s: NDArray[np.float64], *, gap_s: float) -> Placed:
    """Return the sessions of one annotator's answers, in any order.

    A session ends where more than ``gap_s`` pass between submitting an answer and beginning the next (its submission less
    its lead time). Answers without a time stand alone.

    Parameters
    ----------
    submitted_s
        Seconds since 1970, (n,); NaN where not known.
    lead_time_s
        Seconds spent on each, (n,); NaN where not known.

    """
    count = len(submitted_s)
    order = np.argsort(submitted_s, kind="stable")  # NaN comes last
    begun = submitted_s[order] - np.nan_to_num(lead_time_s[order])
    new = np.ones(count, bool)
    new[1:] = ~(begun[1:] - submitted_s[order][:-1] <= gap_s)
    number = np.cumsum(new) - 1
    sizes = np.bincount(number, minlength=int(number.max(initial=-1)) + 1)
    starts = np.flatnonzero(new)
    session, place = np.empty(count, np.int64), np.empty(count)
    session[order] = number
    place[order] = (np.arange(count) - starts[number]) / sizes[number] if count else 0.0
    return Placed(session=session, place_frac=place, sizes=sizes)


def time_figures(lead_time_s: NDArray[np.float64], objects: NDArray[np.integer]) -> dict[str, Any]:
    """Return how long answers took, by order statistics: a page left open over lunch moves none of them.

    Seconds for an object are those of the answers with objects, each over its number of objects.
    """
    known = np.isfinite(lead_time_s)
    spent = lead_time_s[known]
    drawn = known & (objects > 0)
    told: dict[str, Any] = {"answers": int(known.sum())}
    names = ("p5_s", "lower_quartile_s", "median_s", "upper_quartile_s", "p95_s")
    levels = np.quantile(spent, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist() if len(spent) else [None] * len(names)
    told |= dict(zip(names, levels, strict=True))
    told["median_for_an_object_s"] = float(np.median(lead_time_s[drawn] / objects[drawn])) if drawn.any() else None
    return told


def fatigue_figures(
    placed: Placed,
    lead_time_s: NDArray[np.float64],
    same: NDArray[np.floating],
    marked: NDArray[np.floating],
    *,
    seed: int,
) -> dict[str, Any]:
    """Return how the last third of a session compares with its first third, over sessions of at least `LEAST_ANSWERS`.

    ``time_ratio`` is the median of the sessions' quotients of median seconds, late over early; ``f1_change`` is the F1
    with the other annotators late in a session less that early in it. Intervals are percentiles over sessions drawn again,
    and null with fewer than five of them. ``time_trend`` and ``f1_trend`` are Spearman's rank correlations with the place in
    the session, over answers, in [-1, 1].

    Parameters
    ----------
    same, marked
        For each answer twice its objects found alike by another annotator, and the objects of both, summed over the
        others: their quotient is its F1.

    """
    long = placed.compared
    early, late = long & (placed.place_frac < 1 / 3), long & (placed.place_frac >= 2 / 3)
    ids = np.unique(placed.session[long])
    quotients = _time_quotients(placed, lead_time_s, early, late, ids)
    thirds = [[_per_session(placed, which, values, ids) for values in (same, marked)] for which in (early, late)]
    changes = np.stack([column for third in thirds for column in third])
    told: dict[str, Any] = {
        "sessions": len(placed.sizes),
        "sessions_compared": len(ids),
        "longest_session": int(placed.sizes.max(initial=0)),
        "time_ratio": _median(quotients),
        "f1_change": _value(_f1_change(changes.sum(axis=1))),
        "time_trend": _rank_trend(placed.place_frac, np.where(long, lead_time_s, np.nan)),
        "f1_trend": _rank_trend(
            placed.place_frac, np.divide(same, marked, out=np.full(len(same), np.nan), where=long & (marked > 0))
        ),
        "intervals": {},
    }
    if len(ids) >= _LEAST_SESSIONS:
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, len(ids), (_ROUNDS, len(ids)))
        told["intervals"] = _ends(
            {
                "time_ratio": np.nanmedian(quotients[drawn], axis=1) if np.isfinite(quotients).all() else np.zeros(0),
                "f1_change": _f1_change(changes[:, drawn].sum(axis=2)),
            }
        )
    return told


def _time_quotients(
    placed: Placed,
    lead_time_s: NDArray[np.float64],
    early: NDArray[np.bool_],
    late: NDArray[np.bool_],
    ids: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return each session's median seconds late over those early; NaN where they are not known."""
    import pandas as pd

    frame = pd.DataFrame({"session": placed.session, "spent": lead_time_s})
    medians = [frame[which].groupby("session")["spent"].median().reindex(ids) for which in (early, late)]
    quotients = (medians[1] / medians[0].where(medians[0] > 0)).to_numpy()
    return np.asarray(quotients, np.float64)


def _per_session(
    placed: Placed, which: NDArray[np.bool_], values: NDArray[np.floating], ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    sums = np.bincount(placed.session[which], weights=values[which], minlength=len(placed.sizes))
    return np.asarray(sums[ids], np.float64)


def _f1_change(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return F1 late less F1 early of (same early, marked early, same late, marked late); NaN where one is not defined."""
    early, late = (
        np.divide(sums[at], sums[at + 1], out=np.full(np.shape(sums[at]), np.nan), where=sums[at + 1] > 0)
        for at in (0, 2)
    )
    return np.asarray(late - early)


def _rank_trend(place: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    from scipy.stats import spearmanr

    known = np.isfinite(values)
    if known.sum() < LEAST_ANSWERS or np.ptp(values[known]) == 0 or np.ptp(place[known]) == 0:
        return None
    return float(spearmanr(place[known], values[known]).statistic)


def _ends(samples: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float]]:
    return {
        name: np.quantile(values, [0.025, 0.975]).tolist()
        for name, values in samples.items()
        if len(values) and np.isfinite(values).all()
    }


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _value(number: NDArray[np.float64]) -> float | None:
    return float(number) if np.isfinite(number) else None
