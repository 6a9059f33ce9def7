"""Memory of one rendering process over many images: the product's own worker, never replaced; prints a line a step."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import measure
import psutil

from workbench.cli.rendering import planned_renders, resting_parts_of, studio_of
from workbench.cli.wiring import Workspace


def main() -> None:
    """Render so many small images and print resident memory as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--step", type=int, default=50)
    asked = parser.parse_args()
    with measure.scratch() as folder:
        root: Path = folder / "workspace"
        measure.workbench("init", root)
        workspace = Workspace.find(root, quiet=True)
        parts = resting_parts_of(workspace)
        asked_for = {"size_px": 64, "images": asked.items, "samples_per_pixel": 1}
        params = {**workspace.section("synthesis"), **asked_for}
        studio = studio_of(workspace, parts, params=params, threads=1)
        began = time.process_time()
        for number, planned in enumerate(planned_renders(workspace, parts, params=params), start=1):
            studio.photograph(planned)
            if number == 1 or number % asked.step == 0:
                held = psutil.Process().memory_info().rss / 1e6
                print(f"{number} images: {held:.0f} MB, {time.process_time() - began:.0f} CPU-s", flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
