"""The renderer: Mitsuba 3 path tracing with Open Image Denoise, and exact labels from primary rays.

Bytes are the same for the same scene, engine version and class of CPU; masks and poses do not depend on either.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.shading import corner_normals, developed, to_photograph, world_rays
from workbench.domain.findings import refused
from workbench.domain.scene import Camera, Card, Material, PlacedPart, Scene
from workbench.ports import Mesh, Rendering

#: OpenCV's camera looks along z with x right and y down; Mitsuba's with x left and y up.
_CV_TO_MITSUBA = np.diag([-1.0, -1.0, 1.0, 1.0])


class MitsubaRenderer:
    """Fits `workbench.ports.Renderer`.

    Parameters
    ----------
    samples_per_pixel
        Paths traced a pixel; 8 to 16 are enough before the denoiser.
    variant
        Mitsuba's variant; by default ``llvm_ad_rgb`` where LLVM is found, else the slow ``scalar_rgb``.

    """

    def __init__(self, *, samples_per_pixel: int, variant: str | None = None) -> None:
        """Remember the settings; Mitsuba itself is loaded when first used."""
        self._samples_per_pixel = samples_per_pixel
        # Always asked, because Dr.Jit settles on an LLVM when it is first imported, and the system's may abort.
        best = _best_variant()
        self._variant = variant or best

    @cached_property
    def _mi(self) -> Any:
        try:
            import mitsuba
        except ImportError as error:
            raise refused(
                "workspace.tool-missing", "mitsuba", f"cannot be loaded ({error}).", "Install it: `make install`."
            ) from error
        mitsuba.set_variant(self._variant)
        mitsuba.set_log_level(mitsuba.LogLevel.Error)
        return mitsuba

    @property
    def engine(self) -> Mapping[str, str]:
        """Name, version and variant, of the engine and of the denoiser."""
        return {
            "engine": "mitsuba",
            "version": importlib.metadata.version("mitsuba"),
            "variant": self._variant,
            "denoiser": f"oidn {importlib.metadata.version('pyoidn')}",
        }

    def render(self, scene: Scene, *, meshes: Mapping[str, Mesh], textures: Mapping[str, Any]) -> Rendering:
        """Return the photograph of a scene and its exact labels."""
        import pyoidn

        mi = self._mi
        loaded = mi.load_dict(self._described(scene, meshes, textures), optimize=False)
        raw = np.array(mi.render(loaded, spp=self._samples_per_pixel, seed=scene.seed), dtype=np.float32)
        colour, albedo, normal = (np.ascontiguousarray(raw[..., i : i + 3]) for i in (0, 3, 6))
        smooth = pyoidn.denoise(colour, albedo=np.clip(albedo, 0, 1), normal=np.clip(normal, -1, 1), hdr=True)
        index, depth = self._cast(loaded, scene.camera, [f"instance{i:03d}" for i in range(len(scene.instances))])
        alone = (
            np.stack([self._alone(scene, i, meshes) for i in range(len(scene.instances))]) if scene.instances else None
        )
        return Rendering(
            image_hwc=to_photograph(developed(smooth, scene.camera), seed=scene.seed),
            instance_hw=index,
            depth_hw=depth,
            alone_nhw=np.zeros((0, *index.shape), bool) if alone is None else alone,
        )

    def _alone(self, scene: Scene, i: int, meshes: Mapping[str, Mesh]) -> NDArray[np.bool_]:
        """Return the pixels one instance covers with nothing else in the scene."""
        shape = self._shape(scene.instances[i], meshes, None)
        loaded = self._mi.load_dict({"type": "scene", "instance": shape}, optimize=False)
        index, _ = self._cast(loaded, scene.camera, ["instance"])
        return np.asarray(index == 0)

    def _cast(self, loaded: Any, camera: Camera, names: list[str]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return which named shape each pixel centre sees (-1: another or none) and how deep, by primary rays."""
        mi = self._mi
        origin, direction, ahead = world_rays(camera)
        height, width = camera.height_px, camera.width_px
        shapes = {shape.id(): shape for shape in loaded.shapes()}
        wanted = [shapes[name] for name in names]
        index = np.full(height * width, -1, np.int32)
        if self._variant.startswith("scalar"):
            hits = [loaded.ray_intersect_preliminary(mi.Ray3f(origin, d)) for d in direction]
            distance = np.array([hit.t for hit in hits])
            order = {id(shape): i for i, shape in enumerate(wanted)}
            index[:] = [next((i for i, s in enumerate(wanted) if hit.shape == s), -1) if order else -1 for hit in hits]
        else:
            rays = mi.Ray3f(
                mi.Point3f(*map(float, origin)), mi.Vector3f(*(mi.Float(direction[:, i]) for i in range(3)))
            )
            hit = loaded.ray_intersect_preliminary(rays, coherent=True)
            distance = np.array(hit.t)
            for i, shape in enumerate(wanted):
                index[np.array(hit.shape == mi.ShapePtr(shape))] = i
        depth = np.where(np.isfinite(distance), distance * ahead, 0.0)
        return index.reshape(height, width), depth.astype(np.float32).reshape(height, width)

    def _described(self, scene: Scene, meshes: Mapping[str, Mesh], textures: Mapping[str, Any]) -> dict[str, Any]:
        """Return the scene as Mitsuba's dictionary."""
        mi, camera = self._mi, scene.camera
        fov_deg = 2 * np.degrees(np.arctan(camera.width_px / (2 * camera.focal_px)))
        film = {"type": "hdrfilm", "width": camera.width_px, "height": camera.height_px, "pixel_format": "rgb"}
        described: dict[str, Any] = {
            "type": "scene",
            "integrator": {
                "type": "aov",
                "aovs": "albedo:albedo,normal:sh_normal",
                "inner": {"type": "path", "max_depth": 6},
            },
            "sensor": {
                "type": "perspective",
                "fov": float(fov_deg),
                "fov_axis": "x",
                "near_clip": 0.01,
                "far_clip": 20.0,
                "to_world": mi.ScalarTransform4f(np.reshape(camera.pose, (4, 4)) @ _CV_TO_MITSUBA),
                "film": {**film, "rfilter": {"type": "box"}},
                "sampler": {"type": "independent", "sample_count": self._samples_per_pixel},
            },
            "room": {
                "type": "envmap",
                "bitmap": mi.Bitmap(np.ascontiguousarray(textures["room"], np.float32)),
                "scale": scene.room_strength,
                "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
            },
            "table": self._table(scene, textures["table"]),
        }
        for i, light in enumerate(scene.lights):
            described[f"light{i}"] = {
                "type": "rectangle",
                "to_world": mi.ScalarTransform4f().look_at(list(light.position_m), list(light.target_m), [0.1, 1, 0.05])
                @ mi.ScalarTransform4f().scale(light.size_m / 2),
                "emitter": {"type": "area", "radiance": {"type": "rgb", "value": list(light.radiance_rgb)}},
            }
        for i, instance in enumerate(scene.instances):
            described[f"instance{i:03d}"] = self._shape(instance, meshes, textures)
        return described

    def _table(self, scene: Scene, texture: NDArray[np.float32]) -> dict[str, Any]:
        mi, half_m = self._mi, 1.5
        repeat = mi.ScalarTransform3f().scale(2 * half_m / scene.table.tile_m)
        return {
            "type": "rectangle",
            "to_world": mi.ScalarTransform4f().scale([half_m, half_m, 1]),
            "bsdf": _principled(self._bitmap(texture, to_uv=repeat), metallic=0.0, roughness=scene.table.roughness),
        }

    def _bitmap(self, texture: NDArray[np.float32], **more: Any) -> dict[str, Any]:
        """Return a texture of sRGB values in [0, 1]."""
        bytes_hwc = np.ascontiguousarray(np.round(np.clip(texture, 0, 1) * 255).astype(np.uint8))
        return {"type": "bitmap", "bitmap": self._mi.Bitmap(bytes_hwc), "raw": False, **more}

    def _shape(self, instance: PlacedPart | Card, meshes: Mapping[str, Mesh], textures: Any) -> Any:
        """Return one instance; without textures only its geometry, for the labels."""
        mi = self._mi
        to_world = mi.ScalarTransform4f(np.reshape(instance.pose, (4, 4)))
        if isinstance(instance, Card):
            size = [instance.width_m / 2, instance.height_m / 2, 1]
            shape: dict[str, Any] = {"type": "rectangle", "to_world": to_world @ mi.ScalarTransform4f().scale(size)}
            if textures is not None:
                # A rectangle's v runs up and so do Mitsuba's bitmaps; a print's rows run down.
                shape["bsdf"] = _principled(self._bitmap(textures[instance.texture][::-1]), metallic=0.0, roughness=0.6)
            return shape
        bsdf = self._material(instance.material, textures) if textures is not None else {"type": "diffuse"}
        return self._mesh(meshes[instance.part_id], instance, bsdf)

    def _mesh(self, mesh: Mesh, instance: PlacedPart, bsdf: dict[str, Any]) -> Any:
        """Return a Mitsuba mesh with creased normals and, along the print direction, texture coordinates."""
        mi = self._mi
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
        return shape

    def _material(self, material: Material, textures: Mapping[str, Any]) -> dict[str, Any]:
        colour: dict[str, Any] = {"type": "rgb", "value": list(material.base_rgb)}
        if material.texture:
            tint = np.clip(np.asarray(material.base_rgb), 0, 1) ** (1 / 2.2)
            colour = self._bitmap(textures[material.texture] * tint.astype(np.float32))
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


def _best_variant() -> str:
    """Return the fastest variant this machine can run; points Dr.Jit to the LLVM that came as a wheel."""
    if "DRJIT_LIBLLVM_PATH" not in os.environ and (library := _llvm()):
        os.environ["DRJIT_LIBLLVM_PATH"] = str(library)
    return "llvm_ad_rgb" if os.environ.get("DRJIT_LIBLLVM_PATH") else "scalar_rgb"


def _llvm() -> Path | None:
    """Return the shared library of the wheel karellen-llvm-core, or null."""
    try:
        files = importlib.metadata.files("karellen-llvm-core") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name == "libLLVM.so"]
    return found[0].resolve() if found and found[0].exists() else None


def cpu_class() -> str:
    """Return the vector instructions that decide the last bits of a pixel: avx512, avx2 or the machine's name."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        flags = set()
    for name, flag in (("avx512", "avx512f"), ("avx2", "avx2")):
        if flag in flags:
            return f"{platform.machine()}-{name}"
    return platform.machine()
