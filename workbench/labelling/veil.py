"""Photographs that are blurred until somebody chooses to look: a style for the labelling page."""

from __future__ import annotations

from workbench.domain.findings import refused

#: The photograph stays blurred until the pointer has rested on it for a moment, and is blurred again when it leaves.
_STYLE = (
    ".wb-photo img, .wb-photo canvas { filter: blur(28px); transition: filter 0.2s ease 0s }"
    " .wb-photo:hover img, .wb-photo:hover canvas { filter: none; transition: filter 0.2s ease 0.7s }"
)


def veiled(xml: str) -> str:
    """Return a labelling page on which the photograph is blurred until the pointer rests on it.

    Raises
    ------
    Refused
        ``labelling.config-invalid`` if the page has no part that holds the photograph.

    """
    if "wb-photo" not in xml:
        raise refused(
            "labelling.config-invalid",
            "the labelling page",
            "has no part of class wb-photo, so its photograph cannot be blurred.",
            "Set exposure.blur to false for this project.",
        )
    start = xml.index("<View")
    end = xml.index(">", start) + 1
    return f"{xml[:end]}<Style>{_STYLE}</Style>{xml[end:]}"
