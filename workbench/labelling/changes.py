"""What labellers made of the suggestions they were shown: left, moved, renamed, deleted, and what they added.

Label Studio keeps with each answer the prediction that stood on the page (``prediction``), and a region made from it keeps its
id. So what was shown is read from the answer itself and not from today's tables, which another run may have changed. An answer
given without a prediction, as in every blind pass, has no row here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.annotation import Instance
from workbench.labelling.exchange import instances_from_results, short_id
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.pairing import pairs, shape_iou

#: From this overlap on a shape drawn anew is the one that was suggested.
_SAME_IOU = 0.5

#: A shape that overlaps more is as it was: Label Studio rounds percentages when a page is saved.
_UNTOUCHED_IOU = 0.999

#: What may become of a suggestion.
KINDS = ("untouched", "moved", "reclassed", "retyped", "deleted", "added")


def read_changes(
    exported: Iterable[Mapping[str, Any]],
    *,
    images: Mapping[str, Mapping[str, Any]],
    config: LabelConfig,
    pseudonym: Callable[[str], str],
) -> list[dict[str, Any]]:
    """Return the rows of `tables.CHANGES` of an export, sorted.

    Answers that cannot be read are told of where they are pulled, and passed over here.

    Parameters
    ----------
    exported
        Tasks as `Labeller.export` returns them.
    images
        Rows of `tables.IMAGES` by image_id.
    pseudonym
        The pseudonym of a user's e-mail.

    """
    rows: list[dict[str, Any]] = []
    for task in exported:
        image = images.get(str(task["data"].get("sha256")))
        for answer in task.get("annotations", ()):
            shown = answer.get("prediction") or {}
            if image is not None and shown.get("result") and not answer.get("was_cancelled"):
                rows += _answer_rows(answer, shown, image, config, pseudonym(str(answer["completed_by"])))
    return sorted(rows, key=lambda row: (row["annotation_id"], row["suggestion_id"] or "~", row["instance_id"] or ""))


def _answer_rows(
    answer: Mapping[str, Any],
    shown: Mapping[str, Any],
    image: Mapping[str, Any],
    config: LabelConfig,
    annotator: str,
) -> list[dict[str, Any]]:
    image_id = str(image["image_id"])
    annotation_id = short_id(config.project, image_id, str(answer.get("unique_id") or answer["id"]))
    size_wh = (image["width_px"], image["height_px"])
    before, bad = _read(shown["result"], config, size_wh, image_id, annotation_id)
    after, worse = _read(answer.get("result") or (), config, size_wh, image_id, annotation_id)
    if bad or worse:
        return []
    scores = {str(item.get("id")): item.get("score") for item in shown["result"] if item.get("score") is not None}
    names = {short_id(annotation_id, region): region for region in map(_region, shown["result"])}
    base = {"annotation_id": annotation_id, "image_id": image_id, "annotator": annotator}
    base["model_version"] = str(shown.get("model_version") or "")
    rows = []
    for one, other in _pair(before, after):
        suggestion = names[one.instance_id] if one else None
        rows.append(
            {
                **base,
                "change": _change(one, other),
                "suggestion_id": suggestion,
                "instance_id": other.instance_id if other else None,
                "category_before": one.category if one else None,
                "category_after": other.category if other else None,
                "iou": round(shape_iou(one, other), 4) if one and other else None,
                "score": scores.get(suggestion) if suggestion else None,
            }
        )
    return rows


def _region(item: Mapping[str, Any]) -> str:
    return str(item.get("id"))


def _read(
    results: Sequence[Mapping[str, Any]],
    config: LabelConfig,
    size_wh: tuple[int, int],
    image_id: str,
    annotation_id: str,
) -> tuple[tuple[Instance, ...], bool]:
    instances, findings = instances_from_results(
        results,
        config=config,
        size_wh=size_wh,
        image_id=image_id,
        annotation_id=annotation_id,
        annotator="",
        task="",
    )
    return instances, bool(findings)


def _pair(before: Sequence[Instance], after: Sequence[Instance]) -> list[tuple[Instance | None, Instance | None]]:
    """Return each suggestion with what it became: by the region's id, else (drawn anew) by overlap."""
    answered = {instance.instance_id: instance for instance in after}
    kept = {instance.instance_id for instance in before} & set(answered)
    joined: list[tuple[Instance | None, Instance | None]] = [
        (one, answered[one.instance_id]) for one in before if one.instance_id in kept
    ]
    lost = [one for one in before if one.instance_id not in kept]
    new = [other for other in after if other.instance_id not in kept]
    again = list(pairs(lost, new, least_iou=_SAME_IOU))
    joined += [(lost[row], new[column]) for row, column, _ in again]
    rows, columns = {row for row, _, _ in again}, {column for _, column, _ in again}
    joined += [(one, None) for row, one in enumerate(lost) if row not in rows]
    joined += [(None, other) for column, other in enumerate(new) if column not in columns]
    return joined


def _change(before: Instance | None, after: Instance | None) -> str:
    """Return the gravest thing that became of a suggestion; its IoU says whether it was moved besides."""
    if before is None:
        return "added"
    if after is None:
        return "deleted"
    if before.category != after.category:
        return "reclassed"
    if (before.transcription or "") != (after.transcription or ""):
        return "retyped"
    return "untouched" if before.shape is after.shape and shape_iou(before, after) >= _UNTOUCHED_IOU else "moved"


def summarise(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a model: how many answers it was shown to, and how many of its suggestions came to what."""
    counts: dict[str, Counter[str]] = {}
    answers: dict[str, set[str]] = {}
    for row in rows:
        counts.setdefault(row["model_version"], Counter())[row["change"]] += 1
        answers.setdefault(row["model_version"], set()).add(row["annotation_id"])
    return [
        {"model": model, "answers": len(answers[model]), **{kind: counts[model][kind] for kind in KINDS}}
        for model in sorted(counts)
    ]


def write_changes(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write changes.parquet, where there is or was anything to tell."""
    path = folder / "changes.parquet"
    if rows or path.is_file():
        tables.write_table(path, tables.CHANGES, rows)
