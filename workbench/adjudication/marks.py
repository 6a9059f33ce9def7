"""What people marked, as columns: the answers of whole campaigns in the memory that a list of objects would not fit into.

A hundred thousand photographs with three answers of five objects are some tens of megabytes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.domain.annotation import Pass, Shape
from workbench.domain.taxonomy import REJECT, Taxonomy
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, INSTANCES, TAGS, read_columns, read_stand_ins

SHAPES = tuple(Shape)

#: Columns of `tables.INSTANCES` that marks carry along.
_CARRIED = ("instance_id", "rings", "mask_rle", "keypoints", "facets", "transcription")
_BOX = ("x_min", "y_min", "x_max", "y_max")
#: Columns of `tables.ANNOTATIONS` and `tables.INSTANCES` that marks are made of.
SAID = ("annotation_id", "image_id", "project", "annotator", "pass_", "submitted_at", "lead_time_s", "taxonomy_version")
DRAWN = ("annotation_id", "category", "shape", *_BOX, *_CARRIED)
#: Passes in which somebody looks at a photograph without knowing what others say of it.
BLIND = tuple(each for each in Pass if each not in (Pass.ADJUDICATION, Pass.IMPORTED, Pass.GOLD))


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Blind answers of people: tasks (a photograph put to a project), answers to them, marks in them.

    Answers are in the order of tasks, in a task in the order of annotators; marks in the order of answers, in an answer in
    the order of their ids. Numbers point into the lists: ``task_image`` into ``images``, ``answer_task`` to tasks,
    ``mark_answer`` to answers, and so on. An annotator has one answer to a task, the latest.

    Parameters
    ----------
    lead_time_s
        Seconds spent on each answer; NaN where not known.
    submitted_s
        When each was given, seconds since 1970 in UTC; NaN where not known.
    boxes_xyxy
        (n, 4) edges in pixels; zeros for a mark without a box.
    carried
        For each mark the other columns of `tables.INSTANCES` that are needed.

    """

    images: Sequence[str]
    projects: Sequence[str]
    annotators: Sequence[str]
    categories: Sequence[str]
    task_image: NDArray[np.int32]
    task_project: NDArray[np.int32]
    answer_ids: pa.Array
    answer_task: NDArray[np.int32]
    answer_annotator: NDArray[np.int32]
    lead_time_s: NDArray[np.float64]
    submitted_s: NDArray[np.float64]
    mark_answer: NDArray[np.int32]
    mark_category: NDArray[np.int32]
    mark_shape: NDArray[np.int8]
    boxes_xyxy: NDArray[np.float64]
    carried: pa.Table

    @cached_property
    def mark_bounds(self) -> NDArray[np.int64]:
        """Where each answer's marks begin, (answers + 1,): answer a has the marks from ``[a]`` to ``[a + 1]``."""
        return np.searchsorted(self.mark_answer, np.arange(len(self.answer_task) + 1))

    @cached_property
    def answer_bounds(self) -> NDArray[np.int64]:
        """Where each task's answers begin, (tasks + 1,)."""
        return np.searchsorted(self.answer_task, np.arange(len(self.task_image) + 1))

    @cached_property
    def answer_rank(self) -> NDArray[np.int64]:
        """The place of each answer among those to its task, from 0."""
        return np.arange(len(self.answer_task)) - self.answer_bounds[self.answer_task]

    @property
    def mark_task(self) -> NDArray[np.int32]:
        """The task that each mark belongs to."""
        return self.answer_task[self.mark_answer]


def read_marks(layout: Layout, taxonomy: Taxonomy) -> Marks:
    """Return the blind answers of all snapshots in data/02_labelling, in today's codes.

    What counts is what the adjudication stage counts: answers go to the image that stands for a photograph, someone's
    later answer supersedes the earlier one, and a mark whose code was split or deprecated since takes no part. Who rejected a
    photograph has not found it empty, and a project that only asks about whole photographs has no objects to miss: such
    answers take no part.
    """
    answers, drawn = read_answer_tables(layout, BLIND)
    return arranged(answers, drawn, stand_ins=read_stand_ins(layout.intake), taxonomy=taxonomy)


