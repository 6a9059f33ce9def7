"""Which guide and which taxonomy labellers had before them, and since when: kept as lines of the project's description.

The lines lie with the project they are about, so an answer's edition can be told whoever pulls it, and from where.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.domain.lineage import sha256_hex

_LINE = re.compile(r"^guide (\S+), taxonomy (\S+), since (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A guide and a taxonomy by version, and since when they are shown (ISO 8601, UTC)."""

    guide: str
    taxonomy: str
    since: str


def guide_version(instructions: str) -> str:
    """Return the version of a guide: the first 12 hexadecimal digits of the SHA-256 of what is shown."""
    return sha256_hex(instructions.encode())[:12]


def read_editions(description: str) -> list[Edition]:
    """Return the editions that a project's description tells of, oldest first."""
    return [
        Edition(guide=guide, taxonomy=taxonomy, since=since) for guide, taxonomy, since in _LINE.findall(description)
    ]


def with_edition(description: str, edition: Edition) -> str:
    """Return the description with one line more if labellers get another guide or taxonomy than its last line says.

    Examples
    --------
    >>> first = with_edition("", Edition(guide="a1", taxonomy="1", since="2026-01-01T00:00:00Z"))
    >>> first
    'guide a1, taxonomy 1, since 2026-01-01T00:00:00Z'
    >>> with_edition(first, Edition(guide="a1", taxonomy="1", since="2026-02-01T00:00:00Z")) == first
    True

    """
    last = read_editions(description)[-1:]
    if last and (last[0].guide, last[0].taxonomy) == (edition.guide, edition.taxonomy):
        return description
    line = f"guide {edition.guide}, taxonomy {edition.taxonomy}, since {edition.since}"
    return f"{description}\n{line}" if description else line


def edition_at(editions: Sequence[Edition], moment: str) -> Edition | None:
    """Return what was shown at a moment: the last edition before it, the first if none was; None if none is known."""
    before = [edition for edition in editions if edition.since <= moment]
    return before[-1] if before else next(iter(editions), None)
