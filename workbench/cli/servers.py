"""`workbench up`: Label Studio and FiftyOne of this workspace, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import WorkbenchError

#: Seconds all servers together may take to answer, with Label Studio's database still to be made.
_READY_S = 240.0

_LOOK_EVERY_S = 1.0


def register(app: typer.Typer) -> None:
    """Add `up`."""
    command(app, "up")(up)


def up(
    *,
    workspace: Workspace,
    label_studio_port: Annotated[int, typer.Option(help="Port of Label Studio.", min=1, max=65535)] = 8080,
    fiftyone_port: Annotated[int, typer.Option(help="Port of the FiftyOne app.", min=1, max=65535)] = 5151,
    mongo_port: Annotated[int, typer.Option(help="Port of FiftyOne's database.", min=1, max=65535)] = 27117,
    auto_ports: Annotated[bool, typer.Option("--auto-ports", help="Choose free ports instead.")] = False,
    no_fiftyone: Annotated[bool, typer.Option("--no-fiftyone", help="Start Label Studio alone.")] = False,
) -> Report:
    """Start Label Studio and FiftyOne on this machine, and keep them up until Ctrl-C."""
    from workbench.adapters import servers

    ports = servers.Ports(label_studio=label_studio_port, fiftyone=fiftyone_port, mongo=mongo_port)
    if auto_ports:
        ports = servers.Ports.free()
    say = Console(stderr=workspace.quiet, highlight=False, soft_wrap=True)
    with workspace.exclusive("servers"), _told_to_stop() as told:
        try:
            with servers.running(workspace.layout, ports=ports, fiftyone=not no_fiftyone, ready_s=_READY_S) as up_now:
                _print_addresses(say, workspace, up_now.addresses)
                _complete_withdrawals(say, workspace)
                while not told.wait(_LOOK_EVERY_S):
                    for name in up_now.revive(ready_s=_READY_S):
                        say.print(f"{name} had ended and was started again.")
        except KeyboardInterrupt:
            pass  # asked to stop: by now they are
    return Report(summary="The servers are stopped.")


def _complete_withdrawals(say: Console, workspace: Workspace) -> None:
    """Complete withdrawals that waited for these servers; one that cannot be completed now is said and left."""
    from workbench.cli.withdrawal import complete_pending

    try:
        for report in complete_pending(workspace):
            say.print(report.summary)
    except WorkbenchError as error:
        say.print(f"A withdrawal is still pending. {error}")


def _print_addresses(say: Console, workspace: Workspace, addresses: dict[str, dict[str, str]]) -> None:
    say.print(f"Label Studio  {addresses['label_studio']['url']}")
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
