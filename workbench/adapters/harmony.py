"""How a photograph looks, so that what is put into it can look alike: level and colour of its light, blur, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

#: Weights of red, green and blue in luminance (ITU-R BT.709).
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
#: No surface reflects more of the light than this.
_WHITEST = 0.9
#: A camera's exposure brings the mean to about this share of white (a grey card reflects 18 %).
_GREY = 0.18
_WHITE_RANGE = (0.18, 1.15)
#: Of the colour that the surface as a whole suggests, this share is taken for the light's: wood is brown by itself.
_TINT_SHARE = 0.4
#: And never more than from candlelight-like amber to open shade, in the logarithm of red over green.
_MOST_TINT = 0.25
#: Norm of the colour constancy (Finlayson and Trezzi, "Shades of Gray", 2004, found 6 to be best).
_NORM = 6
#: Blur added on purpose to measure the blur that is there (Zhuo and Sim, "Defocus map estimation", 2011).
_PROBE_PX = 1.0
#: Variance that the measuring itself adds: a central difference over three pixels, and the pixels' own width.
_OWN_VARIANCE = 0.6
_PLAIN_BLUR_PX = 0.7
_BLUR_RANGE_PX = (0.45, 2.5)
_MOST_NOISE_LEVELS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmony:
    """What a photograph of a surface tells of its making.

    Parameters
    ----------
    white_rgb
        Linear values that a white sheet would have there, (3,).
    blur_px
        Deviation of the Gaussian that its sharpest edges are blurred by.
    noise_levels
        Deviation of its noise, in levels of 0 to 255.
    brightness_grid
        Linear luminance in 6 x 6 fields.

    """

    white_rgb: Pixels
    blur_px: float
    noise_levels: float
    brightness_grid: Pixels


def measure_harmony(image_hwc: NDArray[np.uint8]) -> Harmony:
    """Return how a photograph, (h, w, 3) sRGB, looks."""
    import cv2

    small = cv2.resize(image_hwc, (96, 96), interpolation=cv2.INTER_AREA)
    linear = to_linear(np.asarray(small, np.uint8))
    luminance = linear @ _LUMINANCE
    grey = cv2.cvtColor(image_hwc, cv2.COLOR_RGB2GRAY).astype(np.float32)
    noise = _noise(grey)
    return Harmony(
        white_rgb=np.asarray(_white(luminance) * _tint(linear), np.float32),
        blur_px=_blur(grey, noise),
        noise_levels=noise,
        brightness_grid=np.asarray(cv2.resize(luminance, (6, 6), interpolation=cv2.INTER_AREA), np.float32),
    )


def _white(luminance: Pixels) -> float:
    """Return the luminance that a white sheet would have.

    Two things are known: it is at least as bright as the brightest of the surface; and cameras make the mean a middle
    grey. Between the two lies the truth, so their geometric mean is taken, but never less than the first.
    """
    brightest = float(np.percentile(luminance, 98)) / _WHITEST
    # A surface darker than grey was exposed longer than a grey one, a white one shorter.
    exposed = _GREY / max(float(luminance.mean()), 1e-3)
    return float(np.clip(max(brightest, np.sqrt(brightest * exposed)), *_WHITE_RANGE))


def _tint(linear: Pixels) -> Pixels:
    """Return the colour of the light, of luminance 1.

    Lamps and skies are amber to blue, hardly ever green: what a surface has of green or magenta is its own.
    """
    norms = np.mean(linear.reshape(-1, 3).astype(np.float64) ** _NORM, axis=0) ** (1 / _NORM)
    red, _, blue = np.log(np.maximum(norms, 1e-4))
    amber = float(np.clip((red - blue) / 2 * _TINT_SHARE, -_MOST_TINT, _MOST_TINT))
    tint = np.exp([amber, 0.0, -amber])
    return np.asarray(tint / float(tint @ _LUMINANCE), np.float32)


def _noise(grey: Pixels) -> float:
    """Return the deviation of the noise in levels: the least of that in fields, so that texture counts as none.

    After Immerkaer, "Fast noise variance estimation" (1996): what a kernel leaves that no plane or edge passes.
    """
    import cv2

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    left = np.abs(cv2.filter2D(grey, -1, kernel))
    fields = cv2.resize(left, (12, 12), interpolation=cv2.INTER_AREA)
    deviation = float(np.percentile(fields, 10)) * float(np.sqrt(np.pi / 2)) / 6
    return float(np.clip(deviation, 0, _MOST_NOISE_LEVELS))


def _blur(grey: Pixels, noise_levels: float) -> float:
    """Return the blur of the sharpest edges, in pixels; of a surface without edges, that of a usual photograph."""
    import cv2

    again = cv2.GaussianBlur(grey, (0, 0), _PROBE_PX)
    first, second = _steepness(grey), _steepness(again)
    # An edge is told from noise by being far steeper than it.
    edges = first > max(12.0, 8 * noise_levels)
    if int(edges.sum()) < 50:  # noqa: PLR2004 -- too few to tell
        return _PLAIN_BLUR_PX
    ratio = np.maximum(first[edges] / np.maximum(second[edges], 1e-3), 1.001)
    variance = _PROBE_PX**2 / (float(np.percentile(ratio, 75)) ** 2 - 1) - _OWN_VARIANCE
    return float(np.clip(np.sqrt(max(variance, 0)), *_BLUR_RANGE_PX))


def _steepness(grey: Pixels) -> Pixels:
    import cv2

    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(across, down))


@cache
def _curves() -> tuple[Pixels, Pixels]:
    """Return the curve from 256 levels to linear light, and that from 65,536 steps of linear light to levels."""
    level = np.arange(256) / 255  # the two branches of IEC 61966-2-1
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004
    step = np.arange(65536) / 65535
    srgb = np.where(step <= 0.0031308, 12.92 * step, 1.055 * step ** (1 / 2.4) - 0.055)  # noqa: PLR2004
    return linear.astype(np.float32), (srgb * 255).astype(np.float32)


def to_linear(image_hwc: NDArray[np.uint8]) -> Pixels:
    """Return the linear light of sRGB levels, in [0, 1]."""
    return np.asarray(np.take(_curves()[0], image_hwc))


def to_srgb(linear: Pixels) -> Pixels:
    """Return sRGB levels, 0 to 255 and not rounded, of linear light, clipped to [0, 1]."""
    return np.asarray(np.take(_curves()[1], (np.clip(linear, 0, 1) * 65535 + 0.5).astype(np.uint16)))
