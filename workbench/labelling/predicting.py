"""A model looks at photographs: what it suggests is kept as a table, each content once, whatever interrupts it.

Suggestions are no answers. They lie under the model's own name and are shown to labellers only where a push says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.annotation import Instance
from workbench.domain.findings import Finding, Refused, Severity
from workbench.domain.geometry import Box, Ring
from workbench.domain.lineage import canonical_json, work_key
from workbench.domain.suggestion import ModelFacts, Suggestion
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.class_map import unknown_codes
from workbench.labelling.exchange import short_id
from workbench.labelling.snapshot import write_manifest, write_text
from workbench.long_runs import Interim
from workbench.ports import Compute, Predictor, Track

#: Name and version of this activity: raise the number when equal suggestions of a model would be kept otherwise.
ACTIVITY = "predicting/1"

#: How the folder of a model's suggestions begins, below data/02_labelling.
PREFIX = "predicted-"

#: Digits kept of pixels and scores: further ones may differ between processors.
_PIXEL_DIGITS, _SCORE_DIGITS = 2, 4

#: A class map: for each word of a model its taxonomy code, None where it is left out on purpose.
Classes = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be looked at, and what was before: rows of `tables.PREDICTED` and of `tables.INSTANCES` by id."""

    keys: Mapping[str, str]
    todo: tuple[Mapping[str, Any], ...]
    seen: Mapping[str, Mapping[str, Any]]
    instances: Mapping[str, Mapping[str, Any]]


def check_classes(words: Iterable[str], classes: Classes, taxonomy: Taxonomy) -> None:
    """Refuse a model whose words have no code, all of them at once, before it looks at anything.

    Raises
    ------
    Refused
        ``labelling.import-unknown-word`` for a word that the map lacks, ``labelling.unknown-code`` for a code that the
        taxonomy lacks.

    """
    findings = [
        Finding(
            code="labelling.import-unknown-word",
            subject=word,
            message="is a word of the model and has no line in the class map.",
            remedy=f"Add a line `{word}: CODE` with a code of label_configs/taxonomy.yaml, or `{word}: null` to leave it out.",
        )
        for word in sorted(set(words) - set(classes))
    ]
    findings += unknown_codes(filter(None, classes.values()), taxonomy)
    if findings:
        raise Refused(*findings)


def plan_predicting(
    folder: Path, images: Mapping[str, Mapping[str, Any]], *, facts: ModelFacts, classes: Classes
) -> Plan:
    """Return which photographs the model has not looked at yet, as they are now and with these parameters.

    Parameters
    ----------
    folder
        Where the model's suggestions are kept.
    images
        Rows of `tables.IMAGES` by image_id.

    """
    shaping = {"model": facts.sha256, "parameters": dict(facts.parameters), "classes": dict(classes)}
    keys = {
        image_id: work_key(activity=ACTIVITY, parameters=shaping, inputs=(row["file_sha256"],))
        for image_id, row in images.items()
    }
    seen, instances = _former(folder)
    seen = {image_id: row for image_id, row in seen.items() if keys.get(image_id) == row["work_key"]}
    todo = tuple(images[image_id] for image_id in sorted(images) if image_id not in seen)
    return Plan(keys=keys, todo=todo, seen=seen, instances=instances)


def predict(
    folder: Path,
    plan: Plan,
    *,
    data: Path,
    predictor: Predictor,
    classes: Classes,
    compute: Compute,
    track: Track,
) -> dict[str, str]:
    """Have the model look at what is planned; write its tables; return each file's SHA-256.

    Parameters
    ----------
    data
        The folder that image paths are relative to.

    """
    facts = predictor.facts
    seen, instances = dict(plan.seen), dict(plan.instances)
    found = compute.map(predictor, [(str(row["image_id"]), data / row["path"]) for row in plan.todo])
    shown = track(found, total=len(plan.todo), doing=f"{facts.name} looks")
    interim = Interim(lambda: _write(folder, seen, instances))
    for row, suggestions in zip(plan.todo, shown, strict=True):
        image_id = str(row["image_id"])
        made = _instances(suggestions, image_id, facts=facts, key=plan.keys[image_id], classes=classes)
        instances |= {instance.instance_id: tables.instance_row(instance) for instance, _ in made}
        seen[image_id] = {
            "image_id": image_id,
            "file_sha256": row["file_sha256"],
            "work_key": plan.keys[image_id],
            "model_version": facts.version,
            "objects": [{"instance_id": instance.instance_id, "score": score} for instance, score in made],
        }
        interim.step()
    _write(folder, seen, instances)
    about: dict[str, Any] = {"activity": ACTIVITY, "name": facts.name, "version": facts.version, "sha256": facts.sha256}
    about |= {"parameters": dict(facts.parameters), "classes": dict(classes)}
    write_text(folder / "model.json", canonical_json(about) + "\n")
    return write_manifest(folder, ["model.json", "predicted.parquet", "predictions.parquet"])


def _instances(
    suggestions: Sequence[Suggestion], image_id: str, *, facts: ModelFacts, key: str, classes: Classes
) -> list[tuple[Instance, float | None]]:
    """Return the suggestions whose word has a code as instances, with their scores, in the model's order."""
    made = []
    for number, one in enumerate(suggestions):
        category = classes[one.word]
        if category is None:
            continue
        instance = Instance(
            instance_id=short_id("suggestion", key, image_id, str(number)),
            image_id=image_id,
            category=category,
            shape=one.shape,
            box=Box(**{name: _pixel(getattr(one.box, name)) for name in ("x_min", "y_min", "x_max", "y_max")}),
            rings=tuple(_ring(ring) for ring in one.rings),
            mask_rle=one.mask_rle,
            transcription=one.transcription,
            annotator=f"model:{facts.version}",
        )
        made.append((instance, None if one.score is None else round(float(one.score), _SCORE_DIGITS)))
    return made


def _ring(ring: Ring) -> Ring:
    return tuple(_pixel(value) for value in ring)


def _pixel(value: float) -> float:
    return round(float(value), _PIXEL_DIGITS)


def _former(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return what a former run kept; nothing if there was none, or its tables are damaged: the model looks again."""
    try:
        seen = tables.read_rows(folder / "predicted.parquet", tables.PREDICTED)
        rows = tables.read_rows(folder / "predictions.parquet", tables.INSTANCES)
    except Refused:
        return {}, {}
    instances = {row["instance_id"]: row for row in rows}
    whole = [row for row in seen if all(one["instance_id"] in instances for one in row["objects"])]
    return {row["image_id"]: row for row in whole}, instances


def _write(folder: Path, seen: Mapping[str, Mapping[str, Any]], instances: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the objects first: a photograph counts as looked at only once its objects are there."""
    listed = [seen[image_id] for image_id in sorted(seen)]
    used = sorted(one["instance_id"] for row in listed for one in row["objects"])
    tables.write_table(folder / "predictions.parquet", tables.INSTANCES, [instances[name] for name in used])
    tables.write_table(folder / "predicted.parquet", tables.PREDICTED, listed)


def unseen(names: Iterable[str]) -> list[Finding]:
    """Return a note on photographs that a file of results does not speak of."""
    count = len(list(names))
    if not count:
        return []
    return [
        Finding(
            code="labelling.no-predictions",
            subject=f"{count} photographs",
            message="are not in the file of results, so nothing is suggested about them.",
            remedy="Run the model on them too, if labellers should see suggestions there.",
            severity=Severity.NOTE,
        )
    ]
