"""The decorator that makes a function a command: common options, one way to report, one way to fail."""

from __future__ import annotations

import errno
import functools
import inspect
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from workbench.adapters.dvc import leave_failure
from workbench.cli.report import Report, print_error, print_report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import WorkbenchError, busy, refused

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", help="The workspace folder. [default: the nearest folder with a dvc.yaml]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def command(app: typer.Typer, name: str | None = None, *, callback: bool = False) -> Callable[..., Any]:
    """Register a function that takes keyword ``workspace: Workspace`` and returns a `Report`.

    The command gains ``--workspace`` and ``--json``; a `WorkbenchError` becomes its sentence and exit code, and a
    full disk, a missing right or a missing file become findings too. With ``callback``, the function is what the
    group itself does when no subcommand is named. A function without a ``workspace`` parameter works anywhere; one
    that takes ``Workspace | None`` gets none where there is none.
    """

    def register(function: Callable[..., Report]) -> Callable[..., Report]:
        wants_workspace = "workspace" in inspect.signature(function).parameters
        may_lack = wants_workspace and get_type_hints(function)["workspace"] == (Workspace | None)

        @functools.wraps(function)
        def run(*args: Any, as_json: bool, workspace_dir: Path | None, **options: Any) -> None:
            context = options.pop("ctx", None)
            if callback and context is not None and context.invoked_subcommand:
                return
            try:
                if wants_workspace:
                    options["workspace"] = _workspace(workspace_dir, quiet=as_json, required=not may_lack)
                report = _translated(function, args, options)
            except WorkbenchError as error:
                if not leave_failure(error):
                    print_error(error, as_json=as_json)
                raise typer.Exit(error.exit_code) from error
            print_report(report, as_json=as_json)
            if report.exit_code:
                raise typer.Exit(report.exit_code)

        _give_common_options(run, function, callback=callback)
        (app.callback(invoke_without_command=True) if callback else app.command(name))(run)
        return function

    return register


def _workspace(folder: Path | None, *, quiet: bool, required: bool) -> Workspace | None:
    """Return the workspace; nothing where a command can do without one and none was named."""
    try:
        return Workspace.find(folder, quiet=quiet)
    except WorkbenchError:
        if required or folder is not None:
            raise
        return None


def _translated(function: Callable[..., Report], args: tuple[Any, ...], options: dict[str, Any]) -> Report:
    """Call the function; say the system's own refusals as findings."""
    try:
        return function(*args, **options)
    except OSError as error:
        subject = error.filename or "the workspace"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise busy(
                "workspace.disk-full", subject, "could not be written: the disk is full.", "Free some space and repeat."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise refused(
                "workspace.permission-denied",
                subject,
                "may not be read or written by this user.",
                "Change its permissions, or run as the user who owns it.",
            ) from error
        if error.errno == errno.ENOENT:
            raise refused(
                "workspace.input-missing", subject, "does not exist.", "Check the path, or run the step that makes it."
            ) from error
        raise _disk_failed(subject, error) from error
    except sqlite3.Error as error:
        kind = getattr(error, "sqlite_errorname", "")
        if kind == "SQLITE_FULL":
            raise busy(
                "workspace.disk-full", "the ledger", "could not be written: the disk is full.", "Free space and repeat."
            ) from error
        if kind in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            raise busy("workspace.busy", "the ledger", "is in use.", "Wait until it is free, then repeat.") from error
        if kind.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise refused(
                "custody.ledger-altered",
                "custody/ledger.db",
                f"cannot be read ({error}).",
                "Keep this copy as it is and restore custody/ from a backup.",
            ) from error
        raise _disk_failed("the ledger", error) from error


def _disk_failed(subject: object, error: Exception) -> WorkbenchError:
    return refused(
        "workspace.disk-failed",
        subject,
        f"could not be read or written ({error}).",
        "Look after the disk, then repeat: what was acknowledged is kept.",
    )


def _give_common_options(run: Callable[..., Any], function: Callable[..., Any], *, callback: bool) -> None:
    """Give the wrapper the signature Typer reads: the function's own options and the common ones."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    hints.pop("workspace", None)
    signature = inspect.signature(function)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.name != "workspace"
    ]
    common = {"workspace_dir": (WorkspaceOption, None), "as_json": (JsonOption, False)}
    if callback:
        own.insert(0, inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
        hints["ctx"] = typer.Context
    for name, (annotation, default) in common.items():
        own.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation))
        hints[name] = annotation
    run.__signature__ = signature.replace(parameters=own, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = hints
    del run.__wrapped__  # type: ignore[attr-defined]
