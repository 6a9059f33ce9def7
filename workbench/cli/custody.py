"""Commands of custody: partners, reception, contributions and their withdrawal."""

from __future__ import annotations

import json
from collections.abc import Mapping

import typer

from workbench.cli import contributions, partners, reception, withdrawal
from workbench.cli.command import command
from workbench.cli.wiring import Workspace
from workbench.custody.object_store import SealedStore


def register(app: typer.Typer) -> None:
    """Add `partner`, `receive`, `contribution`, `hold`, `unhold` and `withdraw`."""
    partners.register(app)
    command(app, "receive")(reception.receive)
    contributions.register(app)
    withdrawal.register(app)


def delivered_names(workspace: Workspace) -> Mapping[str, str]:
    """Return the image_id of each delivered path, over all contributions, from the sealed lists.

    Where a path names different images in two contributions, it stands under ``<contribution_id>/<path>`` only, so
    that labels are never put to a photograph by chance.
    """
    custody = workspace.layout.custody
    store = SealedStore(custody)
    named: dict[str, dict[str, str]] = {}
    for reference in sorted((custody / "names").glob("c-*")):
        if reference.suffix:  # what a killed run left half-written
            continue
        listed = json.loads(store.read(reference.name, reference.read_text(encoding="ascii")))
        for path, image_id in listed.items():
            named.setdefault(path, {})[reference.name] = image_id
    names: dict[str, str] = {}
    for path, images in named.items():
        if len(set(images.values())) == 1:
            names[path] = next(iter(images.values()))
        else:
            names |= {f"{contribution_id}/{path}": image_id for contribution_id, image_id in images.items()}
    return names