def read_answer_tables(layout: Layout, passes: Sequence[Pass]) -> tuple[pa.Table, pa.Table]:
    """Return rows of the answers of some passes in which objects were looked for, and of their objects (`SAID`, `DRAWN`)."""
    said, drawn = [ANNOTATIONS.empty_table().select(list(SAID))], [INSTANCES.empty_table().select(list(DRAWN))]
    for path in sorted(layout.labelling.glob("*/annotations.parquet")):
        rows = read_columns(path.with_name("instances.parquet"), INSTANCES, list(DRAWN))
        tags = _tags(path.with_name("tags.parquet"))
        if not len(rows) and pc.any(pc.not_equal(tags["question"], REJECT)).as_py():
            continue
        answers = read_columns(path, ANNOTATIONS, list(SAID))
        rejected = tags.filter(pc.equal(tags["question"], REJECT))["annotation_id"].combine_chunks()
        wanted = pc.and_not(
            pc.is_in(answers["pass_"], pa.array([each.value for each in passes])),
            pc.is_in(answers["annotation_id"], rejected),
        )
        said.append(answers.filter(wanted))
        drawn.append(rows.filter(pc.is_in(rows["annotation_id"], said[-1]["annotation_id"].combine_chunks())))
    return pa.concat_tables(said), pa.concat_tables(drawn)


def read_blind_answers(layout: Layout) -> tuple[Marks, pa.Table]:
    """Return the blind answers about whole photographs, without objects, and what was said of each (rows of `tables.TAGS`)."""
    said, tags = [ANNOTATIONS.empty_table().select(list(SAID))], [TAGS.empty_table()]
    for path in sorted(layout.labelling.glob("*/tags.parquet")):
        said.append(read_columns(path.with_name("annotations.parquet"), ANNOTATIONS, list(SAID)))
        tags.append(_tags(path))
    answers, told = pa.concat_tables(said), pa.concat_tables(tags)
    answers = answers.filter(pc.is_in(answers["pass_"], pa.array([each.value for each in BLIND])))
    nothing = INSTANCES.empty_table().select(list(DRAWN))
    marks = arranged(answers, nothing, stand_ins=read_stand_ins(layout.intake), taxonomy=None)
    return marks, told.filter(pc.not_equal(told["question"], REJECT))


def _tags(path: Path) -> pa.Table:
    """Return what a snapshot says about whole photographs; older snapshots say nothing."""
    return read_columns(path, TAGS) if path.is_file() else TAGS.empty_table()


def arranged(answers: pa.Table, drawn: pa.Table, *, stand_ins: Mapping[str, str], taxonomy: Taxonomy | None) -> Marks:
    """Return the marks of answers and objects, rows with the columns `SAID` and `DRAWN`, put into order."""
    images_of, images = _numbered(_standing(answers["image_id"], stand_ins))
    projects_of, projects = _numbered(answers["project"])
    annotators_of, annotators = _numbered(answers["annotator"])
    latest = _latest(answers, np.stack([images_of, projects_of, annotators_of]))
    images_of, projects_of, annotators_of = (column[latest] for column in (images_of, projects_of, annotators_of))
    answers = answers.take(latest)
    tasks, answer_task = np.unique(np.stack([images_of, projects_of], axis=1), axis=0, return_inverse=True)
    drawn, belongs = _belonging(drawn, answers["annotation_id"])
    categories_of, categories = _numbered(drawn["category"])
    if taxonomy is not None:
        versions_of, versions = _numbered(answers["taxonomy_version"])
        categories_of, categories = _todays(categories_of, categories, versions_of[belongs], versions, taxonomy)
        alive = categories_of >= 0
        drawn, belongs, categories_of = drawn.filter(pa.array(alive)), belongs[alive], categories_of[alive]
    shapes_of = pc.index_in(drawn["shape"], pa.array([shape.value for shape in SHAPES])).to_numpy()
    return Marks(
        images=images,
        projects=projects,
        annotators=annotators,
        categories=categories,
        task_image=tasks[:, 0].astype(np.int32),
        task_project=tasks[:, 1].astype(np.int32),
        answer_ids=answers["annotation_id"].combine_chunks(),
        answer_task=answer_task.reshape(-1).astype(np.int32),
        answer_annotator=annotators_of.astype(np.int32),
        lead_time_s=_numbers(answers["lead_time_s"]),
        submitted_s=_seconds(answers["submitted_at"]),
        mark_answer=belongs.astype(np.int32),
        mark_category=categories_of.astype(np.int32),
        mark_shape=shapes_of.astype(np.int8),
        boxes_xyxy=np.nan_to_num(np.stack([_numbers(drawn[name]) for name in _BOX], axis=1)),
        carried=drawn.select(list(_CARRIED)),
    )


