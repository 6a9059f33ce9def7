"""Commands about sealed originals: are they still what was received, and the one way to look at one."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from workbench import tables
from workbench.cli.command import command
from workbench.cli.ledger import SHORTEST_ID, ReasonOption, opened, require_reason
from workbench.cli.reception import DryRunOption, actor
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody import fixity as fixities
from workbench.custody.keys import sync_folder
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore
from workbench.domain.findings import WorkbenchError, bad_usage, refused
from workbench.layout import Layout

#: With the daily sample, each object is read back once in so many days.
_CYCLE_DAYS = 30
_LEAST_SHARE_FRAC = 0.0001


def register(app: typer.Typer) -> None:
    """Add `fixity` and `view-original`."""
    command(app, "fixity")(fixity)
    command(app, "view-original")(view_original)


def fixity(
    *,
    workspace: Workspace,
    everything: Annotated[bool, typer.Option("--all", help="Read back every original.")] = False,
    sample: Annotated[
        str, typer.Option("--sample", help="`daily` (a thirtieth), or a share as 0.1: each day another one.")
    ] = "daily",
    dry_run: DryRunOption = False,
) -> Report:
    """Read sealed originals back and report whether they are what was received; enter that in the ledger.

    A sample is another one each day, and after as many days as it has shares every original was read once.
    """
    now = datetime.now(UTC)
    days = 1 if everything else _cycle_days(sample)
    which = "all" if days == 1 else f"share {now.date().toordinal() % days + 1} of {days}, by day"
    custody = workspace.layout.custody
    with opened(workspace) as ledger:
        objects = fixities.objects_entered(ledger.each())
        due = fixities.due_objects(objects, day=now.date(), cycle_days=days)
        if dry_run:
            data = {"total": len(objects), "due": len(due), "which": which, "dry_run": True}
            return Report(summary=f"Would read back {len(due)} of {len(objects)} originals ({which}).", data=data)
        shown = workspace.track(due, total=len(due), doing="Reading originals back")
        found = tuple(fixities.check_objects(SealedStore(custody), shown))
        done = fixities.Fixity(checked=len(due), total=len(objects), findings=found)
        with workspace.exclusive("custody"):
            path, digest = fixities.write_report(custody / "fixity", done, which=which, now=now)
            event = Event(kind="fixity", actor=actor(), object_sha256=digest, reason=which, facts=done.counts())
            ledger.append([event], now=now)
    good = f"{len(found)} are NOT what was received" if found else "all are what was received" if due else "none is due"
    return Report(
        summary=f"{done.checked} of {done.total} originals read back ({which}): {good}. The report is {path}.",
        data={**done.counts(), "which": which, "report": str(path)},
        findings=found,
    )


def _cycle_days(sample: str) -> int:
    """Return in how many days a sample comes round.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.

    """
    if sample == "daily":
        return _CYCLE_DAYS
    try:
        share_frac = float(sample)
    except ValueError:
        share_frac = 0.0
    if not _LEAST_SHARE_FRAC <= share_frac <= 1:
        raise bad_usage(
            "usage.bad-argument",
            f"--sample {sample}",
            "is no share.",
            f"Say `daily`, or a number from {_LEAST_SHARE_FRAC} to 1, as 0.1.",
        )
    return round(1 / share_frac)


def view_original(
    image: Annotated[str, typer.Argument(help="An image's id or the first 8 or more digits of one; derived ones too.")],
    *,
    workspace: Workspace,
    reason: ReasonOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to make. [default: one in custody/viewed]")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Hand out an original, the only way to one: it is entered in the ledger first, then written for you alone."""
    reason = require_reason(reason)
    layout = workspace.layout
    with opened(workspace) as ledger:
        contribution_id, image_id, suffix = _original_of(layout, ledger, image)
        target = out or layout.custody / "viewed" / f"{image_id[:12]}{suffix}"
        _require_private(layout, target)
        store = SealedStore(layout.custody)
        if not dry_run:
            store.check(contribution_id, image_id)  # what cannot be handed out is not entered as viewed
            event = Event(
                kind="view_original",
                actor=actor(),
                contribution_id=contribution_id,
                object_sha256=image_id,
                reason=reason,
            )
            with workspace.exclusive("custody"):
                ledger.append([event], now=datetime.now(UTC))
            _hand_out(store, contribution_id, image_id, target)
    verb = "would be written to" if dry_run else "is in"
    return Report(
        summary=f"Original {image_id[:12]} of {contribution_id} {verb} {target}. It holds all its metadata: "
        "position, serial numbers, names. Delete it when you are done.",
        data={"image_id": image_id, "contribution_id": contribution_id, "path": str(target), "dry_run": dry_run},
    )


