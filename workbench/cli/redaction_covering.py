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


def cover_and_forget(workspace: Workspace, stages: Sequence[str]) -> list[Finding]:
    """Run stages; remove every uncovered copy of what they covered that lies within reach; return what is to be told."""
    layout, rows = workspace.layout, to_be_covered(workspace)
    # Written down first: were this run cut short after the stages, nothing else would tell what is still to be removed.
    list_path = layout.state / "uncovered.json"
    gone = uncovered_files(workspace, rows) | _listed(list_path)
    if gone:
        write_atomically(list_path, json.dumps(gone))
    dvc.repro(layout.root, stages)
    present = {row["path"] for row in read_images(workspace)}  # a decision taken back brings its file back
    gone = {path: md5 for path, md5 in gone.items() if path not in present}
    for path in gone:
        (layout.data / path).unlink(missing_ok=True)
    if gone:
        dvc.forget(layout.root, gone.values())
    list_path.unlink(missing_ok=True)
    return _released_findings(workspace, rows) + _elsewhere_findings(workspace, gone)


def _listed(path: Path) -> dict[str, str]:
    """Return what a run that was cut short still had to remove."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def write_atomically(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def uncovered_files(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the image files that show what is to be covered, relative to the data folder, each with its MD5.

    The working copy, and what was made from it: augmented copies, and the files of a release not yet built. Files of
    photographs that a built release holds stay: that release could not be verified without them.
    """
    layout = workspace.layout
    held = set(_releases_holding(workspace, rows))
    shown = {row["image_id"] for row in rows} - held
    paths = {row["path"] for row in rows if row["image_id"] in shown}
    copies = _rows(layout.augmentation / "images.parquet")
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
    """Return for each of the images that a built release holds the names of those releases."""
    wanted = {row["image_id"] for row in rows}
    found: dict[str, list[str]] = {}
    for path in sorted(workspace.layout.records.glob("*/splits.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if (image_id := line.get("image_id", "")) in wanted:
                    found.setdefault(image_id, []).append(path.parent.name)
    return found


def _released_findings(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    held = _releases_holding(workspace, rows)
    by_release: dict[str, list[str]] = {}
    for row in rows:
        for name in held.get(row["image_id"], ()):
            by_release.setdefault(name, []).append(photograph_id(row)[:12])
    return [
        Finding(
            code="redaction.released",
            subject=f"release {name}",
            message=f"holds {len(shown)} photographs as they were before regions were covered ({', '.join(shown[:3])}).",
            remedy="Build a new release, tell whoever has the old one, and withdraw that if its images may not stay.",
            severity=Severity.WARNING,
        )
        for name, shown in sorted(by_release.items())
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
