"""From delivery to signed release again with one per cent more photographs, against the first build; at most 0.05 is the aim.

Everything a person starts takes part: reception, intake with the search for faces, labels, and `release build`, which has
DVC run curation, augmentation and the release, signs and tags it.
"""

from __future__ import annotations

from pathlib import Path

import measure


def build(root: Path, delivery: Path, name: str) -> None:
    """Take a delivery with its labels into a release, each command in a process of its own."""
    at = ("--workspace", root)
    labels, classes = (delivery.with_name(delivery.name + ending) for ending in (".labels.json", ".classes.yaml"))
    measure.workbench_apart("receive", delivery, "--partner", "bench", *at)
    measure.workbench_apart("intake", *at)
    form = ("--format", "coco", "--classes", classes, "--coordinates", "stored")
    measure.workbench_apart("labelling", "import", labels, *form, *at)
    measure.workbench_apart("release", "build", name, *at)


def measure_build(items: int, _turns: int) -> measure.Ratio:
    """Return the time of the second build over that of the first; once each, as a repeat can happen only once."""
    with measure.scratch() as folder:
        full = measure.draw_photographs(folder / "full", items, seed=8)
        more = measure.draw_photographs(folder / "more", max(1, items // 100), seed=9)
        root = measure.new_workspace(folder / "workspace")
        params = root / "params.yaml"
        # Renders cost the same whatever is delivered: they would flatter the repeat.
        params.write_text(params.read_text(encoding="utf-8").replace("images: 12 ", "images: 0 "), encoding="utf-8")
        floor_s, floor_cpu_s = measure.timed(lambda: build(root, full, "v1"))
        work_s, work_cpu_s = measure.timed(lambda: build(root, more, "v2"))
    return measure.Ratio(
        name="release of 1 % more, from delivery on",
        against="the first release",
        items=items,
        unit="photographs of 3 megapixels",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_build, items=700)
