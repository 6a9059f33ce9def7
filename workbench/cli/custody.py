"""Commands of custody: partners, reception, the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from workbench.cli import contributions, partners, reception, withdrawal
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.audit import audit
from workbench.custody.ledger import Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.standing import expected_objects, standings
from workbench.custody.withdrawal import unfinished
from workbench.domain.findings import Finding, Severity, WorkbenchError, refused


def register(app: typer.Typer) -> None:
    """Add `partner`, `receive`, `contribution`, `hold`, `unhold`, `withdraw` and `ledger`."""
    partners.register(app)
    command(app, "receive")(reception.receive)
    contributions.register(app)
    withdrawal.register(app)
    ledger = typer.Typer(help="Who did what to which bytes.", no_args_is_help=True)
    app.add_typer(ledger, name="ledger")
    command(ledger, "verify")(ledger_verify)
    command(ledger, "show")(ledger_show)


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
        if not findings:
            findings += contributions.terms_findings(workspace.layout)
        checked = 0
        if objects and not findings:
            altered, checked = _check_objects(workspace, [json.loads(entry.body) for entry in entries])
            findings += altered
    what = f"{len(entries)} entries" + (f", {checked} originals" if objects else "")
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    summary = f"Something is wrong: {what} checked." if wrong else f"The ledger is sound: {what} checked."
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
    """Unseal every object that the ledger received and did not let go again, and every other object in the store."""
    store = SealedStore(workspace.layout.custody)
    found = standings(bodies)
    withdrawn = {standing.contribution_id for standing in found.values() if standing.withdrawn}
    there = {(cid, object_id) for cid, object_id in store.listed() if cid not in withdrawn}
    wanted = sorted(expected_objects(found) | there)
    findings = [_half_withdrawn(cid) for cid in unfinished(workspace.layout.custody, sorted(withdrawn))]
    for contribution_id, object_id in workspace.track(wanted, total=len(wanted), doing="Hashing originals"):
        try:
            store.check(contribution_id, object_id)
        except WorkbenchError as error:
            findings += error.findings
    return findings, len(wanted)


def _half_withdrawn(contribution_id: str) -> Finding:
    return Finding(
        code="custody.withdrawal-pending",
        subject=contribution_id,
        message="is withdrawn, but its key or sealed originals are still here.",
        remedy=f"Complete it: workbench withdraw {contribution_id} --reason REASON --yes",
        severity=Severity.WARNING,
    )


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
