"""`workbench receive`: hash, seal, enter in the ledger, give a receipt; cut short at any moment, a repeat completes."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Sequence
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
from workbench.cli.reception_table import seizure_table
from workbench.cli.report import Report
from workbench.cli.terms import TermsOption
from workbench.cli.wiring import Workspace
from workbench.custody.keys import write_secret
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore, Staged, sync_filesystem
from workbench.custody.partners import require_partner
from workbench.custody.receipt import PAGE, issue_receipt, receipt_folder
from workbench.domain.delivery import Contribution
from workbench.domain.findings import Finding, Severity, bad_usage
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
from workbench.intake.seizure_table import SeizureTable
from workbench.intake.told import told_otherwise, write_told
from workbench.long_runs import many_rows

__all__ = ["DryRunOption", "actor", "names_reference", "receive"]

#: Files made durable together: one synchronisation of the file system serves them all.
_BATCH = 300


def receive(
    path: Annotated[Path, typer.Argument(help="A folder, a zip file or a BagIt bag.")],
    *,
    workspace: Workspace,
    partner: Annotated[str, typer.Option("--partner", metavar="ID", help="Who hands it over.")],
    seizures: Annotated[Path | None, typer.Option("--seizures", help="CSV or XLSX; see `reference template`.")] = None,
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
    with many_rows(), open_delivery(root) as listed:
        table, members = seizure_table(workspace, seizures, root, listed)
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
            sync_filesystem(layout.root)  # only now may it be acknowledged: a power cut takes nothing of it back
    if known:
        notes += _told_otherwise(workspace, contribution, files, table)
        return _received(workspace, contribution, "was received already; nothing was written", notes)
    page = _receipts(workspace, contribution) / PAGE
    return _received(workspace, contribution, f"is received; the receipt is {page.relative_to(layout.root)}", notes)


def _is_complete(folder: Path) -> bool:
    return (folder / "contribution.json").is_file()


def _receipts(workspace: Workspace, contribution: Contribution) -> Path:
    return receipt_folder(workspace.layout.custody, contribution.contribution_id)


def _take(
    workspace: Workspace,
    contribution: Contribution,
    files: Sequence[Delivered],
    members: Sequence[Member],
    table: SeizureTable,
    now: datetime,
) -> None:
    """Seal, enter, acknowledge, record: in that order, so that nothing is acknowledged before it is safe."""
    layout = workspace.layout
    names_id = _seal(workspace, contribution, files, members)
    _enter(workspace, contribution, files, names_id, now)
    ledger = Ledger.open(layout.custody)
    first = ledger.find(f"{reception_key(workspace, contribution)}/{files[0].image_id}")
    if first is not None:  # a repeat after an interruption keeps the moment of the first entry
        claimed = datetime.fromisoformat(json.loads(first.body)["claimed_time"])
        contribution = replace(contribution, received_at=claimed.isoformat(timespec="seconds"))
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(file.image_id, []).append(file.path)
    issue_receipt(layout, ledger, contribution, names)
    rows = file_rows(contribution, files, table.files, salt=_salt(layout.custody))
    folder = layout.deliveries / contribution.contribution_id
    write_told(folder, contribution, table)
    sync_filesystem(layout.root)  # the record makes it complete: it must not outlive the rest in a power cut
    write_contribution(folder, contribution, rows)
    forget_tombstone(folder)


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


def _told_otherwise(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], table: SeizureTable
) -> list[Finding]:
    """Return a warning where a known delivery comes with a table that is not the one on record."""
    layout = workspace.layout
    rows = file_rows(contribution, files, table.files, salt=_salt(layout.custody))
    if not told_otherwise(layout.deliveries / contribution.contribution_id, contribution, table, rows):
        return []
    return [
        Finding(
            code="intake.table-kept",
            subject=contribution.contribution_id,
            message="came with another seizure table than on record; the one on record stays.",
            remedy="If the new one is right, withdraw the contribution and hand it over anew.",
            severity=Severity.WARNING,
        )
    ]


def _received(workspace: Workspace, contribution: Contribution, what: str, notes: Sequence[Finding]) -> Report:
    linked = SealedStore(workspace.layout.custody).linked(contribution.contribution_id)
    stored = f" ({linked} of them known before: linked, not stored twice)" if linked else ""
    return Report(
        summary=f"{contribution.file_count} files from {contribution.partner_id}{stored}: "
        f"contribution {contribution.contribution_id} {what}.",
        data={
            "contribution_id": contribution.contribution_id,
            "files": contribution.file_count,
            "bytes": contribution.total_bytes,
            "linked": linked,
            "receipt": str(_receipts(workspace, contribution)),
        },
        findings=notes,
        next_command="workbench intake",
    )


def _seal(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], members: Sequence[Member]
) -> str:
    """Seal every file the store lacks, in durable batches, then the list of names; return that list's object id.

    Bytes that an earlier contribution of the partner brought are linked, not stored a second time.
    """
    store, cid = SealedStore(workspace.layout.custody), contribution.contribution_id
    store.discard_leftovers()
    pairs = list(zip(files, members, strict=True))
    missing = {file.image_id: (file, member) for file, member in pairs if not store.has(cid, file.image_id)}
    holders = store.holders(contribution.partner_id, missing)
    shown = workspace.track(list(missing.values()), total=len(missing), doing="Sealing")
    staged: list[Staged] = []
    for file, member in shown:
        holder = holders.get(file.image_id)
        linked = holder and store.stage_link(contribution.partner_id, cid, file.image_id, holder)
        staged.append(linked or _sealed(store, contribution, file, member))
        if len(staged) == _BATCH:
            store.commit(cid, staged)
            staged = []
    store.commit(cid, staged)
    names = json.dumps({file.path: file.image_id for file in files}, ensure_ascii=False).encode()
    listed = store.stage(contribution.partner_id, cid, io.BytesIO(names))
    store.commit(cid, [listed])
    write_secret(names_reference(workspace.layout.custody, cid), listed.object_id.encode())
    return listed.object_id


def _sealed(store: SealedStore, contribution: Contribution, file: Delivered, member: Member) -> Staged:
    with member.open() as stream:
        sealed = store.stage(contribution.partner_id, contribution.contribution_id, stream)
    require_unchanged(file, sealed.object_id)
    return sealed


def _enter(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], names_id: str, now: datetime
) -> None:
    """Enter each file and the sealed list of names once in the ledger."""
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
    Ledger.open(workspace.layout.custody).append(events, now=now)


def _salt(custody: Path) -> str:
    """Return the workspace's secret salt for hashes of file names."""
    path = custody / "keys" / "names.salt"
    if not path.is_file():
        write_secret(path, secrets.token_hex(16).encode())
    return path.read_text(encoding="ascii")


def names_reference(custody: Path, contribution_id: str) -> Path:
    """Return the file that tells which sealed object lists a contribution's file names."""
    return custody / "names" / contribution_id
