"""What reception asks before it takes a delivery: under which terms, and whether any of it was withdrawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.acting import actor
from workbench.cli.terms import read_terms
from workbench.cli.wiring import Workspace
from workbench.custody.fixity import WITHDRAWN
from workbench.custody.ledger import Event, Ledger
from workbench.custody.standing import Standing, bodies_of, standings, withdrawn_files
from workbench.custody.traces import TOMBSTONE
from workbench.domain.delivery import Contribution, Partner, UsageTerms
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.terms import narrowed, terms_digest
from workbench.intake.receive import Delivered

#: Findings told one by one; the rest are counted.
_TOLD = 20

ReadmitOption = Annotated[
    str | None,
    typer.Option("--readmit", metavar="REASON", help="Take withdrawn files in again, as the partner asked, and why."),
]


def under_terms(partner: Partner, terms: Path | None) -> Partner:
    """Return a partner with its terms narrowed by those stated for one contribution.

    Raises
    ------
    Refused
        ``custody.terms-invalid`` or ``custody.terms-wider``.

    """
    if terms is None:
        return partner
    stated = read_terms(terms)
    return replace(partner, terms=narrowed(partner.terms, stated, licence=partner.licence, source=terms.name))


def require_same_terms(folder: Path, contribution: Contribution, *, stated: bool) -> None:
    """Refuse terms stated for a delivery that was received under others: those do not change.

    Raises
    ------
    Refused
        ``custody.terms-fixed``.

    """
    record = folder / "contribution.json"
    if not stated or not record.is_file():
        return
    was = json.loads(record.read_text(encoding="utf-8"))
    known = terms_digest(was["licence"], UsageTerms.from_json(was.get("terms", {})))
    if known != terms_digest(contribution.licence, contribution.terms):
        raise _fixed(contribution, "Receive it without --terms; withdraw it if it may no longer be used.")


def _fixed(contribution: Contribution, remedy: str) -> Refused:
    return refused(
        "custody.terms-fixed",
        contribution.contribution_id,
        "was received under other usage terms, and these do not change.",
        remedy,
    )


def _standings(workspace: Workspace, contribution_id: str) -> dict[str, Standing]:
    """Return the standing of one contribution, and if anything was ever withdrawn that of all."""
    custody = workspace.layout.custody
    if not (custody / "ledger.db").is_file():
        return {}
    ledger = Ledger.open(custody)
    # Reception costs what is received, not what stands in the ledger: all of it is read only where it may matter.
    concerned = ledger.each() if ledger.of_kind(WITHDRAWN) else ledger.each_of_contribution(contribution_id)
    return standings(bodies_of(concerned))


def require_welcome(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], *, readmitted: bool
) -> None:
    """Refuse what was withdrawn, unless the partner wants it taken in again; refuse to end a reception otherwise begun.

    Raises
    ------
    Refused
        ``custody.withdrawn``, a finding a file; ``custody.terms-fixed``, ``custody.withdrawal-pending``.

    """
    found = _standings(workspace, contribution.contribution_id)
    gone = withdrawn_files(found, partner_id=contribution.partner_id)
    back = [(file, gone[file.image_id]) for file in files if file.image_id in gone]
    if back and not readmitted:
        raise Refused(*(_withdrawn(file, cid) for file, cid in back[:_TOLD]))
    own = found.get(contribution.contribution_id)
    if own is None or own.withdrawn or own.terms_sha256 is None:
        return
    folder = workspace.layout.deliveries / contribution.contribution_id
    begun = not (folder / "contribution.json").is_file()
    if begun and own.terms_sha256 != terms_digest(contribution.licence, contribution.terms):
        raise _fixed(contribution, "Its reception was cut short: complete it with the terms it was begun with.")


def _withdrawn(file: Delivered, contribution_id: str) -> Finding:
    return Finding(
        code="custody.withdrawn",
        subject=file.path,
        message=f"was withdrawn with contribution {contribution_id}.",
        remedy="Leave it out, or take it in again with --readmit REASON if the partner asks for it.",
    )


def enter_readmission(
    workspace: Workspace, contribution: Contribution, files: Sequence[Delivered], reason: str | None
) -> None:
    """Enter in the ledger that withdrawn files are taken in again, each withdrawn contribution once.

    Raises
    ------
    Refused
        ``custody.withdrawal-pending`` if the withdrawal of this very contribution is not complete.

    """
    if reason is None:
        return
    found = _standings(workspace, contribution.contribution_id)
    own = found.get(contribution.contribution_id)
    keys = workspace.layout.custody / "keys" / "contributions"
    if own is not None and own.withdrawn and any(keys.glob(f"{contribution.contribution_id}.*")):
        raise refused(
            "custody.withdrawal-pending",
            contribution.contribution_id,
            "is not withdrawn to the end: its key is still here.",
            f"Complete it first: workbench withdraw {contribution.contribution_id} --reason REASON --yes",
        )
    gone = withdrawn_files(found, partner_id=contribution.partner_id)
    number = own.withdrawals if own else 0
    events = [
        Event(
            kind="readmit",
            actor=actor(),
            partner_id=contribution.partner_id,
            contribution_id=contribution.contribution_id,
            reason=f"{reason} (withdrawn as {cid})",
            once=f"readmit/{contribution.contribution_id}/{number}/{cid}",
        )
        for cid in sorted({gone[file.image_id] for file in files if file.image_id in gone})
    ]
    if events:
        Ledger.open(workspace.layout.custody).append(events, now=datetime.now(UTC))


def reception_key(workspace: Workspace, contribution: Contribution) -> str:
    """Return what the ledger knows this reception by: taken in again after a withdrawal it is another one."""
    standing = _standings(workspace, contribution.contribution_id).get(contribution.contribution_id)
    times = standing.withdrawals if standing else 0
    return f"receive/{contribution.contribution_id}" + (f"/again-{times}" if times else "")


def forget_tombstone(folder: Path) -> None:
    """Remove the record of a withdrawal from a contribution that is here again; the ledger keeps it."""
    (folder / TOMBSTONE).unlink(missing_ok=True)
