"""What may be wrong with a photograph as a picture: blurred, dark, glaring, small, and the like. A hint, never a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.ports import Sight

#: Below this the picture counts as blurred. Of 153 photographs of screws, tools, headstamps and walls it calls 4 blurred
#: (plain walls: what has no detail cannot be told from what is out of focus), and of the same photographs under a
#: Gaussian blur of 2 pixels at 512 pixels, 102. A higher limit would flag flat subjects.
BLURRED_BELOW = 4.0

#: From this share of nearly black pixels on, a picture counts as dark; likewise of nearly white ones, as glaring.
#: Objects cut out on white reach 0.92 and are fine, so the limits stand higher.
DARK_FROM_FRAC = 0.95
GLARING_FROM_FRAC = 0.97

#: A picture whose shorter side is below this is small.
SMALL_BELOW_PX = 240

#: From this ratio of the longer to the shorter side on, a picture is elongated: a strip, a panorama, a cut-off scan.
ELONGATED_FROM = 3.0

#: Below this share of blocks with detail a picture is bare: a wall, an empty table, a lens cap in grey.
BARE_BELOW_FRAC = 0.02


def quality_row(row: Mapping[str, Any], sight: Sight) -> dict[str, Any]:
    """Return the row of `tables.QUALITY` for an image (a row of `tables.IMAGES`) that measures like this."""
    return {
        "image_id": row["image_id"],
        "sharpness": sight.sharpness,
        "brightness_frac": sight.brightness_frac,
        "dark_frac": sight.dark_frac,
        "bright_frac": sight.bright_frac,
        "detail_frac": sight.detail_frac,
        "flags": quality_flags(sight, width_px=row["width_px"], height_px=row["height_px"]),
    }


def quality_flags(sight: Sight, *, width_px: int, height_px: int) -> list[str]:
    """Return what is noticed, of ``blurred``, ``dark``, ``glaring``, ``bare``, ``small`` and ``elongated``, in this order.

    A picture nearly all black or white shows nothing that could be sharp, so it is not also called blurred or bare; nor
    is a bare one called blurred.
    """
    dark, glaring = sight.dark_frac >= DARK_FROM_FRAC, sight.bright_frac >= GLARING_FROM_FRAC
    bare = sight.detail_frac < BARE_BELOW_FRAC and not dark and not glaring
    noticed = {
        "blurred": sight.sharpness < BLURRED_BELOW and not dark and not glaring and not bare,
        "dark": dark,
        "glaring": glaring,
        "bare": bare,
        "small": min(width_px, height_px) < SMALL_BELOW_PX,
        "elongated": max(width_px, height_px) >= ELONGATED_FROM * min(width_px, height_px),
    }
    return [flag for flag, holds in noticed.items() if holds]
