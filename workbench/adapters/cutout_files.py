"""Cut-outs as files: two PNGs of 16 bits, which keep what is brighter than white.

The part: red, green and blue, already weighted by the fourth channel, its coverage. Colours are relative to a white sheet
lying there (1) and stored as square roots of up to `_BRIGHTEST`. The shadow: what is left of the table's light, up to 2.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused

Pixels = NDArray[np.float32]

_TOP = 65535.0
_BRIGHTEST = 4.0
#: So that 1, no shadow, has a code of its own.
_SHADOW_TOP = 65535 / 32768


def encode_object(part_hwc: Pixels, coverage_hw: Pixels) -> bytes:
    """Return a part, (h, w, 3) weighted linear colours and (h, w) coverage in [0, 1], as PNG."""
    roots = np.sqrt(np.clip(part_hwc, 0, _BRIGHTEST) / _BRIGHTEST)
    return _png(np.dstack([roots[..., ::-1], np.clip(coverage_hw, 0, 1)]))


def encode_shadow(ratio_hwc: Pixels) -> bytes:
    """Return a ratio, (h, w, 3) in [0, 2), as PNG."""
    return _png(np.clip(ratio_hwc[..., ::-1], 0, _SHADOW_TOP) / _SHADOW_TOP)


def _png(values: NDArray[np.floating]) -> bytes:
    import cv2

    codes = np.round(values * _TOP).astype(np.uint16)
    _, data = cv2.imencode(".png", codes, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    return bytes(data)


@lru_cache(maxsize=64)
def read_cutout(object_path: Path, shadow_path: Path) -> tuple[Pixels, Pixels]:
    """Return the part, (h, w, 4) with its coverage last, and its shadow, (h, w, 3), both linear.

    Raises
    ------
    Refused
        ``composition.cutout-unreadable`` if one of them cannot be read.

    """
    part = _read(object_path).astype(np.float32) / _TOP
    part = part[..., [2, 1, 0, 3]]
    part[..., :3] = part[..., :3] ** 2 * _BRIGHTEST
    shadow = _read(shadow_path)[..., ::-1].astype(np.float32) * (_SHADOW_TOP / _TOP)
    return np.ascontiguousarray(part), np.ascontiguousarray(shadow)


def _read(path: Path) -> NDArray[np.uint16]:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16:
        raise refused(
            "composition.cutout-unreadable", path, "is no cut-out that can be read.", "Restore it with `dvc checkout`."
        )
    return np.asarray(image)
