"""A labelling server in memory, and the contract that it and the real one keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.ports import Labeller, LabellerTask

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

    def find_project(self, title: str) -> int | None:
        found = [number for number, project in self._shared["projects"].items() if project["title"] == title]
        return min(found, default=None)

    def ensure_project(self, title: str, *, label_config: str, instructions: str, overlap: int) -> int:
        number = self.find_project(title) or len(self._shared["projects"]) + 1
        self._shared["projects"][number] = {
            "title": title,
            "label_config": label_config,
            "instructions": instructions,
            "overlap": overlap,
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
                answers=len(task["annotations"]),
                image=task["data"]["image"],
                models=tuple(dict.fromkeys(one["model_version"] for one in task["predictions"])),
            )
            for task in self._of(project_id)
        ]

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        for task in tasks:
            number = len(self._shared["tasks"]) + 1
            self._shared["tasks"][number] = {
                "id": number,
                "project": project_id,
                "data": dict(task["data"]),
                "predictions": list(task.get("predictions", ())),
                "annotations": [],
            }
        return len(tasks)

    def update_task(self, task_id: int, data: Mapping[str, Any]) -> None:
        self._shared["tasks"][task_id]["data"] = dict(data)

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:  # noqa: ARG002 -- the port's signature
        for prediction in predictions:
            self._shared["tasks"][prediction["task"]]["predictions"].append(dict(prediction))

    def show_suggestions(self, project_id: int, model_version: str) -> None:
        self._shared["projects"][project_id]["model_version"] = model_version

    def answer(self, task_id: int, results: Sequence[Mapping[str, Any]], *, lead_time_s: float) -> int:
        self._shared["answers"] += 1
        number = int(self._shared["answers"])
        self._shared["tasks"][task_id]["annotations"].append(
            {
                "id": number,
                "unique_id": f"answer-{number}",
                "completed_by": self._email,
                "created_at": f"2026-01-01T00:00:{number:02d}.000000Z",
                "lead_time": lead_time_s,
                "was_cancelled": False,
                "result": [dict(result) for result in results],
            }
        )
        return number

    def export(self, project_id: int) -> list[dict[str, Any]]:
        keep = ("id", "data", "annotations")
        return [{key: task[key] for key in keep} for task in self._of(project_id) if task["annotations"]]


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
