"""`workbench labelling predict` and `rank`: models suggest labels, and say which photographs are worth labelling first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import tables
from workbench.adapters import dvc
from workbench.adapters.processes import Processes
from workbench.cli.acting import DryRunOption
from workbench.cli.labelling_import import admitted
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.annotation import Instance
from workbench.domain.findings import Finding, bad_usage, refused
from workbench.labelling import predicting, predictions, ranking
from workbench.labelling.class_map import read_partial_class_map
from workbench.labelling.coco_results import CocoResults, read_coco_results
from workbench.labelling.ranking import RankBy
from workbench.ports import Predictor

#: What the words of the built-in models mean unless a class map says otherwise.
_BUILT_IN = {"ocr": {"text": "marking.other"}, "saliency": {"object": "unknown"}}

_SHA256 = re.compile(r"[0-9a-f]{64}")

ModelOption = Annotated[
    str, typer.Option("--model", help="ocr, saliency, a detector's .onnx file, or a .json file of COCO results.")
]


def predict(
    *,
    workspace: Workspace,
    model: ModelOption,
    classes: Annotated[
        Path | None, typer.Option("--classes", help="YAML file: the model's word: taxonomy code, a line each.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="The COCO dataset file that numbers in COCO results refer to.")
    ] = None,
    least_score: Annotated[
        float, typer.Option("--least-score", min=0.0, max=1.0, help="What scores less is not suggested.")
    ] = 0.25,
    sha256: Annotated[str | None, typer.Option("--sha256", help="Refuse a model file with another SHA-256.")] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Have a model look at every admitted photograph that it has not seen; keep what it suggests under its name.

    Labellers see it only where `labelling push --suggest MODEL` says so. Interrupted, a repeat goes on.
    """
    rows = admitted(workspace)
    predictor = _open(workspace, model, rows, images=images, least_score=least_score)
    facts = predictor.facts
    _check_sha256(model, facts.sha256, sha256)
    meanings = read_partial_class_map(classes) if classes else _BUILT_IN.get(model)
    if meanings is None:
        raise bad_usage("labelling.model-missing", model, "has words of its own.", "Say what they mean with --classes.")
    predicting.check_classes(facts.words, meanings, workspace.taxonomy)
    findings: list[Finding] = []
    if isinstance(predictor, CocoResults):
        findings = [*predictor.findings, *predicting.unseen(rows.keys() - predictor.found.keys())]
        rows = {image_id: row for image_id, row in rows.items() if image_id in predictor.found}
    folder = workspace.layout.labelling / f"{predicting.PREFIX}{facts.version}"
    with workspace.exclusive("labelling"):
        plan = predicting.plan_predicting(folder, rows, facts=facts, classes=meanings)
        if not dry_run:
            _look(workspace, folder, plan, predictor, meanings)
    return _report(workspace, folder, plan, predictor, findings, dry_run=dry_run)


def _look(
    workspace: Workspace, folder: Path, plan: predicting.Plan, predictor: Predictor, meanings: predicting.Classes
) -> None:
    # A file of results is looked up, and is not worth sending to other processes.
    count = 1 if isinstance(predictor, CocoResults) else workspace.processes
    predicting.predict(
        folder,
        plan,
        data=workspace.layout.data,
        predictor=predictor,
        classes=meanings,
        compute=Processes(count),
        track=workspace.track,
    )
    dvc.add(workspace.layout.root, [workspace.layout.labelling])


def _report(
    workspace: Workspace,
    folder: Path,
    plan: predicting.Plan,
    predictor: Predictor,
    findings: list[Finding],
    *,
    dry_run: bool,
) -> Report:
    version = predictor.facts.version
    seen = [] if dry_run else tables.read_rows(folder / "predicted.parquet", tables.PREDICTED)
    objects, without = sum(len(row["objects"]) for row in seen), sum(not row["objects"] for row in seen)
    told = f"; {objects} suggestions by now, none on {without} photographs." if not dry_run else "."
    return Report(
        summary=f"{version} {'would look' if dry_run else 'looked'} at {len(plan.todo)} photographs, "
        f"and had seen {len(plan.seen)}{told}",
        data={
            "model_version": version,
            "sha256": predictor.facts.sha256,
            "folder": folder.relative_to(workspace.layout.root).as_posix(),
            "new": len(plan.todo),
            "kept": len(plan.seen),
            "objects": objects,
            "without": without,
        },
        findings=findings,
        next_command="" if dry_run else f"workbench labelling push --suggest {version}",
    )


