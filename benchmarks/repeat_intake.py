"""Reception and intake, with DVC, of one per cent more photographs, against the full run; at most 0.03 is the aim.

Some seconds are fixed (four commands and DVC start), whatever is new: of a few hundred photographs they are all that shows.
"""

from __future__ import annotations

import os
from pathlib import Path

import measure


def take(root: Path, delivery: Path) -> None:
    """Receive a delivery and bring intake up to date, as a person would: with DVC and the ledger."""
    measure.receive(root, delivery)
    measure.workbench("intake", "--workspace", root)


def measure_repeat(items: int, _turns: int) -> measure.Ratio:
    """Return the time of the repeat over that of the full run; once each, as a repeat can happen only once."""
    with measure.scratch() as folder:
        drawn = measure.draw_photographs(folder / "drawn", 8, seed=6)
        take(measure.new_workspace(folder / "warm"), drawn)
        full = measure.vary(drawn, folder / "full", items)
        more = measure.vary(drawn, folder / "more", max(1, items // 100), start=items)
        root = measure.new_workspace(folder / "workspace")
        os.sync()
        floor_s, _ = measure.timed(lambda: take(root, full))
        os.sync()
        work_s, _ = measure.timed(lambda: take(root, more))
    return measure.Ratio(
        name="reception and intake of 1 % more",
        against="the full run",
        items=items,
        unit="photographs of 3 megapixels",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=None,  # DVC's processes start others whose time nobody waits for
        floor_cpu_s=None,
    )


if __name__ == "__main__":
    measure.present(measure_repeat, items=2000)
