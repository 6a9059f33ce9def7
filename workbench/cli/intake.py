"""`workbench intake`: working copies of what was delivered."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import dvc, images
from workbench.adapters.sandbox import Lost, Sandbox
from workbench.cli.acting import DryRunOption, actor
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore
from workbench.intake import admit

#: A larger file is never unsealed for decoding: it would have to be held in memory whole.
_MOST_BYTES = 200_000_000

StageOption = Annotated[bool, typer.Option("--stage", hidden=True, help="Do the stage's work here: dvc.yaml calls it.")]


def register(app: typer.Typer) -> None:
    """Add `intake`."""
    command(app, "intake")(intake)


def intake(*, workspace: Workspace, stage: StageOption = False, dry_run: DryRunOption = False) -> Report:
    """Make upright, metadata-free working copies of what was delivered; quarantine what does not decode."""
    layout = workspace.layout
    if dry_run:
        return _planned(workspace)
    if stage:
        admit.run_intake(layout, workspace.section("intake"), inspect=_Inspector(workspace), track=workspace.track)
    else:
        dvc.repro(layout.root, ["intake"])
    image_rows = tables.read_all_rows(sorted(layout.intake.glob("*/images.parquet")), tables.IMAGES)
    held = tables.read_all_rows(sorted(layout.intake.glob("*/quarantine.parquet")), tables.QUARANTINE)
    if not stage:
        _enter(workspace, image_rows, held)
    return Report(
        summary=f"{len(image_rows)} photographs are admitted, {len(held)} files are in quarantine.",
        data={"admitted": len(image_rows), "quarantined": len(held)},
        findings=admit.quarantine_findings(held),
        next_command="workbench labelling push",
    )


def _planned(workspace: Workspace) -> Report:
    layout, params = workspace.layout, workspace.section("intake")
    fresh = known = 0
    for path in sorted(layout.deliveries.glob("*/files.parquet")):
        rows = tables.read_rows(path, tables.FILES)
        keys = {row["image_id"]: admit.file_key(row, params) for row in rows}
        done, held = admit.reusable(layout, layout.intake / path.parent.name, keys)
        known += len(done) + len(held)
        fresh += len(rows) - len(done) - len(held)
    return Report(
        summary=f"{fresh} files would be inspected, {known} have their verdict.",
        data={"to_inspect": fresh, "known": known},
        next_command="workbench intake",
    )


def _enter(workspace: Workspace, image_rows: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> None:
    """Enter each verdict in the ledger, once."""
    who = actor()

    def event(kind: str, row: Mapping[str, Any], reason: str) -> Event:
        key = f"{kind}/{row['contribution_id']}/{row['work_key']}"
        return Event(
            kind=kind,
            actor=who,
            contribution_id=row["contribution_id"],
            object_sha256=row["image_id"],
            reason=reason,
            once=key,
        )

    events = [event("admit", row, f"working copy {row['file_sha256']}") for row in image_rows]
    events += [event("quarantine", row, row["code"]) for row in held]
    if events:
        with workspace.exclusive("custody"):
            Ledger.open(workspace.layout.custody).append(events, now=datetime.now(UTC))


@dataclass(frozen=True)
class _Inspector:
    """Unseals originals, one for each free worker, and has the sandbox decode them."""

    workspace: Workspace

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, admit.Verdict]]:
        if not rows:
            return
        params = self.workspace.section("intake")
        store = SealedStore(self.workspace.layout.custody)
        sandbox: Sandbox[tuple[bytes, str], images.Copied | images.Rejected] = Sandbox(
            functools.partial(images.copy_item, parameters=dict(params)),
            prepare=images.prepare,
            workers=self.workspace.processes,
            timeout_s=params["timeout_s"],
        )
        fit = [position for position, row in enumerate(rows) if row["size_bytes"] <= _MOST_BYTES]
        for position in sorted(set(range(len(rows))) - set(fit)):
            detail = f"It is larger than {_MOST_BYTES // 10**6} MB, which no photograph needs."
            yield position, admit.Verdict(code="intake.too-large", detail=detail)
        items = (
            (store.read(rows[position]["contribution_id"], rows[position]["image_id"]), rows[position]["suffix"])
            for position in fit
        )
        with sandbox:
            for index, result in sandbox.map(items):
                yield fit[index], _verdict(result)


def _verdict(result: images.Copied | images.Rejected | Lost) -> admit.Verdict:
    if isinstance(result, images.Copied):
        names = ("width_px", "height_px", "original_width_px", "original_height_px", "orientation", "scale")
        return admit.Verdict(jpeg=result.jpeg, facts={name: getattr(result, name) for name in names})
    if isinstance(result, images.Rejected):
        return admit.Verdict(code=result.code, detail=result.detail)
    if result.why == "timeout":
        return admit.Verdict(code="intake.timeout", detail="It takes longer to decode than is allowed.")
    return admit.Verdict(code="intake.resources", detail="Decoding it ended its process twice.")
