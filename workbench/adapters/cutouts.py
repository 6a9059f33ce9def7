"""Parts cut out: path-traced alone on a grey table, and taken apart into the part and what its shadow leaves of the light.

Each path knows what it met first, so part and table are told apart inside every pixel: no fringe of the grey table stays
at an edge. Bytes are the same for the same scene, engine version and class of CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.cutout_files import encode_object, encode_shadow
from workbench.adapters.masks import mask_box
from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.adapters.mitsuba_scene import described_scene
from workbench.domain.composition import CutOutPictures
from workbench.domain.findings import refused
from workbench.domain.scene import Scene
from workbench.ports import Mesh

Pixels = NDArray[np.float32]

#: sRGB value of the table: a reflectance of about 0.35, so that it throws a usual share of light back at the part.
_TABLE_SRGB = 0.63
#: The empty table's light varies slowly: it is traced on a coarse grid and fitted by a polynomial of this degree.
_COARSE, _DEGREE = 8, 3
#: A pixel shows enough of the table for its light to be read from.
_ENOUGH_TABLE = 0.5
#: A path that met the table brings no more than so many times the empty table's light: what bright parts throw back in
#: points would take thousands of paths to become smooth.
_MOST_LIGHT = 3.0
#: A change of the table's light smaller than this is what is left of the paths' noise.
_NOTHING = 0.008
#: Over this share of the side the shadow fades out towards the border.
_FADE_FRAC = 0.16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traced:
    """Sums of paths, by what they met first; (h, w, 3) or (h, w)."""

    part: Pixels
    albedo: Pixels
    normal: Pixels
    table: Pixels
    coverage: Pixels


class CutOutRenderer:
    """Renders lone scenes with Mitsuba and takes them apart.

    Parameters
    ----------
    samples_per_pixel
        Paths traced a pixel.

    """

    def __init__(self, *, samples_per_pixel: int) -> None:
        """Remember the settings; Mitsuba itself is loaded when first used."""
        self._samples = samples_per_pixel
        self._renderer = MitsubaRenderer(samples_per_pixel=samples_per_pixel)

    @property
    def engine(self) -> Mapping[str, str]:
        """Name, version and variant, of the engine and of the denoiser."""
        return self._renderer.engine

    def __call__(self, scene: Scene, *, meshes: Mapping[str, Mesh], textures: Mapping[str, Any]) -> CutOutPictures:
        """Return the part and its shadow (see `workbench.adapters.cutout_files`).

        Raises
        ------
        Refused
            ``workspace.tool-missing`` if there is no LLVM: without it a part would take minutes.

        """
        import pyoidn

        if not self.engine["variant"].startswith("llvm"):
            raise refused(
                "workspace.tool-missing", "LLVM", "is not here, and cut-outs need it.", "Install it: `make install`."
            )
        grey = {**textures, "table": np.full((8, 8, 3), _TABLE_SRGB, np.float32)}
        empty = self._empty_table(scene, meshes, grey)
        traced = self._traced(scene, meshes, grey, samples=self._samples, most=_MOST_LIGHT * float(empty.max()))
        part = pyoidn.denoise(traced.part, albedo=traced.albedo, normal=traced.normal, hdr=True)
        alpha = traced.coverage[..., None]
        middle = empty[empty.shape[0] // 2, empty.shape[1] // 2]
        white = middle / _reflectance(_TABLE_SRGB)
        part = np.where(alpha > 0, np.maximum(part, 0), 0) / white
        box = mask_box(traced.coverage > 0)
        return CutOutPictures(
            object_png=encode_object(part, traced.coverage),
            shadow_png=encode_shadow(_faded(_shadow(traced, empty))),
            box_xyxy=(0.0, 0.0, 0.0, 0.0) if box is None else box.xyxy,
        )

    def _empty_table(self, scene: Scene, meshes: Mapping[str, Mesh], textures: Mapping[str, Any]) -> Pixels:
        """Return the light of the table with nothing on it, (h, w, 3)."""
        from dataclasses import replace

        camera = scene.camera
        side = camera.width_px // _COARSE
        coarse = replace(camera, width_px=side, height_px=side, focal_px=camera.focal_px * side / camera.width_px)
        bare = replace(scene, parts=(), camera=coarse)
        light = self._traced(bare, meshes, textures, samples=4 * self._samples).table
        return _fitted(light, camera.height_px, camera.width_px)

    def _traced(
        self,
        scene: Scene,
        meshes: Mapping[str, Mesh],
        textures: Mapping[str, Any],
        *,
        samples: int,
        most: float = np.inf,
    ) -> _Traced:
        """Trace a scene path by path and sum the paths by what they met first; on the table each counts ``most`` at most."""
        mi = self._renderer._mi  # noqa: SLF001 -- the same session of the same engine
        described = described_scene(mi, scene, meshes, textures, samples_per_pixel=samples)
        loaded = mi.load_dict(described, optimize=False)
        height, width = scene.camera.height_px, scene.camera.width_px
        count = height * width * samples
        sampler = mi.load_dict({"type": "independent", "sample_count": 1})
        sampler.seed(scene.seed, count)
        pixel = np.repeat(np.arange(height * width, dtype=np.uint32), samples)
        jitter = sampler.next_2d()
        place = mi.Point2f((mi.Float(pixel % width) + jitter.x) / width, (mi.Float(pixel // width) + jitter.y) / height)
        ray, _ = loaded.sensors()[0].sample_ray_differential(0.0, 0.5, place, mi.Point2f(0.5, 0.5))
        seen = loaded.ray_intersect(ray)
        light, _, _ = mi.load_dict({"type": "path", "max_depth": 6}).sample(loaded, sampler, ray)
        named = {shape.id(): shape for shape in loaded.shapes()}
        on_part = np.array(seen.shape == mi.ShapePtr(named["instance000"])) if scene.parts else np.zeros(count, bool)
        on_table = np.array(seen.shape == mi.ShapePtr(named["table"]))

        def summed(values: Any, chosen: NDArray[np.bool_]) -> Pixels:
            array = np.array(values, np.float32).T if values is not None else np.ones((count, 1), np.float32)
            kept = np.where(chosen[:, None], array, 0).reshape(height, width, samples, -1)
            return np.asarray(kept.mean(axis=2, dtype=np.float32))

        coverage = summed(None, on_part)[..., 0]
        on_either = np.maximum(summed(None, on_table), 1e-6)
        return _Traced(
            part=np.ascontiguousarray(summed(light, on_part)),
            albedo=np.ascontiguousarray(np.clip(summed(seen.bsdf(ray).eval_diffuse_reflectance(seen), on_part), 0, 1)),
            normal=np.ascontiguousarray(summed(seen.sh_frame.n, on_part)),
            table=np.ascontiguousarray(summed(np.minimum(np.array(light), most), on_table) / on_either),
            coverage=coverage,
        )


def _reflectance(srgb: float) -> float:
    return float(((srgb + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1


def _fitted(light: Pixels, height: int, width: int) -> Pixels:
    """Return a smooth light, given on a coarse grid, as a polynomial evaluated on a fine one, (height, width, 3)."""

    def terms(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([x**i * y**j for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)], axis=-1)

    def grid(rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        y, x = np.mgrid[0:rows, 0:columns]
        return (y + 0.5) / rows * 2 - 1, (x + 0.5) / columns * 2 - 1

    known = terms(*grid(*light.shape[:2])).reshape(-1, (_DEGREE + 1) * (_DEGREE + 2) // 2)
    factors, *_ = np.linalg.lstsq(known, light.reshape(-1, 3).astype(np.float64), rcond=None)
    return np.asarray(terms(*grid(height, width)) @ factors, np.float32)


def _shadow(traced: _Traced, empty: Pixels) -> Pixels:
    """Return what is left of the empty table's light, (h, w, 3); behind the part, as at the nearest seen table."""
    import pyoidn
    from scipy import ndimage

    hidden = 1 - traced.coverage < _ENOUGH_TABLE
    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    ratio = np.ascontiguousarray((traced.table / np.maximum(empty, 1e-6))[tuple(nearest)])
    change = pyoidn.denoise(ratio, hdr=True) - 1
    quiet = np.sign(change) * np.maximum(np.abs(change) - _NOTHING, 0)
    return np.asarray(np.clip(1 + quiet, 0, 2))


def _faded(ratio: Pixels) -> Pixels:
    """Return the ratio with its difference from 1 fading out towards the border, where it is 1 exactly."""
    height, width = ratio.shape[:2]

    def window(length: int) -> NDArray[np.float64]:
        edge = np.minimum(np.arange(length), np.arange(length)[::-1]) / (length * _FADE_FRAC)
        near = np.clip(edge, 0, 1)
        return np.asarray(near**2 * (3 - 2 * near))

    weight = np.minimum(window(height)[:, None], window(width)[None, :])[..., None]
    return np.asarray(1 + (ratio - 1) * weight, np.float32)
