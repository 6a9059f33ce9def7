"""Pictures as pixels and back: the one decoder and encoder that stored and online copies go through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.domain.findings import refused


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return a picture, (h, w, 3) uint8 RGB.

    Raises
    ------
    Refused
        ``augmentation.unreadable-image``.

    """
    return decode_rgb(path.read_bytes() if path.is_file() else b"", path)


def decode_rgb(data: bytes, subject: object) -> NDArray[np.uint8]:
    """Return the picture that bytes encode, (h, w, 3) uint8 RGB; ``subject`` names it in an error.

    Raises
    ------
    Refused
        ``augmentation.unreadable-image``.

    """
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if image is None:
        raise refused(
            "augmentation.unreadable-image", subject, "cannot be read as a picture.", "Restore it with `dvc checkout`."
        )
    return np.asarray(image, np.uint8)


def encode_rgb_jpeg(image_hwc: NDArray[np.uint8], quality: int) -> bytes:
    """Return the picture as JPEG bytes without metadata."""
    import cv2

    bgr = cv2.cvtColor(image_hwc, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def thumbnail_jpeg(data: bytes, subject: object, *, side_px: int) -> tuple[bytes, float]:
    """Return an encoded picture scaled so that its longer side is at most ``side_px``, as JPEG, and the scale in (0, 1].

    Raises
    ------
    Refused
        ``augmentation.unreadable-image``.

    """
    import cv2

    image = decode_rgb(data, subject)
    height, width = image.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    if scale < 1:
        size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return encode_rgb_jpeg(image, 80), scale


def crop_jpeg(
    image_hwc: NDArray[np.uint8], box_xyxy: tuple[float, float, float, float], *, side_px: int
) -> tuple[bytes, tuple[int, int, int, int]]:
    """Return the part of a picture within a box as JPEG, scaled down to ``side_px`` at most, and the whole pixels it shows.

    The box is cut to the picture, and holds at least one pixel; the pixels are edges x_min, y_min, x_max, y_max.
    """
    import cv2

    height, width = image_hwc.shape[:2]
    left, top = (min(max(0, int(edge)), size - 1) for edge, size in zip(box_xyxy[:2], (width, height), strict=True))
    right, bottom = (
        max(low + 1, min(size, int(np.ceil(edge))))
        for edge, size, low in zip(box_xyxy[2:], (width, height), (left, top), strict=True)
    )
    part = image_hwc[top:bottom, left:right]
    scale = min(1.0, side_px / max(part.shape[:2]))
    if scale < 1:
        size_wh = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = np.asarray(cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return encode_rgb_jpeg(np.ascontiguousarray(part), 80), (left, top, right, bottom)
