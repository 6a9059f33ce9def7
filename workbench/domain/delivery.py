"""Partners, their usage terms, and what they hand over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from workbench.domain.seizure import View


class OnwardSharing(StrEnum):
    """How far a contribution may be handed on."""

    NONE = "none"
    PROJECT = "project"
    NAMED = "named"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTerms:
    """Under which terms a contribution may be used; an empty term restricts nothing that the licence permits.

    Parameters
    ----------
    permitted_purposes
        Purposes (``release.purpose`` of params.yaml) it may be released for; empty: any.
    embargo_until, retention_until
        ISO 8601 dates: not released before the one (its day is free again), nor after the other.
    legal_basis, controller, agreement_ref
        As the partner words them.
    personal_data_declared
        Whether the partner says that the pictures show personal data.

    """

    permitted_purposes: tuple[str, ...] = ()
    onward_sharing: OnwardSharing = OnwardSharing.PROJECT
    embargo_until: str | None = None
    retention_until: str | None = None
    legal_basis: str | None = None
    controller: str | None = None
    agreement_ref: str | None = None
    personal_data_declared: bool = False

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> UsageTerms:
        """Return the terms that a JSON object states; what it leaves out restricts nothing."""
        known = dict(stated)
        known["permitted_purposes"] = tuple(known.get("permitted_purposes", ()))
        known["onward_sharing"] = OnwardSharing(known.get("onward_sharing", OnwardSharing.PROJECT))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the terms as a JSON object."""
        return {
            **asdict(self),
            "permitted_purposes": list(self.permitted_purposes),
            "onward_sharing": self.onward_sharing.value,
        }


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
    terms: UsageTerms = field(default_factory=UsageTerms)


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
    terms: UsageTerms = field(default_factory=UsageTerms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeizureRow:
    """One row of a partner's seizure table: which file shows which view of which item of which seizure."""

    path: str
    seizure_id: str
    item_id: str | None = None
    view: View | None = None
