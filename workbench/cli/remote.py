"""Commands of remotes: where DVC keeps the data for others, with everything that comes back hashed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from workbench.adapters import dvc, dvc_remotes, git
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage, refused

remote = typer.Typer(
    help="Name places that hold the data for others, push to them and pull from them.", no_args_is_help=True
)

_SCHEMES = ("ssh", "s3")
NameArgument = Annotated[str | None, typer.Argument(help="A remote's name. [default: the default remote]")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(remote, name="remote")


@command(remote, "add")
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    url: Annotated[str, typer.Argument(help="A folder, ssh://USER@HOST/PATH, or s3://BUCKET/PATH.")],
    *,
    workspace: Workspace,
    default: Annotated[bool, typer.Option("--default/--no-default", help="Use it where no remote is named.")] = True,
    endpoint_url: Annotated[str | None, typer.Option("--endpoint-url", help="S3 server that is not Amazon's.")] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="SSH key; stays out of git.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Profile of the AWS credentials; stays out of git.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Name a remote; whatever it hands back later is hashed before it is used. Secrets never go into git."""
    scheme = urlsplit(url).scheme if "://" in url else ""
    _require_usable(name, url, scheme, endpoint_url=endpoint_url, key_file=key_file)
    address = url if scheme else str(Path(url).absolute())
    summary = f"remote {name} at {address}, verified on every pull"
    if dry_run:
        return Report(summary=f"Would add {summary}.", data={"remote": name, "url": address, "dry_run": True})
    shared = {"endpointurl": endpoint_url} if endpoint_url else {}
    private = {"keyfile": str(key_file.absolute())} if key_file else {}
    private |= {"profile": profile} if profile else {}
    root = workspace.layout.root
    dvc_remotes.add_remote(root, name, address, shared=shared, private=private, default=default)
    git.commit(root, [root / ".dvc" / "config"], f"Remote {name}")
    return Report(
        summary=f"Added {summary}.",
        data={"remote": name, "url": address, "verify": True},
        next_command=f"workbench remote push {name}",
    )


def _require_usable(name: str, url: str, scheme: str, *, endpoint_url: str | None, key_file: Path | None) -> None:
    if not name.replace("-", "").replace("_", "").isalnum() or name.startswith("-"):
        raise bad_usage("usage.bad-argument", name, "cannot name a remote.", "Use letters, digits, hyphens.")
    if scheme and scheme not in _SCHEMES:
        raise bad_usage("usage.bad-argument", url, "is of no kind that is installed.", "Use a folder, ssh:// or s3://.")
    if "@" in urlsplit(url).netloc and ":" in urlsplit(url).netloc.split("@")[0]:
        raise bad_usage(
            "usage.bad-argument", "the address", "holds a password, which git would keep.", "Use a key (--key-file)."
        )
    if endpoint_url and scheme != "s3":
        raise bad_usage("usage.bad-argument", "--endpoint-url", "belongs to s3:// alone.", "Leave it out.")
    if key_file is not None and not key_file.is_file():
        raise bad_usage("usage.bad-argument", key_file, "is no file.", "Name the private key's file.")


@command(remote, "list")
def list_remotes(*, workspace: Workspace) -> Report:
    """List the remotes of this workspace."""
    rows = [{"name": name, "url": url} for name, url in dvc_remotes.remotes(workspace.layout.root).items()]
    return Report(
        summary=f"{len(rows)} remotes.",
        data={"remotes": rows},
        rows=rows,
        next_command=None if rows else "workbench remote add NAME URL",
    )


@command(remote, "push")
def push(
    name: NameArgument = None,
    *,
    workspace: Workspace,
    all_releases: Annotated[bool, typer.Option("--all-releases", help="What older releases need, too.")] = False,
    dry_run: DryRunOption = False,
) -> Report:
    """Send to a remote what it does not have yet."""
    root = workspace.layout.root
    _require_remote(root, name)
    if dry_run:
        return Report(summary=f"Would push to {name or 'the default remote'}.", data={"remote": name, "dry_run": True})
    sent = dvc.push(root, name)
    sent += dvc_remotes.push_revisions(root, git.tags(root), name) if all_releases else 0
    return Report(
        summary=f"Pushed {sent} files to {name or 'the default remote'}."
        if sent
        else "The remote has everything already.",
        data={"remote": name, "files": sent},
    )


@command(remote, "pull")
def pull(name: NameArgument = None, *, workspace: Workspace, dry_run: DryRunOption = False) -> Report:
    """Fetch from a remote what this revision of the workspace needs, hash it, and put it in place."""
    root = workspace.layout.root
    _require_remote(root, name)
    if dry_run:
        return Report(
            summary=f"Would pull from {name or 'the default remote'}.", data={"remote": name, "dry_run": True}
        )
    dvc.pull(root, name)
    return Report(
        summary=f"Everything of this revision is here, hashed, from {name or 'the default remote'}.",
        data={"remote": name},
        next_command="workbench release verify",
    )


def _require_remote(root: Path, name: str | None) -> None:
    known = dvc_remotes.remotes(root)
    if not known or (name is not None and name not in known):
        raise refused(
            "dvc.no-remote",
            name or "this workspace",
            "is no remote of this workspace." if name else "has no remote.",
            f"Known: {', '.join(known)}." if known else "Name one with `workbench remote add NAME URL`.",
        )
