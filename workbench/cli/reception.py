"""`workbench receive`: hash, seal, enter in the ledger, give a receipt; cut short at any moment, a repeat completes."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from workbench.adapters import bagit, dvc
from workbench.cli.acting import DryRunOption, actor
from workbench.cli.readmission import (
    ReadmitOption,
    enter_readmission,
    forget_tombstone,
    reception_key,
    require_same_terms,
    require_welcome,
    under_terms,
)
from workbench.cli.report import Report
from workbench.cli.terms import TermsOption
from workbench.cli.wiring import Workspace
from workbench.custody.keys import Checkpoint, write_secret
from workbench.custody.ledger import Event, Ledger, prove_all
from workbench.custody.object_store import SealedStore, Staged
from workbench.custody.partners import require_partner
from workbench.custody.receipt import receipt_document, write_receipt
from workbench.domain.delivery import Contribution, SeizureRow
from workbench.domain.findings import Finding, Severity, bad_usage, refused
from workbench.domain.terms import terms_digest
from workbench.intake.archive import Member, links_in, open_delivery
from workbench.intake.receive import (
    Delivered,
    file_rows,
    hash_members,
    plan_contribution,
    require_unchanged,
    write_contribution,
)
from workbench.intake.seizure_table import read_seizure_table

__all__ = ["DryRunOption", "actor", "names_reference", "receive"]

#: Files made durable together: one synchronisation of the file system serves them all.
_BATCH = 300

#: A seizure table of this name inside a delivery is used where none is named.
_TABLE_NAME = "seizures.csv"

#: A seizure table is a list of names: a larger file is something else.
_MOST_TABLE_BYTES = 50_000_000


def receive(
    path: Annotated[Path, typer.Argument(help="A folder, a zip file or a BagIt bag.")],
    *,
    workspace: Workspace,
    partner: Annotated[str, typer.Option("--partner", metavar="ID", help="Who hands it over.")],
    seizures: Annotated[Path | None, typer.Option("--seizures", help="CSV: path, seizure_id, item_id.")] = None,
    terms: TermsOption = None,
    readmit: ReadmitOption = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Receive a delivery: hash and seal the originals, enter them in the ledger, give a receipt."""
    layout = workspace.layout
    giver = under_terms(require_partner(layout.custody, partner), terms)
    _require_apart(path, workspace)
    channel = "bag" if bagit.is_bag(path) else "folder" if path.is_dir() else "zip"
    root = bagit.validate_bag(path) if channel == "bag" else path
    with open_delivery(root) as listed:
        table, members = _seizure_table(seizures, root, listed)
        files = hash_members(members, track=workspace.track)
        now = datetime.now(UTC)
        contribution = plan_contribution(giver, files, received_at=now.isoformat(timespec="seconds"), channel=channel)
        notes = _links_passed_over(root)
        folder = layout.deliveries / contribution.contribution_id
        require_welcome(workspace, contribution, files, readmitted=readmit is not None)
        require_same_terms(folder, contribution, stated=terms is not None)
        if dry_run:
            verb = "was received already" if _is_complete(folder) else "would be received"
            return _received(workspace, contribution, f"{verb}; nothing was written", notes)
        with workspace.exclusive("custody"):
            known = _is_complete(folder)
            if not known:
                enter_readmission(workspace, contribution, files, readmit)
                _take(workspace, contribution, files, members, table, now)
            # Repeated for a known delivery too: the run that received it may have been cut short just before.
            dvc.add(layout.root, [layout.deliveries])
    if known:
        return _received(workspace, contribution, "was received already; nothing was written", notes)
    page = _receipts(workspace, contribution) / "receipt.html"
    return _received(workspace, contribution, f"is received; the receipt is {page.relative_to(layout.root)}", notes)


def _is_complete(folder: Path) -> bool:
    return (folder / "contribution.json").is_file()


def _receipts(workspace: Workspace, contribution: Contribution) -> Path:
    return workspace.layout.custody / "receipts" / contribution.contribution_id


def _take(
    workspace: Workspace,
    contribution: Contribution,
    files: Sequence[Delivered],
    members: Sequence[Member],
    table: Mapping[str, SeizureRow],
    now: datetime,
) -> None:
    """Seal, enter, acknowledge, record: in that order, so that nothing is acknowledged before it is safe."""
    layout = workspace.layout
    names_id = _seal(workspace, contribution, files, members)
    checkpoint = _enter(workspace, contribution, files, names_id, now)
    ledger = Ledger.open(layout.custody)
    first = ledger.find(f"{reception_key(workspace, contribution)}/{files[0].image_id}")
    if first is not None:  # a repeat after an interruption keeps the moment of the first entry
        claimed = datetime.fromisoformat(json.loads(first.body)["claimed_time"])
        contribution = replace(contribution, received_at=claimed.isoformat(timespec="seconds"))
    _give_receipt(workspace, ledger, contribution, files, checkpoint)
    rows = file_rows(contribution, files, table, salt=_salt(layout.custody))
    write_contribution(layout.deliveries / contribution.contribution_id, contribution, rows)
    forget_tombstone(layout.deliveries / contribution.contribution_id)


