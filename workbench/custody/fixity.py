"""Are the sealed objects still what was received: which ought to be there, which are due today, and what is wrong.

Objects are read back a frame at a time, so memory does not grow with them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from workbench.custody.entry import Entry
from workbench.custody.keys import write_secret
from workbench.custody.object_store import SealedStore
from workbench.domain.findings import Finding, WorkbenchError

#: Kinds of entries that tell of an object in the store, and of one that takes a contribution's objects away.
SEALED, WITHDRAWN = frozenset({"receive", "names", "catalogue"}), "withdraw"
#: Kind of the entry that takes the geometry of a CAD part away: its key and objects are gone, no partner took it back.
PURGED = "catalogue_purge"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Sealed:
    """An object that the store holds for a contribution."""

    contribution_id: str
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixity:
    """What reading back found; ``total`` objects are in the store, of which ``checked`` were read."""

    checked: int
    total: int
    findings: tuple[Finding, ...]

    def counts(self) -> dict[str, int]:
        """Return the numbers a report gives."""
        codes = Counter(finding.code for finding in self.findings)
        return {
            "total": self.total,
            "checked": self.checked,
            "altered": codes["custody.object-altered"],
            "missing": codes["custody.object-missing"],
            "without_key": codes["custody.key-missing"],
        }


def objects_entered(entries: Iterable[Entry]) -> list[Sealed]:
    """Return the objects that the ledger says are in the store, sorted; those withdrawn since are not."""
    expected: dict[str, set[str]] = {}
    for entry in entries:
        said = entry.said()
        if said["kind"] in SEALED:
            expected.setdefault(said["contribution_id"], set()).add(said["object_sha256"])
        elif said["kind"] in (WITHDRAWN, PURGED):
            expected.pop(said.get("contribution_id", ""), None)
    return sorted(
        Sealed(contribution_id=contribution_id, object_id=object_id)
        for contribution_id, objects in expected.items()
        for object_id in objects
    )


def due_objects(objects: Iterable[Sealed], *, day: date, cycle_days: int) -> list[Sealed]:
    """Return the objects whose turn it is on a day: each comes once in any ``cycle_days`` days in a row.

    The turn follows from the hash of the object, so it is the same wherever and however often it is asked.

    Examples
    --------
    >>> things = [Sealed(contribution_id="c", object_id=str(n)) for n in range(100)]
    >>> week = [due_objects(things, day=date(2026, 1, 1 + n), cycle_days=7) for n in range(7)]
    >>> sorted(thing for day in week for thing in day) == sorted(things)
    True

    """
    turn = day.toordinal() % cycle_days
    return [item for item in objects if _turn(item) % cycle_days == turn]


def _turn(item: Sealed) -> int:
    digest = hashlib.sha256(f"{item.contribution_id}/{item.object_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def check_objects(store: SealedStore, objects: Iterable[Sealed]) -> Iterator[Finding]:
    """Unseal and hash each object; yield what is altered, missing or cannot be unsealed."""
    for item in objects:
        try:
            store.check(item.contribution_id, item.object_id)
        except WorkbenchError as error:
            yield from error.findings


def check_names(custody: Path, entries: Iterable[Entry], expected: Iterable[Sealed]) -> Iterator[Finding]:
    """Yield the contributions whose pointer to their sealed list of names is not the one entered."""
    there = set(expected)
    for entry in entries:
        said = entry.said()
        if Sealed(contribution_id=said["contribution_id"], object_id=said["object_sha256"]) not in there:
            continue  # withdrawn since
        pointer = custody / "names" / said["contribution_id"]
        kept = pointer.read_text(encoding="ascii", errors="replace") if pointer.is_file() else None
        if kept != said["object_sha256"]:
            yield Finding(
                code="custody.object-missing" if kept is None else "custody.object-altered",
                subject=f"custody/names/{pointer.name}",
                message="does not point to the list of names that the ledger tells of.",
                remedy="Restore custody/names from a backup.",
            )


def write_report(folder: Path, fixity: Fixity, *, which: str, now: datetime) -> tuple[Path, str]:
    """Write the report as JSON and as text; return the text's path and the SHA-256 of the JSON."""
    document = {
        "checked_at": now.isoformat(timespec="seconds"),
        "which": which,
        **fixity.counts(),
        "findings": [finding.to_json() for finding in fixity.findings],
    }
    raw = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    stem = now.strftime("%Y-%m-%dT%H%M%SZ")
    write_secret(folder / f"{stem}.json", raw)
    write_secret(folder / f"{stem}.txt", _told(document, fixity.findings).encode())
    return folder / f"{stem}.txt", hashlib.sha256(raw).hexdigest()


def _told(document: dict[str, Any], findings: Sequence[Finding]) -> str:
    lines = [
        "Fixity report: are the sealed originals still the bytes that were received?",
        "",
        f"Checked at   {document['checked_at']} (UTC, by this machine's clock)",
        f"Which        {document['which']}",
        f"In the store {document['total']:,} objects",
        f"Read back    {document['checked']:,}",
        f"Altered      {document['altered']:,}",
        f"Missing      {document['missing']:,}",
        f"Without key  {document['without_key']:,}",
        "",
    ]
    lines += [f"{finding.subject}: {finding.message} {finding.remedy} [{finding.code}]" for finding in findings]
    lines += [] if findings else ["Every object read back is what was received."]
    lines += ["", "A hash shows that nothing changed since reception. It says nothing about what happened before."]
    return "\n".join(lines) + "\n"
