"""Images that want to crash, fill memory or take for ever: each gets a verdict, in time, in bounded memory."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import pytest
from PIL import Image

from workbench.cli.intake import _Inspector
from workbench.cli.wiring import Workspace
from workbench.intake import admit
from workbench.tables import FILES, read_rows

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Invoke = Callable[..., dict[str, Any]]

#: Acceptance figure 5.
_MOST_RSS_BYTES = 1_610_612_736
_MOST_S = 10.0
#: The limit is the worker's; its killing and replacing comes on top, and on a crowded machine so does its waiting.
_GRACE_S = 5.0


def _chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def _png(width: int, height: int, rows: bytes, *extra: bytes, bits: int = 8, colour: int = 2) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">2I5B", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return (
        b"".join(packer.compress(block[: min(1 << 20, count - at)]) for at in range(0, count, 1 << 20)) + packer.flush()
    )


def _jpeg(width: int, height: int, **options: Any) -> bytes:
    rng, out = np.random.default_rng(1), io.BytesIO()
    small = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    small.resize((width, height)).save(out, "JPEG", **options)
    return out.getvalue()


def _claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose frame header claims another size than its data has."""
    at = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))
    return jpeg[: at + 5] + struct.pack(">2H", height, width) + jpeg[at + 9 :]


def _many_scans(width: int, height: int, times: int) -> bytes:
    """Return a progressive JPEG whose last scan stands in it many times over: each costs a pass over the picture."""
    jpeg = _jpeg(width, height, progressive=True, quality=60)
    last = jpeg.rindex(b"\xff\xda")
    start = jpeg.rfind(b"\xff\xc4", 0, last)
    return jpeg[:-2] + jpeg[start:-2] * times + jpeg[-2:]


def _tiff(width: int, height: int, strip: bytes, *, compression: int = 8) -> bytes:
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 4, 122), (277, 3, 1),
        (278, 4, height), (279, 4, len(strip)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0) + strip


def _film(frames: int) -> bytes:
    pictures, out = [Image.new("RGB", (400, 400), (n % 255, 0, 0)) for n in range(frames)], io.BytesIO()
    pictures[0].save(out, "WEBP", save_all=True, append_images=pictures[1:], duration=10)
    return out.getvalue()


def bombs() -> Mapping[str, bytes]:
    """Return bombs by file name."""
    return {
        "huge-claim.png": _png(60_000, 60_000, _zeros(10_000)),
        "deflated.png": _png(7_000, 7_000, _zeros(7_000 * 21_001)),
        "bilevel.png": _png(40_000, 40_000, _zeros(40_000 * 5_001), bits=1, colour=0),
        "text.png": _png(8, 8, _zeros(8 * 25), _chunk(b"zTXt", b"c\0\0" + _zeros(300 << 20))),
        "profile.png": _png(8, 8, _zeros(8 * 25), _chunk(b"iCCP", b"p\0\0" + _zeros(300 << 20))),
        "claim.jpg": _claiming(_jpeg(64, 64), 65_500, 65_500),
        "just-below.jpg": _claiming(_jpeg(64, 64), 7_000, 7_000),
        "scans.jpg": _many_scans(2_500, 2_000, 4_000),
        "scans-few.jpg": _many_scans(3_000, 2_000, 60),
        "strip.tif": _tiff(30_000, 30_000, _zeros(30_000 * 30_000)),
        "claim.tif": _tiff(4_000_000, 4_000_000, b"x" * 100),
        "claim.bmp": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 1000, 0, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "film.webp": _film(300),
        "nothing.jpg": b"",
        "zeros.png": bytes(5_000_000),
    }


class _Watch:
    """Measures what a process's descendants hold at most, and lets each worker count from its start."""

    def __init__(self) -> None:
        self.most_bytes, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                self.most_bytes = max(self.most_bytes, _peak_bytes(process.pid))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _peak_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM")), 0)


@contextmanager
def _one_worker() -> Iterator[None]:
    """Keep this process to one processor, so that there is one worker and the time between verdicts is a file's."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _inspect(root: Path) -> tuple[dict[str, admit.Verdict], dict[str, float], int]:
    """Return verdict and seconds of each delivered file, and the most memory a worker held, bytes."""
    workspace = Workspace.find(root, quiet=True)
    (table,) = workspace.layout.deliveries.glob("*/files.parquet")
    rows: Sequence[Mapping[str, Any]] = read_rows(table, FILES)
    verdicts, seconds = {}, {}
    with _one_worker(), _Watch() as watch:
        began = time.monotonic()
        for position, verdict in _Inspector(workspace)(rows):
            now = time.monotonic()
            verdicts[rows[position]["image_id"]] = verdict
            seconds[rows[position]["image_id"]], began = now - began, now
    assert len(verdicts) == len(rows)
    return verdicts, seconds, watch.most_bytes


def _say(verdicts: Mapping[str, admit.Verdict], seconds: Mapping[str, float], most: int) -> str:
    codes = Counter(verdict.code or "admitted" for verdict in verdicts.values())
    told = ", ".join(f"{count} {code}" for code, count in codes.most_common())
    return (
        f"{len(verdicts)} files, all with a verdict ({told}); worker at most {most / 2**20:.0f} MiB, "
        f"slowest file {max(seconds.values()):.1f} s"
    )


def test_every_bomb_gets_a_verdict_in_time_and_in_bounded_memory(
    host: Any, site: Any, tmp_path: Path, record: Any
) -> None:
    place, delivery = site(), tmp_path / "bombs"
    delivery.mkdir()
    for name, data in bombs().items():
        (delivery / name).write_bytes(data)
    assert host.run(*place.receive_line(delivery)).code == 0
    verdicts, seconds, most = _inspect(place.root)
    assert most <= _MOST_RSS_BYTES
    assert max(seconds.values()) <= _MOST_S + _GRACE_S
    codes = Counter(verdict.code for verdict in verdicts.values())
    assert codes["intake.too-large"] >= 5
    assert codes["intake.decode-failed"] >= 2
    record(5, "generated bombs: " + _say(verdicts, seconds, most), "one worker, VmHWM every 50 ms")


def test_every_awkward_image_gets_its_verdict_in_time_and_in_bounded_memory(
    host: Any, site: Any, shared_data: Path, tmp_path: Path, record: Any, size: Any
) -> None:
    place, delivery = site(), tmp_path / "tricky"
    files = sorted(path for path in (shared_data / "tricky-images").rglob("*") if path.is_file())
    every = max(1, len(files) // size("WORKBENCH_TRICKY", 120, len(files)))
    delivery.mkdir()
    for number, path in enumerate(files[::every]):
        (delivery / f"{number:04d}{path.suffix}").write_bytes(path.read_bytes())
    assert host.run(*place.receive_line(delivery)).code == 0
    verdicts, seconds, most = _inspect(place.root)
    assert most <= _MOST_RSS_BYTES
    assert max(seconds.values()) <= _MOST_S + _GRACE_S
    assert all((verdict.jpeg is None) != (verdict.code is None) for verdict in verdicts.values())
    record(5, "tricky-images: " + _say(verdicts, seconds, most), "one worker, VmHWM every 50 ms")


def test_the_watch_sees_a_worker_that_takes_too_much() -> None:
    import subprocess
    import sys

    with _Watch() as watch:
        subprocess.run([sys.executable, "-c", "import time; x = bytearray(400 << 20); time.sleep(0.5)"], check=True)
    assert watch.most_bytes > 400 << 20
