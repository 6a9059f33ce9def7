"""`workbench up`: Label Studio and FiftyOne of this workspace, until Ctrl-C; `workbench status`: what runs, and on what."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from workbench.adapters import postgres
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import BadUsage, WorkbenchError, bad_usage, refused

#: Seconds all servers together may take to answer, with Label Studio's database still to be made.
_READY_S = 240.0

_LOOK_EVERY_S = 1.0


def register(app: typer.Typer) -> None:
    """Add `up` and `status`."""
    command(app, "up")(up)
    command(app, "status")(status)


def up(
    *,
    workspace: Workspace,
    label_studio_port: Annotated[int, typer.Option(help="Port of Label Studio.", min=1, max=65535)] = 8080,
    fiftyone_port: Annotated[int, typer.Option(help="Port of the FiftyOne app.", min=1, max=65535)] = 5151,
    mongo_port: Annotated[int, typer.Option(help="Port of FiftyOne's database.", min=1, max=65535)] = 27117,
    auto_ports: Annotated[bool, typer.Option("--auto-ports", help="Choose free ports instead.")] = False,
    no_fiftyone: Annotated[bool, typer.Option("--no-fiftyone", help="Start Label Studio alone.")] = False,
    database: Annotated[
        str | None,
        typer.Option(
            "--database", help="postgresql://USER@HOST:PORT/NAME without password, or sqlite; kept for later."
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that serve a team (PostgreSQL).")] = 2,
    move_tasks: Annotated[
        bool, typer.Option("--move-tasks", help="Take over tasks and answers from SQLite to the database named.")
    ] = False,
    leave_tasks: Annotated[
        bool, typer.Option("--leave-tasks", help="Leave tasks and answers in the database used before.")
    ] = False,
) -> Report:
    """Start Label Studio and FiftyOne on this machine, and keep them up until Ctrl-C.

    Label Studio keeps its answers in SQLite, which serves one labeller; a team needs --database.
    """
    from workbench.adapters import servers

    ports = servers.Ports(label_studio=label_studio_port, fiftyone=fiftyone_port, mongo=mongo_port)
    if auto_ports:
        ports = servers.Ports.free()
    say = Console(stderr=workspace.quiet, highlight=False, soft_wrap=True)
    with workspace.exclusive("servers"), _told_to_stop() as told:
        try:
            base = _database(say, workspace, database, move=move_tasks, leave=leave_tasks)
            with servers.running(
                workspace.layout,
                ports=ports,
                fiftyone=not no_fiftyone,
                ready_s=_READY_S,
                database=base,
                workers=workers,
            ) as up_now:
                _keep_up(say, workspace, up_now, told)
        except KeyboardInterrupt:
            pass  # asked to stop: by now they are
    return Report(summary="The servers are stopped.")


def _keep_up(say: Console, workspace: Workspace, up_now: Any, told: threading.Event) -> None:
    """Say where the servers are, and start again what ends, until told to stop."""
    _print_addresses(say, workspace, up_now.addresses)
    _complete_withdrawals(say, workspace)
    while not told.wait(_LOOK_EVERY_S):
        for name in up_now.revive(ready_s=_READY_S):
            say.print(f"{name} had ended and was started again.")


def _database(
    say: Console, workspace: Workspace, option: str | None, *, move: bool, leave: bool
) -> postgres.Database | None:
    """Return the database to start on, once it answers and no tasks are left behind unseen; remember it."""
    from workbench.adapters import label_studio_move as moving
    from workbench.adapters.servers_label_studio import prepare_database, sqlite_path

    remembered, sqlite = workspace.layout.state / "database.json", sqlite_path(workspace.layout)
    known = postgres.choose_database(None, environment={}, remembered=remembered)
    chosen = postgres.choose_database(option, environment=os.environ, remembered=remembered)
    if chosen is not None:
        postgres.require_usable(chosen)
    if move and chosen is None:
        raise _no_move()
    if (known and known.shown) != (chosen and chosen.shown) and not leave:
        held = moving.held_in(known) if known else moving.held_in_sqlite(sqlite)
        if move and chosen is not None and known is None and sqlite.is_file():
            say.print(f"{held.tasks} tasks and {held.answers} answers go to {chosen.shown} ...")
            prepare_database(workspace.layout, chosen)
            moved = moving.move_tasks(sqlite, chosen)
            say.print(f"{moved.tasks} tasks and {moved.answers} answers are there now.")
        elif held.tasks:
            raise _tasks_elsewhere(known.shown if known else "SQLite", held, movable=known is None)
    workspace.layout.state.mkdir(parents=True, exist_ok=True)
    postgres.remember(remembered, chosen)
    return chosen


def _no_move() -> BadUsage:
    return bad_usage(
        "servers.tasks-elsewhere",
        "--move-tasks",
        "moves tasks from SQLite to PostgreSQL only.",
        "Name the database with --database postgresql://...",
    )


def _tasks_elsewhere(place: str, held: Any, *, movable: bool) -> WorkbenchError:
    way = "Repeat with --move-tasks to take them over, or with" if movable else "Pull them; then repeat with"
    return refused(
        "servers.tasks-elsewhere",
        place,
        f"holds {held.tasks} tasks and {held.answers} answers, which the database now named would not show.",
        f"{way} --leave-tasks to leave them there (`labelling push` then makes every task anew).",
    )


def status(*, workspace: Workspace) -> Report:
    """Say which servers run, where they are, and which database Label Studio keeps its answers in."""
    known = postgres.choose_database(None, environment=os.environ, remembered=workspace.layout.state / "database.json")
    database = known.shown if known else "sqlite"
    record = _read_record(workspace.layout.state / "servers.json")
    places = {
        "label-studio": record.get("label_studio", {}).get("url"),
        "fiftyone": record.get("fiftyone", {}).get("url"),
        "mongod": record.get("mongod", {}).get("uri"),
    }
    running = [one["name"] for one in record.get("processes", ()) if _runs(one)] if record.get("ready") else []
    if "label-studio" in running:
        database = record["label_studio"].get("database", database)
    rows = [
        {
            "server": name,
            "runs": "yes" if name in running else "no",
            "address": places[name] if name in running else None,
        }
        for name in places
    ]
    told = f"{len(running)} servers run" if running else "No server runs"
    return Report(
        summary=f"{told}; Label Studio's database is {database}.",
        data={"running": running, "database": database, "ready": bool(running)},
        rows=rows,
        next_command=None if running else "workbench up",
    )


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record


def _runs(one: dict[str, Any]) -> bool:
    """Say whether a recorded process is still that process, and not another with its number."""
    import psutil

    try:
        return abs(psutil.Process(int(one["pid"])).create_time() - float(one["create_time"])) < 0.05  # noqa: PLR2004 -- as servers_process
    except psutil.Error:
        return False


def _complete_withdrawals(say: Console, workspace: Workspace) -> None:
    """Complete withdrawals that waited for these servers; one that cannot be completed now is said and left."""
    from workbench.cli.withdrawal import complete_pending

    try:
        for report in complete_pending(workspace):
            say.print(report.summary)
    except WorkbenchError as error:
        say.print(f"A withdrawal is still pending. {error}")


def _print_addresses(say: Console, workspace: Workspace, addresses: dict[str, dict[str, str]]) -> None:
    say.print(f"Label Studio  {addresses['label_studio']['url']}  ({addresses['label_studio']['database']})")
    if "fiftyone" in addresses:
        say.print(f"FiftyOne      {addresses['fiftyone']['url']}")
    say.print(f"Passwords     {workspace.layout.state / 'credentials.json'}")
    say.print("Ctrl-C stops them.")
    sys.stdout.flush()


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM or a closed terminal sets, interrupting what is being done.

    Once set, further signals are ignored, so that a second Ctrl-C cannot cut the stopping short.
    """
    told = threading.Event()

    def tell(_number: int, _frame: object) -> None:
        if told.is_set():
            return
        told.set()
        raise KeyboardInterrupt

    former = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield told
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
