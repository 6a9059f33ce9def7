"""Assembling a release against writing the same bytes into an empty folder."""

from __future__ import annotations

import shutil

import measure
from augmentation import prepare


def measure_release(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench release assemble` takes than writing what it wrote."""
    with measure.scratch() as folder:
        root = prepare(folder / "ready", measure.draw_photographs(folder / "delivery", items, seed=3))
        measure.workbench("augmentation", "--stage", "--workspace", root)
        params = root / "params.yaml"
        params.write_text(params.read_text(encoding="utf-8").replace("images: 12", "images: 0"), encoding="utf-8")
        measure.workbench("synthesis", "--stage", "--workspace", root)
        for turn in range(turns):
            shutil.copytree(root, folder / f"turn-{turn}", symlinks=True)
        measure.workbench("release", "assemble", "--workspace", root)  # warms the imports, and makes the bytes
        made = root / "data" / "07_release"
        files = {path.relative_to(made): path.read_bytes() for path in sorted(made.rglob("*")) if path.is_file()}

        def floor(turn: int) -> None:
            for name, data in files.items():
                path = folder / f"bare-{turn}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

        def work(turn: int) -> None:
            measure.workbench("release", "assemble", "--workspace", folder / f"turn-{turn}")

        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
    return measure.Ratio(
        name="release",
        against="writing the same bytes",
        items=len(files),
        unit=f"files, {sum(map(len, files.values())) / 1e6:.0f} MB",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_release, items=40)
