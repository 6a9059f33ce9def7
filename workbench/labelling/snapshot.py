"""Answers frozen as files: what was pulled, as tables and as a canonical export, with a hash of each.

The same answers give the same bytes. People appear under pseudonyms only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.annotation import Annotation, Instance, Pass
from workbench.domain.findings import Finding, Severity
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.labelling import history
from workbench.labelling.exchange import instances_from_results, short_id
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.tags import tags_from_results

#: What an answer says of itself; the rest of an export (counters, editing times) changes without an answer changing.
_KEPT = ("id", "unique_id", "completed_by", "created_at", "lead_time", "was_cancelled", "result")

#: What pulling adds: where the task lies, whose it is, what its answers are worth, and what they were given under.
_ADDED_TO_TASKS = ("place", "campaign", "labeller", "shown")
_ADDED_TO_ANSWERS = ("guide_version", "taxonomy_version")

_PASSES = (Pass.BLIND1, Pass.BLIND2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Answers as they will be written, what was left out and why, and the canonical export."""

    annotations: tuple[Annotation, ...]
    findings: tuple[Finding, ...] = ()
    export: Sequence[Mapping[str, Any]] | None = None
    #: For an answer the version of the taxonomy it was given under, where the server tells.
    taxonomies: Mapping[str, str] = field(default_factory=dict)

    @property
    def instances(self) -> list[Instance]:
        """All objects of all answers."""
        return [instance for annotation in self.annotations for instance in annotation.instances]


def read_answers(
    exported: Iterable[Mapping[str, Any]],
    *,
    images: Mapping[str, Mapping[str, Any]],
    config: LabelConfig,
    pseudonym: Callable[[str], str],
) -> Snapshot:
    """Return the snapshot of an export.

    A skipped task is no answer. An answer that does not fit the project, or is about a photograph that the workspace
    does not have, stays out with a finding and stands in the export only.

    Parameters
    ----------
    exported
        Tasks as `Labeller.export` returns them.
    images
        Rows of `tables.IMAGES` by image_id.
    pseudonym
        The pseudonym of a user's e-mail.

    """
    clean = canonical_export(exported, pseudonym)
    annotations: list[Annotation] = []
    findings: list[Finding] = []
    taxonomies: dict[str, str] = {}
    passes = _passes(clean)
    for task in clean:
        row = images.get(str(task["data"].get("sha256")))
        where = f"task {task['id']} of {task.get('place') or f'project {config.project}'}"
        if row is None:
            findings.append(_unknown_photograph(where))
            continue
        for answer in task["annotations"]:
            if answer["was_cancelled"]:
                continue
            annotation, problems = _annotation(answer, row, config=config, pass_=passes[answer["id"]], where=where)
            findings += problems
            if annotation:
                annotations.append(annotation)
                taxonomies[annotation.annotation_id] = answer.get("taxonomy_version", "")
    annotations.sort(key=lambda annotation: annotation.annotation_id)
    return Snapshot(annotations=tuple(annotations), findings=tuple(findings), export=clean, taxonomies=taxonomies)


def _passes(tasks: Iterable[Mapping[str, Any]]) -> dict[int, Pass]:
    """Return which pass each answer is of: the first and the second blind one in order of time, else a review.

    Blind answers are counted over the desks of a campaign together, since a photograph has a task on each. An answer that was
    given with a suggestion on the page is a review of it, whatever was intended.
    """
    blind: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    passes: dict[int, Pass] = {}
    for task in tasks:
        answers = [answer for answer in task["annotations"] if not answer["was_cancelled"]]
        if shown := task.get("shown"):
            passes |= dict.fromkeys((answer["id"] for answer in answers), Pass(shown))
        else:
            together = (task["campaign"], task["data"]["sha256"]) if task.get("campaign") else ("", str(task["id"]))
            passes |= {answer["id"]: Pass.REVIEW for answer in answers if answer.get("prediction")}
            blind.setdefault(together, []).extend(answer for answer in answers if not answer.get("prediction"))
    for answers in blind.values():
        answers.sort(key=lambda answer: (str(answer["created_at"]), int(answer["id"])))
        passes |= {
            answer["id"]: _PASSES[number] if number < len(_PASSES) else Pass.REVIEW
            for number, answer in enumerate(answers)
        }
    return passes


