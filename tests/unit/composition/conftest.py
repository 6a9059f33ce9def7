"""A small workspace for composition: drawn photographs, and cut-outs that are plain discs with a plain shadow."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from workbench.adapters.compositing import compose
from workbench.adapters.cutout_files import encode_object, encode_shadow
from workbench.adapters.pixels import encode_rgb_jpeg
from workbench.composition.recipe import ACTIVITY, Recipe
from workbench.composition.stage import Tools
from workbench.domain.annotation import DecidedBy, Instance, Shape
from workbench.domain.composition import CutOut, CutOutPictures, LoneScene
from workbench.domain.geometry import Box
from workbench.domain.scene import Camera, Environment, Material, PlacedPart, Scene, Table
from workbench.layout import Layout
from workbench.tables import IMAGES, INSTANCES, LABELLED, instance_row, write_table

EYE = tuple(float(value) for value in np.eye(4).ravel())
SIDE_PX = 96
PARAMS: dict[str, Any] = {
    "activity": ACTIVITY,
    "images": 3,
    "seed": 5,
    "size_px": 160,
    "jpeg_quality": 92,
    "objects_per_image": [1, 3],
    "settings": 2,
    "cutouts_per_setting": 3,
    "cutout_px": SIDE_PX,
    "samples_per_pixel": 4,
}


def disc(
    radius_px: float = 20, *, level: float = 0.5, shadow: float = 0.5
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a disc in the middle, (h, w, 3), its coverage and a round shadow that has faded out at the border."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] + 0.5 - SIDE_PX / 2
    far = np.hypot(x, y)
    coverage = np.clip(radius_px - far + 0.5, 0, 1).astype(np.float32)
    ratio = 1 - (1 - shadow) * np.clip(1 - far / (SIDE_PX * 0.45), 0, 1)
    part = np.repeat(coverage[..., None] * level, 3, axis=2)
    return part.astype(np.float32), coverage, np.repeat(ratio[..., None], 3, axis=2).astype(np.float32)


def lone(setting: int, number: int) -> LoneScene:
    """Return a scene that differs by its seed."""
    material = Material(name="pla", base_rgb=(0.5, 0.5, 0.5), metallic=0.0, roughness=0.5)
    part = PlacedPart(part_id=f"part-{number}", mesh_sha256="m", category="negative.toy", material=material, pose=EYE)
    scene = Scene(
        recipe="cut-out",
        seed=100 * setting + number,
        parts=(part,),
        cards=(),
        camera=Camera(width_px=SIDE_PX, height_px=SIDE_PX, focal_px=200.0, pose=EYE),
        lights=(),
        environment=Environment(name="office", seed=0, strength=0.3),
        table=Table(kind="paper", seed=0, tile_m=0.5, roughness=1.0),
    )
    middle = SIDE_PX / 2
    square = (middle - 20, middle - 20, middle + 20, middle - 20, middle + 20, middle + 20, middle - 20, middle + 20)
    return LoneScene(
        scene=scene,
        setting=setting,
        pixels_per_m=1000.0,
        footprint_px=square,
        ground_px=(middle, middle),
        object_to_camera=EYE,
    )


def cut_out(scene: Scene) -> CutOutPictures:
    """Return a disc whose brightness follows from the scene's seed."""
    part, coverage, ratio = disc(level=0.2 + 0.001 * scene.seed)
    middle = SIDE_PX / 2
    return CutOutPictures(
        object_png=encode_object(part, coverage),
        shadow_png=encode_shadow(ratio),
        box_xyxy=(middle - 20, middle - 20, middle + 20, middle + 20),
    )


def library_entry(number: int, *, setting: int = 0, pixels_per_m: float = 1000.0) -> CutOut:
    """Return a cut-out as the library lists it."""
    one = lone(setting, number)
    return CutOut(
        work_key=f"{setting}-{number}",
        setting=setting,
        part_id=f"part-{number}",
        mesh_sha256="m",
        category="negative.toy",
        size_px=SIDE_PX,
        pixels_per_m=pixels_per_m,
        footprint_px=one.footprint_px,
        ground_px=one.ground_px,
        box_xyxy=(28.0, 28.0, 68.0, 68.0),
        object_to_camera=EYE,
        focal_px=200.0,
        object_sha256="a" * 64,
        shadow_sha256="b" * 64,
    )


