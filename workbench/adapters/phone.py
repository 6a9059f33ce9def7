"""The phone behind the lens: what it makes of linear light, from the unsteady hand to the sharpened sRGB picture.

The steps come in the order of the real thing: light falls off to the corners, the hand shakes, the sensor adds noise
to linear values, the phone denoises, balances, exposes, sharpens, and rolls off the highlights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.adapters.lens import through_lens
from workbench.domain.scene import Camera

Picture = NDArray[np.float64]

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
#: Full-well share of the shot noise: its variance over a pixel's value, for the read noise of a middling phone.
_SHOT_OF_READ = 0.02
#: Highlights roll off from here on instead of clipping; the curve reaches 1 at infinity.
_KNEE = 0.72


def photograph(straight_hwc: NDArray[np.float32], camera: Camera, *, seed: int) -> NDArray[np.uint8]:
    """Return what the phone shows of the denoised linear light, (h, w, 3) sRGB bytes.

    Parameters
    ----------
    straight_hwc
        Linear radiance of the size that `workbench.adapters.lens.straight_size` asks for.
    camera
        The lens and the phone.
    seed
        Draws the noise.

    """
    light = np.clip(through_lens(straight_hwc, camera).astype(np.float64), 0, None)
    light = _shaken(_exposed(light, camera) * _fall_off(camera)[..., None], camera.motion_px)
    light = _noisy(light, camera.noise, np.random.default_rng(seed)) * np.asarray(camera.white_balance_rgb)
    grey = light @ _LUMINANCE
    light = np.clip(grey[..., None] + camera.saturation * (light - grey[..., None]), 0, None)
    srgb = _sharpened(_curve(light), camera.sharpening)
    return np.round(np.clip(srgb, 0, 1) * 255).astype(np.uint8)


def _exposed(light: Picture, camera: Camera) -> Picture:
    """Return the light as an automatic exposure would set it, in about [0, 1] before the curve."""
    luminance = (light * np.asarray(camera.white_balance_rgb)) @ _LUMINANCE
    # By the log-average luminance (Reinhard et al., 2002), but its square root, so that a black cloth stays dark.
    key = np.exp(np.mean(np.log(luminance + 1e-3)))
    # Phones also give way to highlights, the brightest fiftieth, but not for more than a stop.
    even, held = 0.4 / np.sqrt(key), 1.15 / max(float(np.percentile(luminance, 98)), 1e-6)
    return np.asarray(light * min(even, max(held, even / 2)) * 2.0**camera.exposure_ev)


def _fall_off(camera: Camera) -> Picture:
    """Return the share of light that reaches each pixel: 1 in the middle, less towards the corners."""
    y, x = np.mgrid[0 : camera.height_px, 0 : camera.width_px] + 0.5
    cx, cy = camera.centre_px
    radius2 = ((x - cx) ** 2 + (y - cy) ** 2) / (cx**2 + cy**2)
    return np.asarray(1 - camera.vignetting * radius2)


def _shaken(light: Picture, motion_px: tuple[float, float]) -> Picture:
    """Return the picture smeared along a straight way whose middle is where it was."""
    length = float(np.hypot(*motion_px))
    if length < 0.25:  # noqa: PLR2004 -- less than a quarter of a pixel shows nowhere
        return light
    steps = int(np.ceil(length)) * 2 + 1
    total = np.zeros_like(light)
    for share in np.linspace(-0.5, 0.5, steps):
        total += ndimage.shift(light, (share * motion_px[1], share * motion_px[0], 0), order=1, mode="nearest")
    return np.asarray(total / steps)


def _noisy(light: Picture, read: float, rng: np.random.Generator) -> Picture:
    """Return the light with shot and read noise, partly smoothed as a phone does: more in colour than in brightness."""
    if not read:
        return light
    deviation = np.sqrt(read**2 + _SHOT_OF_READ * read * np.clip(light, 0, 4))
    noise = rng.standard_normal(light.shape) * deviation
    # What is left after demosaicing is coarser than a pixel.
    noise = ndimage.gaussian_filter(noise, (0.6, 0.6, 0)) * 1.6
    grey = noise.mean(axis=2, keepdims=True)
    return np.asarray(np.clip(light + 0.8 * grey + 0.45 * (noise - grey), 0, None))


def _curve(light: Picture) -> Picture:
    """Return sRGB values in [0, 1): a soft shoulder, then the standard's curve (IEC 61966-2-1)."""
    rolled = np.where(light < _KNEE, light, _KNEE + (1 - _KNEE) * (1 - np.exp(-(light - _KNEE) / (1 - _KNEE))))
    srgb = np.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled ** (1 / 2.4) - 0.055)  # noqa: PLR2004 -- IEC 61966-2-1
    # Phones add contrast: a mild S about the middle.
    return np.asarray(srgb + 0.12 * srgb * (1 - srgb) * (2 * srgb - 1))


def _sharpened(srgb: Picture, strength: float) -> Picture:
    """Return the picture with an unsharp mask of a pixel's width."""
    if not strength:
        return srgb
    return np.asarray(srgb + strength * (srgb - ndimage.gaussian_filter(srgb, (0.9, 0.9, 0))))
