"""Partners, their usage terms, and what they hand over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """An organisation that contributes imagery under usage terms.

    Parameters
    ----------
    partner_id
        Short and stable: lower-case letters, digits and hyphens.
    licence
        The licence under which its contributions may be used (SPDX identifier or the name of an agreement).

    """

    partner_id: str
    name: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One hand-over of files from a partner.

    ``contribution_id`` follows from the partner and the hashes of the files, so the same delivery twice is the
    same contribution. ``received_at`` is ISO 8601 in UTC.
    """

    contribution_id: str
    partner_id: str
    licence: str
    received_at: str
    channel: str
    file_count: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeizureRow:
    """One row of a partner's seizure table: which file shows which item of which seizure."""

    path: str
    seizure_id: str
    item_id: str | None = None
