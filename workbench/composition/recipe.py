"""The section ``composition`` of params.yaml, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.domain.findings import refused
from workbench.domain.lineage import require_activity

#: Version of this stage's code; stands in params.yaml.
ACTIVITY = "composition/1"

_RANGES = {
    "images": (0, 1_000_000),
    "seed": (0, 2**32 - 1),
    "size_px": (64, 4096),
    "jpeg_quality": (1, 100),
    "settings": (1, 1000),
    "cutouts_per_setting": (1, 1000),
    "cutout_px": (64, 2048),
    "samples_per_pixel": (1, 4096),
}
_MOST_OBJECTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is put together, and how often.

    Parameters
    ----------
    images
        How many pictures.
    size_px
        Longer side of a picture; a smaller background keeps its size.
    objects_per_image
        Fewest and most cut-outs in a picture.
    settings, cutouts_per_setting
        The library: so many settings of lamps and camera, and in each so many parts.
    cutout_px
        Width and height of a cut-out.
    samples_per_pixel
        Paths traced for each of its pixels.

    """

    images: int
    seed: int
    size_px: int
    jpeg_quality: int
    objects_per_image: tuple[int, int]
    settings: int
    cutouts_per_setting: int
    cutout_px: int
    samples_per_pixel: int

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Recipe:
        """Return the recipe that the section ``composition`` of params.yaml describes.

        Raises
        ------
        Refused
            ``workspace.activity-version`` or ``workspace.params-invalid``.

        """
        require_activity(params, ACTIVITY, section="composition")
        for key, (low, high) in _RANGES.items():
            value = params.get(key)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise _bad(key, f"must be a whole number between {low} and {high}, not {value!r}.")
        counts = params.get("objects_per_image")
        if not _is_range(counts):
            raise _bad("objects_per_image", f"must be [least, most] between 1 and {_MOST_OBJECTS}, not {counts!r}.")
        least, most = params["objects_per_image"]
        return cls(objects_per_image=(least, most), **{key: params[key] for key in _RANGES})


def _is_range(counts: object) -> bool:
    return (
        isinstance(counts, list)
        and len(counts) == 2  # noqa: PLR2004 -- least and most
        and all(isinstance(count, int) and not isinstance(count, bool) for count in counts)
        and 1 <= counts[0] <= counts[1] <= _MOST_OBJECTS
    )


def _bad(key: str, message: str) -> Exception:
    return refused("workspace.params-invalid", f"params.yaml composition.{key}", message, "Correct it in params.yaml.")
