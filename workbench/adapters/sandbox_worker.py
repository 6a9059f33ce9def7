"""The inside of a sandbox: one expendable process that gives up what it can, then answers items until its pipe closes."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from workbench.adapters.confinement import confine


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may take (RELIABILITY figures: 1.5 GiB, 64 files), and how large a file it may write.

    A decoder has nothing to write. Some readers pass their result through a file in memory (memfd_create(2)), for which
    they need `written_bytes`; files on disk stay shut to them all the same.
    """

    memory_bytes: int = 1_610_612_736
    files: int = 64
    written_bytes: int = 0


def serve(
    pipe: Connection,
    function: Callable[[Any], Any],
    prepare: Callable[[], None],
    most_s: int,
    limits: Limits,
) -> None:
    """Be a worker: answer items until the pipe closes.

    Parameters
    ----------
    pipe
        Brings items and takes their results, after ``ready``.
    function
        What is done with an item; a failure of its own ends the worker, since a file's faults are results.
    prepare
        Called before the limits close in.
    most_s
        Seconds that one item may take before the worker ends by itself.

    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        prepare()
        _limit(limits)
    except Exception:  # noqa: BLE001 -- its end says enough: nobody reads a worker's traceback
        os._exit(1)
    pipe.send("ready")
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        # An alarm nobody handles ends the process, so a decoder that never returns does not outlive a killed parent.
        signal.alarm(most_s)
        try:
            result = function(item)
        except Exception:  # noqa: BLE001 -- the machine failed, since a file's own faults are results: try anew elsewhere
            os._exit(1)
        signal.alarm(0)
        pipe.send(result)


def _limit(limits: Limits) -> None:
    """Close the limits: memory, files, no core dump, what is written, and what `confine` gives up."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.files, limits.files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.written_bytes, limits.written_bytes))
    # What decoders print about damaged files would stand between the lines of the program that started them.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    confine()