def _standing(images: pa.ChunkedArray, stand_ins: Mapping[str, str]) -> pa.ChunkedArray:
    """Return the image ids with those of covered photographs exchanged for what stands for them."""
    if not stand_ins:
        return images
    found = pc.index_in(images, pa.array(list(stand_ins), pa.string()))
    return pc.coalesce(pa.array(list(stand_ins.values()), pa.string()).take(found.combine_chunks()), images)


def _numbered(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return for each value its number in the sorted list of values, and that list."""
    encoded = column.combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    places = np.empty(len(words), np.int64)
    places[order] = np.arange(len(words))
    return places[encoded.indices.to_numpy(zero_copy_only=False)], [words[place] for place in order]


def _latest(answers: pa.Table, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which rows count, in the order of image, project and annotator: of someone's answers to a task the latest."""
    when = _numbered(pc.fill_null(answers["submitted_at"], ""))[0]
    ids = _numbered(answers["annotation_id"])[0]
    order = np.lexsort((ids, when, keys[2], keys[1], keys[0]))
    if not len(order):
        return np.asarray(order, np.int64)
    following = np.any(np.diff(keys[:, order], axis=1) != 0, axis=0)
    return np.asarray(order[np.append(following, [True])], np.int64)


def _belonging(drawn: pa.Table, answer_ids: pa.ChunkedArray) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return the objects of the answers, by answer and id, and which answer each belongs to."""
    found = pc.index_in(drawn["annotation_id"], answer_ids.combine_chunks())
    drawn = drawn.append_column("answer", found).filter(pc.is_valid(found))
    drawn = drawn.take(pc.sort_indices(drawn, [("answer", "ascending"), ("instance_id", "ascending")]))
    return drawn, drawn["answer"].to_numpy().astype(np.int64)


def _todays(
    categories_of: NDArray[np.int64],
    categories: Sequence[str],
    versions_of: NDArray[np.int64],
    versions: Sequence[str],
    taxonomy: Taxonomy,
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the codes that stand for each mark's today, and their list; -1 where no single code does."""
    pairs, which = np.unique(versions_of * len(categories) + categories_of, return_inverse=True)
    now: list[str | None] = []
    for pair in pairs.tolist():
        version, category = divmod(pair, len(categories))
        codes = taxonomy.successors(categories[category], versions[version])
        now.append(codes[0] if len(codes) == 1 else None)
    listed = sorted({code for code in now if code is not None})
    places = np.array([-1 if code is None else listed.index(code) for code in now], np.int64)
    return places[which.reshape(-1)], listed


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(), np.float64)


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return ISO 8601 times as seconds since 1970; NaN for what is missing or no time."""
    import pandas as pd

    times = pd.to_datetime(column.to_pandas(), utc=True, errors="coerce", format="ISO8601")
    seconds = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(seconds, np.float64)
