"""Rendered pictures as files: JPEG bytes that are the same for the same pixels, and the contact sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def encode_jpeg(image_hwc: NDArray[np.uint8], *, quality: int = 92) -> bytes:
    """Return the picture as baseline JPEG without metadata."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image_hwc).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def encode_png(image_hw: NDArray[Any]) -> bytes:
    """Return a grey picture of 8 or 16 bits as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image_hw).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def write_sheet(paths: Sequence[Path | BinaryIO], out: Path, *, columns: int = 4, tile_px: int = 320) -> None:
    """Write a contact sheet of pictures, row by row, as PNG or JPEG by the name of ``out``."""
    from PIL import Image

    rows = -(-len(paths) // columns)
    sheet = Image.new("RGB", (min(columns, len(paths)) * tile_px, rows * tile_px), "white")
    for i, path in enumerate(paths):
        with Image.open(path) as picture:
            picture.thumbnail((tile_px - 4, tile_px - 4))
            sheet.paste(picture, (i % columns * tile_px + 2, i // columns * tile_px + 2))
    if out.suffix.lower() == ".png":
        # A palette with dithering keeps a page of photographs under a megabyte.
        palette = sheet.quantize(256)
        sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(out, optimize=True)
    else:
        sheet.save(out, quality=88)
