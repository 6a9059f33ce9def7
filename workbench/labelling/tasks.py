"""Which photographs still need a task, and what the task says: decided here, pushed elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from workbench.domain.findings import refused
from workbench.ports import LabellerTask


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """What a push would do.

    Parameters
    ----------
    new
        Tasks to import, by image_id.
    predictions
        Pre-annotations for tasks that are there and have none of that model: task id, model version, results.
    moved
        Tasks that show a file which is another by now: task id and new data. So a photograph in which regions were
        covered since shows what stands for it, and keeps its answers.
    kept
        How many photographs have their task already.
    media
        Folders below the media root that the server must be allowed to show.
    surplus
        Tasks too many, which nobody has touched: an import whose answer was lost was repeated, and both went through.
    shows
        The model whose pre-annotations labellers see from now on; None leaves that as it is.

    """

    new: tuple[Mapping[str, Any], ...]
    predictions: tuple[Mapping[str, Any], ...]
    kept: int
    media: tuple[str, ...]
    moved: tuple[Mapping[str, Any], ...] = ()
    surplus: tuple[int, ...] = ()
    shows: str | None = None

    @property
    def settled(self) -> bool:
        """Whether the server holds all it should, and nothing twice."""
        return not (self.new or self.predictions or self.moved or self.surplus)


def plan_tasks(
    images: Iterable[Mapping[str, Any]],
    existing: Iterable[LabellerTask],
    *,
    data: Path,
    media_root: Path,
    predictions: Mapping[str, Mapping[str, Any]] | None = None,
    sent_back: Mapping[str, int] | None = None,
    order: Sequence[str] | None = None,
    bare: bool = False,
) -> TaskPlan:
    """Return the plan that gives each photograph exactly one task, and one more each time it was sent back.

    Parameters
    ----------
    images
        Rows of `tables.IMAGES`; a photograph delivered twice gets one task.
    existing
        The project's tasks; a photograph is known by ``data.sha256``.
    data, media_root
        The folder that image paths are relative to, and the one the server serves from.
    predictions
        For an image_id its pre-annotation: ``model_version`` and ``result``.
    sent_back
        How often curators sent a photograph back to labelling; its further tasks carry no pre-annotation, so that
        nobody is led by what was doubted.
    order
        The image_ids in the order their tasks are to be handed out; by image_id if there is none.
    bare
        Whether tasks say nothing but what they show, so that nothing tells a hidden check from another task.

    Raises
    ------
    Refused
        ``labelling.outside-media`` if an image file does not lie below the media root.

    """
    existing = list(existing)
    ready, again = predictions or {}, sent_back or {}
    tasks_of: dict[str, list[LabellerTask]] = defaultdict(list)
    for there in existing:
        tasks_of[there.sha256].append(there)
    known = {task.sha256: task for task in existing}
    rows = {row["image_id"]: row for row in images if not row["excluded"]}
    folder, served = data.as_posix(), media_root.as_posix()
    new, late, moved, surplus, media = [], [], [], [], set()
    for image_id in sorted(rows) if order is None else [image_id for image_id in order if image_id in rows]:
        row = rows[image_id]
        place = _served(f"{folder}/{row['path']}", served)
        media.add(place.partition("/")[0])
        task = known.get(image_id)
        if task is None:
            shown = [dict(ready[image_id])] if image_id in ready else []
            new.append({"data": task_data(row, place, bare=bare), **({"predictions": shown} if shown else {})})
        elif image_id in ready and ready[image_id]["model_version"] not in task.models and image_id not in again:
            late.append({"task": task.task_id, **ready[image_id]})
        data_now = task_data(row, place, bare=bare)
        moved += [{"task": t.task_id, "data": data_now} for t in tasks_of[image_id] if t.image != data_now["image"]]
        wanted, there_are = 1 + again.get(image_id, 0), max(1, len(tasks_of[image_id]))
        new += [{"data": data_now} for _ in range(wanted - there_are)]
        surplus += _surplus(tasks_of[image_id], wanted)
    model = next((one["model_version"] for one in ready.values()), None)
    has = any("predictions" in task for task in new) or bool(late) or any(model in t.models for t in existing)
    return TaskPlan(
        shows=model if has else None,
        new=tuple(new),
        predictions=tuple(late),
        kept=sum(image_id in known for image_id in rows),
        media=tuple(sorted(media)),
        moved=tuple(moved),
        surplus=tuple(surplus),
    )


def _surplus(tasks: Sequence[LabellerTask], wanted: int) -> list[int]:
    """Return the tasks of one photograph that are too many: the newest, and none that anybody has touched."""
    untouched = [task.task_id for task in tasks if not (task.answers or task.skips or task.begun)]
    too_many = max(0, len(tasks) - wanted)
    return sorted(untouched, reverse=True)[:too_many]


def task_data(row: Mapping[str, Any], place: PurePosixPath | str, *, bare: bool = False) -> dict[str, str]:
    """Return what a task carries about a photograph: nothing that its labellers need not see."""
    shown = {"image": f"/data/local-files/?d={quote(str(place))}", "sha256": row["image_id"]}
    if bare:
        return shown
    return {**shown, "contribution": row["contribution_id"] or "", "partner": row["partner_id"] or ""}


def served_place(file: Path, media_root: Path) -> PurePosixPath:
    """Return where the server finds a file, relative to the folder it serves.

    Raises
    ------
    Refused
        ``labelling.outside-media`` if it does not lie in that folder.

    """
    return PurePosixPath(_served(file.as_posix(), media_root.as_posix()))


def _served(file: str, media_root: str) -> str:
    """Return the same of paths with forward slashes: a push asks it of thousands."""
    if not file.startswith(f"{media_root}/"):
        raise refused(
            "labelling.outside-media",
            PurePosixPath(file).name,
            "does not lie in the folder that Label Studio may serve.",
            "Restart the servers of this workspace with `workbench up`.",
        )
    return file[len(media_root) + 1 :]
