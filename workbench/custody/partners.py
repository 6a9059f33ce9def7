"""The register of partners: who contributes, under which licence and terms."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

from workbench.custody.keys import write_secret
from workbench.domain.delivery import Partner, UsageTerms
from workbench.domain.findings import bad_usage, refused

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def read_partners(custody: Path) -> dict[str, Partner]:
    """Return the registered partners by id, in order; none if there is no register yet."""
    path = custody / "partners.json"
    if not path.is_file():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        entry["partner_id"]: Partner(**{**entry, "terms": UsageTerms.from_json(entry.get("terms", {}))})
        for entry in entries
    }


def require_partner(custody: Path, partner_id: str) -> Partner:
    """Return a registered partner.

    Raises
    ------
    Refused
        ``custody.partner-unknown``.

    """
    partner = read_partners(custody).get(partner_id)
    if partner is None:
        raise refused(
            "custody.partner-unknown",
            partner_id,
            "is no registered partner.",
            f"Register it: workbench partner add {partner_id} --name NAME --licence LICENCE",
        )
    return partner


def plan_partner(known: dict[str, Partner], partner: Partner) -> dict[str, Partner]:
    """Return the register with a partner added; the same partner again changes nothing.

    Raises
    ------
    BadUsage
        ``custody.partner-id`` if the id has a form that would not do as a file name.
    Refused
        ``custody.partner-exists`` if the id stands for somebody else.

    """
    if not _ID.fullmatch(partner.partner_id):
        raise bad_usage(
            "custody.partner-id",
            partner.partner_id,
            "is no partner id.",
            "Use up to 40 lower-case letters, digits and hyphens.",
        )
    if known.get(partner.partner_id, partner) != partner:
        raise refused(
            "custody.partner-exists",
            partner.partner_id,
            "is registered with another name, licence or terms.",
            "Choose another id, or change the terms of future contributions with `workbench partner terms`.",
        )
    return dict(sorted((known | {partner.partner_id: partner}).items()))


def write_partners(custody: Path, partners: dict[str, Partner]) -> None:
    """Write the register, whole or not at all."""
    document = json.dumps([asdict(partner) for partner in partners.values()], indent=1, ensure_ascii=False)
    write_secret(custody / "partners.json", document.encode())
