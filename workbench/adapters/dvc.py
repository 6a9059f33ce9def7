"""DVC: tracks the data folders, runs the stages that changed, and fetches released versions.

DVC is transport here, never the integrity root (docs/decisions): releases verify their own manifest.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from workbench.adapters import git
from workbench.domain.findings import BadUsage, Busy, Finding, Refused, Severity, WorkbenchError, busy, refused

#: Where a stage that DVC runs leaves its findings, so that the command that asked for it can answer with them.
FAILURE_VARIABLE = "WORKBENCH_FAILURE_FILE"

#: Settings of every workspace's repository. Copies or reflinks, because a hard link would let an edit of a working
#: file reach into the cache unnoticed; remotes verify what they hand back.
_SETTINGS = (
    ("core.analytics", "false"),
    ("core.check_update", "false"),
    ("core.autostage", "true"),
    ("cache.type", "reflink,copy"),
)


def init(root: Path) -> None:
    """Make a DVC repository in a git repository's root; a repeat changes nothing."""
    if not (root / ".dvc" / "config").is_file():
        _run(root, ["init", "--force"])
    for key, value in _SETTINGS:
        _run(root, ["config", key, value])


def add(root: Path, paths: Sequence[Path]) -> None:
    """Track data folders by their content; only what changed is copied into the cache.

    Raises
    ------
    WorkbenchError
        ``dvc.failed``, or ``workspace.busy`` while another DVC command runs.

    """
    _run(root, ["add", *(str(path.relative_to(root)) for path in paths)])


def repro(root: Path, stages: Sequence[str], *, alone: bool = False) -> None:
    """Bring stages up to date, with what they need; a stage whose inputs and parameters are unchanged is skipped.

    With ``alone``, what they need is taken as it is. Progress and notes of the stages go to stderr.

    Raises
    ------
    WorkbenchError
        What the failing stage itself found, or ``dvc.failed``.

    """
    _repro(root, [*(["--single-item"] if alone else []), *stages])


def _repro(root: Path, arguments: Sequence[str]) -> None:
    _forget_the_dead(root)
    with tempfile.TemporaryDirectory() as folder:
        failure = Path(folder) / "failure.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", *arguments],
            cwd=root,
            env=_environment() | {FAILURE_VARIABLE: str(failure)},
            stdout=subprocess.PIPE,
            stderr=None if sys.stderr.isatty() else subprocess.PIPE,
            text=True,
        )
        output, errors = process.communicate()
        if process.returncode:
            if failure.is_file():
                raise _error_of(json.loads(failure.read_text(encoding="utf-8")))
            raise _dvc_error(["repro", *arguments], output + (errors or ""))


def fetch(root: Path, rev: str, path: str, destination: Path) -> None:
    """Write a tracked file or folder, as it was at a git revision, to a destination.

    Raises
    ------
    WorkbenchError
        ``dvc.failed`` if the revision, the path or its bytes are not to be had.

    """
    _run(root, ["get", "--rev", rev, str(root), path, "--out", str(destination)])


def push(root: Path, remote: str | None = None) -> int:
    """Send what the current version needs to a remote; return how many files were sent."""
    found = re.search(r"(\d+) files? pushed", _run(root, ["push", *(["--remote", remote] if remote else [])]))
    return int(found[1]) if found else 0


def pull(root: Path, remote: str | None = None) -> None:
    """Fetch what the current versions need from a remote, hash it, and put it in place."""
    _run(root, ["pull", *(["--remote", remote] if remote else [])])


def clone_inputs(root: Path, rev: str, clone: Path, *, stored: Sequence[str], remote: str | None) -> None:
    """Clone a workspace at a revision, with what people and custody gave it and the stages taken as they are stored.

    Nothing else comes along: what the other stages made must be made anew. Without a remote the workspace's own cache
    serves as one.

    Raises
    ------
    WorkbenchError
        ``dvc.failed`` if data is not to be had, ``dvc.git-failed``.

    """
    git.run(root, ["clone", "--quiet", "--no-checkout", str(root), str(clone)])
    git.run(clone, ["checkout", "--quiet", rev])
    private = root / ".dvc" / "config.local"
    if private.is_file():
        (clone / ".dvc" / "config.local").write_bytes(private.read_bytes())
    if remote is None:
        cache = _run(root, ["cache", "dir"]).strip()
        remote = "workspace-cache"
        _run(clone, ["remote", "add", "--local", "--force", remote, cache])
        _run(clone, ["remote", "modify", "--local", remote, "verify", "true"])
    if stored:
        _run(clone, ["freeze", *stored])
    tracked = sorted(str(path.relative_to(clone)) for path in clone.glob("data/*.dvc"))
    _run(clone, ["pull", "--quiet", "--remote", remote, *tracked, *stored])


