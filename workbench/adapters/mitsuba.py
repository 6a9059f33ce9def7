"""The renderer: Mitsuba 3 path tracing with Open Image Denoise, and exact labels from primary rays.

Bytes are the same for the same scene, engine version and class of CPU; masks and poses do not depend on either.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters import casting
from workbench.adapters.mitsuba_scene import described_scene
from workbench.adapters.phone import photograph
from workbench.domain.findings import refused
from workbench.domain.scene import PlacedPart, Scene
from workbench.ports import Labels, Mesh, Rendering

#: Ends of the names of a scene's parameters that the engine would take for constants.
_CONSTANTS = ("aperture_radius", "focus_distance", "room.scale", "to_world")


class MitsubaRenderer:
    """Fits `workbench.ports.Renderer`.

    Parameters
    ----------
    samples_per_pixel
        Paths traced a pixel; 8 to 16 are enough before the denoiser.
    variant
        Mitsuba's variant; by default ``llvm_ad_rgb`` where LLVM is found, else the slow ``scalar_rgb``.
    threads
        How many threads the engine and the denoiser use in this process; by default one for each processor. The
        result is the same for any number.

    """

    def __init__(self, *, samples_per_pixel: int, variant: str | None = None, threads: int | None = None) -> None:
        """Remember the settings; Mitsuba itself is loaded when first used."""
        self._samples_per_pixel, self._threads = samples_per_pixel, threads
        # Always asked, because Dr.Jit settles on an LLVM when it is first imported, and the system's may abort.
        best = _best_variant()
        self._variant = variant or best

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the settings alone to another process, which loads an engine of its own."""
        return partial(
            MitsubaRenderer,
            samples_per_pixel=self._samples_per_pixel,
            variant=self._variant,
            threads=self._threads,
        ), ()

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
        if self._threads is not None:
            import drjit

            drjit.set_thread_count(self._threads)
            os.environ["OIDN_NUM_THREADS"] = str(self._threads)  # read when the denoiser is first used
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

    def render(
        self,
        scene: Scene,
        *,
        meshes: Mapping[str, Mesh],
        textures: Mapping[str, Any],
        points_m: NDArray[np.float64] | None = None,
    ) -> Rendering:
        """Return the photograph of a scene and its exact labels."""
        loaded = self._loaded(scene, meshes, textures)
        image = photograph(self._light(loaded, scene.seed), scene.camera, seed=scene.seed)
        return Rendering(image_hwc=image, **self._seen(loaded, scene, meshes, points_m))

    def radiance(
        self, scene: Scene, *, meshes: Mapping[str, Mesh], textures: Mapping[str, Any], denoised: bool = True
    ) -> NDArray[np.float32]:
        """Return the linear light of the straight picture, before lens and phone; as traced, or denoised."""
        return self._light(self._loaded(scene, meshes, textures), scene.seed, denoised=denoised)

    def _loaded(self, scene: Scene, meshes: Mapping[str, Mesh], textures: Mapping[str, Any]) -> Any:
        described = described_scene(self._mi, scene, meshes, textures, samples_per_pixel=self._samples_per_pixel)
        loaded = self._mi.load_dict(described, optimize=False)
        return loaded if self._variant.startswith("scalar") else _made_opaque(self._mi, loaded)

    def _light(self, loaded: Any, seed: int, *, denoised: bool = True) -> NDArray[np.float32]:
        """Return a loaded scene's light, (h, w, 3); albedo and normals guide the denoiser.

        Light and guides are traced one after the other, of the same seed and so of the same samples: an integrator that
        gives both traces every path twice.
        """
        import pyoidn

        colour, guides = (
            np.array(self._mi.render(loaded, integrator=one, spp=self._samples_per_pixel, seed=seed), np.float32)
            for one in self._integrators
        )
        if not denoised:
            return colour
        albedo, normal = (np.ascontiguousarray(guides[..., i : i + 3]) for i in (0, 3))
        smooth = pyoidn.denoise(colour, albedo=np.clip(albedo, 0, 1), normal=np.clip(normal, -1, 1), hdr=True)
        return np.asarray(smooth, np.float32)

    @cached_property
    def _integrators(self) -> tuple[Any, Any]:
        """What traces the light, and what traces albedo and normals."""
        path = {"type": "path", "max_depth": 6}
        return self._mi.load_dict(path), self._mi.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})

    def label(
        self,
        scene: Scene,
        *,
        meshes: Mapping[str, Mesh],
        points_m: NDArray[np.float64] | None = None,
        normals: bool = False,
    ) -> Labels:
        """Return the labels of a scene without its photograph."""
        mi = self._mi
        loaded = casting.bare_world(mi, scene, meshes)
        facing = casting.normals(mi, loaded, scene.camera) if normals else None
        return Labels(normal_hwc=facing, **self._seen(loaded, scene, meshes, points_m))

    def _seen(
        self, loaded: Any, scene: Scene, meshes: Mapping[str, Mesh], points_m: NDArray[np.float64] | None
    ) -> dict[str, Any]:
        """Return the fields of `Labels` that every rendering has, by rays in the loaded scene."""
        mi, camera = self._mi, scene.camera
        hits = casting.cast(mi, loaded, camera, casting.frame(camera))
        registered = casting.numbers(mi, loaded, [f"instance{i:03d}" for i in range(len(scene.instances))])
        index_of = np.full(max([0, *registered, int(hits.shape_hw.max())]) + 1, -1, np.int32)
        index_of[registered] = np.arange(len(registered))
        depth = np.where(np.isfinite(hits.distance_hw), hits.distance_hw * hits.ahead_hw, 0.0)
        alone = [self._alone(scene, i, meshes) for i in range(len(registered))]
        return {
            "instance_hw": index_of[hits.shape_hw],
            "depth_hw": depth.astype(np.float32),
            "alone_nhw": np.array([mask for mask, _, _ in alone], bool).reshape(-1, camera.height_px, camera.width_px),
            "whole_px": np.array([count for _, count, _ in alone], np.int64),
            "whole_xyxy": np.array([box for _, _, box in alone], np.int64).reshape(-1, 4),
            "first_m": casting.distances_m(mi, loaded, camera, np.zeros((0, 3)) if points_m is None else points_m),
        }

    def _alone(
        self, scene: Scene, i: int, meshes: Mapping[str, Mesh]
    ) -> tuple[NDArray[np.bool_], int, tuple[int, ...]]:
        """Return what one instance covers with nothing else there: in the frame, and the count and box beyond it too."""
        thing, camera = scene.instances[i], scene.camera
        mesh = meshes[thing.part_id] if isinstance(thing, PlacedPart) else None
        inside = np.zeros((camera.height_px, camera.width_px), bool)
        window = casting.window_around(camera, casting.corners_m(thing, mesh))
        if not all(window.shape_hw):
            return inside, 0, (0, 0, 0, 0)
        covered = casting.cast(self._mi, casting.bare_scene(self._mi, thing, mesh), camera, window).shape_hw > 0
        top, bottom = (min(max(edge, 0), camera.height_px) for edge in (window.top, window.bottom))
        left, right = (min(max(edge, 0), camera.width_px) for edge in (window.left, window.right))
        here = covered[top - window.top : bottom - window.top, left - window.left : right - window.left]
        inside[top:bottom, left:right] = here
        if not covered.any():
            return inside, 0, (0, 0, 0, 0)
        rows, columns = (
            np.flatnonzero(covered.any(axis=1)) + window.top,
            np.flatnonzero(covered.any(axis=0)) + window.left,
        )
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return inside, int(covered.sum()), box


def _made_opaque(mi: Any, loaded: Any) -> Any:
    """Return a loaded scene whose numbers are data to the compiled code, not part of it.

    Otherwise nearly every scene is one more kernel to be compiled, which takes longer than to render a small picture.
    """
    import drjit

    parameters = mi.traverse(loaded)
    for key in parameters.keys():  # noqa: SIM118 -- no mapping: iterating over it gives pairs
        value = parameters[key]
        if key.endswith(_CONSTANTS) and not isinstance(value, float | int):
            drjit.make_opaque(value)
            parameters[key] = value
    parameters.update()
    return loaded


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
