"""Worker processes that decode what nobody trusts: limited memory, files and time, and expendable.

Each worker takes one item at a time over a pipe. A worker that dies or overruns its time is replaced and the item
gets a verdict; a worker lost to a signal from outside is tried once more before it is blamed on the item.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: What a worker may take, beyond what it holds when it is ready (RELIABILITY figures: 1.5 GiB, 64 files).
_MEMORY_BYTES = 1_610_612_736
_FILES = 64

#: Items a worker handles before it is replaced, so that a leak ends with it.
_RECYCLE_AFTER = 500

#: How often an item whose worker was lost is tried again.
_RETRIES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """There is no result: the worker was ``timeout`` (killed on time) or ``died``."""

    why: str


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    index: int | None = None
    began: float = 0.0
    handled: int = 0


class Sandbox(Generic[T, R]):
    """Runs a function over items in limited worker processes; fits nothing but hostile input.

    Parameters
    ----------
    function
        A module-level function of one item.
    prepare
        Called once in each worker before the limits close in.
    timeout_s
        Wall clock for one item.

    """

    def __init__(
        self, function: Callable[[T], R], *, prepare: Callable[[], None], workers: int, timeout_s: float
    ) -> None:
        """Keep the settings; workers start with the first `map` and stay until the sandbox is left."""
        self._function, self._prepare = function, prepare
        self._count, self._timeout_s = workers, timeout_s
        # A fork server is small and single-threaded: forking it is cheap and safe, whatever threads run here.
        self._context = multiprocessing.get_context("forkserver")
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Enter with no worker yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all workers."""
        for worker in self._workers:
            self._stop(worker)
        self._workers = []

    def map(self, items: Sequence[T]) -> Iterator[tuple[int, R | Lost]]:
        """Yield (index, result or `Lost`) for each item, as they are done."""
        queue = [(index, 0) for index in reversed(range(len(items)))]
        tries: dict[int, int] = {}
        workers = self._workers
        workers += [self._start() for _ in range(min(self._count, len(items)) - len(workers))]
        while queue or any(worker.index is not None for worker in workers):
            for worker in workers:
                if worker.index is None and queue:
                    index, tries[index] = queue.pop()
                    worker.index, worker.began = index, monotonic()
                    worker.pipe.send(items[index])
            for number, result in list(self._collect(workers)):
                worker = workers[number]
                done, worker.index, worker.handled = worker.index, None, worker.handled + 1
                if isinstance(result, Lost) or worker.handled >= _RECYCLE_AFTER:
                    self._stop(worker)
                    workers[number] = self._start()
                if done is None:
                    continue
                if isinstance(result, Lost) and result.why == "died" and tries[done] < _RETRIES:
                    queue.append((done, tries[done] + 1))
                else:
                    yield done, result

    def _collect(self, workers: Sequence[_Worker]) -> Iterator[tuple[int, R | Lost]]:
        """Yield (worker number, result) of workers that are done, have died, or are out of time."""
        active = [worker for worker in workers if worker.index is not None]
        ready = wait([worker.pipe for worker in active], timeout=0.2)
        now = monotonic()
        for number, worker in enumerate(workers):
            if worker.index is None:
                continue
            if worker.pipe in ready:
                try:
                    yield number, worker.pipe.recv()
                except (EOFError, OSError):
                    yield number, Lost(why="died")
            elif now - worker.began > self._timeout_s:
                yield number, Lost(why="timeout")

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._function, self._prepare), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process=process, pipe=ours)
        try:
            ours.recv()  # the worker says when it is ready, so that its start counts against no item
        except EOFError as error:
            raise RuntimeError("a sandbox worker died before it was ready") from error
        return worker

    @staticmethod
    def _stop(worker: _Worker) -> None:
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()


def _serve(pipe: Connection, function: Callable[[Any], Any], prepare: Callable[[], None]) -> None:
    """Be a worker: answer items until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare()
    _limit()
    pipe.send("ready")
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(function(item))


def _limit() -> None:
    """Close the limits: memory, files, no core dump, no way to regain a right."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a decoder has nothing to write
