"""What people said, from all frozen snapshots: by photograph and project, in today's codes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.domain.annotation import Instance, Pass
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.taxonomy import REJECT, About, Taxonomy
from workbench.layout import Layout
from workbench.tables import ANNOTATIONS, ANSWER_HISTORY, INSTANCES, TAGS, read_columns, read_stand_ins, row_instance

#: One annotator's answers about a whole photograph: for each question the values given, sorted.
Said = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What people said about one photograph in one project: by annotator, for each kind of pass, in order of time.

    Parameters
    ----------
    stale
        The objects whose code was split or deprecated since: somebody has to look again.
    said
        What each annotator of the blind passes said about the whole photograph.
    latest
        The id of each such annotator's answer.
    rows
        Rows of `tables.ANNOTATIONS` by answer, with the ``guide_version`` it was given under.
    draws
        Whether objects are drawn in the project; else it only asks about whole photographs.
    image_id
        The image that stands for the photograph.

    """

    blind: dict[str, list[Instance]]
    adjudicated: dict[str, list[Instance]]
    imported: dict[str, list[Instance]]
    stale: list[Instance] = field(default_factory=list)
    said: dict[str, Said] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    draws: bool = True
    image_id: str = ""


def answered_images(layout: Layout) -> list[str]:
    """Return the ids of the images that stand for all photographs answered about, sorted."""
    stand_ins = read_stand_ins(layout.intake)
    found: set[str] = set()
    for folder in _snapshots(layout):
        rows = read_columns(folder / "annotations.parquet", ANNOTATIONS, ["image_id", "pass_"])
        decisive = rows.filter(pc.not_equal(rows["pass_"], Pass.GOLD.value))
        found.update(decisive["image_id"].unique().to_pylist())
    return sorted({stand_ins.get(image_id, image_id) for image_id in found})


def _snapshots(layout: Layout) -> list[Path]:
    snapshots = sorted(path.parent for path in layout.labelling.glob("*/annotations.parquet"))
    if not snapshots:
        raise refused(
            "workspace.input-missing",
            "data/02_labelling",
            "holds no answers.",
            "Run `workbench labelling pull`, or `workbench labelling import` for existing labels.",
        )
    return snapshots


def read_answers(
    layout: Layout, taxonomy: Taxonomy, *, only: Collection[str] | None = None
) -> dict[str, dict[str, Answers]]:
    """Return every photograph's answers by project, from all snapshots, whatever order they lie in, in today's codes.

    Answers are about the photograph as delivered. Where regions of it were covered since, they go with their coordinates
    to the image that stands for it: both have one geometry.

    Parameters
    ----------
    only
        The ids of the images whose answers are wanted; all, without it.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if there is no snapshot, ``tables.schema`` if one contradicts itself.

    """
    stand_ins = read_stand_ins(layout.intake)
    # Answers name the photograph as delivered.
    delivered = None if only is None else {*only, *(old for old, new in stand_ins.items() if new in only)}
    found: dict[str, dict[str, Answers]] = {}
    for folder in _snapshots(layout):
        annotations, instances, draws = _snapshot(folder, delivered)
        said, guides = _said(folder, instances), _guides(folder, instances)
        for row in sorted(annotations, key=lambda row: (row["submitted_at"] or "", row["annotation_id"])):
            if row["pass_"] == Pass.GOLD:
                continue  # a hidden check of the labeller decides nothing about the photograph
            image_id = stand_ins.get(row["image_id"], row["image_id"])
            if only is not None and image_id not in only:
                continue
            projects = found.setdefault(image_id, {})
            of = projects.setdefault(
                row["project"], Answers(blind={}, adjudicated={}, imported={}, draws=draws, image_id=image_id)
            )
            kind = {Pass.ADJUDICATION: of.adjudicated, Pass.IMPORTED: of.imported}.get(Pass(row["pass_"]), of.blind)
            drawn = sorted(instances[row["annotation_id"]], key=lambda item: item.instance_id)
            moved = [replace(item, image_id=image_id) for item in drawn]
            given, stale = _in_todays_codes(moved, row["taxonomy_version"], taxonomy)
            of.stale.extend(stale)
            # Someone's later answer to the same photograph supersedes the earlier one; both stay in the snapshot.
            kind.pop(row["annotator"], None)
            kind[row["annotator"]] = given
            of.rows[row["annotation_id"]] = {**row, "guide_version": guides.get(row["annotation_id"])}
            if kind is of.blind:
                of.latest[row["annotator"]] = row["annotation_id"]
                of.said[row["annotator"]] = said.get(row["annotation_id"], {})
    return found


def _said(folder: Path, answers: Collection[str]) -> dict[str, Said]:
    """Return what some answers of a snapshot say about the whole photograph; older snapshots say nothing."""
    path = folder / "tags.parquet"
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    rows = _of_answers(read_columns(path, TAGS), answers) if path.is_file() else TAGS.empty_table()
    for row in rows.to_pylist():
        found[row["annotation_id"]][row["question"]].append(row["value"])
    return {
        answer: {question: tuple(sorted(values)) for question, values in about.items()}
        for answer, about in found.items()
    }


def _guides(folder: Path, answers: Collection[str]) -> dict[str, str]:
    """Return the version of the guide that each of some answers was given under, as far as its history tells."""
    path = folder / "history.parquet"
    if not path.is_file():
        return {}
    rows = _of_answers(read_columns(path, ANSWER_HISTORY, ["annotation_id", "guide_version"]), answers)
    return {row["annotation_id"]: row["guide_version"] for row in rows.to_pylist() if row["guide_version"]}


