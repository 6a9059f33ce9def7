"""What the stages need of the outside world, as small Protocols.

Stages import these, never an adapter; ``cli/wiring.py`` puts the real thing in. A port stands here only where
there are two real implementations (or a real one and the fake that passes the same contract tests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Track(Protocol):
    """Shows progress while items go by: a bar with rate and time left on a terminal, or silence."""

    def __call__(self, items: Iterable[T], *, total: int, doing: str) -> Iterator[T]:
        """Yield the items unchanged; ``doing`` is shown beside the bar."""
        ...


class Compute(Protocol):
    """Runs a pure function over items, on one process or many; results come in the items' order."""

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield ``function(item)`` for each item, in order; a failure is raised when its turn comes."""
        ...


class ObjectStore(Protocol):
    """Holds sealed originals, addressed by the SHA-256 of their bytes."""

    def read(self, contribution_id: str, object_id: str) -> bytes:
        """Return the bytes of one object.

        Raises
        ------
        Refused
            ``custody.object-missing`` or ``custody.object-altered``.

        """
        ...


def silent(items: Iterable[T], *, total: int, doing: str) -> Iterator[T]:  # noqa: ARG001 -- the port's signature
    """Yield the items and show nothing: the `Track` of tests and of ``--json``."""
    yield from items
