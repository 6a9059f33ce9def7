"""`workbench partner`: who contributes, under which licence and usage terms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from workbench.cli.acting import DryRunOption, actor
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.terms import TermsOption, read_terms
from workbench.cli.wiring import Workspace
from workbench.custody.ledger import Event, Ledger
from workbench.custody.partners import plan_partner, read_partners, require_partner, write_partners
from workbench.domain.delivery import Partner, UsageTerms
from workbench.domain.findings import bad_usage
from workbench.domain.terms import terms_digest, terms_line

_LICENCE_HELP = "SPDX identifier, or the name of an agreement."
PartnerArgument = Annotated[str, typer.Argument(metavar="ID", help="Short and stable: letters, digits, hyphens.")]


def register(app: typer.Typer) -> None:
    """Add `partner`."""
    partner = typer.Typer(help="Who contributes, under which licence and terms.", no_args_is_help=True)
    app.add_typer(partner, name="partner")
    command(partner, "add")(partner_add)
    command(partner, "terms")(partner_terms)
    command(partner, "list")(partner_list)
    command(partner, "show")(partner_show)


def partner_add(
    partner_id: PartnerArgument,
    *,
    workspace: Workspace,
    name: Annotated[str, typer.Option("--name", help="The organisation's name.")],
    licence: Annotated[
        str | None, typer.Option("--licence", help=f"{_LICENCE_HELP} [default: that of --terms]")
    ] = None,
    terms: TermsOption = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Register a partner; the same registration again changes nothing."""
    custody = workspace.layout.custody
    stated = read_terms(terms)
    licence = licence or stated.licence
    if not licence:
        raise bad_usage(
            "usage.bad-argument", partner_id, "has no licence.", "Name one with --licence, or in the file of --terms."
        )
    partner = Partner(partner_id=partner_id, name=name, licence=licence, terms=stated.over(UsageTerms()))
    with workspace.exclusive("custody"):
        known = read_partners(custody)
        planned = plan_partner(known, partner)
        if not dry_run:
            write_partners(custody, planned)
            event = Event(
                kind="partner",
                actor=actor(),
                partner_id=partner_id,
                terms_sha256=_digest(partner),
                once=f"partner/{partner_id}",
            )
            Ledger.open(custody).append([event], now=datetime.now(UTC))
    verb = "is registered already" if partner_id in known else "would be registered" if dry_run else "is registered"
    return Report(
        summary=f"Partner {partner_id} ({name}, {licence}; {terms_line(partner.terms)}) {verb}.",
        data=_told(partner),
        next_command=f"workbench receive PATH --partner {partner_id}",
    )


def partner_terms(
    partner_id: PartnerArgument,
    *,
    workspace: Workspace,
    reason: Annotated[str, typer.Option("--reason", help="Why, as an agreement's number; it stands in the ledger.")],
    terms: TermsOption = None,
    licence: Annotated[str | None, typer.Option("--licence", help=f"{_LICENCE_HELP} [default: unchanged]")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Change the terms of a partner's future contributions; past ones keep theirs.

    A term that the file leaves out stays as it is; one that is empty is lifted.
    """
    custody = workspace.layout.custody
    stated = read_terms(terms)
    with workspace.exclusive("custody"):
        was = require_partner(custody, partner_id)
        wanted = replace(was, licence=licence or stated.licence or was.licence, terms=stated.over(was.terms))
        if wanted != was and not dry_run:
            event = Event(
                kind="terms", actor=actor(), partner_id=partner_id, reason=reason, terms_sha256=_digest(wanted)
            )
            # The ledger first: a register that says what the ledger does not know would be a silent change.
            Ledger.open(custody).append([event], now=datetime.now(UTC))
            write_partners(custody, {**read_partners(custody), partner_id: wanted})
    verb = "are so already" if wanted == was else "would be" if dry_run else "are now"
    return Report(
        summary=f"The terms of future contributions of {partner_id} {verb}: {wanted.licence}; {terms_line(wanted.terms)}.",
        data=_told(wanted),
        next_command=f"workbench partner show {partner_id}",
    )


def partner_list(*, workspace: Workspace) -> Report:
    """List the registered partners."""
    partners = read_partners(workspace.layout.custody)
    rows = [
        {"partner_id": p.partner_id, "name": p.name, "licence": p.licence, "terms": terms_line(p.terms)}
        for p in partners.values()
    ]
    return Report(summary=f"{len(rows)} partners.", rows=rows, data={"partners": [_told(p) for p in partners.values()]})


def partner_show(partner_id: PartnerArgument, *, workspace: Workspace) -> Report:
    """Show a partner's licence and the terms of its future contributions."""
    partner = require_partner(workspace.layout.custody, partner_id)
    told = {"licence": partner.licence, **partner.terms.to_json(), "terms_sha256": _digest(partner)}
    return Report(
        summary=f"Partner {partner_id}, {partner.name}.",
        data=_told(partner),
        rows=[{"term": key, "value": _words(value)} for key, value in told.items()],
        next_command="workbench contribution list",
    )


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "any"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _digest(partner: Partner) -> str:
    return terms_digest(partner.licence, partner.terms)


def _told(partner: Partner) -> dict[str, Any]:
    return {
        "partner_id": partner.partner_id,
        "name": partner.name,
        "licence": partner.licence,
        "terms": partner.terms.to_json(),
        "terms_sha256": _digest(partner),
    }
