"""The models themselves, run for real: a detector built here, the reader of text, and the finder of what stands out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

from workbench.adapters import ocr, onnx_detector, u2netp
from workbench.domain.annotation import Shape
from workbench.domain.findings import Refused
from workbench.domain.geometry import Box, box_iou, ring_area_px2

#: The detector below looks at cells of this many pixels of a square picture.
CELL, SIDE = 8, 64


def _detector(
    path: Path, *, ready: bool = False, names: str | None = "{0: 'red', 1: 'green'}", reach: float = 8
) -> Path:
    """Write a network that takes a cell's mean red for the score of class 0 and mean green for that of class 1."""
    cells = SIDE // CELL
    ys, xs = (np.mgrid[:cells, :cells].reshape(2, -1) + 0.5) * CELL
    count = cells * cells
    if ready:
        boxes = np.stack([xs - reach / 2, ys - reach / 2, xs + reach / 2, ys + reach / 2], axis=1)
        parts: list[Any] = [numpy_helper.from_array(boxes[None].astype(np.float32), "boxes")]
        parts.append(numpy_helper.from_array(np.zeros((1, count, 1), np.float32), "class"))
        parts.append(numpy_helper.from_array(np.array([1, count, 1], np.int64), "shape"))
        nodes = [
            helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
            helper.make_node("Split", ["means", "sizes"], ["red", "others"], axis=1),
            helper.make_node("Reshape", ["red", "shape"], ["score"]),
            helper.make_node("Concat", ["boxes", "score", "class"], ["output0"], axis=2),
        ]
        parts.append(numpy_helper.from_array(np.array([1, 2], np.int64), "sizes"))
        shape = [1, count, 6]
    else:
        boxes = np.stack([xs, ys, np.full(count, reach), np.full(count, reach)])
        parts = [numpy_helper.from_array(boxes[None].astype(np.float32), "boxes")]
        parts.append(numpy_helper.from_array(np.array([1, 3, count], np.int64), "shape"))
        parts.append(numpy_helper.from_array(np.array([2, 1], np.int64), "sizes"))
        nodes = [
            helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
            helper.make_node("Reshape", ["means", "shape"], ["flat"]),
            helper.make_node("Split", ["flat", "sizes"], ["scores", "blue"], axis=1),
            helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
        ]
        shape = [1, 6, count]
    graph = helper.make_graph(
        nodes,
        "cells",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
        parts,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if names:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, str(path))
    return path


def _picture(path: Path, *, size_wh: tuple[int, int], boxes: Sequence[tuple[str, tuple[int, int, int, int]]]) -> Path:
    image = Image.new("RGB", size_wh, "black")
    for colour, (left, top, right, bottom) in boxes:
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=colour)
    image.save(path)
    return path


@pytest.mark.parametrize("ready", [False, True])
def test_a_detector_s_boxes_lie_where_the_objects_are_in_a_wide_picture(tmp_path: Path, *, ready: bool) -> None:
    detector = onnx_detector.open_detector(_detector(tmp_path / "cells.onnx", ready=ready), least_score=0.6)
    assert detector.facts.version == f"cells-{hashlib.sha256((tmp_path / 'cells.onnx').read_bytes()).hexdigest()[:12]}"
    # 128 x 64 is fitted into 64 x 64 at half its size, with 16 rows of grey above: a cell is 16 pixels of the picture.
    drawn = [("#ff0000", (32, 16, 48, 32)), ("#00ff00", (112, 48, 128, 64))]
    found = detector(("i", _picture(tmp_path / "wide.png", size_wh=(128, 64), boxes=drawn)))
    told = {(one.word, one.box.xyxy, round(one.score or 0, 2)) for one in found}
    red = ("red", (32.0, 16.0, 48.0, 32.0), 1.0)
    assert told == ({red} if ready else {red, ("green", (112.0, 48.0, 128.0, 64.0), 1.0)})


