"""`workbench intake`: working copies of what was delivered."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import dvc, images, inspection, video
from workbench.adapters.cover import cover
from workbench.adapters.sandbox import Lost, Sandbox
from workbench.cli.acting import DryRunOption, actor
from workbench.cli.command import command
from workbench.cli.partner_report import quarantine, write_reports
from workbench.cli.receipts import reissue_receipts
from workbench.cli.redaction_covering import forget_uncovered, note_uncovered
from workbench.cli.redaction_state import read_searched
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.receipt import verdict_key
from workbench.domain.findings import Finding
from workbench.intake import admit
from workbench.intake.covers import Covers
from workbench.intake.params import check_params
from workbench.intake.partner_report import quarantine_findings, remark_findings
from workbench.redaction.decisions import ensure_decisions, read_decisions
from workbench.redaction.review import accepted_regions

#: A larger file is never unsealed for decoding: it would have to be held in memory whole.
_MOST_BYTES = 200_000_000

#: Columns of an image's row that its entry in the ledger follows from; all columns of 100,000 rows fill much memory.
_ENTERED = (
    "image_id",
    "contribution_id",
    "work_key",
    "file_sha256",
    "source_image_id",
    "frame_time_s",
    "parent_image_id",
)

StageOption = Annotated[bool, typer.Option("--stage", hidden=True, help="Do the stage's work here: dvc.yaml calls it.")]


def register(app: typer.Typer) -> None:
    """Add `intake` and `quarantine`."""
    command(app, "intake")(intake)
    command(app, "quarantine")(quarantine)


def intake(*, workspace: Workspace, stage: StageOption = False, dry_run: DryRunOption = False) -> Report:
    """Make upright, metadata-free working copies of what was delivered; quarantine what does not decode."""
    layout = workspace.layout
    intake_params(workspace)  # what cannot be used is told before DVC is asked
    if dry_run:
        return _planned(workspace)
    if stage:
        note_uncovered(workspace)
        admit.run_intake(
            layout,
            intake_params(workspace),
            inspect=_Inspector(workspace),
            track=workspace.track,
            covers=_covers(workspace),
        )
        return _told(workspace, ())
    return _told(workspace, bring_up_to_date(workspace))


def intake_params(workspace: Workspace) -> Mapping[str, Any]:
    """Return the section intake of params.yaml, checked."""
    params = workspace.section("intake")
    check_params(params)
    return params


def bring_up_to_date(workspace: Workspace) -> list[Finding]:
    """Have DVC run intake and the search for faces, and enter each verdict in the ledger; return what is to be told."""
    layout = workspace.layout
    if ensure_decisions(layout):
        dvc.add(layout.root, [layout.redaction_decisions])
    dvc.repro(layout.root, ["intake", "redaction"])
    findings = forget_uncovered(workspace)
    image_rows, held = _tables(workspace)
    _enter(workspace, image_rows, held)
    late = reissue_receipts(workspace)
    write_reports(workspace)
    return [*findings, *late]


def _tables(workspace: Workspace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    layout = workspace.layout
    image_rows = tables.read_all_rows(sorted(layout.intake.glob("*/images.parquet")), tables.IMAGES, _ENTERED)
    held = tables.read_all_rows(sorted(layout.intake.glob("*/quarantine.parquet")), tables.QUARANTINE)
    return image_rows, held


def _told(workspace: Workspace, findings: Sequence[Finding]) -> Report:
    image_rows, held = _tables(workspace)
    faces = sum(len(row["faces"]) for row in read_searched(workspace))
    remarks = tables.read_all_rows(sorted(workspace.layout.intake.glob("*/remarks.parquet")), tables.REMARKS)
    found = f" {faces} faces were found in them." if faces else ""
    return Report(
        summary=f"{len(image_rows)} photographs are admitted, {len(held)} files are in quarantine.{found}",
        data={"admitted": len(image_rows), "quarantined": len(held), "remarks": len(remarks), "faces": faces},
        findings=[*quarantine_findings(held), *remark_findings(remarks), *findings],
        next_command="workbench redaction propose" if faces else "workbench labelling push",
    )


def _covers(workspace: Workspace) -> Covers:
    """Return what people and the rule of params.yaml accepted, and what covers it."""
    fill = functools.partial(cover, jpeg_quality=int(intake_params(workspace)["jpeg_quality"]))
    accepted = accepted_regions(read_decisions(workspace.layout))
    boxes = {image_id: [region.box for region in regions] for image_id, regions in accepted.items()}
    return Covers(boxes=boxes, fill=fill)


def _planned(workspace: Workspace) -> Report:
    layout, params = workspace.layout, intake_params(workspace)
    covers = _covers(workspace)
    fresh = known = 0
    for path in sorted(layout.deliveries.glob("*/files.parquet")):
        rows = tables.read_rows(path, tables.FILES)
        keys = {row["image_id"]: admit.file_key(row, params) for row in rows}
        judged = admit.reusable(layout, layout.intake / path.parent.name, keys, covers)
        known += sum(image_id in judged for image_id in keys)
        fresh += sum(image_id not in judged for image_id in keys)
    return Report(
        summary=f"{fresh} files would be inspected, {known} have their verdict.",
        data={"to_inspect": fresh, "known": known},
        next_command="workbench intake",
    )


def _enter(workspace: Workspace, image_rows: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> None:
    """Enter each verdict in the ledger, once."""
    who = actor()

    def event(kind: str, row: Mapping[str, Any], reason: str) -> Event:
        return Event(
            kind=kind,
            actor=who,
            contribution_id=row["contribution_id"],
            object_sha256=row.get("parent_image_id") or row["image_id"],
            reason=reason,
            once=verdict_key(kind, row),
        )

    frames = Counter(row["source_image_id"] for row in image_rows if row["source_image_id"])
    films = {row["source_image_id"]: row for row in image_rows if row["source_image_id"]}
    events = itertools.chain(
        (event("admit", row, f"working copy {row['file_sha256']}{_of_film(row)}") for row in image_rows),
        (
            event("redact", row, f"regions are covered in image {row['file_sha256']}, which stands for it")
            for row in image_rows
            if row["parent_image_id"]
        ),
        (event("quarantine", row, row["code"]) for row in held),
        (
            event(
                "admit",
                {**row, "image_id": film_id, "parent_image_id": None, "source_image_id": None},
                f"film of {frames[film_id]} frames",
            )
            for film_id, row in films.items()
        ),
    )
    if image_rows or held:
        with workspace.exclusive("custody"):
            Ledger.open(workspace.layout.custody).append(events, now=datetime.now(UTC))


def _of_film(row: Mapping[str, Any]) -> str:
    return f", frame at {row['frame_time_s']} s of {row['source_image_id']}" if row["source_image_id"] else ""


@dataclass(frozen=True)
class _Inspector:
    """Unseals originals, one for each free worker, and has the sandbox decode them."""

    workspace: Workspace

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, admit.Verdict]]:
        if not rows:
            return
        for position, row in enumerate(rows):
            if row["size_bytes"] > _MOST_BYTES:
                detail = f"It is larger than {_MOST_BYTES // 10**6} MB, which no photograph needs."
                yield position, admit.Verdict(code="intake.too-large", detail=detail)
        fit = [position for position, row in enumerate(rows) if row["size_bytes"] <= _MOST_BYTES]
        films = {position for position in fit if rows[position]["suffix"] in inspection.FILM_SUFFIXES}
        limits = intake_params(self.workspace)
        pictures = [position for position in fit if position not in films]
        yield from self._inspected(rows, pictures, inspection.prepare_pictures, limits["timeout_s"])
        yield from self._inspected(rows, sorted(films), inspection.prepare_films, limits["video_timeout_s"])

    def _inspected(
        self, rows: Sequence[Mapping[str, Any]], positions: Sequence[int], prepare: Callable[[], None], timeout_s: float
    ) -> Iterator[tuple[int, admit.Verdict]]:
        store = SealedStore(self.workspace.layout.custody)
        sandbox: Sandbox[tuple[bytes, str], images.Copied | video.Sampled | images.Rejected] = Sandbox(
            functools.partial(inspection.inspect_item, parameters=dict(intake_params(self.workspace))),
            prepare=prepare,
            workers=self.workspace.processes,
            timeout_s=timeout_s,
        )
        items = (
            (store.read(rows[position]["contribution_id"], rows[position]["image_id"]), rows[position]["suffix"])
            for position in positions
        )
        with sandbox:
            for index, result in sandbox.map(items):
                yield positions[index], _verdict(result)


def _facts(copied: images.Copied) -> dict[str, Any]:
    names = ("width_px", "height_px", "original_width_px", "original_height_px", "orientation", "scale")
    return {name: getattr(copied, name) for name in names}


def _verdict(result: images.Copied | video.Sampled | images.Rejected | Lost) -> admit.Verdict:
    if isinstance(result, images.Copied):
        remarks = tuple((remark.code, remark.detail) for remark in result.remarks)
        return admit.Verdict(jpeg=result.jpeg, facts=_facts(result), remarks=remarks)
    if isinstance(result, video.Sampled):
        remarks = tuple((remark.code, remark.detail) for remark in result.remarks)
        frames = tuple(
            admit.Frame(time_s=frame.time_s, jpeg=frame.copied.jpeg, facts=_facts(frame.copied))
            for frame in result.frames
        )
        return admit.Verdict(frames=frames, remarks=remarks)
    if isinstance(result, images.Rejected):
        return admit.Verdict(code=result.code, detail=result.detail)
    if result.why == "timeout":
        return admit.Verdict(code="intake.timeout", detail="It takes longer to decode than is allowed.")
    return admit.Verdict(code="intake.resources", detail="Decoding it ended its process twice.")
