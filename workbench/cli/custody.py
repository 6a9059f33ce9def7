"""Commands of custody: partners and reception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from workbench.cli import reception
from workbench.cli.command import command
from workbench.cli.reception import DryRunOption, actor
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.partners import plan_partner, read_partners, write_partners
from workbench.domain.delivery import Partner


def register(app: typer.Typer) -> None:
    """Add `partner` and `receive`."""
    partner = typer.Typer(help="Who contributes, under which licence.", no_args_is_help=True)
    app.add_typer(partner, name="partner")
    command(partner, "add")(partner_add)
    command(partner, "list")(partner_list)
    command(app, "receive")(reception.receive)


def partner_add(
    partner_id: Annotated[str, typer.Argument(metavar="ID", help="Short and stable: letters, digits, hyphens.")],
    *,
    workspace: Workspace,
    name: Annotated[str, typer.Option("--name", help="The organisation's name.")],
    licence: Annotated[str, typer.Option("--licence", help="SPDX identifier, or the name of an agreement.")],
    dry_run: DryRunOption = False,
) -> Report:
    """Register a partner; the same registration again changes nothing."""
    custody = workspace.layout.custody
    partner = Partner(partner_id=partner_id, name=name, licence=licence)
    with workspace.exclusive("custody"):
        known = read_partners(custody)
        planned = plan_partner(known, partner)
        if not dry_run:
            write_partners(custody, planned)
            event = Event(kind="partner", actor=actor(), partner_id=partner_id, once=f"partner/{partner_id}")
            Ledger.open(custody).append([event], now=datetime.now(UTC))
    verb = "is registered already" if partner_id in known else "would be registered" if dry_run else "is registered"
    return Report(
        summary=f"Partner {partner_id} ({name}, {licence}) {verb}.",
        data={"partner_id": partner_id, "name": name, "licence": licence},
        next_command=f"workbench receive PATH --partner {partner_id}",
    )


def partner_list(*, workspace: Workspace) -> Report:
    """List the registered partners."""
    partners = read_partners(workspace.layout.custody)
    rows = [{"partner_id": p.partner_id, "name": p.name, "licence": p.licence} for p in partners.values()]
    return Report(summary=f"{len(rows)} partners.", rows=rows)


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
