"""Worker processes that may end at any time: what one was doing is done again by another.

A renderer's memory, and its crashes, end with its process. Each worker does so many items and is then replaced; one that
is killed, by the system for its memory or by anybody, costs its item a second try and nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from workbench.adapters.sandbox import without_main
from workbench.domain.findings import WorkbenchError, busy

T = TypeVar("T")
R = TypeVar("R")

#: How often an item is tried before its end is blamed on the item.
_TRIES = 3


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    index: int
    handled: int = 0


@dataclass(slots=True)
class _Jobs:
    """Which items wait, how often each was tried, and the results that wait for their turn."""

    waiting: deque[int]
    tries: dict[int, int] = field(default_factory=dict)
    results: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExpendableProcesses:
    """A `workbench.ports.Compute` of so many processes, each replaced after so many items.

    The function and the items are sent to the workers, which import what they need; results come in the items' order.
    """

    count: int
    replace_after: int

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield ``function(item)`` for each item, in order; a failure is raised as soon as it is known.

        Raises
        ------
        Busy
            ``synthesis.worker-lost`` if the process of one item ended three times.

        """
        jobs = _Jobs(waiting=deque(range(len(items))))
        workers: list[_Worker] = []
        try:
            for turn in range(len(items)):
                while turn not in jobs.results:
                    self._hand_out(workers, jobs, function, items)
                    self._collect(workers, jobs)
                yield jobs.results.pop(turn)
        finally:
            for worker in workers:
                _stop(worker)

    def _hand_out(self, workers: list[_Worker], jobs: _Jobs, function: Callable[[T], R], items: Sequence[T]) -> None:
        """Give each idle worker an item, and start workers while there are items for them."""
        for worker in [worker for worker in workers if worker.index < 0]:
            if worker.handled >= self.replace_after or not jobs.waiting:
                workers.remove(worker)
                _stop(worker)
            else:
                _give(worker, jobs, items)
        while len(workers) < self.count and jobs.waiting:
            workers.append(_start(function))
            _give(workers[-1], jobs, items)

    def _collect(self, workers: list[_Worker], jobs: _Jobs) -> None:
        """Wait for a result or the end of a worker, and note all there are."""
        ready = wait([worker.pipe for worker in workers])
        for worker in [worker for worker in workers if worker.pipe in ready]:
            try:
                kind, result = worker.pipe.recv()
            except (EOFError, OSError):
                self._lost(workers, worker, jobs)
                continue
            if kind == "failed":
                raise _error(result)
            jobs.results[worker.index] = result
            worker.index, worker.handled = -1, worker.handled + 1

    def _lost(self, workers: list[_Worker], worker: _Worker, jobs: _Jobs) -> None:
        """Put the item of an ended worker first in the queue, unless it has ended too many."""
        workers.remove(worker)
        _stop(worker)
        tries = jobs.tries[worker.index] = jobs.tries.get(worker.index, 0) + 1
        if tries >= _TRIES:
            raise busy(
                "synthesis.worker-lost",
                f"item {worker.index + 1}",
                f"could not be done: {tries} processes that worked on it ended (exit {worker.process.exitcode}).",
                "Look after the memory, or use fewer --workers, then repeat: what is done is kept.",
            )
        jobs.waiting.appendleft(worker.index)


def _give(worker: _Worker, jobs: _Jobs, items: Sequence[Any]) -> None:
    worker.index = jobs.waiting.popleft()
    with contextlib.suppress(OSError):  # it ended this instant: its pipe says so when it is waited for
        worker.pipe.send(items[worker.index])


def _start(function: Callable[[Any], Any]) -> _Worker:
    # Fresh processes: an engine with threads in this one would leave a forked copy waiting for them for ever.
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, function), daemon=True)
    with without_main():
        process.start()
    theirs.close()
    return _Worker(process=process, pipe=ours, index=-1)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Be a worker: answer items until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted is the command; it ends its workers
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[str, Any] = ("done", function(item))
        except WorkbenchError as error:
            answer = ("failed", (type(error), error.findings))
        except OSError as error:
            answer = ("failed", (OSError, (error.errno, error.strerror, error.filename)))
        except Exception:  # noqa: BLE001 -- its text goes to the command, which raises it
            answer = ("failed", (RuntimeError, (traceback.format_exc(),)))
        try:
            pipe.send(answer)
        except OSError:
            return


def _error(described: tuple[type[Exception], tuple[Any, ...]]) -> Exception:
    kind, arguments = described
    return kind(*arguments)
