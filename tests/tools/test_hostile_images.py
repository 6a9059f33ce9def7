"""Acceptance figure 5: all awkward images and generated bombs get the right verdict, within memory and time."""

from __future__ import annotations

import io
import resource
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.adapters import images, inspection
from workbench.adapters.sandbox import Lost, Sandbox
from workbench.intake.partner_report import REMEDIES

pytestmark = [pytest.mark.tools, pytest.mark.slow]

PARAMETERS = {
    "max_megapixels": 50,
    "max_side_px": 4096,
    "jpeg_quality": 95,
    "max_video_s": 600,
    "max_video_frames": 40,
    "video_gap_s": 1.0,
    "scene_change_frac": 0.08,
}
_MOST_RSS_BYTES = 1_610_612_736
_MOST_S = 10.0

#: PNG files that Pillow opens and that do not decode to their end: truncated, or with a chunk that is damaged.
_NOT_WHOLE = {"intake.truncated", "intake.decode-failed"}


def _measured(item: tuple[bytes, str]) -> tuple[Any, float, int]:
    """Return the verdict, the seconds it took, and the most memory this worker ever held, in bytes."""
    began = time.monotonic()
    verdict = inspection.inspect_item(item, parameters=PARAMETERS)
    return verdict, time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _judged(items: list[tuple[bytes, str]], prepare: Callable[[], None]) -> list[str]:
    """Return each item's verdict in a word, ``ok`` or a code, having held every worker to its limits."""
    said = [""] * len(items)
    with Sandbox(_measured, prepare=prepare, workers=2, timeout_s=_MOST_S) as box:
        for index, answer in box.map(items):
            if isinstance(answer, Lost):
                said[index] = {"timeout": "intake.timeout", "died": "intake.resources"}[answer.why]
                continue
            verdict, took_s, rss_bytes = answer
            assert rss_bytes <= _MOST_RSS_BYTES
            assert took_s <= _MOST_S * 2  # the machine may be crowded; the sandbox itself watches the limit
            said[index] = verdict.code if isinstance(verdict, images.Rejected) else "ok"
    return said


def _expected(row: pd.Series) -> set[str]:
    """Return the verdicts that fit what another reader says of a file (manifest.csv) and our rules."""
    suffix = Path(row["file"]).suffix.lower()
    kind, verdict = row["fmt"], row["verdict"]
    if row["category"] == "polyglot":
        return {"intake.polyglot"} if kind in images.FORMATS else {"intake.format-refused"}
    if "DecompressionBomb" in verdict or verdict.startswith("huge"):
        return {"intake.too-large"}
    if verdict == "ok" and kind not in images.FORMATS:
        return {"intake.format-refused"}
    if verdict == "ok" and suffix not in images.FORMATS[kind]:
        return {"intake.extension-mismatch"}
    if verdict == "ok":
        claims = row["w"] * row["h"] > 1500 * row["bytes"] + 4e6
        return {"intake.too-large"} if claims else {"ok"} | (_NOT_WHOLE if kind == "PNG" else set())
    # The other reader knows no HEIF; what it cannot read is no picture for us either.
    return {"intake.decode-failed", *(("ok",) if suffix in {".heic", ".heif", ".avif"} else ())} | {
        "intake.truncated", "intake.extension-mismatch", "intake.format-refused", "intake.too-large", "intake.resources",
    }  # fmt: skip


def test_every_awkward_image_gets_the_right_verdict(shared_data: Path) -> None:
    root = shared_data / "tricky-images"
    manifest = pd.read_csv(root / "manifest.csv", keep_default_na=False)
    for column in ("w", "h", "bytes"):
        manifest[column] = pd.to_numeric(manifest[column], errors="coerce")
    manifest["path"] = [root / name.removeprefix("shared/") for name in manifest["file"]]
    there = manifest[[path.is_file() for path in manifest["path"]]]
    assert len(there) >= 960
    items = [(path.read_bytes(), path.suffix.lower()) for path in there["path"]]
    said = _judged(items, inspection.prepare_pictures)
    wrong = [
        (row["file"], row["verdict"], word)
        for (_, row), word in zip(there.iterrows(), said, strict=True)
        if word not in _expected(row)
    ]
    assert not wrong
    counted = Counter(said)
    assert set(counted) - {"ok"} <= set(REMEDIES)
    assert counted["ok"] >= 480
    assert counted["intake.polyglot"] == 11
    assert sum(word in _NOT_WHOLE for word, fmt in zip(said, there["fmt"], strict=True) if fmt == "PNG") < 25


