"""Commands of the ledger: verify, show, prove, checkpoint, export, rotate the key."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption, actor
from workbench.cli.command import command
from workbench.cli.contributions import terms_findings
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace, template_root
from workbench.custody import fixity, receipt_check
from workbench.custody.audit import audit
from workbench.custody.export import write_export
from workbench.custody.keys import fingerprint, read_checkpoint, write_secret
from workbench.custody.ledger import Entry, Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.receipt import RECEIPT, kept_notes
from workbench.custody.rotation import key_at
from workbench.custody.standing import withdrawn_contributions
from workbench.custody.withdrawal import unfinished_findings
from workbench.domain.findings import Finding, Severity, WorkbenchError, bad_usage, refused

#: Fewer digits are an entry's number, not the beginning of a SHA-256.
SHORTEST_ID = 8
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in a sentence; it stands in the ledger for good.")]


def register(app: typer.Typer) -> None:
    """Add `ledger`."""
    ledger = typer.Typer(help="Who did what to which bytes.", no_args_is_help=True)
    app.add_typer(ledger, name="ledger")
    command(ledger, "verify")(ledger_verify)
    command(ledger, "show")(ledger_show)
    command(ledger, "prove")(ledger_prove)
    command(ledger, "checkpoint")(ledger_checkpoint)
    command(ledger, "export")(ledger_export)
    command(ledger, "rotate-key")(ledger_rotate_key)


@contextmanager
def opened(workspace: Workspace) -> Iterator[Ledger]:
    """Yield the ledger; one with entries that are no JSON is an altered one."""
    try:
        yield Ledger.open(workspace.layout.custody)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise refused(
            "custody.ledger-altered",
            "custody/ledger.db",
            f"cannot be read ({error}).",
            "Keep this copy as it is and restore custody/ from a backup.",
        ) from error


def require_reason(reason: str) -> str:
    """Return a reason that says something.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.

    """
    if not any(character.isalpha() for character in reason):
        raise bad_usage(
            "usage.bad-argument", "--reason", "says nothing.", "Give the reason in words: it stands in the ledger."
        )
    return " ".join(reason.split())


def ledger_verify(
    *,
    workspace: Workspace,
    objects: Annotated[bool, typer.Option("--objects", help="Unseal and hash every original too.")] = False,
) -> Report:
    """Check that the ledger is what was entered and signed, and with --objects that every original is unaltered."""
    custody = workspace.layout.custody
    with opened(workspace) as ledger:
        checked = audit(ledger, held=_held_notes(workspace, ledger))
        findings, originals = list(checked.findings), 0
        sound = not findings
        if sound:
            findings += terms_findings(workspace.layout)
        if objects and sound:
            store = SealedStore(custody)
            expected = fixity.objects_entered(ledger.each())
            withdrawn = withdrawn_contributions(ledger)
            listed = (
                fixity.Sealed(contribution_id=cid, object_id=object_id)
                for cid, object_id in store.listed()
                if cid not in withdrawn
            )
            wanted = sorted({*expected, *listed})
            originals = len(wanted)
            shown = workspace.track(wanted, total=originals, doing="Hashing originals")
            findings += fixity.check_objects(store, shown)
            findings += fixity.check_names(custody, ledger.of_kind("names"), expected)
            findings += _check_receipts(custody, ledger)
            findings += unfinished_findings(custody, sorted(withdrawn))
    what = f"{checked.entries} entries" + (f", {originals} originals" if objects else "")
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    summary = f"Something is wrong: {what} checked." if wrong else f"The ledger is sound: {what} checked."
    data = {"entries": checked.entries, "checkpoints": checked.checkpoints, "objects": originals}
    return Report(summary=summary, data=data, findings=findings)


def _check_receipts(custody: Path, ledger: Ledger) -> Iterator[Finding]:
    """Yield what is wrong with the receipts kept here."""
    keys = ledger.signing_keys()
    for path in sorted((custody / "receipts").glob(f"*/{RECEIPT}")):
        try:
            document = receipt_check.read_document(path)
        except WorkbenchError as error:
            yield from error.findings
            continue
        for found in receipt_check.check_document(document, key_at(keys, receipt_check.claimed_size(document))):
            yield replace(found, subject=f"{path.parent.name}/{path.name}: {found.subject}")


def _held_notes(workspace: Workspace, ledger: Ledger) -> list[str]:
    """Return the checkpoints that receipts and release records hold, as far as this ledger's keys signed them."""
    from workbench.release.record import RECORD, read_record

    held = kept_notes(workspace.layout.custody)
    for path in sorted(workspace.layout.records.glob(f"*/{RECORD}")):
        try:
            held.append(read_record(path).predicate["ledger"]["checkpoint"])
        except (WorkbenchError, KeyError, TypeError):
            continue  # a damaged record is for `release verify` to tell
    try:
        keys = [period.public_pem for period in ledger.signing_keys()]
    except WorkbenchError:
        return []  # the audit says so itself
    return [note for note in held if isinstance(note, str) and any(read_checkpoint(note, key) for key in keys)]


def ledger_show(
    *,
    workspace: Workspace,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest entries.")] = 20,
) -> Report:
    """Show the ledger's newest entries."""
    with opened(workspace) as ledger:
        size, bodies = ledger.size(), [entry.said() for entry in ledger.newest(limit)]
    widths = {
        "seq": 9,
        "claimed_time": 19,
        "kind": 16,
        "actor": 16,
        "contribution_id": 14,
        "object_sha256": 12,
        "reason": 40,
    }
    rows = [{column: str(body.get(column, ""))[:width] for column, width in widths.items()} for body in bodies]
    return Report(summary=f"{size} entries; the newest {len(rows)}:", rows=rows, data={"entries": bodies})


