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


def _leave_dvc_out() -> None:
    """Let DVC track nothing: each call takes seconds, and it has harnesses of its own."""
    from workbench.cli import labelling_pull

    labelling_pull.dvc.add = lambda _root, _paths: None


def _ask_in_small_parts() -> None:
    """Let a few tasks be many: three in an import, five on a page, four in an export."""
    from workbench.adapters import label_studio, label_studio_http

    label_studio.CHUNK, label_studio_http._PAGE = 3, 5
    label_studio.NAMED = 4


def _repeat_blindly() -> None:
    """Send an import again when its answer is lost, without a look at what is there; take nothing back."""
    from workbench.adapters.label_studio import LabelStudioServer
    from workbench.domain.findings import Busy
    from workbench.labelling import tasks

    once = LabelStudioServer.import_tasks

    def again(self: Any, project_id: int, new: Any) -> int:
        while True:
            try:
                return once(self, project_id, new)
            except Busy:
                continue

    LabelStudioServer.import_tasks = again  # type: ignore[method-assign]
    tasks._surplus = lambda _tasks, _wanted: []


def _look_away() -> None:
    """Take it that nothing was touched since the last pull, and never count whether that is all."""
    from workbench.adapters.label_studio import LabelStudioServer

    class Whatever(int):
        """A count that equals any other."""

        def __eq__(self, _other: object) -> bool:
            return True

        __hash__ = int.__hash__

    LabelStudioServer.count_answers = lambda _self, _project_id: Whatever()  # type: ignore[method-assign]
    LabelStudioServer.changes = lambda _self, _project_id, _since: []  # type: ignore[method-assign]


#: Faults that a test may build into a command, to see that its harness reports them.
SABOTAGE = {
    "no-synchronising": _forget_to_synchronise,
    "acknowledge-first": _acknowledge_first,
    "no-dvc": _leave_dvc_out,
    "small-parts": _ask_in_small_parts,
    "repeat-blindly": _repeat_blindly,
    "look-away": _look_away,
}


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

    if "WORKBENCH_LABEL_STUDIO_URL" in os.environ:
        import label_studio_sdk  # noqa: F401 -- half a second, which every command to come would spend

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
