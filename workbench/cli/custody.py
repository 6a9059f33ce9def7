"""Commands of custody: partners, reception, the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from workbench.cli import reception
from workbench.cli.command import command
from workbench.cli.reception import DryRunOption, actor
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.audit import audit
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.partners import plan_partner, read_partners, write_partners
from workbench.domain.delivery import Partner
from workbench.domain.findings import Finding, WorkbenchError, refused

#: Events that tell of an object in the store.
_SEALED = frozenset({"receive", "names", "catalogue"})


def register(app: typer.Typer) -> None:
    """Add `partner`, `receive` and `ledger`."""
    partner = typer.Typer(help="Who contributes, under which licence.", no_args_is_help=True)
    app.add_typer(partner, name="partner")
    command(partner, "add")(partner_add)
    command(partner, "list")(partner_list)
    command(app, "receive")(reception.receive)
    ledger = typer.Typer(help="Who did what to which bytes.", no_args_is_help=True)
    app.add_typer(ledger, name="ledger")
    command(ledger, "verify")(ledger_verify)
    command(ledger, "show")(ledger_show)


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


def ledger_verify(
    *,
    workspace: Workspace,
    objects: Annotated[bool, typer.Option("--objects", help="Unseal and hash every original too.")] = False,
) -> Report:
    """Check that the ledger is what was entered and signed, and with --objects that every original is unaltered."""
    with _ledger(workspace) as ledger:
        entries, notes, structure = ledger.read()
        findings = list(audit(entries, notes, ledger.public_key_pem(), structure))
        checked = 0
        if objects and not findings:
            altered, checked = _check_objects(workspace, [json.loads(entry.body) for entry in entries])
            findings += altered
    what = f"{len(entries)} entries" + (f", {checked} originals" if objects else "")
    summary = f"Something is wrong: {what} checked." if findings else f"The ledger is sound: {what} checked."
    return Report(summary=summary, data={"entries": len(entries), "objects": checked}, findings=findings)


@contextmanager
def _ledger(workspace: Workspace) -> Iterator[Ledger]:
    """Yield the ledger; a database that SQLite cannot read is an altered one."""
    import sqlite3

    try:
        yield Ledger.open(workspace.layout.custody)
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise refused(
            "custody.ledger-altered",
            "custody/ledger.db",
            f"cannot be read ({error}).",
            "Keep this copy as it is and restore custody/ from a backup.",
        ) from error


def _check_objects(workspace: Workspace, bodies: Sequence[Mapping[str, str]]) -> tuple[list[Finding], int]:
    """Unseal every object that the ledger received and every object in the store."""
    store = SealedStore(workspace.layout.custody)
    expected = {(b["contribution_id"], b["object_sha256"]) for b in bodies if b["kind"] in _SEALED}
    wanted = sorted(expected | set(store.listed()))
    findings: list[Finding] = []
    for contribution_id, object_id in workspace.track(wanted, total=len(wanted), doing="Hashing originals"):
        try:
            store.check(contribution_id, object_id)
        except WorkbenchError as error:
            findings += error.findings
    return findings, len(wanted)


def ledger_show(
    *,
    workspace: Workspace,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest entries.")] = 20,
) -> Report:
    """Show the ledger's newest entries."""
    with _ledger(workspace) as ledger:
        entries = ledger.entries()
        bodies = [json.loads(entry.body) for entry in entries[-limit:]]
    columns = ("seq", "claimed_time", "kind", "actor", "partner_id", "contribution_id", "object_sha256", "reason")
    rows = [{column: str(body.get(column, ""))[:32] for column in columns} for body in bodies]
    return Report(summary=f"{len(entries)} entries; the newest {len(rows)}:", rows=rows, data={"entries": bodies})
