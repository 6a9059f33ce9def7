"""DVC's remotes: naming them so that whatever comes back is hashed, and sending them what old versions need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.domain.findings import refused


def add_remote(
    root: Path, name: str, url: str, *, shared: Mapping[str, str], private: Mapping[str, str], default: bool
) -> None:
    """Name a place to push to; what it hands back is always hashed.

    Parameters
    ----------
    shared
        DVC's options of the remote that everybody may know, kept in git.
    private
        Those of this machine only, as where a key lies; kept out of git.

    """
    config = _config(root)
    with config.edit("repo") as known:
        known["remote"][name] = {"url": url, **shared, "verify": "true"}
        if default:
            known["core"]["remote"] = name
    if private:
        with config.edit("local") as known:
            known["remote"][name] = dict(private)


def remotes(root: Path) -> dict[str, str]:
    """Return the address of each remote by its name."""
    return {str(name): str(options["url"]) for name, options in _config(root)["remote"].items()}


def remotes_known_now(root: Path) -> dict[str, dict[str, Any]]:
    """Return cache and remotes of a workspace on this machine: an old revision does not know those named since, nor keys."""
    if not (root / ".dvc").is_dir():
        return {"core": {}}
    from dvc.repo import Repo

    known = _config(root)
    default = {"remote": known["core"]["remote"]} if "remote" in known["core"] else {}
    with Repo(str(root)) as repo:
        # Named, because a revision is opened as if it lay elsewhere: DVC then looks into remotes alone.
        cache = {"dir": repo.cache.local_cache_dir}
    return {
        "core": default,
        "cache": cache,
        "remote": {name: dict(options) for name, options in known["remote"].items()},
    }


def push_revisions(root: Path, revisions: Sequence[str], remote: str | None) -> int:
    """Send what git revisions need to a remote; return how many files were sent.

    `dvc push --all-tags` passes silently over those made before the remote was named.

    Raises
    ------
    Refused
        ``dvc.failed``.

    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    sent = 0
    for revision in revisions:
        try:
            with Repo(str(root), rev=revision, config=remotes_known_now(root)) as repo:
                sent += int(repo.push(remote=remote))
        except (DvcException, OSError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise refused(
                "dvc.failed", f"push of {revision}", f"{said}.", "Mend it, then repeat the command."
            ) from error
    return sent


def _config(root: Path) -> Any:
    from dvc.config import Config

    return Config(str(root / ".dvc"))
