"""A photograph of the workbench against Blender Cycles at equal quality: the same scenes, each to its own reference.

Cycles is what BlenderProc renders with. Blender runs in a process and an environment of its own, which are made on demand
(bpy from the package registry, some 400 MB, Python 3.11); it never comes near the workbench's environment. Both engines
get the same triangles, normals, texture coordinates and pictures, principled materials, lamps, surroundings, camera and
depth of field, the same length of paths, and Open Image Denoise with albedo and normals. Quality is the PSNR of the
denoised picture to the engine's own picture of 1,024 paths a pixel, both in sRGB at the exposure that brings the
reference to middle grey. Counted is what the workbench takes for a whole photograph, labels and JPEG included, at its
default of 16 paths, and what Cycles takes, rendering and denoising alone, for that PSNR (between two counts of paths on a
logarithmic scale). Scenes are small, because references are dear.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import measure
import numpy as np

from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.adapters.shading import box_coordinates, corner_normals
from workbench.cli.rendering import planned_renders, resting_parts_of, studio_of
from workbench.cli.wiring import Workspace
from workbench.synthesis.prints import textures_of

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE.parent / ".venv-bpy"
SIZE_PX, REFERENCE, DEFAULT = int(os.environ.get("WORKBENCH_BENCH_SIZE_PX", "320")), 1024, 16
LADDER = (4, 8, 16, 32, 64, 128)


def blender() -> Path:
    """Return the Python of the environment that has bpy; make it if it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        print("making .venv-bpy (bpy, some 400 MB) ...", file=sys.stderr)
        subprocess.run(["uv", "venv", "-q", "--python", "3.11", str(ENVIRONMENT)], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), "bpy>=4.5,<5.1"], check=True)
    return python


def srgb_linear(values: Any) -> Any:
    """Return linear values of sRGB ones in [0, 1] (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004


def describe(folder: Path, scene: Any, meshes: Any, textures: Any) -> None:
    """Write a scene as arrays and scene.json, the way the workbench's own adapter describes it to its engine."""
    folder.mkdir(parents=True)
    listed: list[dict[str, Any]] = []

    def saved(array: Any) -> str:
        name = f"{len(list(folder.glob('*.npy'))):03d}.npy"
        np.save(folder / name, np.asarray(array, np.float32))
        return name

    def add(corners: Any, normals: Any, uv: Any, material: dict[str, Any]) -> None:
        listed.append({"corners": saved(corners), "normals": saved(normals), "uv": saved(uv), "material": material})

    def quad(half_w: float, half_h: float, pose: Any, repeat: float, material: dict[str, Any]) -> None:
        square = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
        corners = (square * [half_w, half_h, 1]) @ pose[:3, :3].T + pose[:3, 3]
        add(corners, np.tile(pose[:3, 2], (6, 1)), (square[:, :2] + 1) / 2 * repeat, material)

    def looks(**about: Any) -> dict[str, Any]:
        return {"relief": None, "relief_m": 0.0, **about}

    table, turn = scene.table, np.radians(scene.table.turn_deg)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    quad(
        1.5, 1.5, turned, 3.0 / table.tile_m,
        looks(
            colour=saved(srgb_linear(textures["table"])), roughness=table.roughness, metallic=table.metallic,
            relief=saved(textures["table_relief"]) if table.relief_m else None, relief_m=table.relief_m,
        ),
    )  # fmt: skip
    for card in scene.cards:
        look = looks(colour=saved(srgb_linear(textures[card.texture][::-1])), roughness=0.6, metallic=0.0)
        quad(card.width_m / 2, card.height_m / 2, np.reshape(card.pose, (4, 4)), 1.0, look)
    placed = [(part, textures[f"part{i}"]) for i, part in enumerate(scene.parts)]
    placed += [(prop, textures[f"prop{i}"]) for i, prop in enumerate(scene.props)]
    for part, finish in placed:
        corners, normals = corner_normals(meshes[part.part_id])
        material, pose = part.material, np.reshape(part.pose, (4, 4))
        printed = material.relief_m > 0
        uv = box_coordinates(corners, material.texture_period_m, across=8.0 if printed else 1.0, printed=printed)
        look = looks(
            colour=saved(finish.colour_hwc), roughness=saved(finish.roughness_hw), metallic=material.metallic,
            relief=saved(finish.relief_hw) if finish.relief_hw is not None else None,
            relief_m=material.relief_m,
        )  # fmt: skip
        add(corners @ pose[:3, :3].T + pose[:3, 3], normals @ pose[:3, :3].T, uv, look)
    camera = {
        key: getattr(scene.camera, key)
        for key in ("width_px", "height_px", "focal_px", "pose", "aperture_m", "focus_m")
    }
    lamps = [
        {key: getattr(lamp, key) for key in ("position_m", "target_m", "size_m", "radiance_rgb")}
        for lamp in scene.lights
    ]
    around = scene.environment
    room = {"room": saved(textures["room"]), "strength": around.strength, "turn_deg": around.turn_deg}
    document = {"meshes": listed, "camera": camera, "lamps": lamps, "room": room}
    (folder / "scene.json").write_text(json.dumps(document))


