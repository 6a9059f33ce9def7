"""Taking a contribution back: what was planned and how far it came, and the end of key, originals and records.

The plan is on disk before anything is destroyed, and only grows. So a withdrawal cut short at any moment is completed
by a repeat: each step looks for what is left and removes it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workbench.custody.keys import sync_folder, write_secret
from workbench.custody.object_store import SealedStore
from workbench.custody.prune import concerned, prune_files, remove_empty
from workbench.custody.traces import TOMBSTONE, Traces
from workbench.domain.findings import Finding, Severity, refused

#: Folders of custody/ that hold no record of one contribution only, or that outlive it.
_KEPT = frozenset({"keys", "checkpoints", "withdrawals", "certificates", "fixity", "objects"})

#: With so many digits of its id `view-original` names a file.
_VIEWED_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How much one place held of a withdrawn contribution, how much is left, and why it is still there."""

    found: int
    left: int | None = None
    pending: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left there."""
        return self.left == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One withdrawal: who asked for it and why, what leads back to the contribution, and how far it came.

    Parameters
    ----------
    number
        The how-manieth withdrawal of this contribution; more than one only if it was taken in again.
    objects
        DVC objects that must go, by DVC's own names.
    releases
        The releases that hold something of it.
    places
        What each place held and holds.

    """

    contribution_id: str
    number: int
    partner_id: str
    reason: str
    actor: str
    started_at: str
    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    places: Mapping[str, Found] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its record and certificate are called."""
        return f"{self.contribution_id}-{self.number}"

    @property
    def traces(self) -> Traces:
        """What leads back to the contribution."""
        return Traces(contribution_id=self.contribution_id, images=frozenset(self.images), files=frozenset(self.files))

    @property
    def pending(self) -> dict[str, str]:
        """Why each place that still holds something does."""
        return {name: place.pending or f"{place.left} left" for name, place in self.places.items() if not place.done}


def plan_path(custody: Path, contribution_id: str, number: int) -> Path:
    """Return where a withdrawal is recorded."""
    return custody / "withdrawals" / f"{contribution_id}-{number}.json"


def read_plan(path: Path) -> Plan | None:
    """Return a recorded withdrawal; nothing if there is none.

    Raises
    ------
    Refused
        ``custody.withdrawal-pending`` if the record cannot be read.

    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        places = {name: Found(**place) for name, place in told.pop("places").items()}
        lists = {key: tuple(told.pop(key)) for key in ("images", "files", "objects", "releases")}
        return Plan(**{**told, **lists, "places": places})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise refused(
            "custody.withdrawal-pending",
            path.name,
            f"cannot be read ({error}), so it is not known what is left to do.",
            "Restore it from a backup of custody/, or remove it and repeat the withdrawal.",
        ) from error


def write_plan(custody: Path, plan: Plan) -> None:
    """Record a withdrawal, whole or not at all."""
    text = json.dumps(asdict(plan), indent=1, ensure_ascii=False)
    write_secret(plan_path(custody, plan.contribution_id, plan.number), text.encode())


def keys_of(custody: Path, contribution_id: str) -> list[Path]:
    """Return the files that hold a contribution's data key, half-written ones among them."""
    return sorted((custody / "keys" / "contributions").glob(f"{contribution_id}.*"))


def shred_keys(custody: Path, contribution_id: str) -> None:
    """Overwrite and remove a contribution's data key: from then on nobody can unseal its originals.

    What another contribution of the partner shares with it stays readable there.

    Raises
    ------
    Refused
        ``custody.object-altered`` or ``custody.object-missing`` if one that shares its originals could not keep them.

    """
    SealedStore(custody).release_links(contribution_id)
    folder = custody / "keys" / "contributions"
    for path in keys_of(custody, contribution_id):
        size = path.stat().st_size
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(folder)


def originals_of(custody: Path, contribution_id: str) -> list[Path]:
    """Return the sealed objects of a contribution, and what an interrupted reception left aside."""
    objects = custody / "objects"
    return sorted(path for path in (objects / contribution_id).rglob("*") if path.is_file())


def remove_originals(custody: Path, contribution_id: str) -> None:
    """Remove the sealed objects of a contribution."""
    _remove(custody / "objects" / contribution_id)


def record_folders(custody: Path) -> list[Path]:
    """Return the folders of custody with records of contributions: names, receipts, what was handed out to be viewed."""
    return sorted(path for path in custody.glob("*") if path.is_dir() and path.name not in _KEPT)


def records_of(custody: Path, traces: Traces) -> list[Path]:
    """Return the files of these folders that are, hold or speak of something of a contribution."""
    found = {path for folder in record_folders(custody) for path in concerned(folder, traces)}
    return sorted(found | set(viewed_of(custody, traces)))


def viewed_of(custody: Path, traces: Traces) -> list[Path]:
    """Return what was handed out to be viewed, by its name: altered since, or cut short, it has other bytes."""
    starts = {word[:_VIEWED_DIGITS] for word in traces.words}
    return [path for path in sorted((custody / "viewed").glob("*")) if path.name.lstrip(".")[:_VIEWED_DIGITS] in starts]


def remove_records(custody: Path, traces: Traces) -> None:
    """Take a contribution out of these folders: its own files go, others lose what speaks of it."""
    for folder in record_folders(custody):
        found = list(concerned(folder, traces))
        prune_files(folder, found, traces)
        remove_empty(folder, {path.parent for path in found})
    for path in viewed_of(custody, traces):
        path.unlink()


def write_tombstone(folder: Path, plan: Plan, *, withdrawn_at: str) -> None:
    """Leave a record where a contribution's tables stood: that there was one, and why it is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "withdrawn": withdrawn_at,
        "contribution_id": plan.contribution_id,
        "partner_id": plan.partner_id,
        "reason": plan.reason,
    }
    part = folder / f".{TOMBSTONE}.part"
    part.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, folder / TOMBSTONE)


def unfinished(custody: Path, contribution_ids: Iterable[str]) -> list[str]:
    """Return those of the withdrawn contributions whose key or originals are still there."""
    return [cid for cid in contribution_ids if keys_of(custody, cid) or originals_of(custody, cid)]


def unfinished_findings(custody: Path, contribution_ids: Iterable[str]) -> Iterator[Finding]:
    """Yield a warning for each of the withdrawn contributions whose key or originals are still there."""
    for contribution_id in unfinished(custody, contribution_ids):
        yield Finding(
            code="custody.withdrawal-pending",
            subject=contribution_id,
            message="is withdrawn, but its key or sealed originals are still here.",
            remedy=f"Complete it: workbench withdraw {contribution_id} --reason REASON --yes",
            severity=Severity.WARNING,
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    sync_folder(path.parent)
