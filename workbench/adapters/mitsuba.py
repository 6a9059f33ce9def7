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

from workbench.adapters.lens import world_rays
from workbench.adapters.mitsuba_scene import bare_shape, described_scene
from workbench.adapters.phone import photograph
from workbench.domain.findings import refused
from workbench.domain.scene import Camera, Scene
from workbench.ports import Mesh, Rendering


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
        described = described_scene(mi, scene, meshes, textures, samples_per_pixel=self._samples_per_pixel)
        loaded = mi.load_dict(described, optimize=False)
        raw = np.array(mi.render(loaded, spp=self._samples_per_pixel, seed=scene.seed), dtype=np.float32)
        colour, albedo, normal = (np.ascontiguousarray(raw[..., i : i + 3]) for i in (0, 3, 6))
        smooth = pyoidn.denoise(colour, albedo=np.clip(albedo, 0, 1), normal=np.clip(normal, -1, 1), hdr=True)
        index, depth = self._cast(loaded, scene.camera, [f"instance{i:03d}" for i in range(len(scene.instances))])
        alone = (
            np.stack([self._alone(scene, i, meshes) for i in range(len(scene.instances))]) if scene.instances else None
        )
        return Rendering(
            image_hwc=photograph(smooth, scene.camera, seed=scene.seed),
            instance_hw=index,
            depth_hw=depth,
            alone_nhw=np.zeros((0, *index.shape), bool) if alone is None else alone,
        )

    def _alone(self, scene: Scene, i: int, meshes: Mapping[str, Mesh]) -> NDArray[np.bool_]:
        """Return the pixels one instance covers with nothing else in the scene."""
        shape = bare_shape(self._mi, scene.instances[i], meshes)
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
