"""Perceptual hashes by ImageHash, in the eight positions a picture can be turned and mirrored into.

The hash is pHash (DCT of a grey reduction, 16 x 16 low frequencies against their median: 256 bits). It survives
recompression, resizing and changes of brightness, not crops.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Name and version of the hash: raise the number when it changes, so that no cached one is mixed in.
VERSION = "phash16/1"

_HASH_SIDE = 16

#: Side of the grey reduction the eight positions are computed from, in pixels.
_REDUCED_PX = 128

#: From this many pictures on, starting worker processes pays.
_WORTH_WORKERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptualHasher:
    """Hashes image files, each content once: results are kept in a cache file. Fits `ports.Fingerprint`."""

    cache: Path
    workers: int = 1

    def __call__(self, files: Sequence[tuple[str, Path]]) -> Mapping[str, NDArray[np.uint8]]:
        """Return for each (SHA-256, path) its eight hashes, (8, 32) uint8, the picture as it is first."""
        known = self._read()
        todo = sorted({sha: path for sha, path in files if sha not in known}.items())
        if todo:
            known |= dict(zip((sha for sha, _ in todo), self._hash([path for _, path in todo]), strict=True))
            self._write(known)
        wanted = {sha for sha, _ in files}
        return {
            sha: np.frombuffer(bytes.fromhex(text), dtype=np.uint8).reshape(8, -1)
            for sha, text in known.items()
            if sha in wanted
        }

    def _hash(self, paths: Sequence[Path]) -> list[str]:
        if self.workers < 2 or len(paths) < _WORTH_WORKERS:  # noqa: PLR2004 -- one worker is this process
            return [_eight_hashes(path) for path in paths]
        with ProcessPoolExecutor(self.workers) as pool:
            return list(pool.map(_eight_hashes, paths, chunksize=16))

    def _read(self) -> dict[str, str]:
        try:
            document = json.loads(self.cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # only a cache: what cannot be read is computed again
        if not isinstance(document, dict) or document.get("version") != VERSION:
            return {}
        hashes: dict[str, str] = document["hashes"]
        return hashes

    def _write(self, hashes: Mapping[str, str]) -> None:
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        part = self.cache.with_name(self.cache.name + ".part")
        part.write_text(json.dumps({"version": VERSION, "hashes": hashes}), encoding="utf-8")
        os.replace(part, self.cache)


def _eight_hashes(path: Path) -> str:
    """Return the eight hashes of a picture as hexadecimal, one after another."""
    import imagehash
    from PIL import Image

    with Image.open(path) as image:
        image.draft("L", (_REDUCED_PX * 2, _REDUCED_PX * 2))  # lets the JPEG decoder skip most of its work
        grey = image.convert("L").resize((_REDUCED_PX, _REDUCED_PX), Image.Resampling.BOX)
    positions = []
    for mirrored in (False, True):
        base = grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else grey
        turns = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        positions += [base.transpose(turn) if turn is not None else base for turn in turns]
    packed = [np.packbits(imagehash.phash(position, hash_size=_HASH_SIDE).hash.ravel()) for position in positions]
    return b"".join(bits.tobytes() for bits in packed).hex()
