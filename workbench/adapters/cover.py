"""Regions of a working copy covered for good: filled with one colour and encoded anew, by Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from workbench.domain.geometry import Box

#: The colour of what is covered. Black is not mistaken for part of a scene, and no viewer can be asked to look through it.
FILL_RGB = (0, 0, 0)

#: JPEG codes blocks of this many pixels, each for itself. Only whole blocks are filled: a block half filled would ring,
#: and would leave traces of the fill's edge inside the region.
_BLOCK_PX = 8


def cover(jpeg: bytes, boxes: Sequence[Box], *, jpeg_quality: int) -> bytes:
    """Return a JPEG of the same size in which every pixel of the boxes has one colour, and nothing else is carried over.

    Parameters
    ----------
    jpeg
        A working copy; there is no metadata in it.
    boxes
        What to cover, in pixels; each is grown to whole blocks of 8 pixels, so up to 7 pixels more on each side.

    """
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(jpeg)) as opened:
        image = opened.convert("RGB")
    brush = ImageDraw.Draw(image)
    for box in boxes:
        left, top = (math.floor(edge / _BLOCK_PX) * _BLOCK_PX for edge in (box.x_min, box.y_min))
        right, bottom = (math.ceil(edge / _BLOCK_PX) * _BLOCK_PX for edge in (box.x_max, box.y_max))
        brush.rectangle((left, top, right - 1, bottom - 1), fill=FILL_RGB)
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=jpeg_quality, subsampling=0)
    return out.getvalue()
