"""Existing labels kept as suggestions for the next push: what labellers are shown and may correct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.annotation import Annotation, Instance
from workbench.domain.findings import Finding, Severity
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.snapshot import write_manifest


def write_predictions(folder: Path, annotations: Iterable[Annotation]) -> dict[str, str]:
    """Write predictions.parquet and snapshot.json; return each file's SHA-256."""
    rows = [tables.instance_row(instance) for annotation in annotations for instance in annotation.instances]
    folder.mkdir(parents=True, exist_ok=True)
    rows.sort(key=lambda row: str(row["instance_id"]))
    tables.write_table(folder / "predictions.parquet", tables.INSTANCES, rows)
    return write_manifest(folder, ["predictions.parquet"])


def plan_predictions(
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    config: LabelConfig,
    images: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """Return the pre-annotation of each photograph that has one, and a note on what could not be shown as it is.

    Parameters
    ----------
    rows
        Rows of `tables.INSTANCES`, each with the name of the import it comes from; where several imports know a
        photograph, the first one's labels are shown.
    config
        The project they are shown in.
    images
        Rows of `tables.IMAGES` by image_id; predictions for other images are passed over.

    """
    first: dict[str, str] = {}
    grouped: dict[str, list[Instance]] = {}
    for source, row in rows:
        image_id = row["image_id"]
        if image_id in images and first.setdefault(image_id, source) == source:
            grouped.setdefault(image_id, []).append(tables.row_instance(row))
    shown: dict[str, dict[str, Any]] = {}
    simplified: list[Instance] = []
    for image_id, instances in sorted(grouped.items()):
        size_wh = images[image_id]["width_px"], images[image_id]["height_px"]
        result, simpler = results_from_instances(instances, config=config, size_wh=size_wh)
        simplified += simpler
        if result:
            shown[image_id] = {"model_version": first[image_id], "result": result}
    return shown, [_note(len(simplified), config)] if simplified else []


def _note(number: int, config: LabelConfig) -> Finding:
    return Finding(
        code="labelling.simplified",
        subject=f"project {config.project}",
        message=f"shows {number} existing labels as boxes, or not at all, because it cannot hold their shape or category.",
        remedy="Add the shape to label_configs, or import them as annotations, which keeps them exactly.",
        severity=Severity.NOTE,
    )