def test_overlapping_boxes_of_one_class_are_one_object_the_best(tmp_path: Path) -> None:
    path = _detector(tmp_path / "cells.onnx", reach=16)  # neighbours overlap by a third
    picture = _picture(
        tmp_path / "p.png", size_wh=(64, 64), boxes=[("#ff0000", (0, 0, 8, 8)), ("#cc0000", (8, 0, 16, 8))]
    )
    both = onnx_detector.open_detector(path, least_score=0.6)(("i", picture))
    one = onnx_detector.open_detector(path, least_score=0.6, same_iou=0.2)(("i", picture))
    assert [round(found.score or 0, 1) for found in both] == [1.0, 0.8]
    assert [found.box.xyxy for found in one] == [(0.0, 0.0, 12.0, 12.0)]  # clipped to the picture


def test_words_are_the_numbers_of_the_classes_where_the_file_has_no_names(tmp_path: Path) -> None:
    assert onnx_detector.open_detector(_detector(tmp_path / "a.onnx", names=None), least_score=0.5).facts.words == (
        "0",
        "1",
    )


@pytest.mark.parametrize("names", ["{0: 'red'}", "{'a': 'red', 1: 'green'}", "__import__('os')", "{0: "])
def test_names_that_do_not_fit_are_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(Refused, match="not the convention"):
        onnx_detector.open_detector(_detector(tmp_path / "a.onnx", names=names), least_score=0.5)


def test_a_file_that_is_no_detector_or_was_exchanged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no network")
    with pytest.raises(Refused, match="no network that can be run"):
        onnx_detector.open_detector(tmp_path / "no.onnx", least_score=0.5)
    with pytest.raises(Refused, match="cannot be read"):
        onnx_detector.open_detector(tmp_path / "missing.onnx", least_score=0.5)
    path = _detector(tmp_path / "outside.onnx")
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(Refused, match="another file"):
        onnx_detector.open_detector(path, least_score=0.5)
    path = _detector(tmp_path / "cells.onnx")
    detector = onnx_detector.open_detector(path, least_score=0.5)
    onnx_detector.load_network.cache_clear()
    _detector(path, reach=20)
    with pytest.raises(Refused, match="another SHA-256"):
        detector(("i", _picture(tmp_path / "p.png", size_wh=(8, 8), boxes=[])))


def test_a_damaged_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    with pytest.raises(Refused, match=r"broken\.jpg: cannot be read"):
        u2netp.open_salient(least_score=0.1)(("i", tmp_path / "broken.jpg"))


def test_what_stands_out_gets_a_simple_polygon_around_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(190, 205, (240, 320, 3), dtype=np.uint8))
    ImageDraw.Draw(image).rectangle((90, 60, 209, 169), fill="#3a4458")
    image.save(tmp_path / "p.png")
    (one,) = u2netp.open_salient(least_score=0.5)(("i", tmp_path / "p.png"))
    truth = Box(x_min=90, y_min=60, x_max=210, y_max=170)
    assert one.shape is Shape.POLYGON
    assert box_iou(one.box, truth) > 0.95
    (ring,) = one.rings
    assert ring_area_px2(ring) == pytest.approx(truth.area_px2, rel=0.06)
    assert len(ring) <= 24  # at most twelve corners for a rectangle
    assert 0.9 < (one.score or 0) <= 1


def test_printed_text_is_read_and_boxed_and_an_empty_table_gives_nothing(tmp_path: Path) -> None:
    image = Image.new("RGB", (320, 160), "#d8d8d8")
    ImageDraw.Draw(image).text((60, 50), "LOT 4711", fill="#202020", font_size=40)
    image.save(tmp_path / "text.png")
    Image.new("RGB", (320, 160), "#d8d8d8").save(tmp_path / "empty.png")
    reader = ocr.open_reader(least_score=0.5)
    (line,) = reader(("i", tmp_path / "text.png"))
    assert (line.transcription or "").replace(" ", "") == "LOT4711"
    ink = Box(x_min=60, y_min=58, x_max=235, y_max=90)
    assert box_iou(line.box, ink) > 0.5
    assert reader(("i", tmp_path / "empty.png")) == []
