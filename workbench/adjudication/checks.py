"""Hidden checks: what labellers answered about photographs whose labels are known, against those labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.adjudication.agreement import Bootstrap, value_of
from workbench.adjudication.marks import DRAWN, Marks, arranged, read_answer_tables
from workbench.adjudication.objects import pair_answers
from workbench.adjudication.sums import Figures, Sums, SumsByImage, ratio
from workbench.domain.annotation import Pass
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, INSTANCES, LABELLED, read_columns, read_stand_ins

#: Who "answered" with the known labels. It sorts before every pseudonym.
TRUTH = "(truth)"
#: How settled labels must be to check labellers against.
_SETTLED = ("agreed", "adjudicated")
FIGURES = ("f1", "precision", "recall", "mean_iou", "same_category_frac")


def read_checks(layout: Layout, taxonomy: Taxonomy) -> Marks:
    """Return the answers to hidden checks, and to each checked photograph one by `TRUTH`: its ground truth.

    A photograph whose ground truth is not settled checks nobody. A project asks for some categories only, so its checks
    count the true objects of those that occur in its answers.
    """
    answers, drawn = read_answer_tables(layout, [Pass.GOLD])
    settled, stand_ins = _settled(layout), read_stand_ins(layout.intake)
    now = [stand_ins.get(image_id, image_id) for image_id in answers["image_id"].to_pylist()]
    answers = answers.filter(pa.array([image_id in settled for image_id in now], pa.bool_()))
    if not len(answers):
        return arranged(answers, drawn.slice(0, 0), stand_ins={}, taxonomy=None)
    checked = {(stand_ins.get(row["image_id"], row["image_id"]), row["project"]): row for row in answers.to_pylist()}
    truth = read_columns(layout.adjudication / "instances.parquet", INSTANCES, ["image_id", *DRAWN])
    objects: dict[str, list[dict[str, Any]]] = {}
    for row in truth.filter(pc.is_in(truth["image_id"], pa.array(sorted({key[0] for key in checked})))).to_pylist():
        objects.setdefault(row.pop("image_id"), []).append(row)
    asked = _asked(layout)
    said, true = [], []
    for number, ((image_id, project), row) in enumerate(sorted(checked.items())):
        known = {"annotation_id": f"{TRUTH}{number}", "annotator": TRUTH, "taxonomy_version": taxonomy.version}
        said.append({**row, **known, "lead_time_s": None, "submitted_at": None})
        true += [
            {**each, "annotation_id": known["annotation_id"]}
            for each in objects.get(image_id, ())
            if each["category"] in asked[project]
        ]
    return arranged(
        pa.concat_tables([answers, pa.Table.from_pylist(said, schema=answers.schema)]),
        pa.concat_tables([drawn, pa.Table.from_pylist(true, schema=drawn.schema)]),
        stand_ins=stand_ins,
        taxonomy=taxonomy,
    )


def _settled(layout: Layout) -> set[str]:
    path = layout.adjudication / "labelled.parquet"
    if not path.is_file():
        return set()
    table = read_columns(path, LABELLED, ["image_id", "status"])
    return set(table.filter(pc.is_in(table["status"], pa.array(_SETTLED)))["image_id"].to_pylist())


def _asked(layout: Layout) -> dict[str, set[str]]:
    """Return the categories that occur in each project's answers."""
    found: dict[str, set[str]] = {}
    for path in sorted(layout.labelling.glob("*/annotations.parquet")):
        projects = set(read_columns(path, ANNOTATIONS, ["project"])["project"].to_pylist())
        used = read_columns(path.with_name("instances.parquet"), INSTANCES, ["category"])["category"]
        for project in projects:
            found.setdefault(project, set()).update(used.unique().to_pylist())
    return found


def check_figures(marks: Marks, *, match_iou: float, bootstrap: Bootstrap) -> dict[str, dict[str, Any]]:
    """Return for each labeller who was checked what came of it, with 95 % bootstrap intervals over photographs.

    ``recall`` is the share of true objects that were marked and called as they are, ``precision`` the share of the
    labeller's marks that are so, ``same_category_frac`` the share of the true objects found that were called as they are.
    """
    if TRUTH not in marks.annotators:
        return {}
    pairs = pair_answers(marks, match_iou=match_iou)
    against = np.flatnonzero(marks.answer_annotator[pairs.left] == marks.annotators.index(TRUTH))
    people = len(marks.annotators)
    image = marks.task_image[marks.answer_task[pairs.left]]
    of = marks.answer_annotator[pairs.right]
    sizes = np.diff(marks.mark_bounds)
    sums = SumsByImage(images=len(marks.images))
    told = {"image": image[against], "of": of[against]}
    sums.add("photographs", count=people, **told)
    sums.add("true", value=sizes[pairs.left[against]], count=people, **told)
    sums.add("marked", value=sizes[pairs.right[against]], count=people, **told)
    matched = pairs.matched
    counted = np.isin(matched.group, against)
    same = marks.mark_category[matched.first] == marks.mark_category[matched.second]
    for name, rows, value in (("found", counted, 1.0), ("iou", counted, matched.iou), ("right", counted & same, 1.0)):
        group = matched.group[rows]
        each = value[rows] if isinstance(value, np.ndarray) else value
        sums.add(name, image=image[group], of=of[group], value=each, count=people)
    totals = sums.totals()
    values, ends = _figures(totals), sums.intervals(_figures, rounds=bootstrap.rounds, seed=bootstrap.seed)
    return {
        marks.annotators[who]: {
            **{name: int(totals[name][who]) for name in ("photographs", "true", "marked")},
            **{name: value_of(values[name][who]) for name in FIGURES},
            "intervals": {
                name: ends[name][who].tolist()
                for name in FIGURES
                if name in ends and np.isfinite(ends[name][who]).all()
            },
        }
        for who in np.flatnonzero(totals["photographs"]).tolist()
    }


def _figures(sums: Sums) -> Figures:
    return {
        "f1": ratio(2 * sums["right"], sums["true"] + sums["marked"]),
        "precision": ratio(sums["right"], sums["marked"]),
        "recall": ratio(sums["right"], sums["true"]),
        "mean_iou": ratio(sums["iou"], sums["found"]),
        "same_category_frac": ratio(sums["right"], sums["found"]),
    }
