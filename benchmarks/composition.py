"""Composition against decoding, resizing and encoding the same backgrounds, with as many processes; cut-outs are there."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import measure
import pandas as pd
import yaml

#: A library as it ships has 48; fewer are as many times used and quicker to prepare.
_LIBRARY = {"settings": 3, "cutouts_per_setting": 4, "samples_per_pixel": 8}


def bare(job: tuple[Path, tuple[int, int], int]) -> int:
    """Decode, resize and encode one background: what no composition can leave out."""
    import cv2

    cv2.setNumThreads(1)
    path, size_wh, quality = job
    small = cv2.resize(cv2.imread(str(path)), size_wh, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return int(encoded.size)


def prepare(root: Path, pictures: Path, items: int) -> Path:
    """Make a workspace with added pictures and a library, ready to put ``items`` pictures together; return it."""
    measure.workbench("init", root)
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["composition"] |= {"images": 1, **_LIBRARY}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    measure.workbench("composition", "add", pictures, "--licence", "CC0-1.0", "--workspace", root)
    measure.workbench_apart("composition", "--stage", "--workspace", root)
    params["composition"]["images"] = items
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return root


def jobs(root: Path) -> list[tuple[Path, tuple[int, int], int]]:
    """Return the backgrounds of the pictures made, one a picture, as the floor takes them."""
    quality = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["composition"]["jpeg_quality"]
    folder = root / "data" / "06_composition"
    behind = pd.read_parquet(root / "data" / "00_backgrounds" / "backgrounds.parquet").set_index("image_id")["path"]
    made_of = pd.read_parquet(folder / "made_of.parquet").set_index("image_id")["background_id"]
    sizes = pd.read_parquet(folder / "images.parquet")[["image_id", "width_px", "height_px"]]
    return [
        (root / "data" / behind[made_of[row.image_id]], (row.width_px, row.height_px), quality)
        for row in sizes.itertuples()
    ]


def measure_composition(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench composition --stage` takes than the bare work."""
    with measure.scratch() as folder:
        pictures = measure.draw_photographs(folder / "pictures", items // 2, seed=4, size_wh=(1280, 960))
        root = prepare(folder / "ready", pictures, items)
        for turn in range(turns + 1):
            shutil.copytree(root, folder / f"turn-{turn}", symlinks=True)
        measure.workbench("composition", "--stage", "--workspace", folder / f"turn-{turns}")  # warms the imports
        todo = jobs(folder / f"turn-{turns}")

        def floor(_turn: int) -> None:
            with ProcessPoolExecutor(measure.PROCESSES) as pool:
                list(pool.map(bare, todo))

        def work(turn: int) -> None:
            measure.workbench("composition", "--stage", "--workspace", folder / f"turn-{turn}")

        floor(0)
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
    print(f"{items / work_cpu_s:.1f} pictures a CPU second, planning and tables included", file=sys.stderr)
    return measure.Ratio(
        name="composition",
        against="decode + resize + encode",
        items=items,
        unit="pictures",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_composition, items=200)
