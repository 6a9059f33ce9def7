"""A scene as Mitsuba's dictionary: sensor, lights, table, materials and shapes.

``mi`` is the Mitsuba module with its variant set, as `workbench.adapters.mitsuba` hands it in; nothing is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.lens import straight_size
from workbench.adapters.shading import box_coordinates, corner_normals, edge_coordinates
from workbench.domain.scene import PART_COLOURS, Camera, Card, Environment, Light, Material, PlacedPart, Scene, Table
from workbench.ports import Mesh

#: OpenCV's camera looks along z with x right and y down; Mitsuba's with x left and y up.
_CV_TO_MITSUBA = np.diag([-1.0, -1.0, 1.0, 1.0])
#: The table reaches so far from the middle.
TABLE_HALF_M = 1.5


def described_scene(
    mi: Any, scene: Scene, meshes: Mapping[str, Mesh], textures: Mapping[str, Any], *, samples_per_pixel: int
) -> dict[str, Any]:
    """Return what ``mi.load_dict`` takes: the whole scene.

    Instance i of `Scene.instances` is the shape called ``instance{i:03d}``.
    """
    described: dict[str, Any] = {
        "type": "scene",
        "sensor": _sensor(mi, scene.camera, samples_per_pixel),
        "room": _room(mi, scene.environment, textures["room"]),
        "table": _table(mi, scene.table, textures),
    }
    for i, light in enumerate(scene.lights):
        described[f"light{i}"] = _lamp(mi, light)
    for i, instance in enumerate(scene.instances):
        if isinstance(instance, Card):
            described[f"instance{i:03d}"] = _card(mi, instance, textures[instance.texture])
        else:
            described[f"instance{i:03d}"] = _part(mi, instance, meshes, textures[f"part{i}"])
    for i, prop in enumerate(scene.props):
        described[f"prop{i:03d}"] = _part(mi, prop, meshes, textures[f"prop{i}"])
    return described


def _sensor(mi: Any, camera: Camera, samples_per_pixel: int) -> dict[str, Any]:
    """Return the straight camera from whose picture the lens's is resampled."""
    width, height = straight_size(camera)
    fov_deg = 2 * np.degrees(np.arctan(width / (2 * camera.focal_px)))
    film = {"type": "hdrfilm", "width": width, "height": height, "pixel_format": "rgb"}
    return {
        # A thin lens blurs near and far as it should, behind edges too, and costs nothing; labels come from its middle.
        "type": "thinlens" if camera.aperture_m else "perspective",
        **({"aperture_radius": camera.aperture_m / 2, "focus_distance": camera.focus_m} if camera.aperture_m else {}),
        "fov": float(fov_deg),
        "fov_axis": "x",
        "near_clip": 0.01,
        "far_clip": 20.0,
        "to_world": mi.ScalarTransform4f(np.reshape(camera.pose, (4, 4)) @ _CV_TO_MITSUBA),
        "film": {**film, "rfilter": {"type": "box"}},
        # Spread evenly in every dimension: as good as four times as many independent samples (docs/synthesis.md).
        "sampler": {"type": "multijitter", "sample_count": samples_per_pixel},
    }


def _room(mi: Any, environment: Environment, texture: NDArray[np.float32] | Path) -> dict[str, Any]:
    bitmap = (
        mi.Bitmap(str(texture)) if isinstance(texture, Path) else mi.Bitmap(np.ascontiguousarray(texture, np.float32))
    )
    turned = mi.ScalarTransform4f().rotate([0, 0, 1], environment.turn_deg)
    return {
        "type": "envmap",
        "bitmap": bitmap,
        "scale": environment.strength,
        "to_world": turned @ mi.ScalarTransform4f().rotate([1, 0, 0], 90),
    }


def _lamp(mi: Any, light: Light) -> dict[str, Any]:
    return {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().look_at(list(light.position_m), list(light.target_m), [0.1, 1, 0.05])
        @ mi.ScalarTransform4f().scale(light.size_m / 2),
        "emitter": {"type": "area", "radiance": {"type": "rgb", "value": list(light.radiance_rgb)}},
    }


def _table(mi: Any, table: Table, textures: Mapping[str, Any]) -> Any:
    bsdf = _principled(_bitmap(mi, textures["table"]), metallic=table.metallic, roughness=table.roughness)
    if table.relief_m:
        bsdf = _raised(mi, bsdf, textures["table_relief"], table.relief_m)
    return table_shape(mi, table, {"type": "twosided", "inner": bsdf})


def table_shape(mi: Any, table: Table, bsdf: dict[str, Any]) -> Any:
    """Return the table top as two triangles; texture coordinates count its tiles."""
    turn = np.radians(table.turn_deg)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * TABLE_HALF_M
    turned = square @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict(bsdf)
    shape = mi.Mesh("table", 4, 2, has_vertex_texcoords=True, props=properties)
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = np.column_stack([turned, np.zeros(4)]).ravel().astype(np.float32)
    # Not by the texture's own scale: that is a constant in the engine's code, which is then compiled anew for each scene.
    parameters["vertex_texcoords"] = ((square + TABLE_HALF_M) / table.tile_m).ravel().astype(np.float32)
    parameters["faces"] = np.array([0, 1, 2, 0, 2, 3], np.uint32)
    parameters.update()
    return shape


