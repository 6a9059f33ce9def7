"""A detector exported to ONNX, run by onnxruntime: one trained on this workbench's renders, for instance.

The convention is the one common exporters of YOLO follow (docs.ultralytics.com, "Export"):

- input: one tensor (1, 3, h, w), float, red-green-blue in [0, 1], the picture fitted in whole with grey (114) around it;
- output, either raw: (1, 4 + classes, n), centre x, centre y, width, height in input pixels, then a score a class; of boxes of
  one class that overlap, the best is kept (greedy non-maximum suppression, as Neubeck and Van Gool, ICPR 2006);
- or ready: (1, n, 6), x_min, y_min, x_max, y_max in input pixels, score, class;
- the metadata entry ``names``, ``{0: 'gear', 1: 'bolt'}``; without it the words are the numbers of the classes.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.photographs import load_network, read_rgb
from workbench.domain.annotation import Shape
from workbench.domain.findings import Refused, refused
from workbench.domain.geometry import Box
from workbench.domain.suggestion import ModelFacts, Suggestion

#: Version of the reading below: raise the number when equal outputs would be read otherwise.
READING = "onnx-detector/1"

#: Side of the input where the file leaves it open; what detectors are mostly trained at.
_OPEN_SIDE_PX = 640

_GREY = 114
_READY_COLUMNS = 6
_BOX_NUMBERS = 4

Shape3 = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxDetector:
    """A detector's file, as a `workbench.ports.Predictor`."""

    path: Path
    facts: ModelFacts
    least_score: float
    same_iou: float

    def __call__(self, photograph: tuple[str, Path]) -> Sequence[Suggestion]:
        """Return the objects found in one photograph, best first."""
        network = load_network(self.path, self.facts.sha256)
        image = read_rgb(photograph[1])
        inputs = network.get_inputs()[0]
        side_wh = _side_wh(inputs.shape)
        pixels, scale, left_top = _fitted(image, side_wh)
        given = pixels.astype(np.float16 if inputs.type == "tensor(float16)" else np.float32)
        output = np.asarray(network.run(None, {inputs.name: given})[0], dtype=np.float32)
        boxes, scores, classes = self._read(output)
        boxes = (boxes - np.array([*left_top, *left_top], np.float32)) / scale
        height, width = image.shape[:2]
        found = []
        for box, score, number in zip(boxes.tolist(), scores.tolist(), classes.tolist(), strict=True):
            x_min, y_min, x_max, y_max = box
            if x_max <= x_min or y_max <= y_min:
                continue
            clipped = Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max).clipped(width_px=width, height_px=height)
            if clipped.area_px2 > 0:
                word = self.facts.words[number]
                found.append(Suggestion(word=word, shape=Shape.BOX, box=clipped, score=min(max(score, 0.0), 1.0)))
        return found

    def _read(self, output: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Return boxes (n, 4) in input pixels, scores (n,) and classes (n,) that are sure enough, best first."""
        if _is_ready(output.shape, len(self.facts.words)):
            rows = output[0]
            boxes, scores, classes = rows[:, :_BOX_NUMBERS], rows[:, 4], rows[:, 5].astype(np.int64)
            sure = (scores >= self.least_score) & (classes >= 0) & (classes < len(self.facts.words))
            boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
        else:
            rows = output[0].T
            scores, classes = rows[:, _BOX_NUMBERS:].max(axis=1), rows[:, _BOX_NUMBERS:].argmax(axis=1)
            sure = scores >= self.least_score
            boxes, scores, classes = _edges(rows[sure, :_BOX_NUMBERS]), scores[sure], classes[sure]
            kept = _best(boxes, scores, classes, least_score=self.least_score, same_iou=self.same_iou)
            boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
        order = np.lexsort((boxes[:, 1], boxes[:, 0], classes, -scores))
        return boxes[order], scores[order], classes[order]


def open_detector(path: Path, *, least_score: float, same_iou: float = 0.5) -> OnnxDetector:
    """Return the detector of an ONNX file, its convention checked.

    Parameters
    ----------
    least_score
        What scores less is not suggested.
    same_iou
        Two raw boxes of one class that overlap more are one object.

    Raises
    ------
    Refused
        ``labelling.model-missing``, or ``labelling.model-unreadable`` if it does not follow the convention.

    """
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise refused(
            "labelling.model-missing", path, f"cannot be read ({error.strerror}).", "Name the detector's ONNX file."
        ) from error
    network = load_network(path, sha256)
    inputs = network.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in {"tensor(float)", "tensor(float16)"} or len(inputs[0].shape) != 4:  # noqa: PLR2004 -- one picture, three colours, height, width
        raise _other(path, "takes something else than one picture (1, 3, h, w)")
    width, height = _side_wh(inputs[0].shape)
    kind = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
    try:
        shape = np.shape(network.run(None, {inputs[0].name: np.zeros((1, 3, height, width), kind)})[0])
    except Exception as error:  # onnxruntime's errors have no root of their own
        raise _other(path, f"does not run on a picture of {width}x{height} ({error})") from error
    words = _words(network.get_modelmeta().custom_metadata_map.get("names"), shape, path)
    return OnnxDetector(
        path=path,
        facts=ModelFacts(
            name=path.stem,
            sha256=sha256,
            words=words,
            parameters={"reading": READING, "least_score": least_score, "same_iou": same_iou},
        ),
        least_score=least_score,
        same_iou=same_iou,
    )


def _words(names: str | None, shape: tuple[int, ...], path: Path) -> tuple[str, ...]:
    """Return the words of the classes 0, 1, ... in order."""
    if len(shape) != 3 or shape[0] != 1:  # noqa: PLR2004 -- see the convention
        raise _other(path, f"gives an output of shape {shape}")
    try:
        said = ast.literal_eval(names) if names else None
        listed = dict(enumerate(said)) if isinstance(said, list | tuple) else said
        words = tuple(str(listed[number]) for number in range(len(listed))) if listed else ()
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise _other(path, f"has names that cannot be read ({names!r})") from error
    if not words and shape[2] != _READY_COLUMNS:
        words = tuple(map(str, range(max(0, shape[1] - _BOX_NUMBERS))))
    if not words or not (_is_ready(shape, len(words)) or shape[1] == _BOX_NUMBERS + len(words)):
        raise _other(path, f"gives an output of shape {shape} for {len(words)} names")
    return words


def _is_ready(shape: tuple[int, ...], words: int) -> bool:
    """Say whether an output holds finished boxes; one that fits the raw form is raw."""
    return shape[2] == _READY_COLUMNS and shape[1] != _BOX_NUMBERS + words


def _side_wh(shape: Sequence[Any]) -> tuple[int, int]:
    """Return width and height of the input; an open side has a name instead of a number."""
    height, width = (side if isinstance(side, int) and side > 0 else _OPEN_SIDE_PX for side in shape[2:])
    return width, height


def _fitted(image: NDArray[np.uint8], side_wh: tuple[int, int]) -> tuple[NDArray[np.float64], float, tuple[int, int]]:
    """Return the picture as the network wants it (1, 3, h, w), the scale, and where its top-left corner came to lie."""
    import cv2

    height, width = image.shape[:2]
    scale = min(side_wh[0] / width, side_wh[1] / height)
    small_wh = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (side_wh[0] - small_wh[0]) // 2, (side_wh[1] - small_wh[1]) // 2
    canvas = np.full((side_wh[1], side_wh[0], 3), _GREY, np.uint8)
    canvas[top : top + small_wh[1], left : left + small_wh[0]] = small
    return canvas.transpose(2, 0, 1)[None] / 255.0, scale, (left, top)


def _edges(boxes_cxcywh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x_min, y_min, x_max, y_max of boxes given by centre and size, (n, 4)."""
    centre, half = boxes_cxcywh[:, :2], boxes_cxcywh[:, 2:] / 2
    edges: NDArray[np.float32] = np.concatenate([centre - half, centre + half], axis=1)
    return edges


def _best(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.int64],
    *,
    least_score: float,
    same_iou: float,
) -> NDArray[np.int64]:
    """Return the rows that stay when of overlapping boxes of one class the best is kept."""
    import cv2

    if not len(boxes):
        return np.zeros(0, np.int64)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(xywh.tolist(), scores.tolist(), classes.tolist(), least_score, same_iou)
    return np.asarray(kept, np.int64).reshape(-1)


def _other(path: Path, what: str) -> Refused:
    return refused(
        "labelling.model-unreadable",
        path,
        f"{what}, which is not the convention of detectors here.",
        "Export the detector as common YOLO exporters do; the guide for labelling leads says how.",
    )
