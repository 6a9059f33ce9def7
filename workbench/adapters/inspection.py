"""The one function that sandboxed workers call on a delivered file: a picture or a film, by its first bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.adapters import images
from workbench.adapters.file_structure import is_film
from workbench.adapters.images import Copied, Rejected
from workbench.adapters.video import SUFFIXES, Sampled, prepare, sample_film

#: Endings of names that the workers for films take; prepare them with ``prepare_films``.
FILM_SUFFIXES = SUFFIXES
prepare_films = prepare
prepare_pictures = images.prepare


def inspect_item(item: tuple[bytes, str], *, parameters: Mapping[str, Any]) -> Copied | Sampled | Rejected:
    """Return the working copy of (bytes, suffix), the frames of a film, or why there are none."""
    data, suffix = item
    if is_film(data):
        return sample_film(data, suffix, parameters)
    return images.make_working_copy(data, suffix, parameters)
