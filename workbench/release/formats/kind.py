"""What a format is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from workbench.release.picture import Picture, Whole

#: The bytes that one picture gives, by image_id.
Fragments = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: what one picture turns into, and which files that makes.

    Parameters
    ----------
    fragment
        The bytes of one picture; null where the files do not consist of such pieces. It must follow from the picture,
        the taxonomy and ``shaped_by`` alone, because it is kept and used again.
    files
        Paths inside the release with their bytes, from the whole and the fragments.
    shaped_by
        What else of the whole shapes a fragment, as text.
    path_of
        Where a picture's fragment is a file of its own; null where fragments are joined. ``files`` then yields the rest.
    reader, where
        Who loads it, and the paths that matter, for the card.

    """

    name: str
    fragment: Callable[[Picture, Whole], bytes] | None
    files: Callable[[Whole, Fragments], Iterable[tuple[str, bytes]]]
    reader: str
    where: tuple[str, ...]
    shaped_by: Callable[[Whole], str] = lambda _whole: ""
    path_of: Callable[[Picture], str] | None = None
