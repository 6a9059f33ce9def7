"""Worker processes on this machine: a pure function over many items, results in the items' order."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Below this many items a worker, starting one costs more than it saves.
_WORTH_A_PROCESS = 4

#: At most so many items go to a worker at once.
_LARGEST_CHUNK = 8

#: So many chunks a worker wait or are at work: enough that a slow item seldom keeps the others waiting.
_CHUNKS_AHEAD = 16


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
        # Workers share the memory of what is here already, unless their garbage collector writes into every object of it.
        gc.freeze()
        try:
            with ProcessPoolExecutor(workers, mp_context=context) as pool:
                try:
                    yield from _in_order(pool, function, items, workers=workers)
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
        finally:
            gc.unfreeze()


def _in_order(
    pool: ProcessPoolExecutor, function: Callable[[T], R], items: Sequence[T], *, workers: int
) -> Iterator[R]:
    """Yield the results in the items' order; only a few chunks are handed out ahead, since all at once fill much memory."""
    chunk = max(1, min(_LARGEST_CHUNK, len(items) // (workers * 4)))
    starts = iter(range(0, len(items), chunk))

    def submit(start: int) -> Future[list[R]]:
        return pool.submit(_each, function, items[start : start + chunk])

    ahead = deque(map(submit, itertools.islice(starts, workers * _CHUNKS_AHEAD)))
    while ahead:
        yield from ahead.popleft().result()
        ahead.extend(map(submit, itertools.islice(starts, 1)))


def _each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]
