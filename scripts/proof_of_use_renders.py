"""Stand-ins of three kinds of hand tool as plain shapes, rendered by the workbench's own commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import trimesh
import yaml
from numpy.typing import NDArray
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.synthesis.parts import spanner

#: Kinds of object, with the materials their stand-ins are rendered in.
KINDS = {
    "wrench": ("steel", "brushed_steel", "black_oxide"),
    "screwdriver": ("polymer", "gloss", "steel"),
    "hammer": ("black_oxide", "polymer", "steel"),
}
_SMALL = {"settings": 1, "cutouts_per_setting": 6, "cutout_px": 64, "samples_per_pixel": 2, "size_px": 160}
_FULL = {"settings": 4, "cutouts_per_setting": 6, "cutout_px": 176, "samples_per_pixel": 8, "size_px": 480}


def _cylinder(radius_mm: float, start_mm: float, end_mm: float, axis: int = 0) -> trimesh.Trimesh:
    mesh = trimesh.creation.cylinder(radius=radius_mm, height=end_mm - start_mm, sections=40)
    turn = {0: ([0, 1, 0], np.pi / 2), 1: ([1, 0, 0], np.pi / 2), 2: ([1, 0, 0], 0.0)}[axis]
    mesh.apply_transform(trimesh.transformations.rotation_matrix(turn[1], turn[0]))
    offset = np.zeros(3)
    offset[axis] = (start_mm + end_mm) / 2
    mesh.apply_translation(offset)
    return mesh


def _box(size_mm: tuple[float, float, float], middle_mm: tuple[float, float, float]) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(size_mm)
    mesh.apply_translation(middle_mm)
    return mesh


def stand_ins(rng: np.random.Generator, count: int) -> list[tuple[str, str, trimesh.Trimesh]]:
    """Return (kind, name, mesh in millimetres): so many of each kind, in other proportions."""
    found = []
    for number in range(count):
        made = spanner()
        stretch = np.array([rng.uniform(0.9, 1.6), rng.uniform(0.8, 1.2), rng.uniform(0.7, 1.2)]) * 1000
        wrench = trimesh.Trimesh(made.vertices_m * stretch, made.faces, process=False)
        grip, shaft = rng.uniform(80, 115), rng.uniform(70, 150)
        screwdriver = trimesh.util.concatenate(
            [
                _cylinder(rng.uniform(11, 15), 0, grip),
                _cylinder(rng.uniform(8, 10), grip - 22, grip + 8),
                _cylinder(rng.uniform(2.5, 3.8), grip, grip + shaft),
                _box((10, rng.uniform(5, 8), 1.6), (grip + shaft, 0, 0)),
            ]
        )
        handle, head = rng.uniform(220, 300), rng.uniform(85, 115)
        hammer = trimesh.util.concatenate(
            [
                _cylinder(rng.uniform(10, 14), 0, handle * 0.55),
                _cylinder(rng.uniform(7, 9), handle * 0.5, handle),
                _box((26, head * 0.55, 24), (handle, 0, 0)),
                _cylinder(rng.uniform(13, 16), head * 0.2, head * 0.55, axis=1).apply_translation((handle, 0, 0)),
                _box((14, head * 0.45, 20), (handle, -head * 0.4, 0)),
            ]
        )
        found += [(kind, f"{kind}-{number}", mesh) for kind, mesh in
                  (("wrench", wrench), ("screwdriver", screwdriver), ("hammer", hammer))]  # fmt: skip
    return found


def render_crops(
    root: Path, pictures: int, crop: Callable[[NDArray[np.uint8], tuple[float, ...]], NDArray[np.uint8]], *, small: bool
) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Return crops of composed pictures and their kinds; what was made before in the workspace is used again."""
    if not (root / "dvc.yaml").is_file():
        _make_workspace(root, variants=1 if small else 4)
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["composition"] |= {"images": pictures, "objects_per_image": [1, 4], **(_SMALL if small else _FULL)}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    _workbench("composition", "--stage", "--workspace", root)
    folder = root / "data" / "06_composition"
    images = pd.read_parquet(folder / "images.parquet").set_index("image_id")["path"]
    parts = pd.read_parquet(folder / "poses.parquet").set_index("instance_id")
    crops, kinds = [], []
    for row in pd.read_parquet(folder / "instances.parquet").sort_values("instance_id").itertuples():
        box = (row.x_min, row.y_min, row.x_max, row.y_max)
        # A part mostly hidden or cut by the frame is learnt by nobody; the real crops are of visible objects too.
        if parts.loc[row.instance_id, "visible_frac"] > 0.5 and max(box[2] - box[0], box[3] - box[1]) >= 24:  # noqa: PLR2004
            image = np.asarray(cv2.imread(str(root / "data" / images[row.image_id])), np.uint8)
            crops.append(crop(image, box))
            kinds.append(list(KINDS).index(str(parts.loc[row.instance_id, "part_id"]).rsplit("-", 1)[0]))
    return crops, kinds


def _make_workspace(root: Path, *, variants: int) -> None:
    """Make a workspace whose catalogue holds the stand-ins only."""
    _workbench("init", root)
    files = root.parent / "stand-ins"
    files.mkdir(exist_ok=True)
    for kind, name, mesh in stand_ins(np.random.default_rng(3), variants):
        path = files / f"{name}.stl"
        mesh.export(path)
        options = [part for material in KINDS[kind] for part in ("--material", material)]
        add = ("synthesis", "add", path, "--category", "negative.tool", "--unit", "mm", *options)
        _workbench(*add, "--workspace", root)
    index = root / "data" / "00_catalogue" / "catalogue.json"
    rows = json.loads(index.read_text(encoding="utf-8"))
    index.write_text(json.dumps([row for row in rows if row["source"] == "file"]), encoding="utf-8")


def _workbench(*arguments: Any) -> None:
    """Run a command in this process.

    Raises
    ------
    RuntimeError
        If it does not end well.

    """
    done = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--json"])
    if done.exit_code:
        msg = f"workbench {arguments[0]} ended with {done.exit_code}: {done.output[-800:]}"
        raise RuntimeError(msg) from done.exception
