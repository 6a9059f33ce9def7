"""The catalogue's geometry in custody: sealed with a ledger entry, or destroyed with one; and which renders show it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from workbench.cli.acting import actor
from workbench.cli.wiring import Workspace
from workbench.custody.fixity import PURGED
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.withdrawal import remove_originals, shred_keys
from workbench.synthesis.catalogue import CataloguePart
from workbench.tables import POSES, read_rows

#: Whose key wraps the catalogue's: the workspace's own, as no partner gave these files.
_OWNER = "workspace"


def contribution_for(workspace: Workspace, file_sha256: str) -> str:
    """Return under what custody seals the geometry of a file: a name of the file's own, so that it can go by itself.

    A file that was purged and comes back gets a new one: what was destroyed stays destroyed.
    """
    name = f"catalogue-{file_sha256[:16]}"
    if not (workspace.layout.custody / "ledger.db").is_file():
        return name
    gone = Ledger.open(workspace.layout.custody).of_kind(PURGED)
    times = sum(str(entry.said()["contribution_id"]).startswith(name) for entry in gone)
    return name if not times else f"{name}-{times + 1}"


def seal(workspace: Workspace, contribution_id: str, objects: Sequence[bytes], *, reason: str) -> None:
    """Seal the file and the meshes made of it, then enter them in the ledger: a row without its object never is."""
    store = SealedStore(workspace.layout.custody)
    with workspace.exclusive("custody"):
        staged = [store.stage(_OWNER, contribution_id, io.BytesIO(data)) for data in objects]
        store.commit(contribution_id, staged)
        events = [
            Event(
                kind="catalogue",
                actor=actor(),
                contribution_id=contribution_id,
                object_sha256=item.object_id,
                size_bytes=item.size_bytes,
                reason=reason,
                once=f"{contribution_id}|{item.object_id}",
            )
            for item in staged
        ]
        Ledger.open(workspace.layout.custody).append(events, now=datetime.now(UTC))


def purge(workspace: Workspace, row: CataloguePart, *, reason: str, destroy: bool) -> None:
    """Enter that a part left the catalogue; with ``destroy``, its key and sealed objects go for good.

    The entry comes first, then the key, then the objects: a run cut short is completed by a repeat.
    """
    custody = workspace.layout.custody
    with workspace.exclusive("custody"):
        event = Event(
            kind=PURGED if destroy else "catalogue_remove",
            actor=actor(),
            contribution_id=row.contribution_id,
            object_sha256=row.sha256,
            reason=reason,
            once=f"{PURGED}|{row.contribution_id}" if destroy else None,
        )
        Ledger.open(custody).append([event], now=datetime.now(UTC))
        if destroy and row.contribution_id:
            shred_keys(custody, row.contribution_id)
            remove_originals(custody, row.contribution_id)


def renders_of(workspace: Workspace, part_id: str) -> dict[str, Any]:
    """Return how many renders show a part, and which releases in this workspace hold one of them."""
    path = workspace.layout.synthesis / "poses.parquet"
    images = set()
    if path.is_file():
        images = {
            row["image_id"] for row in read_rows(path, POSES, ["image_id", "part_id"]) if row["part_id"] == part_id
        }
    releases = []
    for splits in sorted(workspace.layout.records.glob("*/splits.csv")):
        listed = {row.get("image_id") for row in csv.DictReader(io.StringIO(splits.read_text(encoding="utf-8")))}
        if not listed.isdisjoint(images):
            releases.append(splits.parent.name)
    return {"renders": len(images), "releases": releases}
