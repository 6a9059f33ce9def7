"""The person with the phone, and the light they find: cameras and lamps drawn from a recipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.domain.scene import Camera, Light, Pose, Rgb
from workbench.synthesis.recipe import Recipe, draw, draw_count

Vector = NDArray[np.float64]

#: Phones focus no nearer than this.
_NEAREST_M = 0.11
#: Share of the light lost to the lens's higher terms, relative to k1, as calibrations of phones show them.
_K2_OF_K1 = -0.6
#: Wavelengths that stand for red, green and blue, metres, and the second radiation constant, metre kelvin (CODATA).
_WAVES_M = np.array([610e-9, 550e-9, 465e-9])
_C2_MK = 1.438776877e-2
_DAYLIGHT_K = 6500.0
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709


def sample_camera(
    recipe: Recipe,
    rng: np.random.Generator,
    *,
    size_px: tuple[int, int],
    middle_m: Sequence[float],
    reach_m: float,
    light_rgb: Rgb,
) -> Camera:
    """Return a hand-held phone that frames what lies within ``reach_m`` of ``middle_m``, in light of a colour."""
    width, height = size_px
    focal = draw(recipe.focal_mm, rng) / 36 * max(width, height)
    elevation, azimuth = np.radians(draw(recipe.elevation_deg, rng)), rng.uniform(0, 2 * np.pi)
    target = np.array([middle_m[0], middle_m[1], 0.0])
    target[:2] += rng.normal(0, 0.06 * reach_m, 2)
    if rng.random() < recipe.cut_off:
        towards = rng.uniform(0, 2 * np.pi)
        target[:2] += rng.uniform(0.6, 1.0) * reach_m * np.array([np.cos(towards), np.sin(towards)])
    distance = max(_NEAREST_M, 2 * reach_m / draw(recipe.fill, rng) * focal / min(width, height))
    flat = np.cos(elevation)
    eye = target + distance * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    k1, shake, way = draw(recipe.distortion, rng), rng.uniform(0, 2 * np.pi), draw(recipe.motion_frac, rng) * width
    p1, p2 = (float(p) for p in rng.normal(0, 0.0004, 2))
    balance = np.asarray(light_rgb) ** -draw(recipe.white_balance, rng) * (1 + rng.normal(0, 0.015, 3))
    balance /= balance[1]
    return Camera(
        width_px=width,
        height_px=height,
        focal_px=focal,
        pose=look_at(eye, target, roll=float(rng.normal(0, np.radians(5)))),
        distortion=(k1, _K2_OF_K1 * k1, p1, p2, 0.0),
        aperture_m=draw(recipe.aperture_mm, rng) / 1000,
        focus_m=distance * float(rng.normal(0.98, 0.02)),
        exposure_ev=draw(recipe.exposure_ev, rng),
        white_balance_rgb=(float(balance[0]), 1.0, float(balance[2])),
        saturation=draw(recipe.saturation, rng),
        vignetting=draw(recipe.vignetting, rng),
        motion_px=(float(way * np.cos(shake)), float(way * np.sin(shake))),
        noise=draw(recipe.noise, rng),
        sharpening=draw(recipe.sharpening, rng),
        jpeg_quality=draw_count(recipe.jpeg_quality, rng),
    )


def look_at(eye: Vector, target: Vector, *, roll: float = 0.0) -> Pose:
    """Return the pose of a camera at ``eye`` that looks at ``target``, rolled by radians about its axis."""
    ahead = (target - eye) / np.linalg.norm(target - eye)
    up = np.array([0.0, 0.0, 1.0]) if abs(ahead[2]) < 0.999 else np.array([0.0, 1.0, 0.0])  # noqa: PLR2004 -- straight down
    right = np.cross(ahead, up)
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    c, s = np.cos(roll), np.sin(roll)
    matrix = np.eye(4)
    matrix[:3] = np.c_[c * right + s * down, c * down - s * right, ahead, eye]
    return tuple(float(value) for value in matrix.ravel())


def sample_lamps(recipe: Recipe, rng: np.random.Generator) -> tuple[Light, ...]:
    """Return square lamps above and around the table, each of its own colour."""
    lights = []
    for _ in range(draw_count(recipe.lamps, rng)):
        azimuth, height, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.3), rng.uniform(0.25, 0.9)
        size = draw(recipe.lamp_size_m, rng)
        lights.append(
            Light(
                position_m=(float(out * np.cos(azimuth)), float(out * np.sin(azimuth)), float(height)),
                target_m=(0.0, 0.0, 0.0),
                size_m=size,
                radiance_rgb=_glow(draw(recipe.lamp_kelvin, rng), 4 * draw(recipe.lamp_strength, rng) / size**2),
            )
        )
    return tuple(lights)


def flash(camera: Camera, rng: np.random.Generator) -> Light:
    """Return the phone's own lamp, a centimetre or two beside its lens."""
    pose = np.reshape(camera.pose, (4, 4))
    angle, beside = rng.uniform(0, 2 * np.pi), rng.uniform(0.008, 0.02)
    # A little behind the lens, so that the lamp itself is never in the picture.
    position = (pose @ [beside * np.cos(angle), beside * np.sin(angle), -0.004, 1])[:3]
    target = (pose @ [0, 0, camera.focus_m, 1])[:3]
    size, power = 0.007, rng.uniform(5, 14) * camera.focus_m**2
    return Light(
        position_m=(float(position[0]), float(position[1]), float(position[2])),
        target_m=(float(target[0]), float(target[1]), float(target[2])),
        size_m=size,
        radiance_rgb=_glow(rng.uniform(5200, 6200), power / size**2),
    )


def colour_of_light(lights: Sequence[Light], room_strength: float) -> Rgb:
    """Return the colour of the light at the middle of the table, of luminance 1; rooms count as white."""
    total = np.full(3, room_strength * 2.0)
    for light in lights:
        away2 = float(np.sum((np.asarray(light.position_m) - np.asarray(light.target_m)) ** 2))
        total += np.asarray(light.radiance_rgb) * light.size_m**2 / away2
    total /= max(float(total @ _LUMINANCE), 1e-9)
    return (float(total[0]), float(total[1]), float(total[2]))


def _glow(kelvin: float, radiance: float) -> Rgb:
    """Return the light of a glowing body of a temperature (Planck's law), white at 6500 K, of a luminance."""
    spectrum = 1 / np.expm1(_C2_MK / (_WAVES_M * kelvin)) * np.expm1(_C2_MK / (_WAVES_M * _DAYLIGHT_K))
    rgb = spectrum / float(spectrum @ _LUMINANCE) * radiance
    return (float(rgb[0]), float(rgb[1]), float(rgb[2]))
