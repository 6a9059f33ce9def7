"""The synthesis stage against the engine alone: load, trace and denoise the very same scenes, write nothing.

Photographs of 640 x 640 pixels, 16 paths a pixel, five objects each, with all masks, poses and points. Both sides find the
kernels that Dr.Jit compiles for a scene on disk, where the first, untimed turn left them; a new scene's cost both the same.
"""

from __future__ import annotations

import shutil
from typing import Any

import measure
import yaml

from workbench.cli.rendering import planned_renders, resting_parts_of, studio_of
from workbench.cli.wiring import Workspace
from workbench.synthesis.prints import textures_of

ASKED = {"size_px": 640, "samples_per_pixel": 16, "objects_per_image": [5, 5]}


def measure_render(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench synthesis --stage` takes than the engine alone."""
    with measure.scratch() as folder:
        root = folder / "ready"
        measure.workbench("init", root)
        params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        params["synthesis"] |= {**ASKED, "images": items}
        (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for turn in range(turns + 1):
            shutil.copytree(root, folder / f"turn-{turn}", symlinks=True)
        workspace = Workspace.find(root, quiet=True)
        parts = resting_parts_of(workspace)
        studio = studio_of(workspace, parts)
        scenes = [(planned.scene, textures_of(planned.scene)) for planned in planned_renders(workspace, parts)]
        renderer: Any = studio.renderer

        def floor(_turn: int) -> None:
            for scene, textures in scenes:
                renderer.radiance(scene, meshes=studio.meshes, textures=textures)

        def work(turn: int) -> None:
            answer = measure.workbench("synthesis", "--stage", "--workspace", folder / f"turn-{turn}")
            if answer["data"]["rendered"] != items:
                msg = f"the stage rendered {answer['data']['rendered']} scenes, not {items}: the floor is another work"
                raise RuntimeError(msg)

        floor(turns)
        work(turns)
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, floor, turns=turns)
    return measure.Ratio(
        name="render",
        against="the engine alone",
        items=items,
        unit="renders",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_render, items=12)
