"""Text on objects, by the networks inside the wheel of `rapidocr-onnxruntime` (PP-OCRv4; Apache-2.0): no network is asked.

Good on print and stamped letters in a row; poor on text around a circle, as on headstamps.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.adapters.photographs import read_rgb
from workbench.domain.annotation import Shape
from workbench.domain.findings import refused
from workbench.domain.geometry import Ring, ring_area_px2, ring_box
from workbench.domain.suggestion import ModelFacts, Suggestion

#: The one word it has.
WORD = "text"

_PACKAGE = "rapidocr-onnxruntime"

#: Version of the reading below: raise the number when equal outputs would be read otherwise.
_READING = "ocr/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader:
    """A reader of text, as a `workbench.ports.Predictor`: one polygon a line of text, with what it reads."""

    facts: ModelFacts
    least_score: float

    def __call__(self, photograph: tuple[str, Path]) -> Sequence[Suggestion]:
        """Return the lines of text in one photograph, best first."""
        # Colours are given in OpenCV's order, as the package takes them from an array.
        lines, _ = _engine()(read_rgb(photograph[1])[:, :, ::-1])
        found = []
        for corners, text, score in lines or ():
            ring: Ring = tuple(float(value) for corner in corners for value in corner)
            if float(score) >= self.least_score and text.strip() and ring_area_px2(ring) > 0:
                box = ring_box(ring)
                found.append(
                    Suggestion(
                        word=WORD,
                        shape=Shape.POLYGON,
                        box=box,
                        rings=(ring,),
                        transcription=text.strip(),
                        score=float(score),
                    )
                )
        return sorted(found, key=lambda one: (-(one.score or 0.0), one.box.xyxy))


def open_reader(*, least_score: float) -> TextReader:
    """Return the reader; ``least_score``: lines read with less are not suggested.

    Raises
    ------
    Refused
        ``labelling.model-missing`` if the package is not installed.

    """
    parameters = {"reading": _READING, "package": f"{_PACKAGE} {_version()}", "least_score": least_score}
    facts = ModelFacts(name="rapidocr", sha256=_digest(), words=(WORD,), parameters=parameters)
    return TextReader(facts=facts, least_score=least_score)


def _version() -> str:
    try:
        return importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise refused("labelling.model-missing", _PACKAGE, "is not installed.", "Run `make install`.") from error


@functools.cache
def _digest() -> str:
    """Return one SHA-256 of the package's three networks, in the order of their names."""
    files = importlib.metadata.distribution(_PACKAGE).files or []
    whole = hashlib.sha256()
    for file in sorted(str(file) for file in files if str(file).endswith(".onnx")):
        whole.update(Path(str(importlib.metadata.distribution(_PACKAGE).locate_file(file))).read_bytes())
    return whole.hexdigest()


@functools.cache
def _engine() -> Any:
    """Return the networks, loaded once a process, on one thread each, so that sums are added in one order."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
    for name in list(logging.Logger.manager.loggerDict):
        if name in {"RapidOCR", "OrtInferSession"}:  # says at every photograph that it found no text
            logging.getLogger(name).setLevel(logging.ERROR)
    return engine
