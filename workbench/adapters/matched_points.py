"""Whether two pictures show the same surface: corner points that fit one turn, scale and shift, by OpenCV.

An embedding proposes pairs that look alike; here geometry decides, so that two boxes of the same make on the same table
are not taken for one photograph. ORB points (Rublee et al., ICCV 2011) are binary, matched by Lowe's ratio, and fitted
by RANSAC with OpenCV's fixed seed, so that the same files give the same counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name and version: raise the number when it changes, so that no cached count is mixed in.
VERSION = "matched-points/1"

#: Longer side of the grey reduction the points are found in, in pixels.
_SIDE_PX = 512

_POINTS = 500

#: A match counts where the second best is at least this much worse (Lowe, IJCV 2004).
_RATIO = 0.8

#: How far a point may lie from where the fit puts it, in pixels of the reduction.
_OFF_PX = 4.0

#: Scales between a picture and its crop that are believed.
_SCALES = (0.3, 3.3)

#: Share of one of the pictures that the fitting points must span: a printed card in both is not the same photograph.
_SPAN_FRAC = 0.25

#: A turn, scale and shift has four unknowns; a fit of fewer points says nothing.
_FEWEST = 4

#: From this many pairs on, starting threads pays.
_WORTH_WORKERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PointMatcher:
    """Counts fitting points of pairs of pictures, each pair of contents once. Fits `ports.MatchPoints`."""

    cache: Path
    workers: int = 1

    def __call__(self, pairs: Sequence[tuple[tuple[str, Path], tuple[str, Path]]]) -> list[int]:
        """Return for each pair of (SHA-256, path) how many points fit, the other also mirrored; 0 if too few or too close."""
        known = self._read()
        named = {f"{one[0]} {other[0]}": (one[1], other[1]) for one, other in pairs}
        todo = [(name, paths) for name, paths in sorted(named.items()) if name not in known]
        if todo:
            paths = [pair for _, pair in todo]
            if self.workers > 1 and len(todo) >= _WORTH_WORKERS:
                with ThreadPoolExecutor(self.workers) as pool:  # OpenCV lets go of the interpreter while it works
                    counts = list(pool.map(fitting_points, paths))
            else:
                counts = [fitting_points(pair) for pair in paths]
            known |= {name: count for (name, _), count in zip(todo, counts, strict=True)}
            self._write(known)
        return [known[f"{one[0]} {other[0]}"] for one, other in pairs]

    def _read(self) -> dict[str, int]:
        try:
            document = json.loads(self.cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # only a cache
        if not isinstance(document, dict) or document.get("version") != VERSION:
            return {}
        known: dict[str, int] = document["points"]
        return known

    def _write(self, known: dict[str, int]) -> None:
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        part = self.cache.with_name(self.cache.name + ".part")
        part.write_text(json.dumps({"version": VERSION, "points": known}), encoding="utf-8")
        os.replace(part, self.cache)


@dataclass(frozen=True, slots=True)
class _Points:
    """Where a picture's corner points are, (n, 2) pixels, their descriptors, (n, 32) uint8, and its area in pixels."""

    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    area_px: int


def fitting_points(pair: tuple[Path, Path]) -> int:
    """Return how many points of two pictures fit one turn, scale and shift, the other picture also mirrored."""
    one = _points(pair[0], mirrored=False)
    return max(_fitting(one, _points(pair[1], mirrored=mirrored)) for mirrored in (False, True))


@lru_cache(maxsize=4096)  # about 20 kB each; a picture stands in several pairs
def _points(path: Path, *, mirrored: bool) -> _Points:
    import cv2
    from PIL import Image

    with Image.open(path) as image:
        image.draft("L", (_SIDE_PX, _SIDE_PX))
        grey = image.convert("L")
    grey.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    levels: Any = np.asarray(grey)
    if mirrored:
        levels = np.ascontiguousarray(levels[:, ::-1])
    found, descriptors = cv2.ORB.create(nfeatures=_POINTS, fastThreshold=7).detectAndCompute(levels, None)
    places = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    if descriptors is None:
        descriptors = np.zeros((0, 32), np.uint8)
    return _Points(places, descriptors, levels.size)


def _fitting(one: _Points, other: _Points) -> int:
    import cv2

    if min(len(one.places), len(other.places)) < _FEWEST:
        return 0
    best = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(one.descriptors, other.descriptors, k=2)
    clear = [two[0] for two in best if len(two) > 1 and two[0].distance < _RATIO * two[1].distance]
    if len(clear) < _FEWEST:
        return 0
    here = one.places[[match.queryIdx for match in clear]]
    there = other.places[[match.trainIdx for match in clear]]
    fit, inside = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=_OFF_PX)
    if fit is None or not _SCALES[0] < float(np.hypot(fit[0, 0], fit[1, 0])) < _SCALES[1]:
        return 0
    inside = inside.ravel().astype(bool)
    spans = (
        cv2.contourArea(cv2.convexHull(places[inside])) / points.area_px
        for places, points in ((here, one), (there, other))
    )
    return int(inside.sum()) if max(spans) >= _SPAN_FRAC else 0
