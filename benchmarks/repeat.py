"""The stages again with one per cent more photographs, against the full run; here less than 1 is the aim."""

from __future__ import annotations

from pathlib import Path

import measure


def walk(root: Path, delivery: Path) -> None:
    """Take one more delivery through every stage that handles photographs."""
    measure.receive(root, delivery)
    measure.workbench("intake", "--stage", "--workspace", root)
    measure.import_labels(root, delivery)
    for stage in ("adjudication", "curation", "augmentation"):
        measure.workbench(stage, "--stage", "--workspace", root)


def measure_repeat(items: int, _turns: int) -> measure.Ratio:
    """Return the time of the repeat over that of the full run; once each, as a repeat can happen only once."""
    with measure.scratch() as folder:
        walk(measure.new_workspace(folder / "warm"), measure.draw_photographs(folder / "few", 4, seed=0))
        full = measure.draw_photographs(folder / "full", items, seed=4)
        more = measure.draw_photographs(folder / "more", max(1, items // 100), seed=5)
        root = measure.new_workspace(folder / "workspace")
        floor_s, floor_cpu_s = measure.timed(lambda: walk(root, full))
        work_s, work_cpu_s = measure.timed(lambda: walk(root, more))
    return measure.Ratio(
        name="repeat with 1 % more",
        against="the full run",
        items=items,
        unit="photographs",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_repeat, items=200)
