"""How each contribution stands, read from the ledger: received, held, withdrawn, taken in again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.custody.entry import Entry
from workbench.custody.fixity import PURGED, SEALED, WITHDRAWN
from workbench.custody.records import Records
from workbench.domain.findings import refused


@dataclass(slots=True, kw_only=True)
class Standing:
    """One contribution as the ledger tells of it.

    Parameters
    ----------
    objects
        Every object ever sealed for it, lists of names among them.
    files
        The delivered files among these.
    withdrawals
        How often it was withdrawn.
    withdrawn
        Whether it is withdrawn now: a contribution that was taken in again after its withdrawal is not.
    held
        Why a legal hold keeps it, nothing if none does.

    """

    contribution_id: str
    partner_id: str | None = None
    received_at: str | None = None
    terms_sha256: str | None = None
    objects: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    withdrawals: int = 0
    withdrawn: bool = False
    held: str | None = None

    @property
    def state(self) -> str:
        """received, held or withdrawn."""
        return "withdrawn" if self.withdrawn else "held" if self.held else "received"


def bodies_of(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Yield what the entries of a ledger say."""
    return (entry.said() for entry in entries)


def standings(bodies: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    """Return each contribution's standing after the ledger's entries (oldest first), by id."""
    found: dict[str, Standing] = {}
    for body in bodies:
        cid, kind = body.get("contribution_id"), body["kind"]
        if cid is None or kind not in {*SEALED, "hold", "unhold", WITHDRAWN, PURGED}:
            continue
        standing = found.setdefault(cid, Standing(contribution_id=cid))
        if kind in SEALED:
            if standing.withdrawn:  # taken in again: what is sealed now is what counts
                standing.objects, standing.files, standing.withdrawn = set(), set(), False
            _sealed(standing, body)
        elif kind == PURGED:
            standing.objects = set()
        elif kind == WITHDRAWN:
            standing.withdrawn, standing.withdrawals, standing.held = True, standing.withdrawals + 1, None
        else:
            standing.held = body.get("reason") if kind == "hold" else None
    return found


def _sealed(standing: Standing, body: Mapping[str, Any]) -> None:
    standing.objects.add(body["object_sha256"])
    if body["kind"] == "receive":
        standing.files.add(body["object_sha256"])
        standing.partner_id = body.get("partner_id")
        standing.received_at = body["claimed_time"]
        standing.terms_sha256 = body.get("terms_sha256")


def require_standing(found: Mapping[str, Standing], contribution_id: str) -> Standing:
    """Return the standing of a contribution that was received.

    Raises
    ------
    Refused
        ``custody.contribution-unknown``.

    """
    standing = found.get(contribution_id)
    if standing is None or not standing.files:
        raise refused(
            "custody.contribution-unknown",
            contribution_id,
            "is no contribution that the ledger knows.",
            "See `workbench contribution list`.",
        )
    return standing


def expected_objects(found: Mapping[str, Standing]) -> set[tuple[str, str]]:
    """Return (contribution_id, object_id) of all that must lie in the store: nothing of what is withdrawn."""
    return {
        (standing.contribution_id, object_id)
        for standing in found.values()
        if not standing.withdrawn
        for object_id in standing.objects
    }


def withdrawn_contributions(ledger: Records) -> set[str]:
    """Return the contributions that are withdrawn now; costs what was withdrawn, not what stands in the ledger."""
    last: dict[str, int] = {}
    for entry in ledger.of_kind(WITHDRAWN):
        last[entry.said()["contribution_id"]] = entry.seq
    newest = {cid: ledger.newest_of_contribution(cid, sorted(SEALED)) for cid in last}
    return {cid for cid, seq in last.items() if (newest[cid] or 0) < seq}


def withdrawn_files(found: Mapping[str, Standing], *, partner_id: str) -> dict[str, str]:
    """Return the withdrawn contribution of each file that may not come back unasked.

    A file that the same partner still gives in another contribution is not among them.
    """
    gone = {file: s.contribution_id for s in found.values() if s.withdrawn for file in s.files}
    given = {file for s in found.values() if not s.withdrawn and s.partner_id == partner_id for file in s.files}
    return {file: cid for file, cid in gone.items() if file not in given}
