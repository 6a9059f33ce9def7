"""Cut-outs put onto a photograph of an empty surface: shadows first, then the parts from the farthest to the nearest.

Done in linear light. What no cut-out reaches keeps its bytes before encoding. The same job gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.cutout_files import read_cutout
from workbench.adapters.harmony import Harmony, measure_harmony, to_linear, to_srgb
from workbench.adapters.masks import encode_mask, mask_box, oriented_box
from workbench.adapters.pixels import encode_rgb_jpeg, read_rgb
from workbench.domain.composition import Composed, CompositionJob, Placement, Seen

Pixels = NDArray[np.float32]

#: Resizing by areas blurs about as much as a Gaussian of this deviation.
_OWN_BLUR_PX = 0.45
#: Covered by half or more, a pixel is the part's.
_HALF = 0.5
#: A part in a darker corner is darker too, by at most these factors.
_LOCAL = (0.7, 1.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """One cut-out in its place, clipped to the frame: ``rows`` and ``columns`` of the picture that it covers."""

    rows: slice
    columns: slice
    part_hwc: Pixels
    coverage_hw: Pixels
    sharp_hw: NDArray[np.bool_]
    shadow_hwc: Pixels
    whole_px: int
    whole_xyxy: tuple[float, float, float, float]


def prepare() -> None:
    """Keep OpenCV to one thread: each picture has one processor, and more pictures have more.

    To be called before processes are forked, too: one that inherits a pool of threads waits for them for ever.
    """
    import cv2

    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)


def compose(job: CompositionJob) -> Composed:
    """Return the picture of a job, and what is seen of each placement.

    Raises
    ------
    Refused
        ``augmentation.unreadable-image`` or ``composition.cutout-unreadable`` if a file cannot be read.

    """
    prepare()
    background, harmony = _background(job.background_path, job.width_px, job.height_px)
    laid = [_lay(placement, job, harmony) for placement in job.placements]
    picture = _painted(background, [one for one in laid if one is not None], job, harmony)
    return Composed(jpeg=encode_rgb_jpeg(picture, job.jpeg_quality), seen=_seen(laid, job))


@lru_cache(maxsize=8)
def _background(path: Path, width: int, height: int) -> tuple[NDArray[np.uint8], Harmony]:
    """Return a photograph at the size asked for, and how it looks."""
    import cv2

    image = read_rgb(path)
    if image.shape[:2] != (height, width):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return image, measure_harmony(image)


def _lay(placement: Placement, job: CompositionJob, harmony: Harmony) -> _Laid | None:
    """Return a cut-out scaled, blurred as the photograph is and clipped to the frame; null if none of it is inside."""
    import cv2

    part, shadow = _scaled(placement.object_path, placement.shadow_path, placement.scale)
    height, width = part.shape[:2]
    top, left = max(placement.top_px, 0), max(placement.left_px, 0)
    bottom = min(placement.top_px + height, job.height_px)
    right = min(placement.left_px + width, job.width_px)
    if top >= bottom or left >= right:
        return None
    blur_px = float(np.sqrt(max(harmony.blur_px**2 - _OWN_BLUR_PX**2, 0)))
    soft = cv2.GaussianBlur(part, (0, 0), blur_px) if blur_px > 0.2 else part  # noqa: PLR2004 -- less changes no byte
    inside = (
        slice(top - placement.top_px, bottom - placement.top_px),
        slice(left - placement.left_px, right - placement.left_px),
    )
    whole = part[..., 3] >= _HALF
    box = mask_box(whole)
    edges = (0.0, 0.0, 0.0, 0.0) if box is None else box.xyxy
    return _Laid(
        rows=slice(top, bottom),
        columns=slice(left, right),
        part_hwc=soft[inside][..., :3],
        coverage_hw=soft[inside][..., 3],
        sharp_hw=whole[inside],
        shadow_hwc=shadow[inside],
        whole_px=int(whole.sum()),
        whole_xyxy=(
            edges[0] + placement.left_px,
            edges[1] + placement.top_px,
            edges[2] + placement.left_px,
            edges[3] + placement.top_px,
        ),
    )


@lru_cache(maxsize=32)
def _scaled(object_path: Path, shadow_path: Path, scale: float) -> tuple[Pixels, Pixels]:
    import cv2

    part, shadow = read_cutout(object_path, shadow_path)
    side = max(8, round(part.shape[0] * scale))
    small = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), np.asarray(
        cv2.resize(shadow, (side, side), interpolation=cv2.INTER_AREA), np.float32
    )


def _painted(
    background: NDArray[np.uint8], laid: Sequence[_Laid], job: CompositionJob, harmony: Harmony
) -> NDArray[np.uint8]:
    """Return the picture with all cut-outs in it."""
    picture = background.copy()
    if not laid:
        return picture
    rows = slice(min(one.rows.start for one in laid), max(one.rows.stop for one in laid))
    columns = slice(min(one.columns.start for one in laid), max(one.columns.stop for one in laid))
    linear = to_linear(background[rows, columns])
    covered = np.zeros(linear.shape[:2], np.float32)
    touched = np.zeros(linear.shape[:2], bool)

    def window(one: _Laid) -> tuple[slice, slice]:
        return (
            slice(one.rows.start - rows.start, one.rows.stop - rows.start),
            slice(one.columns.start - columns.start, one.columns.stop - columns.start),
        )

    for one in laid:
        linear[window(one)] *= one.shadow_hwc
        touched[window(one)] |= (np.abs(one.shadow_hwc - 1) > 1e-4).any(axis=-1) | (one.coverage_hw > 0)  # noqa: PLR2004
    for one in laid:
        gain = harmony.white_rgb * np.float32(2.0**job.exposure_ev * _local(harmony, one, job))
        rest = 1 - one.coverage_hw
        linear[window(one)] = linear[window(one)] * rest[..., None] + _rolled(one.part_hwc * gain)
        covered[window(one)] = covered[window(one)] * rest + one.coverage_hw
    srgb = to_srgb(linear)
    noise = np.random.default_rng(job.seed).standard_normal(srgb.shape, np.float32) * harmony.noise_levels
    mended = np.clip(np.rint(srgb + noise * covered[..., None]), 0, 255).astype(np.uint8)
    picture[rows, columns] = np.where(touched[..., None], mended, background[rows, columns])
    return picture


def _local(harmony: Harmony, one: _Laid, job: CompositionJob) -> float:
    """Return how much brighter the surface is around a cut-out than on the whole, softened."""
    grid = harmony.brightness_grid
    row = min(int((one.rows.start + one.rows.stop) / 2 / job.height_px * grid.shape[0]), grid.shape[0] - 1)
    column = min(int((one.columns.start + one.columns.stop) / 2 / job.width_px * grid.shape[1]), grid.shape[1] - 1)
    return float(np.clip(np.sqrt(grid[row, column] / max(float(grid.mean()), 1e-6)), *_LOCAL))


def _rolled(linear: Pixels) -> Pixels:
    """Return light with a soft shoulder: from 0.75 on it rolls off towards 1, as cameras' curves do."""
    knee = np.float32(0.75)
    over = np.maximum(linear - knee, 0) / (1 - knee)
    return np.asarray(np.minimum(linear, knee) + (1 - knee) * (1 - np.exp(-over)))


def _seen(laid: Sequence[_Laid | None], job: CompositionJob) -> tuple[Seen, ...]:
    """Return what is seen of each placement: a nearer part hides a farther one."""
    owner = np.full((job.height_px, job.width_px), -1, np.int32)
    for index, one in enumerate(laid):
        if one is not None:
            owner[one.rows, one.columns][one.sharp_hw] = index
    return tuple(_told(one, owner == index) for index, one in enumerate(laid))


def _told(one: _Laid | None, mask: NDArray[np.bool_]) -> Seen:
    """Return what is told of a placement of which ``mask`` is seen."""
    alone = np.zeros_like(mask)
    if one is not None:
        alone[one.rows, one.columns] = one.sharp_hw
    box = mask_box(mask)
    return Seen(
        box=box,
        mask_rle=None if box is None else encode_mask(mask),
        visible_px=int(mask.sum()),
        alone_px=int(alone.sum()),
        alone_rle=encode_mask(alone),
        whole_px=0 if one is None else one.whole_px,
        whole_xyxy=(0.0, 0.0, 0.0, 0.0) if one is None else one.whole_xyxy,
        oriented_box=oriented_box(mask),
    )
