"""Commands of custody: partners, reception, the ledger."""

from __future__ import annotations

import getpass
import io
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from workbench.adapters import bagit, dvc
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.keys import Checkpoint, write_secret
from workbench.custody.ledger import Event, Ledger, audit, prove_all
from workbench.custody.object_store import SealedStore, Staged
from workbench.custody.partners import plan_partner, read_partners, require_partner, write_partners
from workbench.custody.receipt import receipt_document, write_receipt
from workbench.domain.delivery import Contribution, Partner, SeizureRow
from workbench.domain.findings import Finding, WorkbenchError, refused
from workbench.intake.archive import Member, open_delivery
from workbench.intake.receive import (
    Delivered,
    file_rows,
    hash_members,
    plan_contribution,
    require_unchanged,
    write_contribution,
)
from workbench.intake.seizure_table import read_seizure_table

#: Files made durable together: one synchronisation of the file system serves them all.
_BATCH = 300

#: A seizure table of this name inside a delivery is used where none is named.
_TABLE_NAME = "seizures.csv"

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add `partner`, `receive` and `ledger`."""
    partner = typer.Typer(help="Who contributes, under which licence.", no_args_is_help=True)
    app.add_typer(partner, name="partner")
    command(partner, "add")(partner_add)
    command(partner, "list")(partner_list)
    command(app, "receive")(receive)
    ledger = typer.Typer(help="Who did what to which bytes.", no_args_is_help=True)
    app.add_typer(ledger, name="ledger")
    command(ledger, "verify")(ledger_verify)
    command(ledger, "show")(ledger_show)


def actor() -> str:
    """Return who acts: the user name the system knows, or ``unknown``."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


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