def psnr_db(picture: Any, reference: Any) -> float:
    """Return the PSNR of a linear picture to a linear reference, both as sRGB with the reference's middle at 0.18."""
    gain = 0.18 / np.mean(reference @ [0.2126, 0.7152, 0.0722])
    shown = []
    for linear in (picture, reference):
        light = np.clip(linear * gain, 0, 1)
        shown.append(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))  # noqa: PLR2004
    return float(-10 * np.log10(np.mean((shown[0] - shown[1]) ** 2)))


def samples_for(target_db: float, quality_db: dict[int, float]) -> float | None:
    """Return how many paths give a PSNR, between two measured counts on a logarithmic scale; null beyond the last."""
    counts = sorted(quality_db)
    for low, high in pairwise(counts):
        if quality_db[low] <= target_db <= quality_db[high]:
            share = (target_db - quality_db[low]) / (quality_db[high] - quality_db[low])
            return float(low * (high / low) ** share)
    return float(counts[0]) if target_db < quality_db[counts[0]] else None


def compare(scene: Any, studio: Any, planned: Any, folder: Path) -> dict[str, Any]:
    """Return what both take for one scene at the PSNR of ours."""
    textures = textures_of(scene)
    describe(folder, scene, studio.meshes, textures)
    # First of all, while the engine has not met this scene: what it compiles for a new one counts.
    began, began_cpu = time.perf_counter(), time.process_time()
    studio.shoot(planned)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    ours_db = {}
    reference = MitsubaRenderer(samples_per_pixel=REFERENCE).radiance(
        replace(scene, seed=scene.seed + 1), meshes=studio.meshes, textures=textures, denoised=False
    )
    for count in (8, DEFAULT, 32):
        engine = MitsubaRenderer(samples_per_pixel=count)
        ours_db[count] = psnr_db(engine.radiance(scene, meshes=studio.meshes, textures=textures), reference)
    # Isolated, or Blender would take this folder's modules for its own.
    line = [str(blender()), "-I", str(HERE / "cycles_blender.py"), str(folder), str(measure.PROCESSES), str(REFERENCE)]
    done = subprocess.run([*line, *map(str, LADDER)], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        msg = "Blender ended early"
        raise RuntimeError(msg)
    took = json.loads(next(row for row in done.stdout.splitlines() if row.startswith("TOOK "))[5:])
    theirs = np.load(folder / f"linear.{REFERENCE}.npy")
    theirs_db = {count: psnr_db(np.load(folder / f"linear.{count}.npy"), theirs) for count in LADDER}
    count = samples_for(ours_db[DEFAULT], theirs_db)
    needed = count or float(LADDER[-1])
    at = {kind: float(np.interp(needed, LADDER, [took[str(n)][kind] for n in LADDER])) for kind in ("wall_s", "cpu_s")}
    return {
        "ours_db": ours_db, "theirs_db": theirs_db, "samples": needed, "reached": count is not None,
        "ours": {"wall_s": wall_s, "cpu_s": cpu_s}, "theirs": at, "ladder": took,
    }  # fmt: skip


def measure_cycles(items: int, turns: int) -> measure.Ratio:  # noqa: ARG001 -- one turn is dear enough
    """Return what the workbench takes over what Cycles takes for the same PSNR, summed over some scenes."""
    with measure.scratch() as folder:
        root = folder / "workspace"
        measure.workbench("init", root)
        workspace = Workspace.find(root, quiet=True)
        parts = resting_parts_of(workspace)
        params = {
            **workspace.section("synthesis"),
            "size_px": SIZE_PX,
            "images": items + 1,
            "samples_per_pixel": DEFAULT,
        }
        studio = studio_of(workspace, parts, params=params)
        results = []
        *plan, other = planned_renders(workspace, parts, params=params)
        studio.shoot(other)  # loads the engine
        for planned in plan:
            straight = replace(planned.scene.camera, distortion=(0.0,) * 5, motion_px=(0.0, 0.0))
            scene = replace(planned.scene, camera=straight)
            about = replace(planned, scene=scene)
            results.append(compare(scene, studio, about, folder / f"scene{planned.number}"))
            print(json.dumps(results[-1]), file=sys.stderr)
    ours, theirs = (
        {kind: sum(result[side][kind] for result in results) for kind in ("wall_s", "cpu_s")}
        for side in ("ours", "theirs")
    )
    return measure.Ratio(
        name="cycles",
        against="Blender Cycles at equal PSNR",
        items=items,
        unit=f"renders of {SIZE_PX} px",
        work_s=ours["wall_s"],
        floor_s=theirs["wall_s"],
        work_cpu_s=ours["cpu_s"],
        floor_cpu_s=theirs["cpu_s"],
    )


if __name__ == "__main__":
    measure.present(measure_cycles, items=3)
