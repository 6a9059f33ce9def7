"""The synthesis stage against the engine alone: load, trace and denoise the very same scenes, write nothing."""

from __future__ import annotations

import shutil
from typing import Any

import measure
import numpy as np

from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.adapters.mitsuba_scene import described_scene


def watch(seen: list[tuple[MitsubaRenderer, Any, dict[str, Any]]]) -> Any:
    """Make the renderer note what it is asked to render; return what puts it back."""
    original = MitsubaRenderer.render

    def render(self: MitsubaRenderer, scene: Any, **given: Any) -> Any:
        seen.append((self, scene, given))
        return original(self, scene, **given)

    MitsubaRenderer.render = render  # type: ignore[method-assign]
    return lambda: setattr(MitsubaRenderer, "render", original)


def engine_alone(renderer: MitsubaRenderer, scene: Any, given: dict[str, Any]) -> None:
    """Load, trace and denoise one scene."""
    import pyoidn

    mi = renderer._mi  # noqa: SLF001 -- the floor is the same engine with nothing of ours around it
    samples = renderer._samples_per_pixel  # noqa: SLF001 -- as above
    loaded = mi.load_dict(described_scene(mi, scene, **given, samples_per_pixel=samples), optimize=False)
    traced = mi.render(loaded, spp=samples, seed=scene.seed)
    raw = np.array(traced, dtype=np.float32)
    colour, albedo, normal = (np.ascontiguousarray(raw[..., i : i + 3]) for i in (0, 3, 6))
    pyoidn.denoise(colour, albedo=np.clip(albedo, 0, 1), normal=np.clip(normal, -1, 1), hdr=True)


def measure_render(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer `workbench synthesis --stage` takes than the engine alone."""
    with measure.scratch() as folder:
        root = folder / "ready"
        measure.workbench("init", root)
        params = root / "params.yaml"
        text = params.read_text(encoding="utf-8")
        params.write_text(text.replace("images: 12", f"images: {items}"), encoding="utf-8")
        for turn in range(turns + 1):
            shutil.copytree(root, folder / f"turn-{turn}", symlinks=True)
        seen: list[tuple[MitsubaRenderer, Any, dict[str, Any]]] = []
        put_back = watch(seen)
        measure.workbench("synthesis", "--stage", "--workspace", folder / f"turn-{turns}")
        put_back()
        if len(seen) != items:
            msg = f"the stage rendered {len(seen)} scenes in this process, not {items}: the floor would be another work"
            raise RuntimeError(msg)

        def floor(_turn: int) -> None:
            for renderer, scene, given in seen:
                engine_alone(renderer, scene, given)

        def work(turn: int) -> None:
            measure.workbench("synthesis", "--stage", "--workspace", folder / f"turn-{turn}")

        floor(0)
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
    measure.present(measure_render, items=6)
