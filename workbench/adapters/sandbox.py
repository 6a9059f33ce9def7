"""Worker processes that decode what nobody trusts: limited memory, files and time, and expendable.

Each worker takes one item at a time over a pipe. A worker that dies or overruns its time is replaced and the item
gets a verdict; a worker lost to a signal from outside is tried once more before it is blamed on the item, and time
during which the machine gave the worker nothing to run on is not held against the item either.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic
from typing import Any, Generic, Self, TypeVar

from workbench.adapters.sandbox_worker import Limits, serve
from workbench.domain.findings import busy

T = TypeVar("T")
R = TypeVar("R")

_USUAL = Limits()

#: Items a worker handles before it is replaced, so that a leak ends with it.
_RECYCLE_AFTER = 500

#: A worker that is overdue but was given little processor time may take this many times its limit.
_PATIENCE = 6

#: How often an item whose worker was lost is tried again, and how often a worker may fail to start.
_RETRIES = 1
_STARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """There is no result: the worker was ``timeout`` (killed on time) or ``died``."""

    why: str


@dataclass(slots=True)
class _Job(Generic[T]):
    index: int
    item: T
    tries: int = 0


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    job: _Job[Any] | None = None
    began: float = 0.0
    ran_before_s: float = 0.0
    handled: int = 0


class Sandbox(Generic[T, R]):
    """Runs a function over items in limited worker processes; fits nothing but hostile input.

    Parameters
    ----------
    function
        A function of one item, in a module that a worker can import (not the program's own ``__main__``).
    prepare
        Called once in each worker before the limits close in.
    timeout_s
        Wall clock for one item.
    limits
        Memory and files of one worker.

    """

    def __init__(
        self,
        function: Callable[[T], R],
        *,
        prepare: Callable[[], None],
        workers: int,
        timeout_s: float,
        limits: Limits = _USUAL,
    ) -> None:
        """Keep the settings; workers start with the first `map` and stay until the sandbox is left."""
        self._function, self._prepare, self._limits = function, prepare, limits
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

    def map(self, items: Iterable[T]) -> Iterator[tuple[int, R | Lost]]:
        """Yield (index, result or `Lost`) for each item, as they are done.

        An item is drawn only when a worker is free for it, so that few are in memory at a time.
        """
        fresh = (_Job(index=index, item=item) for index, item in enumerate(items))
        again: list[_Job[T]] = []
        workers = self._workers
        while True:
            self._hand_out(fresh, again)
            if not any(worker.job for worker in workers):
                return
            for worker_number, result in list(self._collect(workers)):
                worker = workers[worker_number]
                done, worker.job, worker.handled = worker.job, None, worker.handled + 1
                if isinstance(result, Lost) or worker.handled >= _RECYCLE_AFTER:
                    self._stop(worker)
                    workers[worker_number] = self._start()
                if done is None:
                    continue
                if isinstance(result, Lost) and result.why == "died" and done.tries < _RETRIES:
                    done.tries += 1
                    again.append(done)
                else:
                    yield done.index, result

    def _hand_out(self, fresh: Iterator[_Job[T]], again: list[_Job[T]]) -> None:
        """Give each idle worker a job while there are any; one that died while idle is replaced first."""
        for number in range(self._count):
            if number < len(self._workers) and self._workers[number].job is not None:
                continue
            job = again.pop() if again else next(fresh, None)
            if job is None:
                return
            if number == len(self._workers):
                self._workers.append(self._start())
            elif not self._workers[number].process.is_alive():
                self._stop(self._workers[number])
                self._workers[number] = self._start()
            worker = self._workers[number]
            worker.job, worker.began, worker.ran_before_s = job, monotonic(), _processor_s(worker.process.pid)
            try:
                worker.pipe.send(job.item)
            except OSError:
                # It died this instant, or has half a message, for which it would wait for ever: either way its pipe is
                # closed now, `_collect` finds that, and another worker tries.
                worker.process.kill()

    def _collect(self, workers: Sequence[_Worker]) -> Iterator[tuple[int, R | Lost]]:
        """Yield (worker number, result) of workers that are done, have died, or are out of time."""
        ready = wait([worker.pipe for worker in workers if worker.job], timeout=0.2)
        now = monotonic()
        for number, worker in enumerate(workers):
            if worker.job is None:
                continue
            if worker.pipe in ready:
                try:
                    yield number, worker.pipe.recv()
                except (EOFError, OSError):
                    yield number, Lost(why="died")
            elif now - worker.began > self._timeout_s and self._really_ran(worker):
                yield number, Lost(why="timeout")
            elif now - worker.began > _PATIENCE * self._timeout_s:
                yield number, Lost(why="died")  # it hardly ran: that is the machine's doing, so another worker tries

    def _really_ran(self, worker: _Worker) -> bool:
        """Say whether an overdue worker had its time: on a crowded or suspended machine it may hardly have run."""
        return _processor_s(worker.process.pid) - worker.ran_before_s > self._timeout_s / 2

    def _start(self) -> _Worker:
        for _ in range(_STARTS):
            with contextlib.suppress(EOFError, ConnectionError):
                return self._try_to_start()
        raise busy(
            "intake.no-workers",
            "the processes that decode",
            f"ended {_STARTS} times before they were ready.",
            "Look after memory and disk, then repeat: files that have their verdict keep it.",
        )

    def _try_to_start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve,
            args=(theirs, self._function, self._prepare, int(self._timeout_s * _PATIENCE) + 10, self._limits),
            daemon=True,
        )
        with without_main():
            with _silent():
                forkserver.ensure_running()
            process.start()
        theirs.close()
        worker = _Worker(process=process, pipe=ours)
        try:
            ours.recv()  # the worker says when it is ready, so that its start counts against no item
        except (EOFError, OSError):
            self._stop(worker)
            raise
        return worker

    @staticmethod
    def _stop(worker: _Worker) -> None:
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let what is started meanwhile print nowhere: a worker whose parent is killed while it starts would complain."""
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep a starting worker from importing the program that starts it: a decoder needs no command line.

    `multiprocessing` has a new process run the main module's file again; one without a file is left alone.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _processor_s(process_id: int) -> float:
    """Return the processor time a process has used, in seconds (proc(5), stat fields 14 and 15); 0 if it is gone."""
    try:
        fields = (
            Path(f"/proc/{process_id}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
