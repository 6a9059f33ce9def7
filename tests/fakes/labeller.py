"""A labelling server in memory, and the contract that it and the real one keep."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.ports import Labeller, LabellerChange, LabellerProject, LabellerTask

XML = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
    '<Label value="Barrel" alias="part.barrel"/></RectangleLabels></View>'
)


class FakeLabeller:
    """A `Labeller` that keeps everything in memory; ``acting_as`` gives another user's view of the same server."""

    def __init__(self, email: str = "admin@example.org", shared: dict[str, Any] | None = None) -> None:
        self._email = email
        self._shared: dict[str, Any] = shared if shared is not None else {"projects": {}, "tasks": {}, "answers": 0}

    def acting_as(self, email: str) -> FakeLabeller:
        return FakeLabeller(email, self._shared)

    def _now(self) -> str:
        """A clock that goes on with every change."""
        self._shared["clock"] = self._shared.get("clock", 0) + 1
        return f"2026-01-01T00:{self._shared['clock'] // 60:02d}:{self._shared['clock'] % 60:02d}.000000Z"

    def projects(self) -> list[LabellerProject]:
        return [
            LabellerProject(
                project_id=number,
                title=project["title"],
                description=project["description"] or "",
                made_at=project["made_at"],
            )
            for number, project in self._shared["projects"].items()
        ]

    def find_project(self, title: str) -> int | None:
        return next((project.project_id for project in self.projects() if project.title == title), None)

    def ensure_project(
        self,
        title: str,
        *,
        label_config: str,
        instructions: str,
        overlap: int,
        suggestions: bool = True,
        description: str | None = None,
    ) -> int:
        number = self.find_project(title) or len(self._shared["projects"]) + 1
        had = self._shared["projects"].get(number, {"description": None, "made_at": self._now()})
        self._shared["projects"][number] = {
            "title": title,
            "label_config": label_config,
            "instructions": instructions,
            "overlap": overlap,
            "suggestions": suggestions,
            "description": had["description"] if description is None else description,
            "made_at": had["made_at"],
        }
        return number

    def ensure_media(self, project_id: int, folders: Sequence[Path]) -> None:
        self._shared["projects"][project_id]["media"] = list(folders)

    def _of(self, project_id: int) -> list[dict[str, Any]]:
        return [task for task in self._shared["tasks"].values() if task["project"] == project_id]

    def tasks(self, project_id: int) -> list[LabellerTask]:
        return [
            LabellerTask(
                task_id=task["id"],
                sha256=task["data"]["sha256"],
                predictions=len(task["predictions"]),
                answers=sum(not answer["was_cancelled"] for answer in task["annotations"]),
                image=task["data"]["image"],
                dispute=task["data"].get("dispute", ""),
                models=tuple(dict.fromkeys(one["model_version"] for one in task["predictions"])),
                skips=sum(answer["was_cancelled"] for answer in task["annotations"]),
                made_at=task["created_at"],
            )
            for task in self._of(project_id)
        ]

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        for task in tasks:
            number = self._shared["last"] = self._shared.get("last", 0) + 1
            now = self._now()
            self._shared["tasks"][number] = {
                "id": number,
                "project": project_id,
                "data": dict(task["data"]),
                "predictions": list(task.get("predictions", ())),
                "annotations": [],
                "created_at": now,
                "updated_at": now,
            }
        return len(tasks)

    def update_task(self, task_id: int, data: Mapping[str, Any]) -> None:
        self._shared["tasks"][task_id]["data"] = dict(data)
        self._touch(task_id)

    def _touch(self, task_id: int) -> str:
        now = self._shared["tasks"][task_id]["updated_at"] = self._now()
        return now

    def remove_untouched(self, project_id: int, task_ids: Sequence[int]) -> None:
        for task in self._of(project_id):
            if task["id"] in task_ids and not task["annotations"]:
                del self._shared["tasks"][task["id"]]

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:  # noqa: ARG002 -- the port's signature
        for prediction in predictions:
            self._shared["tasks"][prediction["task"]]["predictions"].append(dict(prediction))

    def show_suggestions(self, project_id: int, model_version: str) -> None:
        self._shared["projects"][project_id]["model_version"] = model_version

    def answer(
        self, task_id: int, results: Sequence[Mapping[str, Any]], *, lead_time_s: float, skip: bool = False
    ) -> int:
        self._shared["answers"] += 1
        number = int(self._shared["answers"])
        now = self._touch(task_id)
        self._shared["tasks"][task_id]["annotations"].append(
            {
                "id": number,
                "unique_id": f"answer-{number}",
                "completed_by": self._email,
                "updated_by": self._email,
                "created_at": now,
                "updated_at": now,
                "lead_time": lead_time_s,
                "was_cancelled": skip,
                "result": [dict(result) for result in results],
            }
        )
        return number

    def edit(self, number: int, **changes: Any) -> None:
        """Change an answer, as anybody may."""
        for task in self._shared["tasks"].values():
            for answer in task["annotations"]:
                if answer["id"] == number:
                    answer.update(changes, updated_by=self._email, updated_at=self._touch(task["id"]))

    def delete(self, number: int, *, unnoticed: bool = False) -> None:
        """Delete an answer, as anybody may; ``unnoticed`` leaves the task's time as it is."""
        for task in self._shared["tasks"].values():
            kept = [answer for answer in task["annotations"] if answer["id"] != number]
            if len(kept) != len(task["annotations"]) and not unnoticed:
                self._touch(task["id"])
            task["annotations"] = kept

    def changes(self, project_id: int, since: str) -> list[LabellerChange]:
        return [
            LabellerChange(task_id=task["id"], changed_at=task["updated_at"])
            for task in self._of(project_id)
            if task["updated_at"] >= since
        ]

    def count_answers(self, project_id: int) -> int:
        return sum(task.answers + task.skips for task in self.tasks(project_id))

    def export(self, project_id: int, task_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        keep = ("id", "data", "annotations", "updated_at")
        wanted = [task for task in self._of(project_id) if task_ids is None or task["id"] in task_ids]
        return [copy.deepcopy({key: task[key] for key in keep}) for task in wanted if task["annotations"]]


def check_contract(labeller: Labeller, media_root: Path, acting_as: Callable[[str], Labeller]) -> None:
    """Hold a `Labeller` to what the port promises; the server may hold other projects."""
    title = "Contract"
    assert labeller.find_project(title) is None
    project = labeller.ensure_project(title, label_config=XML, instructions="<p>a</p>", overlap=2)
    assert labeller.ensure_project(title, label_config=XML, instructions="<p>b</p>", overlap=2) == project
    assert labeller.find_project(title) == project
    folder = media_root / "contract"
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        labeller.ensure_media(project, [folder])

    box = {"x": 1.5, "y": 2.25, "width": 3.125, "height": 4.0625, "rotation": 0, "rectanglelabels": ["part.barrel"]}
    result = {"id": "r1", "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": box}
    result |= {"original_width": 80, "original_height": 60, "image_rotation": 0}
    prediction = {"model_version": "import-1", "result": [result]}
    tasks = [{"data": {"image": f"/data/local-files/?d=contract/{n}.jpg", "sha256": f"{n}" * 64}} for n in "abc"]
    tasks[0]["predictions"] = [prediction]
    assert labeller.tasks(project) == []
    assert labeller.import_tasks(project, tasks) == 3
    assert labeller.import_tasks(project, []) == 0
    listed = {task.sha256[0]: task for task in labeller.tasks(project)}
    assert {key: (task.predictions, task.answers) for key, task in listed.items()} == {
        "a": (1, 0),
        "b": (0, 0),
        "c": (0, 0),
    }
    labeller.import_predictions(project, [{"task": listed["b"].task_id, **prediction}])
    assert {task.sha256[0]: task.predictions for task in labeller.tasks(project)} == {"a": 1, "b": 1, "c": 0}
    labeller.import_predictions(project, [{"task": listed["b"].task_id, **prediction, "model_version": "import-2"}])
    seen = {task.sha256[0]: set(task.models) for task in labeller.tasks(project)}
    assert seen == {"a": {"import-1"}, "b": {"import-1", "import-2"}, "c": set()}
    for _ in range(2):
        labeller.show_suggestions(project, "import-2")

    assert labeller.export(project) == []
    first, second = "first@example.org", "second@example.org"
    acting_as(first).answer(listed["c"].task_id, [result], lead_time_s=2.5)
    acting_as(second).answer(listed["c"].task_id, [], lead_time_s=1.0)
    (task,) = labeller.export(project)
    assert task["data"]["sha256"] == "c" * 64
    answers = {answer["completed_by"]: answer for answer in task["annotations"]}
    assert set(answers) == {first, second}
    assert answers[first]["result"][0]["value"] == box
    assert answers[first]["lead_time"] == 2.5
    assert answers[second]["result"] == []
    assert {task.sha256[0]: task.answers for task in labeller.tasks(project)} == {"a": 0, "b": 0, "c": 2}

    moved = {"image": "/data/local-files/?d=contract/covered.jpg", "sha256": "c" * 64}
    labeller.update_task(listed["c"].task_id, moved)
    (again,) = (task for task in labeller.tasks(project) if task.sha256[0] == "c")
    assert (again.task_id, again.image, again.answers) == (listed["c"].task_id, moved["image"], 2)
    (task,) = labeller.export(project)
    assert (task["data"], len(task["annotations"])) == (moved, 2)

    extra = {"image": tasks[0]["data"]["image"], "sha256": "d" * 64, "dispute": "dispute-1"}
    labeller.import_tasks(project, [{"data": extra}])
    (asked,) = (task for task in labeller.tasks(project) if task.dispute)
    assert (asked.dispute, asked.sha256[0]) == ("dispute-1", "d")
    labeller.remove_untouched(project, [asked.task_id])
    _check_changes(labeller, project, listed, acting_as(first), result)


def _check_changes(
    labeller: Labeller, project: int, listed: Mapping[str, LabellerTask], session: Labeller, result: dict[str, Any]
) -> None:
    """Hold a `Labeller` to what it says of changes, of parts of an export, and of removing what nobody touched."""
    assert labeller.count_answers(project) == 2
    everything = labeller.changes(project, "")
    assert [change.task_id for change in everything] == sorted(task.task_id for task in listed.values())
    latest = max(change.changed_at for change in everything)
    assert {change.task_id for change in labeller.changes(project, latest)} == {listed["c"].task_id}
    session.answer(listed["a"].task_id, [result], lead_time_s=1.0)
    assert listed["a"].task_id in {change.task_id for change in labeller.changes(project, latest)}
    assert labeller.count_answers(project) == 3
    (only,) = labeller.export(project, [listed["a"].task_id, listed["b"].task_id])
    assert only["id"] == listed["a"].task_id
    assert only["updated_at"] >= latest
    assert labeller.export(project, []) == []
    (answer,) = only["annotations"]
    assert answer["completed_by"] == answer["updated_by"] == "first@example.org"
    labeller.remove_untouched(project, [task.task_id for task in listed.values()])
    assert {task.sha256[0] for task in labeller.tasks(project)} == {"a", "c"}
    assert labeller.count_answers(project) == 3

    described = labeller.ensure_project(
        "Described", label_config=XML, instructions="", overlap=1, suggestions=False, description="said"
    )
    labeller.ensure_project("Described", label_config=XML, instructions="", overlap=1, suggestions=False)
    (told,) = (each for each in labeller.projects() if each.project_id == described)
    assert (told.title, told.description) == ("Described", "said")
    assert [each.project_id for each in labeller.projects()] == sorted(each.project_id for each in labeller.projects())