def _require_apart(path: Path, workspace: Workspace) -> None:
    """Refuse a delivery that holds, or lies in, the workspace's own records: it would take in its keys.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.

    """
    layout, real = workspace.layout, path.resolve()
    for own in (layout.custody, layout.data, layout.state):
        if real.is_relative_to(own.resolve()) or own.resolve().is_relative_to(real):
            raise bad_usage(
                "usage.bad-argument",
                path,
                f"holds or lies in the workspace's own {own.name} folder.",
                "Name the folder that the partner handed over.",
            )


def _links_passed_over(root: Path) -> list[Finding]:
    return [
        Finding(
            code="intake.link-passed-over",
            subject=link,
            message="is a link and was not received.",
            remedy="Put the file itself in its place and hand the delivery over again if it matters.",
            severity=Severity.WARNING,
        )
        for link in links_in(root)
    ]


def _received(workspace: Workspace, contribution: Contribution, what: str, notes: Sequence[Finding]) -> Report:
    return Report(
        summary=f"{contribution.file_count} files from {contribution.partner_id}: "
        f"contribution {contribution.contribution_id} {what}.",
        data={
            "contribution_id": contribution.contribution_id,
            "files": contribution.file_count,
            "bytes": contribution.total_bytes,
            "receipt": str(_receipts(workspace, contribution)),
        },
        findings=notes,
        next_command="workbench intake",
    )


def _seizure_table(
    given: Path | None, root: Path, members: Sequence[Member]
) -> tuple[Mapping[str, SeizureRow], Sequence[Member]]:
    """Return the seizure rows and the members without the table itself."""
    inside = {member.path: member for member in members if member.path == _TABLE_NAME}
    if given is None and not inside:
        return {}, members
    if given is not None and not given.is_file():
        raise bad_usage("usage.bad-argument", given, "is no file.", "Name the CSV file of the seizure table.")
    if given is not None:
        # The table named may itself lie in the delivery, under any name.
        own = {member.path for member in members if root.is_dir() and (root / member.path).resolve() == given.resolve()}
        name, raw = given.name, _head(Member(path=given.name, size_bytes=0, open=lambda: given.open("rb")))
    else:
        own, name, raw = set(), _TABLE_NAME, _head(inside[_TABLE_NAME])
    others = [member for member in members if member.path not in inside and member.path not in own]
    if not others:
        raise refused("intake.delivery-empty", name, "is the only file.", "Hand over photographs with it.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused("intake.seizure-table", name, "is not UTF-8 text.", "Save it as CSV in UTF-8.") from error
    return read_seizure_table(text, name=name, delivered={member.path for member in others}), others


def _head(table: Member) -> bytes:
    with table.open() as stream:
        raw = stream.read(_MOST_TABLE_BYTES + 1)
    if len(raw) > _MOST_TABLE_BYTES:
        raise refused(
            "intake.seizure-table", table.path, "is far too large for a table.", "Name the CSV of the seizures."
        )
    return raw


def _seal(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], members: Sequence[Member]
) -> str:
    """Seal every file the store lacks, in durable batches, then the list of names; return that list's object id."""
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
    write_secret(names_reference(workspace.layout.custody, cid), listed.object_id.encode())
    return listed.object_id


def _enter(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], names_id: str, now: datetime
) -> Checkpoint:
    """Enter each file and the sealed list of names once in the ledger; return the checkpoint over them."""
    who, cid = actor(), contribution.contribution_id
    key, digest = reception_key(workspace, contribution), terms_digest(contribution.licence, contribution.terms)

    def event(kind: str, object_id: str, size_bytes: int | None, reason: str, once: str) -> Event:
        return Event(
            kind=kind,
            actor=who,
            partner_id=contribution.partner_id,
            contribution_id=cid,
            object_sha256=object_id,
            size_bytes=size_bytes,
            reason=reason,
            terms_sha256=digest,
            once=once,
        )

    events = [event("receive", file.image_id, file.size_bytes, "delivered", f"{key}/{file.image_id}") for file in files]
    listed = f"names/{key.removeprefix('receive/')}"
    events.append(event("names", names_id, None, "sealed list of the delivered file names", listed))
    return Ledger.open(workspace.layout.custody).append(events, now=now)


def _give_receipt(
    workspace: Workspace,
    ledger: Ledger,
    contribution: Contribution,
    files: Sequence[Delivered],
    checkpoint: Checkpoint,
) -> Path:
    """Write the receipt with a proof for each file under the checkpoint; return its page."""
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
    return write_receipt(_receipts(workspace, contribution), document)


def _salt(custody: Path) -> str:
    """Return the workspace's secret salt for hashes of file names."""
    path = custody / "keys" / "names.salt"
    if not path.is_file():
        write_secret(path, secrets.token_hex(16).encode())
    return path.read_text(encoding="ascii")


def names_reference(custody: Path, contribution_id: str) -> Path:
    """Return the file that tells which sealed object lists a contribution's file names."""
    return custody / "names" / contribution_id
