"""A warmed process that forks `workbench` commands: the real code and system calls, without a second of imports each.

It reads one JSON object a line: ``{"arguments": [...], "output": FOLDER, "hold": false, "sabotage": []}`` starts a
command and answers ``{"pid": N}``; ``{"wait": N}`` answers how it ended. A held command stops itself before its first
step, so that a tracer can be put on it; it goes on at SIGCONT. Each command is the leader of its own process group.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing.forkserver
import os
import signal
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import Any


def _forget_to_synchronise() -> None:
    """Let nothing reach the disk before the kernel likes: what a power cut then takes must be reported."""

    class Lax(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous=FULL", "synchronous=OFF"), *arguments)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Lax)  # type: ignore[assignment]
    os.fsync = lambda _descriptor: None  # type: ignore[assignment]
    for module in [module for name, module in sys.modules.items() if name.startswith("workbench.")]:
        if hasattr(module, "sync_filesystem"):
            module.sync_filesystem = lambda _folder: None


def _acknowledge_first() -> None:
    """Say that a delivery is received, and then receive it."""
    from workbench.cli import reception

    take = reception._take

    def late(workspace: Any, contribution: Any, *rest: Any, **options: Any) -> None:
        told = {"summary": "it is received", "data": {"contribution_id": contribution.contribution_id}}
        print(json.dumps(told), flush=True)  # noqa: T201 -- that is the fault
        take(workspace, contribution, *rest, **options)

    reception._take = late


#: Faults that a test may build into a command, to see that its harness reports them.
SABOTAGE = {"no-synchronising": _forget_to_synchronise, "acknowledge-first": _acknowledge_first}


def _become(request: dict[str, Any]) -> None:
    """Be the command: run it, and leave as the command line would."""
    os.setsid()
    output = Path(request["output"])
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 -- a device
        os.dup2(nothing.fileno(), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
        os.close(descriptor)
    for name in request.get("sabotage", ()):
        SABOTAGE[name]()
    if request.get("hold"):
        os.kill(os.getpid(), signal.SIGSTOP)
    code = 1
    try:
        from workbench.cli.main import app

        app(request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 -- the interpreter would print it too
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Waits for the sandbox's workers, so that their processor time is counted as this command's.
    with contextlib.suppress(OSError):
        multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
    os._exit(code)


def main() -> None:
    """Warm up, then serve until the input ends."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    import workbench.cli.main  # noqa: F401 -- this is the warming

    answers = os.fdopen(os.dup(1), "w")
    answers.write("ready\n")
    answers.flush()
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "wait" in request:
            _, status, usage = os.wait4(request["wait"], 0)
            cpu_s = usage.ru_utime + usage.ru_stime
            answer = {"code": os.waitstatus_to_exitcode(status), "rss_bytes": usage.ru_maxrss * 1024, "cpu_s": cpu_s}
        else:
            process_id = os.fork()
            if process_id == 0:
                _become(request)
            answer = {"pid": process_id}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
