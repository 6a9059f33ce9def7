"""The queue of disagreements as tasks that show the answers side by side, with names hidden."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.domain.adjudication import Dispute, Given
from workbench.domain.annotation import Instance, Shape
from workbench.domain.lineage import canonical_json
from workbench.domain.taxonomy import REJECT, Taxonomy
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.page import ANSWERS, IMAGE_NAME
from workbench.labelling.regions import region_from_geometry
from workbench.labelling.tasks import served_place, task_data
from workbench.labelling.words import CONFIDENCES, WORDS
from workbench.ports import LabellerTask

#: The name of the pre-annotation that shows all answers on one photograph; a task opens on it.
TOGETHER = "all answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlan:
    """What filling the queue would do.

    Parameters
    ----------
    new
        Tasks to import, in the order of the queue.
    queued
        The disputes of these tasks.
    kept
        How many disputes have their task already.
    obsolete
        Tasks that nobody decided and that are about answers which are others by now.
    media
        Folders below the media root that the server must be allowed to show.
    without_picture
        Disputes whose photograph is no longer there.

    """

    new: tuple[Mapping[str, Any], ...]
    queued: tuple[Dispute, ...]
    kept: int
    obsolete: tuple[int, ...]
    media: tuple[str, ...]
    without_picture: tuple[Dispute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Where the pictures are, and in which words the answers are told.

    Parameters
    ----------
    images
        Rows of `tables.IMAGES` by the id of the photograph as delivered.
    data, media_root
        The folder that image paths are relative to, and the one the server serves from.

    """

    images: Mapping[str, Mapping[str, Any]]
    data: Path
    media_root: Path
    taxonomy: Taxonomy
    language: str


def plan_queue(
    disputes: Sequence[Dispute], existing: Iterable[LabellerTask], *, config: LabelConfig, shown: Shown
) -> QueuePlan:
    """Return the plan that gives each dispute, with its answers as they are, exactly one task."""
    existing = list(existing)
    known = {task.dispute for task in existing}
    wanted = {dispute.key for dispute in disputes}
    there = [dispute for dispute in disputes if dispute.image_id in shown.images]
    fresh = [dispute for dispute in there if dispute.key not in known]
    places = [served_place(shown.data / shown.images[dispute.image_id]["path"], shown.media_root) for dispute in fresh]
    return QueuePlan(
        new=tuple(queue_task(dispute, config=config, shown=shown) for dispute in fresh),
        queued=tuple(fresh),
        kept=len(there) - len(fresh),
        obsolete=tuple(task.task_id for task in existing if task.dispute not in wanted and not task.answers),
        media=tuple(sorted({place.parts[0] for place in places})),
        without_picture=tuple(dispute for dispute in disputes if dispute.image_id not in shown.images),
    )


def queue_task(dispute: Dispute, *, config: LabelConfig, shown: Shown) -> dict[str, Any]:
    """Return the task of one dispute: each answer is a prediction that carries its letter only."""
    row = shown.images[dispute.image_id]
    place = served_place(shown.data / row["path"], shown.media_root)
    size_wh = row["width_px"], row["height_px"]
    predictions, both = [], []
    lettered = [given for given in dispute.given if given.letter]
    for given in lettered:
        marks = [replace(given.instance, instance_id=f"{given.letter}1")] if given.instance else []
        results, _ = results_from_instances(marks, config=config, size_wh=size_wh)
        predictions.append({"model_version": given.letter, "result": results})
        both += [_outline(mark, given.letter, size_wh) for mark in marks]
    predictions.append({"model_version": TOGETHER, "result": both})
    data = task_data(row, place) | {
        "sha256": dispute.image_id,
        "dispute": dispute.key,
        "what": _in_names(dispute.detail, shown),
        "answers": answers_html(dispute, shown),
    }
    return {"data": data, "predictions": predictions}


