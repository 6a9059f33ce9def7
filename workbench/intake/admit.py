"""The intake stage: each delivered file becomes an admitted photograph or stands in quarantine with its reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.domain.findings import Refused
from workbench.domain.lineage import canonical_json, require_activity, sha256_hex, work_key
from workbench.domain.photograph import Origin
from workbench.intake.covers import ACTIVITY, NO_COVERS, Covers, redaction_rows
from workbench.intake.kept import Journal, Unaltered
from workbench.layout import Layout
from workbench.ports import Track
from workbench.tables import FILES, IMAGES, QUARANTINE, REDACTIONS, REMARKS, read_designs, read_rows, write_table


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
class Admitted:
    """What the stage did: rows of its tables, and how many files it had to decode."""

    images: tuple[Mapping[str, Any], ...]
    quarantine: tuple[Mapping[str, Any], ...]
    remarks: tuple[Mapping[str, Any], ...]
    decoded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on a contribution's files so far, by the id of the file delivered: it is in one of the first two."""

    images: dict[str, list[dict[str, Any]]]
    quarantine: dict[str, Mapping[str, Any]]
    remarks: dict[str, list[Mapping[str, Any]]]

    def told(self, image_id: str) -> dict[str, Any]:
        """Return a file's verdict as the journal notes it."""
        return {
            "file": image_id,
            "images": self.images.get(image_id, []),
            "quarantine": self.quarantine.get(image_id),
            "remarks": self.remarks.get(image_id, []),
        }

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
    unaltered, journal = _unaltered(layout, target), _journal(target)
    judged = reusable(layout, target, keys, covers, unaltered)
    todo = [row for row in files if row["image_id"] not in judged]
    shown = track(inspect(todo), total=len(todo), doing=f"Inspecting {folder.name}")
    with journal:
        for position, verdict in shown:
            image_id = todo[position]["image_id"]
            _judge(layout, target, judged, todo[position], verdict, keys[image_id], covers)
            journal.note(judged.told(image_id))
    admitted, held, remarks = _write_tables(target, files, judged, read_designs([folder]))
    write_table(target / "redactions.parquet", REDACTIONS, redaction_rows(admitted, covers, activity=ACTIVITY))
    journal.remove()
    _remove_strays(target, {str(row["path"]) for row in admitted}, layout.data)
    for row in admitted if todo else ():
        unaltered.note(layout.data / row["path"], row["file_sha256"])
    unaltered.write()
    return Admitted(images=tuple(admitted), quarantine=tuple(held), remarks=tuple(remarks), decoded=len(todo))


def _unaltered(layout: Layout, target: Path) -> Unaltered:
    return Unaltered(layout.state / "intake" / f"{target.name}.json")


def _journal(target: Path) -> Journal:
    return Journal(target / "verdicts.part")


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
    target: Path,
    files: Sequence[Mapping[str, Any]],
    judged: Judged,
    designs: Mapping[tuple[str, str], str],
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Write the tables with the verdicts so far; return their rows."""
    admitted = [_with_told(image, row, designs) for row in files for image in judged.images.get(row["image_id"], ())]
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


def reusable(
    layout: Layout,
    target: Path,
    keys: Mapping[str, str],
    covers: Covers = NO_COVERS,
    unaltered: Unaltered | None = None,
) -> Judged:
    """Return the verdicts of former runs that still hold: same key, every file unaltered, remarks at hand."""
    known = unaltered or _unaltered(layout, target)

    def holds(source: str, row: Mapping[str, Any]) -> bool:
        """Say whether an image's row is of this key, of these covered regions, and its file as it was written."""
        photograph = row["parent_image_id"] or row["image_id"]
        same = source in keys and covers.key(photograph, keys[source]) == row["work_key"]
        return same and known.is_same(layout.data / row["path"], row["file_sha256"])

    judged = _tabled(target, keys, holds)
    for entry in _journal(target).entries():
        source, rows, held = entry["file"], entry["images"], entry["quarantine"]
        if source in judged:
            continue
        if held and held["work_key"] == keys.get(source):
            judged.quarantine[source] = held
        elif rows and all(holds(source, row) for row in rows):
            judged.images[source], judged.remarks[source] = rows, entry["remarks"]
    return judged


def _tabled(target: Path, keys: Mapping[str, str], holds: Callable[[str, Mapping[str, Any]], bool]) -> Judged:
    """Return the verdicts in the tables of a former run that still hold."""
    images: dict[str, list[dict[str, Any]]] = {}
    broken = set()
    for row in _former(target / "images.parquet", IMAGES):
        source = row["source_image_id"] or row["parent_image_id"] or row["image_id"]
        images.setdefault(source, []).append(row)
        if not holds(source, row):
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


def _with_told(image: dict[str, Any], row: Mapping[str, Any], designs: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return an image's row after what the delivery says about it was put into it."""
    stand_in = (row["seizure_id"], row["item_id"]) in designs
    image["origin"] = (Origin.REPLICA if stand_in else Origin.REAL).value
    image.update({name: row[name] for name in ("licence", "contribution_id", "partner_id", "seizure_id", "item_id")})
    return image


def _remove_strays(target: Path, wanted: set[str], data: Path) -> None:
    """Remove image files that no row names: of an interrupted run, or of other parameters."""
    for path in (target / "images").glob("*/*"):
        if path.relative_to(data).as_posix() not in wanted:
            path.unlink()
