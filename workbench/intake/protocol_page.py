"""What is there and what is missing, as a page that a partner can read and print; everything is inline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from workbench.intake.protocol import Completeness, Protocol, Status


def protocol_page(
    reports: Sequence[Completeness], protocol: Protocol, *, partner_id: str, partner_name: str, loose: int
) -> str:
    """Return the page for one partner.

    Parameters
    ----------
    reports
        One an item of the partner, in the order to be shown.
    loose
        How many of its admitted photographs belong to no item.

    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    counts = {status.value: sum(report.status is status for report in reports) for status in Status}
    words = {view: view.replace("_", " ") for view in protocol.views}
    asked = {view for report in reports for group in protocol.of(report.item.item_class).views for view in group}
    return environment.get_template("protocol.html").render(
        partner_id=partner_id,
        partner_name=partner_name,
        version=protocol.version,
        counts=counts,
        loose=loose,
        rows=[_row(report) for report in reports],
        views=[(words[view], meaning) for view, meaning in protocol.views.items() if view in asked],
    )


def _row(report: Completeness) -> dict[str, object]:
    item = report.item
    return {
        # The partner knows its pseudonyms as it wrote them, without its own name before them.
        "seizure": (item.seizure_id or "").removeprefix(f"{item.partner_id}/"),
        "item": item.item_id.removeprefix(f"{item.partner_id}/"),
        "item_class": item.item_class or "not told",
        "photographs": len(item.views),
        "held": item.held,
        "have": [word.replace("_", " ") for word in report.have],
        "missing": [word.replace("_", " ") for word in report.missing],
        "unknown": [word.replace("_", " ") for word in report.unknown],
        "status": report.status.value,
    }