def _outline(mark: Instance, letter: str, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Return the result that draws a mark in the colour of its letter; what cannot be drawn so is drawn as its box."""
    simple = mark.shape in ANSWERS and (mark.shape is not Shape.POLYGON or len(mark.rings) == 1)
    shape = mark.shape if simple else Shape.BOX
    name, _, result_type = ANSWERS[shape]
    return {
        "id": f"shown-{letter}",
        "from_name": name,
        "to_name": IMAGE_NAME,
        "type": result_type,
        "original_width": size_wh[0],
        "original_height": size_wh[1],
        "image_rotation": 0,
        "readonly": True,
        "value": {**region_from_geometry(mark, shape, size_wh), result_type: [letter]},
    }


def queue_row(dispute: Dispute) -> dict[str, Any]:
    """Return the row of `tables.QUEUE` that says the same: who is behind each letter stays here."""
    return {
        "dispute_id": dispute.dispute_id,
        "answers_digest": dispute.answers_digest,
        "image_id": dispute.image_id,
        "project": dispute.project,
        "kinds": [kind.value for kind in dispute.kinds],
        "question": dispute.question,
        "detail": dispute.detail,
        "least_iou": dispute.least_iou,
        "given": canonical_json([given.to_json() for given in dispute.given]),
    }


def answers_html(dispute: Dispute, shown: Shown) -> str:
    """Return a table with a column an answer, in the words of the page's language."""
    lettered = [given for given in dispute.given if given.letter]
    told = [_told(dispute, given, shown) for given in lettered]
    subjects = list(dict.fromkeys(subject for answer in told for subject in answer))
    head = "".join(f"<th>{given.letter}</th>" for given in lettered)
    rows = []
    for subject in subjects:
        values = [answer.get(subject, "-") for answer in told]
        bold = len(set(values)) > 1
        cells = "".join(f"<td>{'<b>' if bold else ''}{html.escape(v)}{'</b>' if bold else ''}</td>" for v in values)
        rows.append(f"<tr><td>{html.escape(subject)}</td>{cells}</tr>")
    return f'<table border="1" cellpadding="4"><tr><th></th>{head}</tr>{"".join(rows)}</table>'


def _told(dispute: Dispute, given: Given, shown: Shown) -> dict[str, str]:
    """Return what one answer says, subject by subject."""
    if dispute.question is not None:
        facet = next((each for each in shown.taxonomy.facets if each.code == dispute.question), None)
        names = facet.values if facet else {}
        said = ", ".join(_name(names.get(value, {"en": value}), shown) for value in given.values)
        labelled = _name(WORDS["labelled"], shown) if dispute.question == REJECT else "-"
        return {_name(facet.names, shown) if facet else dispute.question: said or labelled}
    if given.instance is None:
        return {_name(WORDS["object"], shown): _name(WORDS["not_marked"], shown)}
    return {
        _name(WORDS["object"], shown): shown.taxonomy.category(given.instance.category).name(shown.language),
        **_more(given.instance, shown),
    }


def _more(mark: Instance, shown: Shown) -> dict[str, str]:
    drawn = WORDS.get(mark.shape.value, {"en": mark.shape.value})
    told = {_name(WORDS["drawn_as"], shown): _name(drawn, shown)}
    if mark.transcription is not None:
        told[_name(WORDS["text"], shown)] = mark.transcription
    for facet in shown.taxonomy.facets:
        if facet.code in mark.facets:
            value = mark.facets[facet.code]
            told[_name(facet.names, shown)] = _name(facet.values.get(value, {"en": value}), shown)
    if mark.confidence is not None and mark.confidence in CONFIDENCES:
        told[_name(WORDS["confidence"], shown)] = _name(CONFIDENCES[mark.confidence], shown)
    return told


def _name(names: Mapping[str, str], shown: Shown) -> str:
    return names.get(shown.language, names["en"])


def _in_names(detail: str, shown: Shown) -> str:
    """Return a sentence with the names of categories, questions and their values in place of the codes."""
    names = {each.code: each.name(shown.language) for each in shown.taxonomy.categories if "." in each.code}
    for facet in shown.taxonomy.facets:
        rejects = facet.code == REJECT and "cannot be labelled" in detail
        if rejects or re.search(rf"\b{re.escape(facet.code)}\b", detail):
            names[facet.code] = _name(facet.names, shown)
            names |= {value: _name(said, shown) for value, said in facet.values.items()}
    codes = "|".join(re.escape(code) for code in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])({codes})(?![\w.]*\w)", lambda match: f"“{names[match[0]]}”", detail)
