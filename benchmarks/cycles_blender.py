"""Renders a described scene with Blender Cycles; run by the Python of an environment that has bpy, never by ours.

Reads a folder that `benchmarks/cycles.py` wrote: scene.json and arrays. Renders once for each count of samples asked
for and writes linear.<samples>.npy; prints what each took as JSON. The reference is not denoised.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector


def image_of(array: Any, name: str) -> Any:
    """Make a float image of linear values; row 0 is where v is 0, in Blender as in Mitsuba."""
    pixels = array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)  # noqa: PLR2004 -- rows, columns, channels
    rgba = np.concatenate([pixels, np.ones((*pixels.shape[:2], 1))], axis=2).astype(np.float32)
    image = bpy.data.images.new(name, pixels.shape[1], pixels.shape[0], float_buffer=True, is_data=True)
    image.pixels.foreach_set(rgba.ravel())
    image.update()
    return image


def material_of(about: dict[str, Any], folder: Path, name: str) -> Any:
    """Make a material of the principled model with the textures that the description names."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Metallic"].default_value = about["metallic"]

    def texture(key: str) -> Any:
        node = nodes.new("ShaderNodeTexImage")
        node.image = image_of(np.load(folder / about[key]), f"{name}-{key}")
        return node.outputs["Color"]

    links.new(texture("colour"), shader.inputs["Base Color"])
    if isinstance(about["roughness"], str):
        links.new(texture("roughness"), shader.inputs["Roughness"])
    else:
        shader.inputs["Roughness"].default_value = about["roughness"]
    if about["relief"]:
        bump = nodes.new("ShaderNodeBump")
        bump.inputs["Distance"].default_value = about["relief_m"]
        links.new(texture("relief"), bump.inputs["Height"])
        links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    return material


def add_mesh(about: dict[str, Any], folder: Path, name: str) -> None:
    """Add triangles with their corners' normals and texture coordinates."""
    corners, normals, uv = (np.load(folder / about[key]) for key in ("corners", "normals", "uv"))
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners.tolist(), [], np.arange(len(corners)).reshape(-1, 3).tolist())
    layer = mesh.uv_layers.new()
    layer.data.foreach_set("uv", uv.astype(np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.normals_split_custom_set(normals.tolist())
    mesh.materials.append(material_of(about["material"], folder, name))
    bpy.context.collection.objects.link(bpy.data.objects.new(name, mesh))


def add_lamp(about: dict[str, Any], name: str) -> None:
    """Add a square lamp; Blender's watts are radiance times area times pi."""
    lamp = bpy.data.lights.new(name, "AREA")
    strongest = max(about["radiance_rgb"])
    lamp.shape, lamp.size = "SQUARE", about["size_m"]
    lamp.energy = strongest * math.pi * about["size_m"] ** 2
    lamp.color = [value / strongest for value in about["radiance_rgb"]]
    thing = bpy.data.objects.new(name, lamp)
    thing.location = about["position_m"]
    towards = Vector(about["target_m"]) - Vector(about["position_m"])
    thing.rotation_euler = towards.to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(thing)


def add_room(about: dict[str, Any], folder: Path) -> None:
    """Surround the scene with an equirectangular picture of radiance."""
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    picture = nodes.new("ShaderNodeTexEnvironment")
    picture.image = image_of(np.load(folder / about["room"])[::-1], "room")
    turned = nodes.new("ShaderNodeMapping")
    turned.inputs["Rotation"].default_value[2] = -math.radians(about["turn_deg"])
    links.new(nodes.new("ShaderNodeTexCoord").outputs["Generated"], turned.inputs["Vector"])
    links.new(turned.outputs["Vector"], picture.inputs["Vector"])
    links.new(picture.outputs["Color"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = about["strength"]


def add_camera(about: dict[str, Any]) -> None:
    """Add the camera; Blender's looks along -z with y up, OpenCV's along z with y down."""
    camera = bpy.data.cameras.new("camera")
    camera.sensor_fit, camera.sensor_width = "HORIZONTAL", 36.0
    camera.lens = about["focal_px"] / about["width_px"] * 36.0
    camera.clip_start = 0.01
    if about["aperture_m"]:
        camera.dof.use_dof, camera.dof.focus_distance = True, about["focus_m"]
        camera.dof.aperture_fstop = camera.lens / 1000 / about["aperture_m"]
    thing = bpy.data.objects.new("camera", camera)
    pose = np.reshape(about["pose"], (4, 4)) @ np.diag([1, -1, -1, 1])
    thing.matrix_world = Matrix(pose.tolist())
    bpy.context.collection.objects.link(thing)
    bpy.context.scene.camera = thing


def render(folder: Path, samples: int, seed: int, *, denoise: bool) -> tuple[float, float]:
    """Render; return wall-clock and CPU seconds."""
    scene = bpy.context.scene
    scene.cycles.samples, scene.cycles.seed = samples, seed
    scene.cycles.use_denoising = denoise
    path = folder / f"cycles.{samples}.exr"
    scene.render.filepath = str(path)
    began, began_cpu = time.perf_counter(), time.process_time()
    bpy.ops.render.render(write_still=True)
    took = time.perf_counter() - began, time.process_time() - began_cpu
    image = bpy.data.images.load(str(path))
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    width, height = image.size
    np.save(folder / f"linear.{samples}.npy", pixels.reshape(height, width, 4)[::-1, :, :3])
    path.unlink()
    return took


def main() -> None:
    """Build the scene and render it as often as asked."""
    folder, threads, reference = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    about = json.loads((folder / "scene.json").read_text())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    scene.cycles.denoising_prefilter = "NONE"  # as ours: the guides as they were traced
    scene.cycles.pixel_filter_type = "BOX"  # as ours
    for kind in ("max_bounces", "diffuse_bounces", "glossy_bounces"):
        setattr(scene.cycles, kind, 5)  # a path of six segments, as ours
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.render.resolution_x, scene.render.resolution_y = about["camera"]["width_px"], about["camera"]["height_px"]
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    for i, mesh in enumerate(about["meshes"]):
        add_mesh(mesh, folder, f"mesh{i}")
    for i, lamp in enumerate(about["lamps"]):
        add_lamp(lamp, f"lamp{i}")
    add_room(about["room"], folder)
    add_camera(about["camera"])
    render(folder, 1, 0, denoise=True)  # loads kernels and the denoiser's weights
    took = {}
    for samples in [int(word) for word in sys.argv[4:]]:
        wall_s, cpu_s = render(folder, samples, 1, denoise=True)
        took[samples] = {"wall_s": wall_s, "cpu_s": cpu_s}
        print(samples, took[samples], file=sys.stderr, flush=True)
    render(folder, reference, 2, denoise=False)
    print("TOOK " + json.dumps(took))


main()
