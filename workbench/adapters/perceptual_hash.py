"""What pictures look like, in numbers: perceptual hashes, sharpness, exposure; each content is looked at once.

Hashes are by ImageHash, in the eight positions a picture can be turned and mirrored into.
The hash is pHash (DCT of a grey reduction, 16 x 16 low frequencies against their median: 256 bits). It survives
recompression, resizing and changes of brightness, not crops.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.ports import Sight

#: Name and version of the hash: raise the number when it changes, so that no cached one is mixed in.
VERSION = "phash16/1"

#: Name and version of the measurements, likewise.
GAUGE_VERSION = "sight/2"

_HASH_SIDE = 16

#: Side of the grey reduction the eight positions are computed from, in pixels.
_REDUCED_PX = 128

#: Longer side of the grey reduction that sharpness is measured in: a blur of the object, not of the sensor's pixels.
_SIGHT_PX = 512

#: Grey levels (of 255) up to which a pixel is nearly black, and from which it is nearly white.
_BLACK_TO, _WHITE_FROM = 10, 245

#: Side of the blocks in which detail is looked for, in pixels, and the deviation of grey levels that noise reaches.
_DETAIL_PX, _NOISE = 16, 6

#: The Laplacian needs a pixel on each side.
_LAPLACIAN_PX = 3

#: From this many pictures on, starting worker processes pays.
_WORTH_WORKERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptualHasher:
    """Hashes image files, each content once: results are kept in a cache file. Fits `ports.Fingerprint`."""

    cache: Path
    workers: int = 1

    def __call__(self, files: Sequence[tuple[str, Path]]) -> Mapping[str, NDArray[np.uint8]]:
        """Return for each (SHA-256, path) its eight hashes, (8, 32) uint8, the picture as it is first."""
        texts = _remembered(files, _eight_hashes, cache=self.cache, version=VERSION, workers=self.workers)
        return {sha: np.frombuffer(bytes.fromhex(text), dtype=np.uint8).reshape(8, -1) for sha, text in texts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureGauge:
    """Measures image files, each content once: results are kept in a cache file. Fits `ports.Gauge`."""

    cache: Path
    workers: int = 1

    def __call__(self, files: Sequence[tuple[str, Path]]) -> Mapping[str, Sight]:
        """Return for each (SHA-256, path) how the picture measures."""
        found = _remembered(files, _measures, cache=self.cache, version=GAUGE_VERSION, workers=self.workers)
        return {sha: Sight(**measures) for sha, measures in found.items()}


def _remembered(
    files: Sequence[tuple[str, Path]], look: Callable[[Path], Any], *, cache: Path, version: str, workers: int
) -> dict[str, Any]:
    """Return what ``look`` sees in each file, by SHA-256; only contents the cache does not know are looked at."""
    known = _read(cache, version)
    todo = sorted({sha: path for sha, path in files if sha not in known}.items())
    if todo:
        known |= zip((sha for sha, _ in todo), _each(look, [path for _, path in todo], workers), strict=True)
        _write(cache, version, known)
    return {sha: known[sha] for sha, _ in files}


def _each(look: Callable[[Path], Any], paths: Sequence[Path], workers: int) -> list[Any]:
    if workers < 2 or len(paths) < _WORTH_WORKERS:  # noqa: PLR2004 -- one worker is this process
        return [look(path) for path in paths]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(look, paths, chunksize=16))


def _read(cache: Path, version: str) -> dict[str, Any]:
    try:
        document = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # only a cache: what cannot be read is computed again
    if not isinstance(document, dict) or document.get("version") != version:
        return {}
    known: dict[str, Any] = document["hashes"]
    return known


def _write(cache: Path, version: str, known: Mapping[str, Any]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_name(cache.name + ".part")
    part.write_text(json.dumps({"version": version, "hashes": known}), encoding="utf-8")
    os.replace(part, cache)


def _eight_hashes(path: Path) -> str:
    """Return the eight hashes of a picture as hexadecimal, one after another."""
    import imagehash
    from PIL import Image

    with Image.open(path) as image:
        image.draft("L", (_REDUCED_PX * 2, _REDUCED_PX * 2))  # lets the JPEG decoder skip most of its work
        grey = image.convert("L").resize((_REDUCED_PX, _REDUCED_PX), Image.Resampling.BOX)
    positions = []
    for mirrored in (False, True):
        base = grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else grey
        turns = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        positions += [base.transpose(turn) if turn is not None else base for turn in turns]
    packed = [np.packbits(imagehash.phash(position, hash_size=_HASH_SIDE).hash.ravel()) for position in positions]
    return b"".join(bits.tobytes() for bits in packed).hex()


def _measures(path: Path) -> dict[str, float]:
    """Return the fields of a `Sight`.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy,
    ICPR 2000), here in a grey reduction. Sums are of integers, so they are the same on every processor.
    """
    from PIL import Image

    with Image.open(path) as image:
        image.draft("L", (_SIGHT_PX, _SIGHT_PX))
        grey = image.convert("L")
    grey.thumbnail((_SIGHT_PX, _SIGHT_PX), Image.Resampling.BOX)
    levels = np.asarray(grey, dtype=np.int64)
    return {
        "sharpness": _sharpness(levels),
        "brightness_frac": int(levels.sum()) / (255 * levels.size),
        "dark_frac": int((levels <= _BLACK_TO).sum()) / levels.size,
        "bright_frac": int((levels >= _WHITE_FROM).sum()) / levels.size,
        "detail_frac": _detail_frac(levels),
    }


def _detail_frac(levels_hw: NDArray[np.int64]) -> float:
    """Return the share of blocks whose grey levels have a standard deviation above `_NOISE`; what is left over is cut off.

    A picture smaller than a block is one block.
    """
    side_y, side_x = (min(_DETAIL_PX, side) for side in levels_hw.shape)
    rows, columns = levels_hw.shape[0] // side_y, levels_hw.shape[1] // side_x
    blocks = levels_hw[: rows * side_y, : columns * side_x].reshape(rows, side_y, columns, side_x)
    count = side_y * side_x
    sums, squares = blocks.sum(axis=(1, 3)), (blocks * blocks).sum(axis=(1, 3))
    varied = squares * count - sums * sums > _NOISE * _NOISE * count * count
    share: float = int(varied.sum()) / varied.size
    return share


def _sharpness(levels_hw: NDArray[np.int64]) -> float:
    if min(levels_hw.shape) < _LAPLACIAN_PX:
        return 0.0
    inner = levels_hw[1:-1, 1:-1]
    around = levels_hw[:-2, 1:-1] + levels_hw[2:, 1:-1] + levels_hw[1:-1, :-2] + levels_hw[1:-1, 2:]
    laplacian = around - 4 * inner
    total, squares, count = int(laplacian.sum()), int((laplacian * laplacian).sum()), laplacian.size
    return (squares * count - total * total) / (count * count)