def ledger_prove(
    item: Annotated[str, typer.Argument(help="An entry's number, or a SHA-256 or the first 8 or more digits of one.")],
    *,
    workspace: Workspace,
    out: Annotated[Path | None, typer.Option("--out", help="Write the proof into a new file.")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Prove that an entry, or all entries about an object, are in the ledger, so that anyone can check it."""
    if out is not None and out.exists():
        raise bad_usage("usage.bad-argument", out, "is there already.", "Name a new file.")
    with opened(workspace) as ledger:
        document = proof_document(ledger, found_entries(ledger, item))
    if out is not None and not dry_run:
        write_secret(out, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    where = f"; it is in {out}" if out is not None and not dry_run else ""
    columns = ("seq", "claimed_time", "kind", "actor", "object_sha256", "reason")
    rows = [{name: str(proved["said"].get(name, ""))[:64] for name in columns} for proved in document["entries"]]
    return Report(
        summary=f"Proved under a checkpoint over {document['size']} entries: {len(rows)}{where}.",
        data=document,
        rows=rows,
        next_command=f"workbench receipt verify {out}" if where else None,
    )


def found_entries(ledger: Ledger, item: str) -> list[Entry]:
    """Return the entry of that number, or the entries about the one object whose SHA-256 begins so.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.
    Refused
        ``custody.entry-missing`` if there is none, or the digits fit several objects.

    """
    if re.fullmatch(rf"\d{{1,{SHORTEST_ID - 1}}}", item):
        return [ledger.entry(int(item))]
    if not re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST_ID},64}}", item):
        raise bad_usage(
            "usage.bad-argument",
            item,
            "is no entry's number and no SHA-256.",
            f"Give a number, or at least {SHORTEST_ID} digits of a SHA-256.",
        )
    entries = ledger.of_object(item.lower())
    objects = sorted({entry.said()["object_sha256"] for entry in entries})
    if len(objects) != 1:
        what = f"fits {len(objects)} objects." if objects else "is nothing that the ledger knows."
        raise refused("custody.entry-missing", item, what, "Give more digits, or see `workbench ledger show`.")
    return entries


def proof_document(ledger: Ledger, entries: list[Entry]) -> dict[str, Any]:
    """Return what proves the entries to a third party: bodies, audit paths, the signed checkpoint and its key."""
    checkpoint = ledger.checkpoint_over(max(entry.seq for entry in entries))
    return {
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "checkpoint": checkpoint.note,
        "public_key": ledger.public_key_pem(),
        "entries": [
            {"said": entry.said(), "entry": base64.b64encode(entry.body).decode(), "proof": proof.to_json()}
            for entry, proof in ledger.prove([entry.seq for entry in entries], checkpoint)
        ],
    }


def ledger_checkpoint(*, workspace: Workspace) -> Report:
    """Print the newest checkpoint: give it to partners, and they can tell later if the ledger was rewritten."""
    with opened(workspace) as ledger:
        checkpoint, key = ledger.newest_checkpoint(), ledger.public_key_pem()
    if checkpoint is None:
        raise refused("custody.entry-missing", "the ledger", "has no entry yet.", "Receive a delivery first.")
    return Report(
        summary=f"The newest checkpoint, over {checkpoint.size} entries:\n\n{checkpoint.note}\n{key}"
        f"Fingerprint of the key: {fingerprint(key)}",
        data={
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "note": checkpoint.note,
            "public_key": key,
            "fingerprint": fingerprint(key),
        },
    )


def ledger_export(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to make.")],
    *,
    workspace: Workspace,
    dry_run: DryRunOption = False,
) -> Report:
    """Write the ledger into a folder that anyone can verify with sha256sum and openssl alone."""
    if destination.exists():
        raise bad_usage("usage.bad-argument", destination, "is there already.", "Name a new folder.")
    script = template_root() / "docs" / "verify-ledger.sh"
    with opened(workspace) as ledger:
        findings: tuple[Finding, ...] = audit(ledger).findings
        if findings:
            raise refused(
                "custody.ledger-altered",
                "the ledger",
                "is not sound, so it was not exported.",
                "See `workbench ledger verify`.",
            )
        size = ledger.size()
        if not dry_run:
            size = write_export(destination, ledger, script.read_bytes())
    verb = "would be written to" if dry_run else "are in"
    return Report(
        summary=f"{size} entries {verb} {destination}; verify-ledger.sh in it checks them.",
        data={"entries": size, "path": str(destination), "dry_run": dry_run},
        next_command=f"sh {destination}/verify-ledger.sh",
    )


def ledger_rotate_key(*, workspace: Workspace, reason: ReasonOption, dry_run: DryRunOption = False) -> Report:
    """Give the ledger a new signing key, signed by the old; what the old one signed still verifies."""
    reason = require_reason(reason)
    with workspace.exclusive("custody"), workspace.exclusive("release"), opened(workspace) as ledger:
        before = fingerprint(ledger.public_key_pem())
        if dry_run:
            return Report(summary=f"Would replace key {before[:16]} by a new one.", data={"previous": before})
        rotated = ledger.rotate_key(actor=actor(), reason=reason, now=datetime.now(UTC))
        after = fingerprint(rotated.public_key_pem())
    return Report(
        summary=f"The ledger is signed with key {after[:16]} from now on; it was {before[:16]}. Back up custody/keys.",
        data={"previous": before, "present": after, "public_key": rotated.public_key_pem()},
        next_command="workbench ledger checkpoint",
    )
