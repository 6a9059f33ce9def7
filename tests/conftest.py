"""What every test may use: the command line in this process, and photographs drawn by seeded code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw
from typer.testing import CliRunner

#: A GPS position nobody was at, written into drawn photographs: it must never come out again.
CANARY = "Canary-48151623"


# A busy machine is slow, not wrong: no property fails by the clock.
settings.register_profile("workbench", deadline=None)
settings.load_profile("workbench")


@pytest.fixture(scope="session")
def canary() -> str:
    """The text that drawn photographs carry in their metadata and nothing else may."""
    return CANARY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party sample data; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared sample data is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def workbench() -> Callable[..., dict[str, Any]]:
    """Run a `workbench` command in this process; return its JSON answer with ``exit_code``.

    ``expect`` is the exit code the test expects (0 unless told).
    """
    from workbench.cli.main import app

    def run(*arguments: object, expect: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == expect, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    return run


@pytest.fixture(scope="session")
def draw_photograph() -> Callable[..., dict[str, Any]]:
    """Draw a photograph of a few plain shapes on a noisy table; return the true boxes, upright, in pixels.

    With ``orientation``, the stored pixels are turned so that the EXIF tag turns them upright again.
    """

    def draw(path: Path, *, seed: int, size_wh: tuple[int, int] = (320, 240), orientation: int = 1) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        width, height = size_wh
        noise = rng.integers(150, 190, (height // 8, width // 8, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize(size_wh, Image.Resampling.BILINEAR)
        brush = ImageDraw.Draw(image)
        boxes = []
        for column in range(2):
            left = int(rng.integers(10, width // 2 - 90)) + column * width // 2
            top = int(rng.integers(10, height - 90))
            right, bottom = left + int(rng.integers(40, 80)), top + int(rng.integers(40, 80))
            colour = tuple(int(value) for value in rng.integers(0, 120, 3))
            brush.rectangle((left, top, right - 1, bottom - 1), fill=colour)
            boxes.append((left, top, right, bottom))
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = CANARY
        exif.get_ifd(0x8825).update({1: "N", 2: (31.0, 12.0, 9.0), 3: "W", 4: (41.0, 3.0, 7.0), 29: CANARY})
        inverse = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
        turn = inverse[orientation]
        stored = image.transpose(turn) if turn is not None else image
        path.parent.mkdir(parents=True, exist_ok=True)
        stored.save(path, quality=92, exif=exif)
        return {"boxes_xyxy": boxes, "size_wh": size_wh, "canary": CANARY}

    return draw
