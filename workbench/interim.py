"""When a long run writes down what it has so far."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Writing takes at most about this share of the time: a table that grows is not written for every so many rows, which
#: would cost the square of their number.
_MOST_SHARE = 0.02


class Interim:
    """Writes what is done so far, as often as that costs little.

    An interrupted run has to redo about fifty times what one writing takes; a calm one loses a fiftieth.
    """

    def __init__(self, write: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin; nothing is written yet.

        Parameters
        ----------
        write
            Writes all there is.
        clock
            Seconds from any beginning.

        """
        self._write, self._clock = write, clock
        self._due_s = clock() + 1.0

    def step(self) -> None:
        """Write if it is time to."""
        began_s = self._clock()
        if began_s < self._due_s:
            return
        self._write()
        ended_s = self._clock()
        self._due_s = ended_s + max(1.0, (ended_s - began_s) / _MOST_SHARE)