def receive(
    path: Annotated[Path, typer.Argument(help="A folder, a zip file or a BagIt bag.")],
    *,
    workspace: Workspace,
    partner: Annotated[str, typer.Option("--partner", metavar="ID", help="Who hands it over.")],
    seizures: Annotated[Path | None, typer.Option("--seizures", help="CSV: path, seizure_id, item_id.")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Receive a delivery: hash and seal the originals, enter them in the ledger, give a receipt."""
    layout = workspace.layout
    giver = require_partner(layout.custody, partner)
    channel = "bag" if bagit.is_bag(path) else "folder" if path.is_dir() else "zip"
    root = bagit.validate_bag(path) if channel == "bag" else path
    with open_delivery(root) as listed:
        table, members = _seizure_table(seizures, listed)
        files = hash_members(members, track=workspace.track)
        now = datetime.now(UTC)
        contribution = plan_contribution(giver, files, received_at=now.isoformat(timespec="seconds"), channel=channel)
        folder = layout.deliveries / contribution.contribution_id
        known = (folder / "contribution.json").is_file()
        if dry_run or known:
            verb = "was received already" if known else "would be received"
            return _received(workspace, contribution, f"{verb}; nothing was written")
        with workspace.exclusive("custody"):
            _seal(workspace, contribution, files, members)
            checkpoint = _enter(workspace, contribution, files, now)
            page = _receipt(workspace, contribution, files, checkpoint)
            rows = file_rows(contribution, files, table, salt=_salt(layout.custody))
            write_contribution(folder, contribution, rows)
            dvc.add(layout.root, [layout.deliveries])
    return _received(workspace, contribution, f"is received; the receipt is {page.relative_to(layout.root)}")


def _received(workspace: Workspace, contribution: Contribution, what: str) -> Report:
    return Report(
        summary=f"{contribution.file_count} files from {contribution.partner_id}: "
        f"contribution {contribution.contribution_id} {what}.",
        data={
            "contribution_id": contribution.contribution_id,
            "files": contribution.file_count,
            "bytes": contribution.total_bytes,
            "receipt": str(workspace.layout.custody / "receipts" / contribution.contribution_id),
        },
        next_command="workbench intake",
    )


def _seizure_table(given: Path | None, members: Sequence[Member]) -> tuple[Mapping[str, SeizureRow], Sequence[Member]]:
    """Return the seizure rows and the members without the table itself."""
    inside = next((member for member in members if member.path == _TABLE_NAME), None)
    if given is None and inside is None:
        return {}, members
    others = [member for member in members if member is not inside]
    if given is not None:
        raw, name = given.read_bytes(), given.name
    elif inside is not None:
        with inside.open() as stream:
            raw, name = stream.read(), inside.path
    if not others:
        raise refused("intake.delivery-empty", name, "is the only file.", "Hand over photographs with it.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused("intake.seizure-table", name, "is not UTF-8 text.", "Save it as CSV in UTF-8.") from error
    return read_seizure_table(text, name=name, delivered={member.path for member in others}), others


def _seal(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], members: Sequence[Member]
) -> None:
    """Seal every file the store lacks, in durable batches, then the list of names."""
    store, cid = SealedStore(workspace.layout.custody), contribution.contribution_id
    store.discard_leftovers()
    pairs = list(zip(files, members, strict=True))
    missing = {file.image_id: (file, member) for file, member in pairs if not store.has(cid, file.image_id)}
    shown = workspace.track(list(missing.values()), total=len(missing), doing="Sealing")
    staged: list[Staged] = []
    for file, member in shown:
        with member.open() as stream:
            sealed = store.stage(contribution.partner_id, cid, stream)
        require_unchanged(file, sealed.object_id)
        staged.append(sealed)
        if len(staged) == _BATCH:
            store.commit(cid, staged)
            staged = []
    store.commit(cid, staged)
    names = json.dumps({file.path: file.image_id for file in files}, ensure_ascii=False).encode()
    listed = store.stage(contribution.partner_id, cid, io.BytesIO(names))
    store.commit(cid, [listed])
    write_secret(_names_reference(workspace.layout.custody, cid), listed.object_id.encode())


def _enter(workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], now: datetime) -> Checkpoint:
    """Enter each file once in the ledger; return the checkpoint over it."""
    who, cid = actor(), contribution.contribution_id
    events = [
        Event(
            kind="receive",
            actor=who,
            partner_id=contribution.partner_id,
            contribution_id=cid,
            object_sha256=file.image_id,
            size_bytes=file.size_bytes,
            reason="delivered",
            once=f"receive/{cid}/{file.image_id}",
        )
        for file in files
    ]
    return Ledger.open(workspace.layout.custody).append(events, now=now)


def _receipt(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], checkpoint: Checkpoint
) -> Path:
    """Write the receipt with a proof for each file under the checkpoint."""
    ledger = Ledger.open(workspace.layout.custody)
    entries = ledger.entries()[: checkpoint.size]
    of_object = {}
    for entry in entries:
        body = json.loads(entry.body)
        if body["kind"] == "receive" and body.get("contribution_id") == contribution.contribution_id:
            of_object[body["object_sha256"]] = entry
    proofs = prove_all(entries, [entry.seq for entry in of_object.values()])
    paired = {key: (entry, proof) for (key, entry), proof in zip(of_object.items(), proofs, strict=True)}
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(file.image_id, []).append(file.path)
    document = receipt_document(contribution, names, paired, checkpoint, ledger.public_key_pem())
    return write_receipt(workspace.layout.custody / "receipts" / contribution.contribution_id, document)


def _salt(custody: Path) -> str:
    """Return the workspace's secret salt for hashes of file names."""
    path = custody / "keys" / "names.salt"
    if not path.is_file():
        write_secret(path, secrets.token_hex(16).encode())
    return path.read_text(encoding="ascii")


def _names_reference(custody: Path, contribution_id: str) -> Path:
    return custody / "names" / contribution_id


def delivered_names(workspace: Workspace) -> Mapping[str, str]:
    """Return the image_id of each delivered path, over all contributions, from the sealed lists."""
    custody = workspace.layout.custody
    store = SealedStore(custody)
    names: dict[str, str] = {}
    for reference in sorted((custody / "names").glob("c-*")):
        names |= json.loads(store.read(reference.name, reference.read_text(encoding="ascii")))
    return names


def ledger_verify(
    *,
    workspace: Workspace,
    objects: Annotated[bool, typer.Option("--objects", help="Unseal and hash every original too.")] = False,
) -> Report:
    """Check that the ledger is what was entered and signed, and with --objects that every original is unaltered."""
    with _ledger(workspace) as ledger:
        entries = ledger.entries()
        findings = list(audit(entries, ledger.notes(), ledger.public_key_pem()))
        checked = 0
        if objects:
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
    except (sqlite3.DatabaseError, json.JSONDecodeError, ValueError) as error:
        raise refused(
            "custody.ledger-altered",
            "custody/ledger.db",
            f"cannot be read ({error}).",
            "Keep this copy as it is and restore custody/ from a backup.",
        ) from error


def _check_objects(workspace: Workspace, bodies: Sequence[Mapping[str, str]]) -> tuple[list[Finding], int]:
    """Unseal every object that the ledger received and every object in the store."""
    store = SealedStore(workspace.layout.custody)
    expected = {(b["contribution_id"], b["object_sha256"]) for b in bodies if b["kind"] == "receive"}
    wanted = sorted(expected | set(store.listed()))
    findings: list[Finding] = []
    for contribution_id, object_id in workspace.track(wanted, total=len(wanted), doing="Hashing originals"):
        try:
            store.read(contribution_id, object_id)
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
