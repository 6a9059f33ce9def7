"""`workbench labelling import`: existing labels become answers, or suggestions to labellers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import dvc
from workbench.cli.acting import DryRunOption
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import WorkbenchError, refused
from workbench.labelling import foreign, importing, predictions, snapshot
from workbench.labelling.class_map import read_class_map
from workbench.redaction.review import photograph_id


class LabelFormat(StrEnum):
    """The formats that existing labels may come in."""

    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    CVAT = "cvat"


class ImportAs(StrEnum):
    """What existing labels become."""

    ANNOTATIONS = "annotations"
    PRE_ANNOTATIONS = "pre-annotations"


class Coordinates(StrEnum):
    """What existing coordinates refer to."""

    UPRIGHT = "upright"
    STORED = "stored"


def import_labels(
    *,
    workspace: Workspace,
    path: Annotated[Path, typer.Argument(help="The file or folder of existing labels.")],
    label_format: Annotated[LabelFormat, typer.Option("--format", help="What the labels are written in.")],
    classes: Annotated[Path, typer.Option("--classes", help="YAML file: their word: taxonomy code, a line each.")],
    import_as: Annotated[ImportAs, typer.Option("--as", help="Answers, or suggestions to labellers.")] = (
        ImportAs.ANNOTATIONS
    ),
    coordinates: Annotated[
        Coordinates,
        typer.Option("--coordinates", help="Whether they refer to the upright picture or the stored pixels."),
    ] = Coordinates.UPRIGHT,
    dry_run: DryRunOption = False,
) -> Report:
    """Take over existing labels; a word without a code in the class map refuses them all."""
    read = foreign.read_foreign(path, label_format)
    words = read_class_map(classes)
    importing.check_words(read, words, workspace.taxonomy)
    imported = importing.map_labels(
        read,
        classes=words,
        names=_delivered_names(workspace),
        images=admitted(workspace),
        label_format=label_format,
        stored=coordinates is Coordinates.STORED,
    )
    if not imported.annotations:
        raise _nothing_imported(path, imported)
    folder = workspace.layout.labelling / f"imported-{imported.digest}"
    if not dry_run:
        with workspace.exclusive("labelling"):
            _write_import(workspace, folder, imported, import_as)
    objects = sum(len(annotation.instances) for annotation in imported.annotations)
    verb = "would be imported" if dry_run else "imported"
    return Report(
        summary=f"{objects} objects on {len(imported.annotations)} photographs {verb} as {import_as.value}.",
        data={
            "photographs": len(imported.annotations),
            "objects": objects,
            "folder": folder.relative_to(workspace.layout.root).as_posix(),
            "as": import_as.value,
        },
        findings=imported.findings,
        next_command="workbench adjudication" if import_as is ImportAs.ANNOTATIONS else "workbench labelling push",
    )


def _write_import(workspace: Workspace, folder: Path, imported: importing.Imported, import_as: ImportAs) -> None:
    if import_as is ImportAs.ANNOTATIONS:
        frozen = snapshot.Snapshot(annotations=imported.annotations)
        snapshot.write_snapshot(folder, frozen, taxonomy_version=workspace.taxonomy.version)
    else:
        predictions.write_predictions(folder, imported.annotations)
    dvc.add(workspace.layout.root, [workspace.layout.labelling])


def _nothing_imported(path: Path, imported: importing.Imported) -> WorkbenchError:
    first = imported.findings[0] if imported.findings else None
    return refused(
        "labelling.import-empty",
        path,
        "holds labels for no admitted photograph" + (f" (first: {first.subject} {first.message})" if first else "."),
        first.remedy if first else "Check that it is the right file.",
    )


def _delivered_names(workspace: Workspace) -> Mapping[str, str]:
    """Return the image_id of each delivered file name, from the sealed records."""
    from workbench.cli.custody import delivered_names

    names: Mapping[str, str] = delivered_names(workspace)
    return names


def admitted(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the rows of all admitted photographs by image_id, as labelling knows them.

    Labels are about the photograph as delivered: a row has its id, and the path of the picture that stands for it now,
    which may have covered regions. So answers given before regions were covered are of the same photograph as later ones.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if there are none.

    """
    paths = sorted(workspace.layout.intake.glob("*/images.parquet"))
    rows = tables.read_all_rows(paths, tables.IMAGES)
    if not rows:
        raise refused(
            "workspace.input-missing",
            workspace.layout.intake,
            "holds no admitted photograph.",
            "Run `workbench receive` and `workbench intake` first.",
        )
    return {(delivered := photograph_id(row)): {**row, "image_id": delivered} for row in rows}
