"""A scene as Mitsuba's dictionary: sensor, lights, table, materials and shapes.

``mi`` is the Mitsuba module with its variant set, as `workbench.adapters.mitsuba` hands it in; nothing is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.shading import corner_normals
from workbench.domain.scene import PART_COLOURS, Camera, Card, Light, Material, PlacedPart, Scene
from workbench.ports import Mesh

#: OpenCV's camera looks along z with x right and y down; Mitsuba's with x left and y up.
_CV_TO_MITSUBA = np.diag([-1.0, -1.0, 1.0, 1.0])
#: The table reaches so far from the middle.
TABLE_HALF_M = 1.5


def described_scene(
    mi: Any, scene: Scene, meshes: Mapping[str, Mesh], textures: Mapping[str, Any], *, samples_per_pixel: int
) -> dict[str, Any]:
    """Return what ``mi.load_dict`` takes: the whole scene with albedo and normals beside the colours.

    Instance i of `Scene.instances` is the shape called ``instance{i:03d}``.
    """
    described: dict[str, Any] = {
        "type": "scene",
        "integrator": {
            "type": "aov",
            "aovs": "albedo:albedo,normal:sh_normal",
            "inner": {"type": "path", "max_depth": 6},
        },
        "sensor": _sensor(mi, scene.camera, samples_per_pixel),
        "room": {
            "type": "envmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(textures["room"], np.float32)),
            "scale": scene.room_strength,
            "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
        },
        "table": _table(mi, scene, textures["table"]),
    }
    for i, light in enumerate(scene.lights):
        described[f"light{i}"] = _lamp(mi, light)
    for i, instance in enumerate(scene.instances):
        described[f"instance{i:03d}"] = _shape(mi, instance, meshes, textures)
    return described


def _sensor(mi: Any, camera: Camera, samples_per_pixel: int) -> dict[str, Any]:
    fov_deg = 2 * np.degrees(np.arctan(camera.width_px / (2 * camera.focal_px)))
    film = {"type": "hdrfilm", "width": camera.width_px, "height": camera.height_px, "pixel_format": "rgb"}
    return {
        "type": "perspective",
        "fov": float(fov_deg),
        "fov_axis": "x",
        "near_clip": 0.01,
        "far_clip": 20.0,
        "to_world": mi.ScalarTransform4f(np.reshape(camera.pose, (4, 4)) @ _CV_TO_MITSUBA),
        "film": {**film, "rfilter": {"type": "box"}},
        "sampler": {"type": "independent", "sample_count": samples_per_pixel},
    }


def _lamp(mi: Any, light: Light) -> dict[str, Any]:
    return {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().look_at(list(light.position_m), list(light.target_m), [0.1, 1, 0.05])
        @ mi.ScalarTransform4f().scale(light.size_m / 2),
        "emitter": {"type": "area", "radiance": {"type": "rgb", "value": list(light.radiance_rgb)}},
    }


def _table(mi: Any, scene: Scene, texture: NDArray[np.float32]) -> dict[str, Any]:
    repeat = mi.ScalarTransform3f().scale(2 * TABLE_HALF_M / scene.table.tile_m)
    return {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().scale([TABLE_HALF_M, TABLE_HALF_M, 1]),
        "bsdf": _principled(_bitmap(mi, texture, to_uv=repeat), metallic=0.0, roughness=scene.table.roughness),
    }


def _bitmap(mi: Any, texture: NDArray[np.float32], **more: Any) -> dict[str, Any]:
    """Return a texture of sRGB values in [0, 1]."""
    bytes_hwc = np.ascontiguousarray(np.round(np.clip(texture, 0, 1) * 255).astype(np.uint8))
    return {"type": "bitmap", "bitmap": mi.Bitmap(bytes_hwc), "raw": False, **more}


def _shape(mi: Any, instance: PlacedPart | Card, meshes: Mapping[str, Mesh], textures: Any) -> Any:
    """Return one instance; without textures only its geometry, for the labels."""
    to_world = mi.ScalarTransform4f(np.reshape(instance.pose, (4, 4)))
    if isinstance(instance, Card):
        size = [instance.width_m / 2, instance.height_m / 2, 1]
        shape: dict[str, Any] = {"type": "rectangle", "to_world": to_world @ mi.ScalarTransform4f().scale(size)}
        if textures is not None:
            # A rectangle's v runs up and so do Mitsuba's bitmaps; a print's rows run down.
            shape["bsdf"] = _principled(_bitmap(mi, textures[instance.texture][::-1]), metallic=0.0, roughness=0.6)
        return shape
    mesh = meshes[instance.part_id]
    coloured = mesh.face_rgb is not None
    bsdf = (
        _material(mi, instance.material, textures, coloured=coloured) if textures is not None else {"type": "diffuse"}
    )
    return _mesh(mi, mesh, instance, bsdf)


def _mesh(mi: Any, mesh: Mesh, instance: PlacedPart, bsdf: dict[str, Any]) -> Any:
    """Return a Mitsuba mesh with creased normals and, along the print direction, texture coordinates."""
    corners, normals = corner_normals(mesh)
    pose = np.reshape(instance.pose, (4, 4))
    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict(bsdf)
    count = len(corners)
    shape = mi.Mesh("part", count, count // 3, has_vertex_normals=True, has_vertex_texcoords=True, props=properties)
    parameters = mi.traverse(shape)
    uv = corners[:, [0, 2]] / instance.material.texture_period_m
    parameters["vertex_positions"] = np.ravel(corners @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
    parameters["vertex_normals"] = np.ravel(normals @ pose[:3, :3].T).astype(np.float32)
    parameters["vertex_texcoords"] = np.ravel(uv).astype(np.float32)
    parameters["faces"] = np.arange(count, dtype=np.uint32)
    parameters.update()
    if mesh.face_rgb is not None:
        shape.add_attribute("face_rgb", 3, np.ravel(mesh.face_rgb).astype(np.float32))
    return shape


def _material(mi: Any, material: Material, textures: Mapping[str, Any], *, coloured: bool) -> dict[str, Any]:
    colour: dict[str, Any] = {"type": "rgb", "value": list(material.base_rgb)}
    if material.texture == PART_COLOURS:
        colour = {"type": "mesh_attribute", "name": "face_rgb"} if coloured else colour
    elif material.texture:
        tint = np.clip(np.asarray(material.base_rgb), 0, 1) ** (1 / 2.2)
        colour = _bitmap(mi, textures[material.texture] * tint.astype(np.float32))
    return _principled(colour, metallic=material.metallic, roughness=material.roughness)


def _principled(base_color: dict[str, Any], *, metallic: float, roughness: float) -> dict[str, Any]:
    inner = {
        "type": "principled",
        "base_color": base_color,
        "metallic": metallic,
        "roughness": roughness,
        "specular": 0.5,
    }
    return {"type": "twosided", "inner": inner}
