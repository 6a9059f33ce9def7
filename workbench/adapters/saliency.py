"""The most salient thing in a photograph, by OpenCV: good enough for a simulated labeller, never a label."""

from __future__ import annotations

from pathlib import Path

from workbench.domain.geometry import Box

#: Length of the longer side on which the search is done, in pixels.
_SEARCH_PX = 320


def salient_box(path: Path) -> Box | None:
    """Return the box of the largest region that differs from the photograph's border, in its own pixels.

    The border's median colour is taken as the background; Otsu's threshold (1979) on the distance from it makes the
    regions. None where nothing stands out or the file cannot be read.
    """
    import cv2
    import numpy as np

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    scale = min(1.0, _SEARCH_PX / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    distance = np.linalg.norm(small.astype(float) - np.median(border, axis=0), axis=2)
    grey = np.clip(distance, 0, 255).astype(np.uint8)
    _, mask = cv2.threshold(cv2.GaussianBlur(grey, (5, 5), 0), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:  # noqa: PLR2004 -- the background is always one component
        return None
    x, y, w, h = (float(value) / scale for value in stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))][:4])
    return Box(x_min=x, y_min=y, x_max=min(x + w, width), y_max=min(y + h, height))
