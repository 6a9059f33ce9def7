"""Pictures for people: contact sheets of labelled pictures. Equal data gives equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.masks import decode_mask, mask_rings
from workbench.domain.annotation import Instance
from workbench.domain.geometry import Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """A picture, (h, w, 3) uint8 RGB, and what is drawn on it."""

    image_hwc: NDArray[np.uint8]
    instances: Sequence[Instance]


def write_pairs(
    pairs: Sequence[tuple[LabelledPicture, LabelledPicture]], out: Path, *, columns: int = 3, tile_px: int = 256
) -> None:
    """Write a contact sheet of pairs side by side, labels drawn, as PNG or JPEG by the name of ``out``."""
    from PIL import Image

    gap_px = 12
    rows = -(-len(pairs) // columns)
    wide, high = 2 * tile_px + gap_px, tile_px + gap_px
    sheet = Image.new("RGB", (min(columns, len(pairs)) * wide + gap_px, rows * high + gap_px), "white")
    for index, pair in enumerate(pairs):
        left, top = index % columns * wide + gap_px, index // columns * high + gap_px
        for side, picture in enumerate(pair):
            sheet.paste(_drawn(picture, tile_px), (left + side * tile_px, top))
    part = out.with_name(f".{out.name}.part{out.suffix}")
    sheet.save(part, **({"quality": 90} if out.suffix.lower() != ".png" else {"optimize": True}))
    part.replace(out)


def _drawn(picture: LabelledPicture, tile_px: int) -> Any:
    """Return the picture as a square tile with its labels' outlines."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture.image_hwc)
    scale = (tile_px - 4) / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    brush = ImageDraw.Draw(image)
    for instance in picture.instances:
        for ring in (*instance.rings, *_mask_outlines(instance, picture.image_hwc)):
            brush.polygon([value * scale for value in ring], outline="#ffd400", width=2)
        if instance.box is not None:
            brush.rectangle([value * scale for value in instance.box.xyxy], outline="#ff5ca8", width=2)
        for point in instance.keypoints:
            x, y = point.x_px * scale, point.y_px * scale
            brush.ellipse((x - 3, y - 3, x + 3, y + 3), fill="#00e5ff")
    tile = Image.new("RGB", (tile_px, tile_px), "#e8e8e8")
    tile.paste(image, ((tile_px - image.width) // 2, (tile_px - image.height) // 2))
    return tile


def _mask_outlines(instance: Instance, image_hwc: NDArray[np.uint8]) -> tuple[Ring, ...]:
    if instance.mask_rle is None:
        return ()
    height, width = image_hwc.shape[:2]
    return mask_rings(decode_mask(instance.mask_rle, height_px=height, width_px=width))
