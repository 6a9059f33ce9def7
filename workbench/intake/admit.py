"""The intake stage: each delivered file becomes an admitted photograph or stands in quarantine with its reason."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.domain.findings import CODES, Finding, Refused, Severity
from workbench.domain.geometry import Box
from workbench.domain.lineage import canonical_json, parameter_digest, require_activity, sha256_hex, work_key
from workbench.domain.photograph import Origin
from workbench.intake.partner_report import REMEDIES
from workbench.layout import Layout
from workbench.ports import Track
from workbench.tables import FILES, IMAGES, QUARANTINE, REDACTIONS, REMARKS, read_rows, write_table

#: Name and version of this activity: raise the number whenever equal input may give other bytes.
ACTIVITY = "working-copy/2"

#: The tables are written after this many verdicts too, so that an interrupted run has at most these to redo.
_KEEP_EVERY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame taken from a film: when it is shown, its working copy and the copy's facts."""

    time_s: float
    jpeg: bytes
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What inspection says of a file: a working copy with its facts, a film's frames, or a code and a sentence.

    ``remarks`` are (code, sentence) of what is worth telling of a file that is admitted.
    """

    jpeg: bytes | None = None
    facts: Mapping[str, Any] | None = None
    frames: tuple[Frame, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    code: str | None = None
    detail: str | None = None


#: Inspects the files of a contribution: yields (position in the rows, verdict) as they are done.
Inspect = Callable[[Sequence[Mapping[str, Any]]], Iterator[tuple[int, Verdict]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covers:
    """What is to be covered: boxes in pixels of the working copy, by photograph; and what covers them in a JPEG."""

    boxes: Mapping[str, Sequence[Box]]
    fill: Callable[[bytes, Sequence[Box]], bytes]

    def of(self, image_id: str) -> Sequence[Box]:
        """Return the boxes to be covered in a photograph, in the order of their edges; none for most."""
        return sorted(self.boxes.get(image_id, ()), key=lambda box: box.xyxy)

    def key(self, image_id: str, copy_key: str) -> str:
        """Return the work key of the image that stands for a photograph: its copy's, and what is covered in it."""
        boxes = [list(box.xyxy) for box in self.of(image_id)]
        return work_key(activity=ACTIVITY, parameters={"covered": boxes}, inputs=(copy_key,)) if boxes else copy_key


