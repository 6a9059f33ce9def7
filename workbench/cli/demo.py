"""`workbench demo`: the main job, start to end, with the very commands a person would type."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace, template_root
from workbench.cli.workspace import create_workspace
from workbench.domain.findings import busy, refused

#: How long the servers may take to answer, with the database template still to be made.
_SERVERS_READY_S = 240


def register(app: typer.Typer) -> None:
    """Add `demo`."""
    command(app, "demo")(demo)


def demo(
    directory: Annotated[Path, typer.Option("--directory", help="The demo's own workspace.")] = Path("demo-workspace"),
    *,
    delivery: Annotated[Path | None, typer.Option("--delivery", help="Your own photographs; else the sample.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers up at the end, until Ctrl-C.")] = False,
) -> Report:
    """Walk one delivery of photographs to a verified release, through every real tool."""
    from workbench.cli.demo_labellers import answer_as_simulated_labellers

    own = delivery.absolute() if delivery else None
    if own is not None and not own.exists():
        raise refused("demo.delivery-missing", own, "does not exist.", "Name a folder or a zip of photographs.")
    root = directory.absolute()
    show = Console(stderr=True, highlight=False)
    show.print("[bold]The Workbench, from a partner's delivery to a verified release[/bold]")
    show.print("The labellers of this demo are simulated; every tool is real.\n")
    if not (root / "dvc.yaml").is_file():
        show.print(f"Making a workspace in {root}")
        create_workspace(root)
    walk = _Walk(root, show)
    walk.deliver(own or template_root() / "samples" / "delivery", simulated=own is None)
    walk("intake")
    with _servers(root, show) as addresses:
        walk("labelling", "push")
        workspace = Workspace.find(root)
        answered = answer_as_simulated_labellers(workspace, truth=None if own else template_root() / "samples")
        show.print(f"  two simulated labellers gave {answered} answers")
        walk("labelling", "pull")
        for stage in ("adjudication", "curation", "synthesis", "augmentation"):
            walk(stage)
        walk("curation", "app")
        name = walk.release()
        walk("release", "verify", name)
        report = _where_to_look(root, name, addresses)
        if keep or (sys.stdin.isatty() and sys.stdout.isatty()):
            show.print(f"\n{report.summary}\n[bold]The servers stay up until Ctrl-C:[/bold]")
            for row in report.rows:
                show.print(f"  {row['what']}: {row['where']}")
            _wait_for_interrupt()
    return report


class _Walk:
    """Runs the commands of the walk one after another, each shown as a person would type it."""

    def __init__(self, root: Path, show: Console) -> None:
        self.root, self.show, self.step = root, show, 0

    def __call__(self, *arguments: str) -> dict[str, Any]:
        """Run a command; return its JSON answer.

        Raises
        ------
        Refused
            ``demo.step-failed`` if it did not end well.

        """
        self.step += 1
        self.show.print(f"[bold cyan]{self.step:2d}[/bold cyan] workbench {shlex.join(arguments)}", soft_wrap=True)
        began = time.monotonic()
        with self.show.status("working ..."):
            done = _workbench(self.root, arguments)
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except json.JSONDecodeError:
            answer = {"summary": (done.stderr or done.stdout).strip()[-2000:]}
        took_s = time.monotonic() - began
        self.show.print(f"   {answer.get('summary', '')} [dim]({took_s:.0f} s)[/dim]", soft_wrap=True)
        for finding in answer.get("findings", []):
            self.show.print(
                f"   [dim]{finding['severity']} {finding['subject']}: {finding['message']}[/dim]", soft_wrap=True
            )
        if done.returncode and answer.get("findings") is None:
            raise refused(
                "demo.step-failed",
                f"workbench {' '.join(arguments)}",
                f"ended with {done.returncode}: {answer.get('summary', '')}",
                "Run that command by itself in the demo's workspace to see more.",
            )
        answer["returncode"] = done.returncode
        return answer

    def require(self, *arguments: str) -> dict[str, Any]:
        """Run a command that must end without findings that refuse."""
        answer = self(*arguments)
        if answer["returncode"]:
            raise refused(
                "demo.step-failed",
                f"workbench {' '.join(arguments)}",
                f"ended with exit code {answer['returncode']}.",
                "Read its findings above; then run that command by itself in the demo's workspace.",
            )
        return answer

    def deliver(self, delivery: Path, *, simulated: bool) -> None:
        """Register the demo's partner and receive the delivery."""
        partner = "sample-lab" if simulated else "own-photographs"
        name = "Sample lab (simulated)" if simulated else "Own photographs"
        known = json.loads(_workbench(self.root, ["partner", "list"]).stdout or "{}")
        if partner not in {row.get("partner_id", row.get("partner")) for row in known.get("rows", [])}:
            self.require(
                "partner", "add", partner, "--name", name, "--licence", "CC0-1.0" if simulated else "unspecified"
            )
        self.require("receive", str(delivery), "--partner", partner)

    def release(self) -> str:
        """Build the next release, unless the newest already holds this very data; return its name."""
        listed = json.loads(_workbench(self.root, ["release", "list"]).stdout or "{}").get("rows", [])
        name = f"demo-{len(listed) + 1}"
        answer = self("release", "build", name)
        if answer["returncode"]:
            codes = {finding["code"] for finding in answer.get("findings", [])}
            if "release.unchanged" in codes and listed:
                return str(listed[-1]["name"])
            raise refused("demo.step-failed", name, "was not released.", "Read the findings above.")
        return name