def remake(clone: Path, stage: str) -> None:
    """Make a stage and all it needs anew, but for frozen stages, whatever is unchanged.

    Raises
    ------
    WorkbenchError
        What the failing stage itself found, or ``dvc.failed``.

    """
    _repro(clone, ["--force", stage])


def forget(root: Path, md5s: Iterable[str]) -> None:
    """Remove contents from this workspace's cache, so that no earlier version brings them back."""
    cache = Path(_run(root, ["cache", "dir"]).strip()) / "files" / "md5"
    for md5 in md5s:
        path = cache / md5[:2] / md5[2:]
        if path.is_file():
            path.parent.chmod(0o755)
            path.unlink()


def remotes(root: Path) -> list[str]:
    """Return the names of the remotes that are configured."""
    return [line.split()[0] for line in _run(root, ["remote", "list"]).splitlines() if line.strip()]


def leave_failure(error: WorkbenchError) -> bool:
    """Leave an error's findings for the command that had DVC run this process; say whether there is one."""
    target = os.environ.get(FAILURE_VARIABLE)
    if not target:
        return False
    document = {"exit_code": error.exit_code, "findings": [finding.to_json() for finding in error.findings]}
    Path(target).write_text(json.dumps(document), encoding="utf-8")
    return True


def _environment() -> dict[str, str]:
    """Return an environment in which DVC finds this very workbench and keeps quiet about itself."""
    programs = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}", "DVC_NO_ANALYTICS": "1"}


def _forget_the_dead(root: Path) -> None:
    """Remove DVC's list of who reads and writes what, where only killed processes stand in it.

    DVC writes the list in place, so a kill can leave half of it, and DVC then refuses to work; it also takes a
    process that later got the number of a killed one for a DVC at work.
    """
    listed = root / ".dvc" / "tmp" / "rwlock"
    try:
        guard = os.open(listed.with_name("rwlock.lock"), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)  # DVC holds it while it reads or writes the list
        text = listed.read_text(encoding="utf-8", errors="replace") if listed.exists() else ""
        numbers = re.findall(r'"pid": (\d+)', text)
        if not any(_is_dvc(int(number)) for number in numbers):
            listed.unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(guard)


def _is_dvc(process_id: int) -> bool:
    try:
        return b"dvc" in Path(f"/proc/{process_id}/cmdline").read_bytes()  # empty where it is dead but not yet reaped
    except OSError:
        return False


def _run(root: Path, arguments: Sequence[str]) -> str:
    _forget_the_dead(root)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _dvc_error(arguments, done.stdout + done.stderr)
    return done.stdout


def _dvc_error(arguments: Sequence[str], output: str) -> WorkbenchError:
    if "Unable to acquire lock" in output or "it is being blocked by" in output:
        return busy(
            "workspace.busy", "DVC", "is at work in this workspace.", "Wait until it has finished, then repeat."
        )
    if "No space left" in output:
        return busy("workspace.disk-full", "the workspace", "is on a full disk.", "Free some space and repeat.")
    if "missing data 'source'" in output or "does not exist" in output:
        return refused(
            "workspace.input-missing",
            f"dvc {arguments[0]}",
            f"lacks an input: {git.last_line(output)}",
            "Run the earlier step first (`workbench receive`, `labelling pull`), or `dvc pull`.",
        )
    # What a stage itself raised says more than DVC's remark, after it, that the stage failed.
    raised = re.findall(r"^(?:\w+\.)*\w+(?:Error|Exception): .+$", output, re.MULTILINE)
    message = " ".join([git.last_line(output), *(f"({line})" for line in raised[-1:])])
    return refused("dvc.failed", f"dvc {' '.join(arguments[:2])}", message, "Mend it, then repeat the command.")


def _error_of(document: Mapping[str, object]) -> WorkbenchError:
    """Return the error that a stage left behind."""
    kind = {1: Refused, 2: BadUsage, 3: Busy}[int(str(document["exit_code"]))]
    listed = document["findings"]
    findings = (
        [Finding(**{**f, "severity": Severity(f["severity"])}) for f in listed] if isinstance(listed, list) else []
    )
    return kind(*findings)