#: Nothing is covered.
NO_COVERS = Covers(boxes={}, fill=lambda jpeg, _: jpeg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What the stage did: rows of its tables, and how many files it had to decode."""

    images: tuple[Mapping[str, Any], ...]
    quarantine: tuple[Mapping[str, Any], ...]
    remarks: tuple[Mapping[str, Any], ...]
    decoded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on a contribution's files so far, by the id of the file delivered: it is in one of the first two."""

    images: dict[str, list[Mapping[str, Any]]]
    quarantine: dict[str, Mapping[str, Any]]
    remarks: dict[str, list[Mapping[str, Any]]]

    def __contains__(self, image_id: str) -> bool:
        """Say whether a file has its verdict."""
        return image_id in self.images or image_id in self.quarantine


def run_intake(
    layout: Layout, params: Mapping[str, Any], *, inspect: Inspect, track: Track, covers: Covers = NO_COVERS
) -> Admitted:
    """Bring data/01_intake up to date with data/00_deliveries and the regions to be covered; only new files are decoded.

    A photograph with regions to be covered is a new image, whose parent is the photograph as delivered. It is made from
    the sealed original, and its uncovered working copy is not kept.

    Raises
    ------
    Refused
        ``workspace.activity-version``.

    """
    require_activity(params, ACTIVITY, section="intake")
    images: list[Mapping[str, Any]] = []
    quarantine: list[Mapping[str, Any]] = []
    remarks: list[Mapping[str, Any]] = []
    decoded = 0
    folders = sorted(path.parent for path in layout.deliveries.glob("*/contribution.json"))
    for folder in folders:
        done = _admit_contribution(layout, folder, params, inspect=inspect, track=track, covers=covers)
        images += done.images
        quarantine += done.quarantine
        remarks += done.remarks
        decoded += done.decoded
    for stale in set(layout.intake.glob("*")) - {layout.intake / folder.name for folder in folders}:
        shutil.rmtree(stale)
    layout.intake.mkdir(parents=True, exist_ok=True)
    return Admitted(images=tuple(images), quarantine=tuple(quarantine), remarks=tuple(remarks), decoded=decoded)


def _admit_contribution(
    layout: Layout, folder: Path, params: Mapping[str, Any], *, inspect: Inspect, track: Track, covers: Covers
) -> Admitted:
    files = read_rows(folder / "files.parquet", FILES)
    target = layout.intake / folder.name
    keys = {row["image_id"]: file_key(row, params) for row in files}
    judged = reusable(layout, target, keys, covers)
    todo = [row for row in files if row["image_id"] not in judged]
    shown = track(inspect(todo), total=len(todo), doing=f"Inspecting {folder.name}")
    for count, (position, verdict) in enumerate(shown, start=1):
        _judge(layout, target, judged, todo[position], verdict, keys[todo[position]["image_id"]], covers)
        if count % _KEEP_EVERY == 0:
            _write_tables(target, files, judged)
    admitted, held, remarks = _write_tables(target, files, judged)
    write_table(target / "redactions.parquet", REDACTIONS, _redaction_rows(admitted, covers))
    _remove_strays(target, {str(row["path"]) for row in admitted}, layout.data)
    return Admitted(images=tuple(admitted), quarantine=tuple(held), remarks=tuple(remarks), decoded=len(todo))


def _judge(
    layout: Layout,
    target: Path,
    judged: Judged,
    row: Mapping[str, Any],
    verdict: Verdict,
    key: str,
    covers: Covers,
) -> None:
    """Enter a file's verdict; its working copies are written."""
    image_id = row["image_id"]
    told = {name: row[name] for name in ("image_id", "contribution_id")} | {"work_key": key}
    if verdict.jpeg is not None and verdict.facts is not None:
        judged.images[image_id] = [_write_copy(layout, target, image_id, verdict.jpeg, verdict.facts, key, covers)]
    elif verdict.frames:
        judged.images[image_id] = [
            _write_frame(layout, target, image_id, frame, key, covers) for frame in verdict.frames
        ]
    else:
        said = {"code": verdict.code, "detail": verdict.detail}
        judged.quarantine[image_id] = {**told, "size_bytes": row["size_bytes"], **said}
        return
    judged.remarks[image_id] = [{**told, "code": code, "detail": detail} for code, detail in verdict.remarks]


def _write_tables(
    target: Path, files: Sequence[Mapping[str, Any]], judged: Judged
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Write the tables with the verdicts so far; return their rows."""
    admitted = [_with_terms(image, row) for row in files for image in judged.images.get(row["image_id"], ())]
    held = [judged.quarantine[image_id] for image_id in sorted(judged.quarantine)]
    remarks = [remark for image_id in sorted(judged.remarks) for remark in judged.remarks[image_id]]
    # Rows of images last: without them a file is inspected anew, and its remarks with it.
    write_table(target / "remarks.parquet", REMARKS, remarks)
    write_table(target / "quarantine.parquet", QUARANTINE, held)
    write_table(target / "images.parquet", IMAGES, admitted)
    return list(admitted), held, remarks


def file_key(row: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    """Return the work key of one delivered file: its bytes, its ending, and the parameters of the copy."""
    return work_key(activity=ACTIVITY, parameters={**params, "suffix": row["suffix"]}, inputs=(row["image_id"],))


def _redaction_rows(images: Sequence[Mapping[str, Any]], covers: Covers) -> list[dict[str, Any]]:
    """Return a row for each photograph with covered regions: its lineage."""
    rows = []
    for row in images:
        if (parent := row.get("parent_image_id")) is not None:
            names = ("x_min", "y_min", "x_max", "y_max")
            regions = [dict(zip(names, map(float, box.xyxy), strict=True)) for box in covers.of(parent)]
            rows.append(
                {
                    "image_id": row["image_id"],
                    "parent_image_id": parent,
                    "activity": ACTIVITY,
                    "parameter_digest": parameter_digest({"covered": regions}),
                    "regions": regions,
                }
            )
    return rows


def reusable(layout: Layout, target: Path, keys: Mapping[str, str], covers: Covers = NO_COVERS) -> Judged:
    """Return the verdicts of a former run that still hold: same key, every file unaltered, remarks at hand."""
    images: dict[str, list[Mapping[str, Any]]] = {}
    broken = set()
    for row in _former(target / "images.parquet", IMAGES):
        photograph, path = row["parent_image_id"] or row["image_id"], layout.data / row["path"]
        source = row["source_image_id"] or photograph
        images.setdefault(source, []).append(row)
        same = source in keys and covers.key(photograph, keys[source]) == row["work_key"]
        if not (same and path.is_file() and sha256_hex(path.read_bytes()) == row["file_sha256"]):
            broken.add(source)  # of a film all frames, or none
    remarks: dict[str, list[Mapping[str, Any]]] = {}
    try:
        noticed = read_rows(target / "remarks.parquet", REMARKS)
    except Refused:
        noticed, broken = [], set(images)  # what was noticed is lost: look again
    for row in noticed:
        if keys.get(row["image_id"]) == row["work_key"]:
            remarks.setdefault(row["image_id"], []).append(row)
    for source in broken:
        del images[source]
    held = _former(target / "quarantine.parquet", QUARANTINE)
    return Judged(
        images=images,
        quarantine={row["image_id"]: row for row in held if keys.get(row["image_id"]) == row["work_key"]},
        remarks={image_id: rows for image_id, rows in remarks.items() if image_id in images},
    )


def _former(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the rows of a former run; none if there was none, or if its table is damaged or of an older shape."""
    try:
        return read_rows(path, schema)
    except Refused:
        return []


def _write_frame(layout: Layout, target: Path, film_id: str, frame: Frame, key: str, covers: Covers) -> dict[str, Any]:
    """Write a frame's working copy; its id follows from film and time, and so survives other settings of the copy."""
    image_id = sha256_hex(canonical_json([film_id, frame.time_s]).encode())
    row = _write_copy(layout, target, image_id, frame.jpeg, frame.facts, key, covers)
    return {**row, "source_image_id": film_id, "frame_time_s": frame.time_s}


def _write_copy(
    layout: Layout, target: Path, image_id: str, jpeg: bytes, facts: Mapping[str, Any], key: str, covers: Covers
) -> dict[str, Any]:
    boxes = covers.of(image_id)
    jpeg = covers.fill(jpeg, boxes) if boxes else jpeg
    digest = sha256_hex(jpeg)
    path = target / "images" / digest[:2] / f"{digest}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(jpeg)
    os.replace(part, path)
    return {
        "image_id": digest if boxes else image_id,
        "parent_image_id": image_id if boxes else None,
        "origin": Origin.REAL.value,
        "path": path.relative_to(layout.data).as_posix(),
        "file_sha256": digest,
        "work_key": covers.key(image_id, key),
        **facts,
    }


def _with_terms(image: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an image's row with what the delivery says about it."""
    told = ("licence", "contribution_id", "partner_id", "seizure_id", "item_id")
    return {**image, **{name: row[name] for name in told}}


def _remove_strays(target: Path, wanted: set[str], data: Path) -> None:
    """Remove image files that no row names: of an interrupted run, or of other parameters."""
    for path in (target / "images").glob("*/*"):
        if path.relative_to(data).as_posix() not in wanted:
            path.unlink()


def remark_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return one finding a kind of remark, as notes: how many admitted files it is about."""
    counted = Counter(row["code"] for row in rows)
    return [
        Finding(
            code=code,
            subject=f"{count} admitted files",
            message=CODES[code],
            remedy="The partner's report names them: workbench quarantine.",
            severity=Severity.NOTE,
        )
        for code, count in sorted(counted.items())
    ]


def quarantine_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return one finding a quarantined file; they are warnings, since the rest of the delivery is admitted."""
    return [
        Finding(
            code=row["code"],
            subject=f"file {row['image_id'][:12]} of {row['contribution_id']}",
            message=row["detail"],
            remedy=f"For the partner: {REMEDIES.get(row['code'], 'hand over a sound copy if it matters.')}",
            severity=Severity.WARNING,
        )
        for row in rows
    ]
