"""What a command answers, and the one renderer that prints it as text or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from workbench.domain.findings import Finding, Severity, WorkbenchError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one command.

    Parameters
    ----------
    summary
        One sentence: what was done (or, on a dry run, would be).
    data
        Everything a program may want, as JSON values.
    rows
        A table for people: a mapping a row, all with the same keys.
    findings
        What was noticed; an error among them makes the exit code 1.
    next_command
        What a person would most likely do next.

    """

    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Finding] = ()
    next_command: str | None = None

    @property
    def exit_code(self) -> int:
        """0 when done, 1 when an error was found."""
        return int(any(finding.severity is Severity.ERROR for finding in self.findings))


#: Columns of a "terminal" that folds nothing.
_UNFOLDED = 10_000

_STYLE = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def print_report(report: Report, *, as_json: bool) -> None:
    """Print a report on stdout."""
    if as_json:
        document = {
            "summary": report.summary,
            "data": dict(report.data),
            "rows": [dict(row) for row in report.rows],
            "findings": [finding.to_json() for finding in report.findings],
            "next": report.next_command,
            "exit_code": report.exit_code,
        }
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
        return
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _UNFOLDED  # a pipe has no edge: a path folded in two is no use to what reads it
    console.print(escape(report.summary))
    if report.rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in report.rows[0]:
            table.add_column(name.replace("_", " "), overflow="fold")
        for row in report.rows:
            table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
        console.print(table)
    _print_findings(console, report.findings)
    if report.next_command:
        console.print(f"[dim]Next:[/dim] {escape(report.next_command)}")


def print_error(error: WorkbenchError, *, as_json: bool) -> None:
    """Print the findings of an error: on stdout as JSON, else on stderr in words."""
    if as_json:
        findings = [finding.to_json() for finding in error.findings]
        document = {"summary": str(error), "findings": findings, "exit_code": error.exit_code}
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return
    _print_findings(Console(stderr=True, highlight=False, soft_wrap=True), error.findings)


def _print_findings(console: Console, findings: Iterable[Finding]) -> None:
    for finding in findings:
        style = _STYLE[finding.severity]
        console.print(
            f"[{style}]{finding.severity.value}[/{style}] [bold]{escape(finding.subject)}[/bold]: "
            f"{escape(finding.message)} {escape(finding.remedy)} [dim]\\[{finding.code}][/dim]"
        )


class _RateColumn(ProgressColumn):
    """Items a second, blank until the first was timed."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="dim")


def track(items: Iterable[T], *, total: int, doing: str) -> Iterator[T]:
    """Yield the items with a progress bar, rate and time left on stderr; silent off a terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(items, total=total, description=doing)