def _open(
    workspace: Workspace,
    model: str,
    rows: Mapping[str, Mapping[str, Any]],
    *,
    images: Path | None,
    least_score: float,
) -> Predictor:
    """Return the model that a word or a file stands for."""
    from workbench.adapters import ocr, onnx_detector, u2netp
    from workbench.cli.custody import delivered_names

    if model == "ocr":
        return ocr.open_reader(least_score=least_score)
    if model == "saliency":
        return u2netp.open_salient(least_score=least_score)
    path = Path(model)
    if path.suffix == ".onnx":
        return onnx_detector.open_detector(path.absolute(), least_score=least_score)
    if path.suffix == ".json":
        names = delivered_names(workspace)
        return read_coco_results(path, dataset=images, images=rows, names=names, least_score=least_score)
    raise bad_usage(
        "labelling.model-missing", model, "is no model.", "Name ocr, saliency, a .onnx file or a .json file of results."
    )


def _check_sha256(model: str, is_: str, wanted: str | None) -> None:
    if wanted is None:
        return
    if not _SHA256.fullmatch(wanted):
        raise bad_usage("labelling.model-altered", wanted, "is no SHA-256.", "Give 64 hexadecimal digits.")
    if wanted != is_:
        raise refused(
            "labelling.model-altered",
            model,
            f"has the SHA-256 {is_}.",
            "Restore the file that was meant, or name this hash if it is the right one.",
        )


def rank(
    *,
    workspace: Workspace,
    by: Annotated[RankBy, typer.Option("--by", help="What the order goes by.")] = RankBy.BOTH,
    model: Annotated[list[str] | None, typer.Option("--model", help="Only these models; all unless told.")] = None,
    project: Annotated[
        str | None, typer.Option("--against", help="A project whose answers count as an opinion too.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="How many photographs to show.")] = 10,
    dry_run: DryRunOption = False,
) -> Report:
    """Rank photographs by how much models are unsure, or differ from each other and from earlier answers."""
    labelling = workspace.layout.labelling
    chosen = [predictions.find_model(labelling, name) for name in model] if model else predictions.models(labelling)
    folders = dict(chosen)
    rows = ranked(workspace, folders, by=by, project=project)
    if not rows:
        raise refused(
            "labelling.no-predictions",
            f"--by {by.value}",
            "finds nothing to rank photographs by.",
            "Run `workbench labelling predict` with one model (uncertainty), or with two, or name --against PROJECT.",
        )
    if not dry_run:
        with workspace.exclusive("labelling"):
            tables.write_table(labelling / "ranking.parquet", tables.RANKING, rows)
            dvc.add(workspace.layout.root, [labelling])
    return Report(
        summary=f"{len(rows)} photographs {'would be ' if dry_run else ''}ranked by {by.value}, "
        f"of {len(folders)} models{f' and the answers of {project}' if project else ''}.",
        data={"photographs": len(rows), "by": by.value, "models": sorted(folders), "against": project},
        rows=[{**row, "image_id": row["image_id"][:12]} for row in rows[:top]],
        next_command="workbench labelling plan NAME --labeller WHO --order score --scores data/02_labelling/ranking.parquet",
    )


def ranked(
    workspace: Workspace, folders: Mapping[str, Path], *, by: RankBy, project: str | None
) -> list[dict[str, Any]]:
    """Return rows of `tables.RANKING` from the models in these folders, and a project's answers if one is named."""
    views, seen = [], []
    for folder in folders.values():
        rows = tables.read_rows(folder / "predicted.parquet", tables.PREDICTED)
        objects = _by_image(tables.read_rows(folder / "predictions.parquet", tables.INSTANCES))
        seen += rows
        views.append({row["image_id"]: objects.get(row["image_id"], []) for row in rows})
    answers = list(_answers(workspace, project).values()) if project else []
    return ranking.rank(ranking.uncertainty(seen), ranking.disagreement(views, answers), by=by)


def _answers(workspace: Workspace, project: str) -> dict[str, dict[str, list[Instance]]]:
    """Return for each annotator of a project what they said about each photograph they answered."""
    folder = workspace.layout.labelling / project
    given = tables.read_rows(folder / "annotations.parquet", tables.ANNOTATIONS)
    objects: dict[str, list[Instance]] = {}
    for row in tables.read_rows(folder / "instances.parquet", tables.INSTANCES):
        objects.setdefault(row["annotation_id"], []).append(tables.row_instance(row))
    answers: dict[str, dict[str, list[Instance]]] = {}
    for row in given:
        answers.setdefault(row["annotator"], {})[row["image_id"]] = objects.get(row["annotation_id"], [])
    return answers


def _by_image(rows: list[dict[str, Any]]) -> dict[str, list[Instance]]:
    found: dict[str, list[Instance]] = {}
    for row in rows:
        found.setdefault(row["image_id"], []).append(tables.row_instance(row))
    return found
