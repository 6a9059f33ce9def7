"""What the tables hold of each rendered image, put together again: for exports that others read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.domain.findings import refused
from workbench.domain.scene import Scene
from workbench.layout import Layout
from workbench.synthesis.again import read_scene
from workbench.tables import IMAGES, INSTANCES, POSES, RENDERS, read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedImage:
    """One rendered image: its rows, objects in the order of their ids, each with its row of `POSES`."""

    image: Mapping[str, Any]
    render: Mapping[str, Any]
    objects: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.image["width_px"], self.image["height_px"]


def rendered_images(layout: Layout) -> list[RenderedImage]:
    """Return all rendered images in the order of the recipe.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if nothing was rendered.

    """
    folder = layout.synthesis
    renders = {row["image_id"]: row for row in read_rows(folder / "renders.parquet", RENDERS)}
    if not renders:
        raise refused("workspace.input-missing", folder, "holds no image.", "Run `workbench synthesis` first.")
    poses = {row["instance_id"]: row for row in read_rows(folder / "poses.parquet", POSES)}
    objects: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    for row in read_rows(folder / "instances.parquet", INSTANCES):
        objects[row["image_id"]].append((row, poses[row["instance_id"]]))
    images = [
        RenderedImage(image=row, render=renders[row["image_id"]], objects=tuple(objects[row["image_id"]]))
        for row in read_rows(folder / "images.parquet", IMAGES)
    ]
    return sorted(images, key=lambda one: (one.render["recipe"], one.render["number"], one.render["image_id"]))


def scene_of(layout: Layout, one: RenderedImage) -> Scene:
    """Return the scene of a rendered image."""
    return read_scene(layout, one.render["scene_sha256"])
