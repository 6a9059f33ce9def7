"""Git: what of a workspace is kept as text (pipeline, parameters, records), and the tags that name releases."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from workbench.domain.findings import Refused, refused


def tag_exists(root: Path, name: str) -> bool:
    """Say whether git has a tag of that name."""
    return bool(run(root, ["tag", "--list", name]).strip())


def tags(root: Path) -> list[str]:
    """Return git's tags, which is what releases are; none outside git."""
    return run(root, ["tag", "--list"]).split() if (root / ".git").exists() else []


def show(root: Path, revision: str, path: str) -> str | None:
    """Return a file's text as it is in a git revision; nothing if it is not there."""
    try:
        return run(root, ["show", f"{revision}:{path}"])
    except Refused:
        return None


def commit_and_tag(root: Path, name: str, paths: Sequence[Path], message: str) -> None:
    """Commit files of the workspace to git, with everything DVC staged, and tag the commit (annotated).

    Raises
    ------
    Refused
        ``release.name-taken`` if the tag exists, ``dvc.git-failed`` if git does not do it.

    """
    if tag_exists(root, name):
        raise refused(
            "release.name-taken", name, "is the name of a release already.", "Choose a new name: releases stay."
        )
    commit(root, paths, message)
    run(root, ["tag", "--annotate", name, "--message", message])


def commit(root: Path, paths: Sequence[Path], message: str) -> None:
    """Commit the given files, the pipeline's state and nothing else; no change, no commit."""
    tracked = [*paths, *root.glob("data/*.dvc"), *root.glob("data/.gitignore")]
    tracked += [
        path for name in ("dvc.lock", "dvc.yaml", "params.yaml", "label_configs") if (path := root / name).exists()
    ]
    names = sorted({str(path.relative_to(root)) for path in tracked})
    run(root, ["add", "--", *names])
    if run(root, ["diff", "--cached", "--name-only", "--", *names]).strip():
        run(root, ["commit", "--quiet", "--message", message, "--", *names])


def init(root: Path) -> None:
    """Make a git repository at a folder unless it is the root of one."""
    if not (root / ".git").exists():
        run(root, ["init", "--quiet", "--initial-branch", "main"])


def run(root: Path, arguments: Sequence[str]) -> str:
    """Run git in a folder; return what it printed.

    Raises
    ------
    Refused
        ``workspace.tool-missing``, ``dvc.git-failed``.

    """
    identity: list[str] = []
    if subprocess.run(["git", "config", "user.email"], cwd=root, capture_output=True, check=False).returncode:
        # A machine without a git identity still commits; the ledger, not git, says who acted.
        identity = ["-c", "user.name=workbench", "-c", "user.email=workbench@localhost"]
    try:
        done = subprocess.run(["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise refused(
            "workspace.tool-missing", "git", "is not installed.", "Install it (Debian: apt-get install git)."
        ) from error
    if done.returncode:
        raise refused(
            "dvc.git-failed", f"git {arguments[0]}", last_line(done.stderr), "Mend it in the workspace, then repeat."
        )
    return done.stdout


def last_line(output: str) -> str:
    """Return the last line that says something, for the sentence of an error."""
    lines = [line.removeprefix("ERROR: ").strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line and not line.startswith(("Having any troubles", "hint:"))]
    return (errors[-1] if errors else "failed without a word").rstrip(".") + "."