def canonical_export(exported: Iterable[Mapping[str, Any]], pseudonym: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return the export without people and without what changes by itself, in a fixed order."""
    tasks = []
    for task in exported:
        answers = [
            {key: answer.get(key) for key in _KEPT}
            | {key: answer[key] for key in _ADDED_TO_ANSWERS if key in answer}
            | _suggested(answer)
            for answer in task.get("annotations", ())
        ]
        for answer in answers:
            answer["completed_by"] = pseudonym(str(answer["completed_by"]))
            answer["was_cancelled"] = bool(answer["was_cancelled"])
        answers.sort(key=lambda answer: (str(answer["created_at"]), int(answer["id"])))
        added = {key: task[key] for key in _ADDED_TO_TASKS if key in task}
        tasks.append({"id": task["id"], "data": dict(task["data"]), "annotations": answers, **added})
    return sorted(tasks, key=lambda task: int(task["id"]))


def _suggested(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the suggestion that stood on the page when an answer was given, without the server's numbers and times."""
    shown = answer.get("prediction") or {}
    if not shown.get("result"):
        return {}
    return {"prediction": {"model_version": shown.get("model_version"), "result": shown["result"]}}


def _annotation(
    answer: Mapping[str, Any], row: Mapping[str, Any], *, config: LabelConfig, pass_: Pass, where: str
) -> tuple[Annotation | None, tuple[Finding, ...]]:
    annotation_id = short_id(config.project, row["image_id"], str(answer["unique_id"] or answer["id"]))
    instances, findings = instances_from_results(
        answer["result"] or (),
        config=config,
        size_wh=(row["width_px"], row["height_px"]),
        image_id=row["image_id"],
        annotation_id=annotation_id,
        annotator=answer["completed_by"],
        task=f"{where}, answer {answer['id']},",
    )
    tags, problems = tags_from_results(answer["result"] or (), config=config, task=f"{where}, answer {answer['id']},")
    if findings or problems:
        return None, findings or problems
    annotation = Annotation(
        annotation_id=annotation_id,
        image_id=row["image_id"],
        project=config.project,
        annotator=answer["completed_by"],
        pass_=pass_,
        submitted_at=answer["created_at"],
        lead_time_s=answer["lead_time"],
        source="label-studio",
        instances=instances,
        tags=tags,
    )
    return annotation, ()


def _unknown_photograph(where: str) -> Finding:
    return Finding(
        code="labelling.unknown-photograph",
        subject=where,
        message="is about a photograph that this workspace does not have.",
        remedy="Delete the task in Label Studio, or run `workbench intake` if the photograph is still to be admitted.",
        severity=Severity.WARNING,
    )


def write_snapshot(folder: Path, snapshot: Snapshot, *, taxonomy_version: str) -> dict[str, str]:
    """Write annotations, instances and tags, export.json and snapshot.json; return each file's SHA-256.

    snapshot.json, which lists the hashes, is written last: without it the others are no snapshot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    annotations = [
        _annotation_row(annotation, snapshot.taxonomies.get(annotation.annotation_id) or taxonomy_version)
        for annotation in snapshot.annotations
    ]
    instances = sorted(map(tables.instance_row, snapshot.instances), key=lambda row: str(row["instance_id"]))
    tables.write_table(folder / "annotations.parquet", tables.ANNOTATIONS, annotations)
    tables.write_table(folder / "instances.parquet", tables.INSTANCES, instances)
    tables.write_table(folder / "tags.parquet", tables.TAGS, _tag_rows(snapshot.annotations))
    names = ["annotations.parquet", "instances.parquet", "tags.parquet"]
    if snapshot.export is not None:
        write_text(folder / "export.json", canonical_json(list(snapshot.export)) + "\n")
        names.append("export.json")
    if (folder / history.NAME).is_file():
        names.append(history.NAME)
    return write_manifest(folder, names)


def write_manifest(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Write snapshot.json, the SHA-256 of each file named; return the same."""
    hashes = {name: sha256_hex((folder / name).read_bytes()) for name in sorted(names)}
    write_text(folder / "snapshot.json", canonical_json({"sha256": hashes}) + "\n")
    return hashes


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _annotation_row(annotation: Annotation, taxonomy_version: str) -> dict[str, Any]:
    return {
        "annotation_id": annotation.annotation_id,
        "image_id": annotation.image_id,
        "project": annotation.project,
        "annotator": annotation.annotator,
        "pass_": annotation.pass_.value,
        "submitted_at": annotation.submitted_at,
        "lead_time_s": annotation.lead_time_s,
        "source": annotation.source,
        "taxonomy_version": taxonomy_version,
    }


def _tag_rows(annotations: Iterable[Annotation]) -> list[dict[str, Any]]:
    """Return the rows of `tables.TAGS`, by answer."""
    return [
        {
            "annotation_id": annotation.annotation_id,
            "image_id": annotation.image_id,
            "annotator": annotation.annotator,
            "question": tag.question,
            "value": tag.value,
        }
        for annotation in annotations
        for tag in annotation.tags
    ]
