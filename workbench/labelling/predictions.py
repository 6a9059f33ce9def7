"""Suggestions for the next push: existing labels handed in, or what one model predicted, which labellers may correct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.annotation import Annotation, Instance
from workbench.domain.findings import Finding, Severity, refused
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.predicting import PREFIX
from workbench.labelling.snapshot import write_manifest

#: What stands in Label Studio as the model of existing labels. One name for all of them, since a project shows the
#: predictions of one model only.
IMPORTED = "imported"

#: How the folder of existing labels begins, below data/02_labelling.
_IMPORTED_PREFIX = "imported-"


def write_predictions(folder: Path, annotations: Iterable[Annotation]) -> dict[str, str]:
    """Write predictions.parquet and snapshot.json; return each file's SHA-256."""
    rows = [tables.instance_row(instance) for annotation in annotations for instance in annotation.instances]
    folder.mkdir(parents=True, exist_ok=True)
    rows.sort(key=lambda row: str(row["instance_id"]))
    tables.write_table(folder / "predictions.parquet", tables.INSTANCES, rows)
    return write_manifest(folder, ["predictions.parquet"])


def read_imported(labelling: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of all existing labels that wait as suggestions, each with the name of its import."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for path in sorted(labelling.glob(f"{_IMPORTED_PREFIX}*/predictions.parquet")):
        rows += [(path.parent.name, row) for row in tables.read_rows(path, tables.INSTANCES)]
    return rows


def models(labelling: Path) -> dict[str, Path]:
    """Return the folder of each model that predicted something, by its version, sorted."""
    found = sorted(labelling.glob(f"{PREFIX}*/predicted.parquet"))
    return {path.parent.name.removeprefix(PREFIX): path.parent for path in found}


def find_model(labelling: Path, name: str) -> tuple[str, Path]:
    """Return the version and folder of the one model whose version is or begins with a name.

    Raises
    ------
    Refused
        ``labelling.no-predictions`` if there is none, or more than one.

    """
    known = models(labelling)
    fits = [name] if name in known else [version for version in known if version.startswith(name)]
    if len(fits) == 1:
        return fits[0], known[fits[0]]
    raise refused(
        "labelling.no-predictions",
        name,
        f"is the beginning of {', '.join(fits)}." if fits else "has predicted nothing here.",
        f"Name one of: {', '.join(known)}." if known else "Run `workbench labelling predict` first.",
    )


def read_predicted(folder: Path) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, float]]:
    """Return a model's rows, each with the model's version, and the score of each object that has one."""
    version = folder.name.removeprefix(PREFIX)
    rows = [(version, row) for row in tables.read_rows(folder / "predictions.parquet", tables.INSTANCES)]
    seen = tables.read_rows(folder / "predicted.parquet", tables.PREDICTED)
    scores = {one["instance_id"]: one["score"] for row in seen for one in row["objects"] if one["score"] is not None}
    return rows, scores


def plan_predictions(
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    config: LabelConfig,
    images: Mapping[str, Mapping[str, Any]],
    model_version: str = IMPORTED,
    scores: Mapping[str, float] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """Return the pre-annotation of each photograph that has one, and a note on what could not be shown as it is.

    Parameters
    ----------
    rows
        Rows of `tables.INSTANCES`, each with the name of the import or model it comes from; where several know a
        photograph, the first one's labels are shown.
    config
        The project they are shown in.
    images
        Rows of `tables.IMAGES` by image_id; predictions for other images are passed over.
    model_version
        The name they stand under in Label Studio.
    scores
        The score of each object that has one, by instance_id; shown beside its region.

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
            shown[image_id] = {"model_version": model_version, **_scored(result, scores or {})}
    return shown, [_note(len(simplified), config)] if simplified else []


def _scored(result: list[dict[str, Any]], scores: Mapping[str, float]) -> dict[str, Any]:
    """Return the results with their scores, and the mean as the score of the whole, by which pages can be sorted."""
    told = [{**item, "score": scores[item["id"]]} if item["id"] in scores else item for item in result]
    known = list({item["id"]: scores[item["id"]] for item in result if item["id"] in scores}.values())
    return {"result": told, **({"score": sum(known) / len(known)} if known else {})}


def _note(number: int, config: LabelConfig) -> Finding:
    return Finding(
        code="labelling.simplified",
        subject=f"project {config.project}",
        message=f"shows {number} suggestions as boxes, or not at all, because it cannot hold their shape or category.",
        remedy="Add the shape to label_configs; existing labels can be imported as annotations, which keeps them exactly.",
        severity=Severity.NOTE,
    )