def table_picture(number: int, *, size_wh: tuple[int, int] = (160, 120)) -> np.ndarray[Any, Any]:
    """Return a noisy surface."""
    rng = np.random.default_rng(number)
    return rng.integers(90, 130, (size_wh[1], size_wh[0], 3), dtype=np.uint8)


@pytest.fixture
def tools() -> Tools:
    """The stage's tools, all quick: discs for cut-outs, the real compositing."""
    return Tools(
        draw_lone=lone,
        cut_out=cut_out,
        cutout_engine={"engine": "discs"},
        draw_table=table_picture,
        encode_jpeg=lambda image: encode_rgb_jpeg(image, 92),
        compose=compose,
        engine={"opencv": "test"},
    )


@pytest.fixture
def recipe() -> Recipe:
    """A recipe of three small pictures."""
    return Recipe.from_params(PARAMS)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty workspace."""
    return Layout(tmp_path / "workspace")


class World:
    """A workspace with photographs of a partner who released them as backgrounds."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.images: list[dict[str, Any]] = []
        self.instances: list[dict[str, Any]] = []
        self.labelled: list[dict[str, Any]] = []

    def contribution(self, name: str, purposes: list[str]) -> None:
        folder = self.layout.deliveries / name
        folder.mkdir(parents=True)
        stated = {"contribution_id": name, "terms": {"permitted_purposes": purposes}}
        (folder / "contribution.json").write_text(json.dumps(stated))

    def photograph(
        self,
        contribution: str,
        *,
        split: str = "train",
        status: str | None = "agreed",
        category: str | None = None,
        excluded: str | None = None,
        **more: Any,
    ) -> str:
        jpeg = encode_rgb_jpeg(table_picture(1000 + len(self.images), size_wh=(320, 240)), 90)
        digest = hashlib.sha256(jpeg).hexdigest()
        path = self.layout.intake / contribution / "images" / f"{digest}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
        image_id = hashlib.sha256(digest.encode()).hexdigest()
        self.images.append(
            {
                "image_id": image_id,
                "origin": "real",
                "path": path.relative_to(self.layout.data).as_posix(),
                "file_sha256": digest,
                "width_px": 320,
                "height_px": 240,
                "licence": "CC-BY-4.0",
                "work_key": "k",
                "contribution_id": contribution,
                "partner_id": "north",
                "seizure_id": f"s-{len(self.images)}",
                "group_id": f"g-{len(self.images)}",
                "split": split,
                "excluded": excluded,
            }
        )
        if status:
            self.labelled.append({"image_id": image_id, "annotators": 2, "status": status})
        if category:
            label = Instance(
                instance_id=f"{image_id[:8]}-0",
                image_id=image_id,
                category=category,
                shape=more.get("shape", Shape.BOX),
                box=Box(x_min=10, y_min=20, x_max=90, y_max=100),
                mask_rle=more.get("mask_rle"),
                decided_by=DecidedBy.AGREEMENT,
            )
            self.instances.append(instance_row(label))
        return image_id

    def write(self) -> None:
        write_table(self.layout.curation / "images.parquet", IMAGES, self.images)
        write_table(self.layout.adjudication / "instances.parquet", INSTANCES, self.instances)
        write_table(self.layout.adjudication / "labelled.parquet", LABELLED, self.labelled)


@pytest.fixture
def world(layout: Layout) -> World:
    """A workspace to be filled with photographs."""
    return World(layout)


@pytest.fixture(scope="session")
def drawn() -> SimpleNamespace:
    """What tests draw with, and the section of params.yaml."""
    return SimpleNamespace(disc=disc, entry=library_entry, table=table_picture, params=PARAMS, side_px=SIDE_PX)