def _png(width: int, height: int, *chunks: tuple[bytes, bytes], data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *(chunk(*one) for one in chunks), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _jpeg_that_claims(width: int, height: int) -> bytes:
    data = bytearray(_saved(Image.new("RGB", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _tiff_in_a_circle() -> bytes:
    """Return a TIFF whose list of pages never ends."""
    data = bytearray(_saved(Image.new("RGB", (8, 8)), "TIFF"))
    first = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[first : first + 2])[0]
    data[first + 2 + 12 * count : first + 6 + 12 * count] = struct.pack("<I", first)
    return bytes(data)


def _many_pages(count: int) -> bytes:
    """Return a TIFF with very many pages that share their pixels."""
    entries = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 1)]
    body, at = b"II*\0" + struct.pack("<I", 16) + b"\0" * 8, 16
    pages = []
    for number in range(count):
        following = 0 if number == count - 1 else at + 2 + 12 * len(entries) + 4
        page = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        pages.append(page + struct.pack("<I", following))
        at = following
    return body + b"".join(pages)


#: Bombs by name: file, ending, and the verdicts that are right.
_BOMBS: dict[str, tuple[Callable[[], bytes], str, set[str]]] = {
    "a PNG of 100 megapixels": (lambda: _saved(Image.new("1", (9990, 9990)), "PNG"), ".png", {"intake.too-large"}),
    "a PNG that claims 2 terapixels": (lambda: _png(2**20, 2**21), ".png", {"intake.too-large"}),
    "a JPEG of 700 bytes that claims 99 megapixels": (
        lambda: _jpeg_that_claims(9990, 9990), ".jpg", {"intake.too-large"},
    ),
    "a JPEG of 700 bytes that claims 30 megapixels": (
        lambda: _jpeg_that_claims(6000, 5000), ".jpg", {"intake.too-large"},
    ),
    "a PNG whose profile unpacks to 150 MB": (
        lambda: _png(8, 8, (b"iCCP", b"a\0\0" + zlib.compress(bytes(150_000_000), 6)),
                     data=zlib.compress((b"\0" + b"\1" * 24) * 8)),
        ".png", {"ok", "intake.decode-failed"},
    ),
    "a PNG whose text unpacks to 150 MB": (
        lambda: _png(8, 8, (b"zTXt", b"a\0\0" + zlib.compress(bytes(150_000_000), 6)),
                     data=zlib.compress((b"\0" + b"\1" * 24) * 8)),
        ".png", {"ok", "intake.decode-failed"},
    ),
    "a PNG whose pixels unpack to 300 MB more than it has": (
        lambda: _png(8, 8, data=zlib.compress(bytes(300_000_000), 6)), ".png", {"ok", "intake.decode-failed"},
    ),
    "a WebP of the largest size": (
        lambda: _saved(Image.new("RGB", (16383, 4000)), "WEBP", quality=1, method=0), ".webp", {"intake.too-large"},
    ),
    "a BMP that claims 4 gigapixels": (
        lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 65535, 65535, 1, 24, 0, 0, 0, 0, 0, 0),
        ".bmp", {"intake.too-large", "intake.decode-failed"},
    ),
    "a TIFF in a circle": (_tiff_in_a_circle, ".tif", {"ok", "intake.decode-failed"}),
    "a TIFF of 50,000 pages": (lambda: _many_pages(50_000), ".tif", {"ok"}),
    "nothing": (lambda: b"", ".jpg", {"intake.decode-failed"}),
    "noise": (lambda: np.random.default_rng(1).bytes(5_000_000), ".jpg", {"intake.decode-failed"}),
    "a film of noise": (
        lambda: b"\0\0\0\x18ftypisom" + bytes(12) + np.random.default_rng(2).bytes(5_000_000),
        ".mp4", {"intake.decode-failed", "intake.format-refused"},
    ),
    "a film of boxes in boxes": (
        lambda: b"\0\0\0\x18ftypisom" + bytes(12)
        + b"".join(struct.pack(">I", 8 * (20_000 - depth)) + b"moov" for depth in range(20_000)),
        ".mp4", {"intake.decode-failed", "intake.format-refused", "intake.resources"},
    ),
}  # fmt: skip


def test_bombs_get_a_reason_and_end_no_one_else() -> None:
    items = [(make(), suffix) for make, suffix, _ in _BOMBS.values()]
    items.append((_saved(Image.new("RGB", (64, 64)), "JPEG"), ".jpg"))
    said = _judged(items, inspection.prepare_films)
    wrong = [
        (name, word) for (name, (_, _, right)), word in zip(_BOMBS.items(), said, strict=False) if word not in right
    ]
    assert not wrong
    assert said[-1] == "ok", "a sound picture among bombs is admitted"