def _of_answers(rows: pa.Table, answers: Collection[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["annotation_id"], pa.array(answers, pa.string())))


def _in_todays_codes(
    drawn: Sequence[Instance], version: str, taxonomy: Taxonomy
) -> tuple[list[Instance], list[Instance]]:
    """Return the objects with the codes that stand for theirs today, and those for which no single code does."""
    given, stale = [], []
    for instance in drawn:
        codes = taxonomy.successors(instance.category, version)
        if len(codes) == 1:
            given.append(instance if codes[0] == instance.category else replace(instance, category=codes[0]))
        else:
            stale.append(instance)
    return given, stale


def _snapshot(folder: Path, delivered: set[str] | None) -> tuple[list[dict[str, Any]], dict[str, list[Instance]], bool]:
    """Return one snapshot's answers about some photographs, their instances by answer, and whether objects are drawn in it.

    One that contradicts itself is refused, wherever it does.
    """
    path = folder / "instances.parquet"
    said, drawn = read_columns(folder / "annotations.parquet", ANNOTATIONS), read_columns(path, INSTANCES)
    unknown = set(said["pass_"].unique().to_pylist()) - set(Pass)
    if unknown:
        raise _damaged(folder / "annotations.parquet", f"has an answer of the unknown pass {min(unknown)!r}.")
    _check_whole(path, said, drawn)
    draws = len(drawn) > 0 or not _asks(folder / "tags.parquet")
    if delivered is not None:
        said = said.filter(pc.is_in(said["image_id"], pa.array(sorted(delivered), pa.string())))
        drawn = _of_answers(drawn, said["annotation_id"].to_pylist())
    annotations: list[dict[str, Any]] = said.to_pylist()
    instances: dict[str, list[Instance]] = {row["annotation_id"]: [] for row in annotations}
    for row in drawn.to_pylist():
        try:
            instances[row["annotation_id"]].append(row_instance(row))
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(path, f"has an instance that cannot be read: {row['instance_id']} ({error}).") from error
    return annotations, instances, draws


def _check_whole(path: Path, said: pa.Table, drawn: pa.Table) -> None:
    """Refuse instances of no answer, or on another photograph than their answer is about."""
    answer = pc.index_in(drawn["annotation_id"], said["annotation_id"].combine_chunks())
    lost = drawn.filter(pc.is_null(answer))
    if len(lost):
        name = lost["annotation_id"][0].as_py()
        raise _damaged(path, f"has an instance of answer {name}, which is not in annotations.parquet.")
    elsewhere = drawn.filter(pc.not_equal(drawn["image_id"], said["image_id"].take(answer)))
    if len(elsewhere):
        name = elsewhere["annotation_id"][0].as_py()
        raise _damaged(path, f"has an instance of answer {name} on another photograph than the answer is about.")


def _asks(path: Path) -> bool:
    """Return whether a snapshot says anything of whole photographs but that they cannot be labelled."""
    return path.is_file() and bool(
        set(read_columns(path, TAGS, ["question"])["question"].unique().to_pylist()) - {REJECT}
    )


def _damaged(path: Path, what: str) -> Refused:
    return refused("tables.schema", path, what, "Restore the snapshot with `dvc checkout`, or pull it anew.")


def check_codes(answers: Mapping[str, Mapping[str, Answers]], taxonomy: Taxonomy) -> None:
    """Refuse answers with a category, question or value that the taxonomy does not have, each told once.

    Raises
    ------
    Refused
        ``taxonomy.unknown-code``.

    """
    refuse_unknown(unknown_codes(answers, taxonomy), taxonomy)


def refuse_unknown(unknown: Mapping[str, int], taxonomy: Taxonomy) -> None:
    """Refuse codes that the taxonomy does not have, if there are any: how often each was used.

    Raises
    ------
    Refused
        ``taxonomy.unknown-code``.

    """
    if unknown:
        raise Refused(*(_unknown(code, count, taxonomy) for code, count in sorted(unknown.items())))


def unknown_codes(answers: Mapping[str, Mapping[str, Answers]], taxonomy: Taxonomy) -> Counter[str]:
    """Return how often answers use each category, question or value that the taxonomy does not have."""
    codes = set(taxonomy.codes)
    facets = {(f.code, value) for f in taxonomy.facets for value in f.values if f.about is About.OBJECT}
    asked = {(f.code, value) for f in taxonomy.facets for value in f.values if f.about is About.PHOTOGRAPH}
    unknown: Counter[str] = Counter()
    for projects in answers.values():
        for given in projects.values():
            tags = [(question, value) for said in given.said.values() for question in said for value in said[question]]
            unknown.update(f"{question}={value}" for question, value in tags if (question, value) not in asked)
            for marks in (*given.blind.values(), *given.adjudicated.values(), *given.imported.values()):
                for mark in marks:
                    if mark.category not in codes:
                        unknown[mark.category] += 1
                    for code, value in mark.facets.items():
                        if (code, value) not in facets:
                            unknown[f"{code}={value}"] += 1
    return unknown


def _unknown(code: str, count: int, taxonomy: Taxonomy) -> Finding:
    return Finding(
        code="taxonomy.unknown-code",
        subject=code,
        message=f"is the code of {count} labels or answers, but taxonomy {taxonomy.version} does not have it.",
        remedy="Add it to label_configs/taxonomy.yaml, or correct the labels and pull them anew.",
    )
