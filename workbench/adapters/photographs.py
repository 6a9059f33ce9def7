"""Working copies as networks want them: decoded by Pillow, and one network loaded once a process."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return a working copy's pixels, (h, w, 3) uint8, sRGB.

    Raises
    ------
    Refused
        ``labelling.unreadable-photograph`` if the file cannot be read.

    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise refused(
            "labelling.unreadable-photograph",
            path.name,
            f"cannot be read ({error}).",
            "Restore it with `dvc checkout`.",
        ) from error


@functools.lru_cache(maxsize=4)
def load_network(path: Path, sha256: str) -> Any:
    """Return a network as an onnxruntime session on one thread, so that sums are added in one order.

    Raises
    ------
    Refused
        ``labelling.model-altered`` if the file is another by now, ``labelling.model-unreadable`` if it is no network.

    """
    import onnx
    import onnxruntime

    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise refused(
            "labelling.model-altered", path, "has another SHA-256 than expected.", "Restore the file, or name its hash."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: exporters leave much that is warned of
    outside = onnx.TensorProto.EXTERNAL
    try:
        weights = onnx.load_model_from_string(data).graph.initializer
        _require(all(one.data_location != outside for one in weights))
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the two libraries' errors have no root of their own
        raise refused(
            "labelling.model-unreadable", path, f"is no network that can be run ({error}).", "Export it to ONNX again."
        ) from error


def _require(whole: bool) -> None:  # noqa: FBT001 -- a fact, no switch
    if not whole:
        raise ValueError("its weights lie in another file, which its hash does not cover")
