"""What a withdrawal leaves in the ledger, and the certificate over it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.cli import revocations
from workbench.cli.acting import actor
from workbench.cli.wiring import Workspace
from workbench.custody.certificate import certificate_document, read_certificate, write_certificate
from workbench.custody.ledger import Event, Ledger
from workbench.custody.withdrawal import Plan
from workbench.domain.findings import refused


def enter_withdrawal(ledger: Ledger, plan: Plan) -> None:
    """Enter that a contribution is withdrawn, once."""
    event = _event(plan, "withdraw", plan.reason, once=f"withdraw/{plan.name}")
    ledger.append([event], now=datetime.now(UTC))


def _event(plan: Plan, kind: str, reason: str, *, once: str, object_sha256: str | None = None) -> Event:
    return Event(
        kind=kind,
        actor=actor(),
        partner_id=plan.partner_id,
        contribution_id=plan.contribution_id,
        object_sha256=object_sha256,
        reason=reason,
        once=once,
    )


def certify(workspace: Workspace, ledger: Ledger, plan: Plan) -> Path:
    """Write the certificate, and enter its digest in the ledger; one that still holds stays as it is."""
    folder = workspace.layout.custody / "certificates" / plan.name
    known = read_certificate(folder / "certificate.json")
    document = certificate_document(
        plan,
        issued_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ledger=_ledger_part(ledger, plan) if known is None else known["certificate"]["ledger"],
        handed_out=revocations.handed_out(ledger, plan.releases),
        sign=ledger.sign,
        public_pem=ledger.public_key_pem(),
    )
    if known is None or _without_time(known) != _without_time(document):
        write_certificate(folder, document)
    digest = hashlib.sha256((folder / "certificate.json").read_bytes()).hexdigest()
    reason = f"pending: {', '.join(plan.pending)}" if plan.pending else "complete"
    event = _event(plan, "purge", reason, once=f"purge/{plan.name}/{digest}", object_sha256=digest)
    ledger.append([event], now=datetime.now(UTC))
    return folder / "certificate.html"


def _without_time(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document["certificate"].items() if key != "issued_at"}


def _ledger_part(ledger: Ledger, plan: Plan) -> dict[str, Any]:
    entry = ledger.find(f"withdraw/{plan.name}")
    if entry is None:  # it was entered a moment ago
        raise refused("custody.entry-missing", plan.name, "is not in the ledger.", "Run `workbench ledger verify`.")
    checkpoint = ledger.checkpoint_over(entry.seq)
    ((_, proof),) = ledger.prove([entry.seq], checkpoint)
    return {
        "entry": base64.b64encode(entry.body).decode(),
        "proof": proof.to_json(),
        "checkpoint": checkpoint.note,
    }