def _require_private(layout: Layout, target: Path) -> None:
    """Refuse to write an original where git, DVC or a server would take it up, or over something.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.

    """
    real = target.resolve()
    if target.exists():
        raise bad_usage("usage.bad-argument", target, "is there already.", "Name a new file with --out, or delete it.")
    if real.is_relative_to(layout.root.resolve()) and not real.is_relative_to(layout.custody.resolve() / "viewed"):
        raise bad_usage(
            "usage.bad-argument",
            target,
            "lies in the workspace, where git, DVC or a server may pick it up.",
            "Leave --out away, or name a file outside the workspace.",
        )


def _hand_out(store: SealedStore, contribution_id: str, image_id: str, target: Path) -> None:
    """Write an original into a file that only its owner can read; it appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            store.copy_to(contribution_id, image_id, file)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _original_of(layout: Layout, ledger: Ledger, image: str) -> tuple[str, str, str]:
    """Return contribution, image_id and file ending of the original that an image is, or was derived from.

    Raises
    ------
    BadUsage
        ``usage.bad-argument``.
    Refused
        ``custody.original-unknown``.

    """
    if not re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST_ID},64}}", image):
        raise bad_usage(
            "usage.bad-argument", image, "is no image id.", f"Give its SHA-256, or the first {SHORTEST_ID} digits."
        )
    parents = _parents(layout)
    wanted = {image_id for image_id in parents if image_id.startswith(image.lower())}
    received: dict[str, str] = {}
    for prefix in {image.lower(), *(_root(image_id, parents) for image_id in wanted)}:
        for entry in ledger.of_object(prefix):
            said = entry.said()
            if said["kind"] == "receive" and _stands(ledger, said["contribution_id"], entry.seq):
                received.setdefault(said["object_sha256"], said["contribution_id"])
    if len(received) != 1:
        several = f"leads to {len(received)} originals." if received else "leads back to no original."
        raise refused(
            "custody.original-unknown", image, several, "Give more digits of the id, as in the stages' images.parquet."
        )
    ((image_id, contribution_id),) = received.items()
    return contribution_id, image_id, _suffix(layout, contribution_id, image_id)


def _stands(ledger: Ledger, contribution_id: str, seq: int) -> bool:
    """Say whether a reception was not withdrawn since."""
    withdrawn = ledger.newest_of_contribution(contribution_id, [fixities.WITHDRAWN])
    return withdrawn is None or withdrawn < seq


def _parents(layout: Layout) -> dict[str, str | None]:
    """Return the parent of every image that a stage's table tells of, by its id and by its file's SHA-256."""
    parents: dict[str, str | None] = {}
    for path in sorted(layout.data.glob("0[1-6]_*/**/images.parquet")):
        for row in tables.read_rows(path, tables.IMAGES):
            parent = row["parent_image_id"] or row["source_image_id"]  # a frame's original is its film
            parents[row["image_id"]] = parent or parents.get(row["image_id"])
            if row["file_sha256"] != row["image_id"]:
                parents.setdefault(row["file_sha256"], row["image_id"])
    for path in sorted(layout.intake.glob("*/redactions.parquet")):
        for row in tables.read_rows(path, tables.REDACTIONS):
            parents[row["image_id"]] = row["parent_image_id"]
    return parents


def _root(image_id: str, parents: dict[str, str | None]) -> str:
    """Return the image at the beginning of an image's line; a circle ends where it closes."""
    seen: set[str] = set()
    while image_id not in seen and (parent := parents.get(image_id)):
        seen.add(image_id)
        image_id = parent
    return image_id


def _suffix(layout: Layout, contribution_id: str, image_id: str) -> str:
    try:
        rows = tables.read_rows(layout.deliveries / contribution_id / "files.parquet", tables.FILES)
    except WorkbenchError:
        return ""
    return next((row["suffix"] for row in rows if row["image_id"] == image_id), "")
