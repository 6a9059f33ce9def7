"""`workbench init` and `workbench doctor`: a workspace to work in, and whether this machine can."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench import __version__
from workbench.adapters import dvc, git
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import template_root
from workbench.domain.findings import Finding, Severity, refused
from workbench.layout import Layout

#: What a new workspace starts from, relative to the template.
_TEMPLATE = ("dvc.yaml", "params.yaml", "label_configs")

_GITIGNORE = "# evidence and run-time state: never in git\n/custody/\n/.workbench/\n"

#: Distributions whose versions shape results; `doctor` prints them.
_ENGINES = ("label-studio-sdk", "fiftyone", "dvc", "albumentations", "pandas", "mitsuba", "pillow", "numpy")


def register(app: typer.Typer) -> None:
    """Add `init` and `doctor`."""
    command(app, "init")(init)
    command(app, "doctor")(doctor)


def init(
    directory: Annotated[Path, typer.Argument(help="The folder to make; it must be empty or not there yet.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made; make nothing.")] = False,
) -> Report:
    """Make a new workspace: a git and DVC repository with the pipeline, its parameters and the label configs."""
    root = directory.absolute()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise refused("workspace.not-empty", root, "is there already and not empty.", "Name a new or an empty folder.")
    if dry_run:
        return Report(summary=f"Would make a workspace in {root}.", data={"workspace": str(root), "dry_run": True})
    create_workspace(root)
    return Report(
        summary=f"Made a workspace in {root}.",
        data={"workspace": str(root)},
        next_command=f"cd {directory} && workbench partner add ID --name NAME --licence LICENCE",
    )


def create_workspace(root: Path) -> Layout:
    """Make a workspace at an empty folder and commit its first state."""
    from workbench.composition.added import ensure_backgrounds
    from workbench.curation.decisions import ensure_list
    from workbench.redaction.decisions import ensure_decisions
    from workbench.synthesis.catalogue import ensure_builtin_catalogue

    layout = Layout(root)
    root.mkdir(parents=True, exist_ok=True)
    template = template_root()
    for name in _TEMPLATE:
        source = template / name
        if source.is_dir():
            shutil.copytree(source, root / name)
        else:
            shutil.copyfile(source, root / name)
    (root / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
    git.init(root)
    dvc.init(root)
    ensure_builtin_catalogue(layout)
    ensure_list(layout.curation_decisions)
    ensure_decisions(layout)
    ensure_backgrounds(layout)
    dvc.add(root, [layout.backgrounds, layout.catalogue, layout.redaction_decisions, layout.curation_decisions])
    first = [root / name for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore")]
    git.commit(root, first, "Start a workspace")
    return layout


def doctor() -> Report:
    """Check that this machine has what the workbench needs, and print the versions that shape results."""
    rows: list[dict[str, str]] = [{"part": "workbench", "state": __version__}]
    rows.append({"part": "python", "state": sys.version.split()[0]})
    rows += [{"part": name, "state": importlib.metadata.version(name)} for name in _ENGINES]
    findings: list[Finding] = []
    for part, found, remedy in _programs():
        rows.append({"part": part, "state": found or "missing"})
        if not found:
            required = part in _REQUIRED
            findings.append(
                Finding(
                    code="workspace.tool-missing",
                    subject=part,
                    message="is not installed.",
                    remedy=remedy,
                    severity=Severity.ERROR if required else Severity.WARNING,
                )
            )
    good = not any(finding.severity is Severity.ERROR for finding in findings)
    summary = "This machine has what the workbench needs." if good else "Something the workbench needs is missing."
    return Report(
        summary=summary,
        data={row["part"]: row["state"] for row in rows},
        rows=rows,
        findings=findings,
        next_command="workbench demo" if good else None,
    )


_REQUIRED = ("git", "label-studio", "mongod")


def _programs() -> list[tuple[str, str | None, str]]:
    """Return each outside program, where it is (None if nowhere), and how to get it."""
    from workbench.adapters import servers

    return [
        ("git", shutil.which("git"), "Install it (Debian: apt-get install git)."),
        ("label-studio", _found(servers.label_studio_program), "Run `make install` in the repository."),
        ("mongod", _found(servers.mongod_program), "Run `make install` in the repository."),
        ("chromium", shutil.which("chromium"), "Only the browser tests need it (Debian: apt-get install chromium)."),
        (
            "bwrap",
            shutil.which("bwrap"),
            "Optional, a second wall around decoding (Debian: apt-get install bubblewrap).",
        ),
    ]


def _found(locate: object) -> str | None:
    try:
        path = locate() if callable(locate) else None
    except Exception:  # noqa: BLE001 -- whatever it is, the program is not usable and doctor says so
        return None
    return str(path) if path else None
