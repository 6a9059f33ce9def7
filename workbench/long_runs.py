"""What a run over many photographs does so that each costs what the first did: when it writes, and how it keeps rows."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Writing takes about this share of the time, a little more while what is written still grows fast. Not for every so many
#: rows: of a table that grows that would cost the square of their number.
_MOST_SHARE = 0.02


#: Seconds between two writings at least: of a small table so little is lost.
_LEAST_S = 1.0


class Interim:
    """Writes what is done so far, as often as that costs little.

    An interrupted run has to redo what it did in about fifty times the seconds that one writing takes, or in `_LEAST_S`.
    """

    def __init__(self, write: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin; nothing is written by that.

        Parameters
        ----------
        write
            Writes all there is.
        clock
            Seconds from any beginning.

        """
        self._write, self._clock = write, clock
        self._due_s = clock() + _LEAST_S

    def step(self) -> None:
        """Write if it is time to; to be called after each piece of work. Raises what ``write`` raises."""
        began_s = self._clock()
        if began_s < self._due_s:
            return
        self._write()
        ended_s = self._clock()
        self._due_s = ended_s + max(_LEAST_S, (ended_s - began_s) / _MOST_SHARE)


@contextmanager
def many_rows() -> Iterator[None]:
    """Keep Python from looking for cycles meanwhile: rows have none, and the more there are the longer a look takes.

    A fifth of the work of assembling a release, a tenth of receiving 100,000 photographs.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