def _bitmap(mi: Any, texture: NDArray[np.float32]) -> dict[str, Any]:
    """Return a texture of sRGB values in [0, 1]."""
    bytes_hwc = np.ascontiguousarray(np.round(np.clip(texture, 0, 1) * 255).astype(np.uint8))
    return {"type": "bitmap", "bitmap": mi.Bitmap(bytes_hwc), "raw": False}


def _numbers(mi: Any, texture: NDArray[np.float32]) -> dict[str, Any]:
    """Return a texture of plain numbers, a colour's or one a pixel."""
    pixels = texture if texture.ndim == 3 else texture[..., None]  # noqa: PLR2004 -- rows, columns, channels
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(pixels, np.float32)), "raw": True}


def _card(mi: Any, card: Card, print_hwc: NDArray[np.float32] | None) -> dict[str, Any]:
    to_world = mi.ScalarTransform4f(np.reshape(card.pose, (4, 4)))
    size = [card.width_m / 2, card.height_m / 2, 1]
    shape: dict[str, Any] = {"type": "rectangle", "to_world": to_world @ mi.ScalarTransform4f().scale(size)}
    if print_hwc is not None:
        # A rectangle's v runs up and so do Mitsuba's bitmaps; a print's rows run down.
        bsdf = _principled(_bitmap(mi, print_hwc[::-1]), metallic=0.0, roughness=0.6)
        shape["bsdf"] = {"type": "twosided", "inner": bsdf}
    return shape


def _part(mi: Any, part: PlacedPart, meshes: Mapping[str, Mesh], finish: Any) -> Any:
    """Return a Mitsuba mesh with creased normals and box-projected texture coordinates; bare without a finish."""
    mesh = meshes[part.part_id]
    corners, normals = corner_normals(mesh)
    material, pose = part.material, np.reshape(part.pose, (4, 4))
    properties = mi.Properties()
    skin = {"type": "diffuse"}
    if finish is not None:
        skin = _skin(mi, material, finish, coloured=mesh.face_rgb is not None)
    properties["mesh_bsdf"] = mi.load_dict(skin)
    count = len(corners)
    shape = mi.Mesh("part", count, count // 3, has_vertex_normals=True, has_vertex_texcoords=True, props=properties)
    parameters = mi.traverse(shape)
    printed = material.relief_m > 0
    # A seam comes once in a printed part's girth, layers many times in its height.
    uv = box_coordinates(corners, material.texture_period_m, across=8.0 if printed else 1.0, printed=printed)
    if finish is not None and finish.edge_uv is not None:
        uv = edge_coordinates(corners, mesh.faces, uv, finish.edge_uv)
    parameters["vertex_positions"] = np.ravel(corners @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
    parameters["vertex_normals"] = np.ravel(normals @ pose[:3, :3].T).astype(np.float32)
    parameters["vertex_texcoords"] = np.ravel(uv).astype(np.float32)
    parameters["faces"] = np.arange(count, dtype=np.uint32)
    parameters.update()
    if mesh.face_rgb is not None:
        shape.add_attribute("face_rgb", 3, np.ravel(mesh.face_rgb).astype(np.float32))
    return shape


def _skin(mi: Any, material: Material, finish: Any, *, coloured: bool) -> dict[str, Any]:
    """Return the material as its `workbench.synthesis.finishes.Finish` has it; a part may bring its own colours."""
    own = coloured and material.texture == PART_COLOURS
    bsdf = _principled(
        {"type": "mesh_attribute", "name": "face_rgb"} if own else _numbers(mi, finish.colour_hwc),
        metallic=_numbers(mi, np.full((1, 1), material.metallic, np.float32)),
        roughness=_numbers(mi, finish.roughness_hw),
    )
    # Smooth or raised, metal or not, all parts are of one build: each other build is one more thing to compile for.
    relief_hw = finish.relief_hw if finish.relief_hw is not None else np.zeros((2, 2), np.float32)
    return {"type": "twosided", "inner": _raised(mi, bsdf, relief_hw, material.relief_m)}


def _raised(mi: Any, bsdf: dict[str, Any], relief_hw: NDArray[np.float32], height_m: float) -> dict[str, Any]:
    # The height goes into the picture, as a scale would be one more constant to compile for.
    return {"type": "bumpmap", "scale": 1.0, "height": _numbers(mi, relief_hw * np.float32(height_m)), "bsdf": bsdf}


def _principled(base_color: dict[str, Any], *, metallic: Any, roughness: Any) -> dict[str, Any]:
    return {
        "type": "principled",
        "base_color": base_color,
        "metallic": metallic,
        "roughness": roughness,
        "specular": 0.5,
    }
