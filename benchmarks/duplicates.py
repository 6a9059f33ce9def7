"""Near-duplicates of so many hashes in all eight positions, against Faiss comparing them in one position only."""

from __future__ import annotations

import resource
import sys

import measure
import numpy as np

from workbench.adapters import nearest

#: What DOMAIN's collections may reach within what time, on two processors.
_LIMITS_S = {100_000: 30, 1_000_000: 600}


def measure_duplicates(items: int, turns: int) -> measure.Ratio:
    """Return how long all positions take over Faiss's comparison of a tenth of one position, and check limit and memory."""
    rng = np.random.default_rng(6)
    base = rng.integers(0, 256, (items, 32), dtype=np.uint8)
    turned = np.concatenate([base, rng.integers(0, 256, (7 * items, 32), dtype=np.uint8)])
    tenth = base[: max(1, items // 10)]
    work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(
        lambda _turn: nearest.codes_within(turned, base, 31),
        lambda _turn: nearest.compared(tenth, base, 31),
        turns=1 if items > 100_000 else turns,  # noqa: PLR2004 -- minutes each
    )
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    allowed_s = _LIMITS_S.get(items, float("inf"))
    print(f"{work_s:.0f} s of {allowed_s} s, {peak_gib:.2f} GiB of 2 GiB at most", file=sys.stderr)
    if work_s > allowed_s or peak_gib > 2:  # noqa: PLR2004 -- GiB
        raise SystemExit("too slow, or too much memory")
    return measure.Ratio(
        name="near-duplicates",
        against="Faiss, a tenth in one position",
        items=items,
        unit="hashes in 8 positions",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_duplicates, items=100_000)
