"""Worker processes on this machine: a pure function over many items, results in the items' order."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Below this many items a worker, starting one costs more than it saves.
_WORTH_A_PROCESS = 4


@dataclass(frozen=True, slots=True)
class Processes:
    """A `workbench.ports.Compute` of so many processes; with one, or for few items, it works in this process."""

    count: int

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield ``function(item)`` for each item, in order; a failure is raised when its turn comes."""
        workers = min(self.count, len(items) // _WORTH_A_PROCESS)
        if workers <= 1:
            yield from map(function, items)
            return
        # Forked, so that workers start with the tool already imported; it has no threads of its own by then. A process
        # that ran a network or the renderer before has such threads, and what is forked from it may wait for them for ever.
        threaded = bool({"onnxruntime", "drjit"} & sys.modules.keys())
        context = multiprocessing.get_context("forkserver" if threaded else "fork")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            try:
                yield from pool.map(function, items, chunksize=max(1, min(8, len(items) // (workers * 4))))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
