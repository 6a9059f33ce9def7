"""What becomes of the copies that show what is now covered: removed wherever this workspace keeps them, told where not."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.adapters import dvc
from workbench.cli.redaction_state import read_images, to_be_covered
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Severity
from workbench.redaction.review import photograph_id


def note_uncovered(workspace: Workspace) -> None:
    """Write down which files show what is about to be covered, and in which releases they are.

    The intake stage calls this before it covers anything: it may run because of any command that wants a later stage, and
    afterwards nothing else would tell what is still to be removed.
    """
    rows = to_be_covered(workspace)
    if not rows:
        return
    files, released = _noted(workspace)
    for name, shown in _releases_holding(workspace, rows).items():
        released[name] = sorted({*released.get(name, ()), *shown})
    note = {"files": files | uncovered_files(workspace, rows), "released": released}
    path = _note_path(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(note), encoding="utf-8")
    os.replace(part, path)


def forget_uncovered(workspace: Workspace) -> list[Finding]:
    """Remove the noted files from the data folders and DVC's cache; return what is to be told. A repeat does nothing."""
    layout = workspace.layout
    files, released = _noted(workspace)
    present = {row["path"] for row in read_images(workspace)}  # a decision taken back brings its file back
    gone = {path: md5 for path, md5 in files.items() if path not in present}
    for path in gone:
        (layout.data / path).unlink(missing_ok=True)
    if gone:
        dvc.forget(layout.root, gone.values())
    findings = _released_findings(released) + _elsewhere_findings(workspace, gone)
    _note_path(workspace).unlink(missing_ok=True)
    return findings


def _note_path(workspace: Workspace) -> Path:
    return workspace.layout.state / "uncovered.json"


def _noted(workspace: Workspace) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the files noted, each with its MD5, and the photographs that each release shows."""
    path = _note_path(workspace)
    if not path.is_file():
        return {}, {}
    note = json.loads(path.read_text(encoding="utf-8"))
    return dict(note["files"]), dict(note["released"])


def uncovered_files(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the image files that show what is to be covered, relative to the data folder, each with its MD5.

    The working copy, and what was made from it: augmented copies, renders on it, and the files of a release not yet built. Files of
    photographs that a built release holds stay: that release could not be verified without them.
    """
    layout = workspace.layout
    released = {image_id for shown in _releases_holding(workspace, rows).values() for image_id in shown}
    shown = {row["image_id"] for row in rows if photograph_id(row) not in released}
    paths = {row["path"] for row in rows if row["image_id"] in shown}
    copies = [row for made in (layout.augmentation, layout.composition) for row in _rows(made / "images.parquet")]
    made = {row["image_id"] for row in copies if row["parent_image_id"] in shown}
    paths |= {row["path"] for row in copies if row["image_id"] in made}
    assembled = _rows(layout.release / "images.parquet")
    paths |= {f"{layout.release.name}/{row['path']}" for row in assembled if row["image_id"] in shown | made}
    files = {path: layout.data / path for path in sorted(paths)}
    # DVC names what it keeps by MD5; it is an address here, not a proof.
    return {
        path: hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        for path, file in files.items()
        if file.is_file()
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    return tables.read_rows(path, tables.IMAGES) if path.is_file() else []


def _releases_holding(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return for each built release that holds any of the images the photographs they stand for."""
    wanted = {row["image_id"]: photograph_id(row) for row in rows}
    found: dict[str, list[str]] = {}
    for path in sorted(workspace.layout.records.glob("*/splits.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            listed = {line.get("image_id", "") for line in csv.DictReader(file)}
        if shown := sorted(wanted[image_id] for image_id in listed & set(wanted)):
            found[path.parent.name] = shown
    return found


def _released_findings(released: Mapping[str, Sequence[str]]) -> list[Finding]:
    return [
        Finding(
            code="redaction.released",
            subject=f"release {name}",
            message=f"holds {len(shown)} photographs as they were before regions were covered "
            f"({', '.join(image_id[:12] for image_id in shown[:3])}).",
            remedy="Build a new release, tell whoever has the old one, and withdraw that if its images may not stay.",
            severity=Severity.WARNING,
        )
        for name, shown in sorted(released.items())
    ]


def _elsewhere_findings(workspace: Workspace, gone: Collection[str]) -> list[Finding]:
    remotes = dvc.remotes(workspace.layout.root) if gone else ()
    return [
        Finding(
            code="redaction.kept-elsewhere",
            subject=f"DVC remote {name}",
            message=f"may hold {len(gone)} files as they were before regions were covered.",
            remedy="Remove them with `dvc gc --workspace --cloud`, if no version that is still needed uses them.",
            severity=Severity.WARNING,
        )
        for name in remotes
    ]
