"""The rooms around the table: files that a user names, or drawn by seeded code: dim, cluttered, with the windows and lamps that metals mirror."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused
from workbench.domain.lineage import sha256_hex
from workbench.domain.scene import Environment

_HEIGHT_PX, _WIDTH_PX = 128, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What a kind of room has: how bright ceiling, walls and floor are, and how many windows and strip lamps."""

    ceiling: tuple[float, float]
    walls: tuple[float, float]
    floor: float
    windows: tuple[int, int]
    strips: tuple[int, int]
    things: int
    tint_rgb: tuple[float, float, float] = (1.0, 0.98, 0.95)


_KINDS = {
    "office": _Room(ceiling=(0.5, 0.9), walls=(0.25, 0.5), floor=0.12, windows=(1, 2), strips=(1, 3), things=14),
    "laboratory": _Room(
        ceiling=(0.7, 1.1), walls=(0.5, 0.8), floor=0.25, windows=(0, 1), strips=(3, 5), things=10, tint_rgb=(0.96, 1, 1.02)
    ),
    "window": _Room(ceiling=(0.3, 0.5), walls=(0.2, 0.35), floor=0.1, windows=(2, 4), strips=(0, 0), things=10),
    "store": _Room(
        ceiling=(0.10, 0.2), walls=(0.08, 0.16), floor=0.06, windows=(0, 1), strips=(1, 2), things=24, tint_rgb=(1, 0.93, 0.82)
    ),
}  # fmt: skip
#: Names of the kinds of room that code draws.
ROOMS = tuple(_KINDS)


def room(name: str, seed: int) -> NDArray[np.float32]:
    """Return a room as an equirectangular map of linear radiance, (128, 256, 3), its zenith in the first row.

    Raises
    ------
    KeyError
        If no kind of room has this name.

    """
    from scipy import ndimage

    kind, rng = _KINDS[name], np.random.default_rng(seed)
    image = np.empty((_HEIGHT_PX, _WIDTH_PX, 3))
    image[:40] = rng.uniform(*kind.ceiling) * np.asarray(kind.tint_rgb)
    corner = rng.integers(_WIDTH_PX)
    # Four walls, each lit differently.
    walls = np.repeat(rng.uniform(*kind.walls, 4), _WIDTH_PX // 4)[np.arange(_WIDTH_PX) - corner]
    image[40:82] = walls[None, :, None] * np.asarray(kind.tint_rgb)
    image[82:] = kind.floor * np.array([1.0, 0.94, 0.88])
    for _ in range(kind.things):
        x, y, w, h = rng.integers(0, _WIDTH_PX), rng.integers(46, 76), rng.integers(4, 26), rng.integers(6, 30)
        _patch(image, x, y, w, h, rng.uniform(0.02, 0.35, 3) * rng.uniform(0.3, 1))
    for _ in range(int(rng.integers(kind.windows[0], kind.windows[1] + 1))):
        x, y, w, h = rng.integers(0, _WIDTH_PX), rng.integers(20, 38), rng.integers(12, 30), rng.integers(22, 34)
        _patch(image, x, y, w, h, rng.uniform(2.5, 6.0) * np.array([0.92, 1.0, 1.12]))
        # The bar of the frame is what makes a mirrored window look like one.
        _patch(image, x + w // 2, y, 1, h, np.full(3, 0.12))
        _patch(image, x, y + h // 2, w, 1, np.full(3, 0.12))
    for _ in range(int(rng.integers(kind.strips[0], kind.strips[1] + 1))):
        x, y, w = rng.integers(0, _WIDTH_PX), rng.integers(3, 24), rng.integers(30, 70)
        _patch(image, x, y, w, rng.integers(3, 7), rng.uniform(4.0, 8.0) * np.array([1.0, 1.0, 0.97]))
    return np.asarray(ndimage.gaussian_filter(image, (0.9, 0.9, 0), mode=("nearest", "wrap", "nearest")), np.float32)


def environment_files(folder: Path | None) -> dict[str, Path]:
    """Return the .hdr and .exr files of a folder by name, none where there is no folder.

    Raises
    ------
    Refused
        ``synthesis.environment-missing`` if the folder named is not there.

    """
    if folder is None:
        return {}
    if not folder.is_dir():
        raise refused("synthesis.environment-missing", folder, "is no folder.", "Correct synthesis.environments.")
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".hdr", ".exr")}


def environment_file(around: Environment, files: Mapping[str, Path]) -> Path:
    """Return the file that surrounds a scene.

    Raises
    ------
    Refused
        ``synthesis.environment-missing`` if it is not there, or not the same any more.

    """
    path = files.get(around.name)
    if path is None or sha256_hex(path.read_bytes()) != around.sha256:
        raise refused(
            "synthesis.environment-missing",
            around.name,
            "is not among the surroundings, or is another file than the one this scene was made with.",
            "Put the file back into the folder that synthesis.environments names.",
        )
    return path


def _patch(image: NDArray[np.float64], x: Any, y: Any, w: Any, h: Any, rgb: NDArray[np.float64]) -> None:
    """Paint a rectangle that goes round where the picture ends."""
    image[y : y + h, np.arange(x, x + w) % _WIDTH_PX] = rgb