def _workbench(root: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the workspace; progress goes to stderr when that is a terminal."""
    line = [sys.executable, "-m", "workbench.cli.main", *arguments, "--workspace", str(root), "--json"]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@contextmanager
def _servers(root: Path, show: Console) -> Iterator[dict[str, Any]]:
    """Run `workbench up` for the while; yield the addresses it wrote."""
    show.print("[bold cyan]  [/bold cyan] workbench up &")
    log = root / ".workbench" / "up.log"
    log.parent.mkdir(exist_ok=True)
    line = [sys.executable, "-m", "workbench.cli.main", "up", "--auto-ports", "--workspace", str(root)]
    with log.open("wb") as output:
        process = subprocess.Popen(line, stdout=output, stderr=output, start_new_session=True)
    try:
        with show.status("starting Label Studio, mongod and FiftyOne ..."):
            addresses = _wait_for_servers(process, root / ".workbench" / "servers.json", log)
        yield addresses
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for_servers(process: subprocess.Popen[bytes], record: Path, log: Path) -> dict[str, Any]:
    """Return the addresses once `up` says the servers are ready.

    Raises
    ------
    Busy
        ``servers.not-ready``.

    """
    deadline = time.monotonic() + _SERVERS_READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if record.is_file():
            addresses: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
            if addresses.get("ready"):
                return addresses
        time.sleep(0.5)
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise busy(
        "servers.not-ready",
        "workbench up",
        f"did not get the servers ready ({words[-1] if words else 'no word from it'}).",
        f"Read {log}, or run `workbench up` by itself.",
    )


def _where_to_look(root: Path, name: str, addresses: dict[str, Any]) -> Report:
    """Return the demo's closing page: what there is to look at, and where."""
    shown = os.path.relpath(root)
    rows = [
        {"what": "The release's card", "where": f"{shown}/data/07_release/card.html"},
        {"what": "The release's record", "where": f"{shown}/releases/{name}/record.json"},
        {"what": "The partner's receipts", "where": f"{shown}/custody/receipts"},
        {"what": "Renders", "where": f"{shown}/data/05_synthesis/images"},
        {"what": "Passwords", "where": f"{shown}/.workbench/credentials.json"},
    ]
    for server, title in (("label_studio", "Label Studio"), ("fiftyone", "FiftyOne")):
        if url := (addresses.get(server) or {}).get("url"):
            rows.append({"what": title, "where": f"{url} (while `workbench up` runs)"})
    return Report(
        summary=f"Release {name} is built and verified.",
        data={"workspace": str(root), "release": name, "servers": addresses},
        rows=rows,
        next_command=f"workbench up --workspace {shown}",
    )


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
