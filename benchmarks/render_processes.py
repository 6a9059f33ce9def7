"""Two rendering processes of one thread each against one, on two processors and on one of them."""

from __future__ import annotations

import os
import shutil

import measure
import yaml

ASKED = {"size_px": 320, "samples_per_pixel": 16}


def measure_processes(items: int, turns: int) -> measure.Ratio:
    """Return what two processes take over what one takes; 0.5 is twice as fast."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:  # noqa: PLR2004 -- two processes want two processors
        msg = "this process may run on one processor only: there is nothing to compare"
        raise RuntimeError(msg)
    with measure.scratch() as folder:
        root = folder / "ready"
        measure.workbench("init", root)
        params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        params["synthesis"] |= {**ASKED, "images": items}
        (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

        def run(turn: int, count: int) -> None:
            place = folder / f"turn-{turn}-{count}"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(root, place, symlinks=True)
            os.sched_setaffinity(0, processors[:count])
            try:
                measure.workbench("synthesis", "--stage", "--workers", count, "--workspace", place)
            finally:
                os.sched_setaffinity(0, processors)

        run(-1, 2)  # compiles the scenes' kernels
        answer = measure.in_turns(lambda turn: run(turn, 2), lambda turn: run(turn, 1), turns=turns)
    work_s, floor_s, work_cpu_s, floor_cpu_s = answer
    return measure.Ratio(
        name="render_processes",
        against="one process on one processor",
        items=items,
        unit="renders by two processes",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_processes, items=24)
