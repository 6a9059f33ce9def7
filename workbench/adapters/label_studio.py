"""Label Studio, over its own SDK: projects, tasks, pre-annotations and answers. Nothing is decided here.

Label Studio accepts any result, serves a local file only where a Local Files storage covers its folder, and numbers
its own tasks; a photograph is known by ``data.sha256`` alone.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.adapters.label_studio_http import (
    NAMED,
    TIMEOUT_S,
    Plain,
    failure,
    log_in,
    reason,
    sign_up,
    told,
)
from workbench.ports import LabellerChange, LabellerProject, LabellerTask

#: Tasks in one request; the server writes about a thousand in a second.
CHUNK = 2000

_TASK_FIELDS = "id,data,total_annotations,total_predictions,predictions_model_versions,cancelled_annotations,draft_exists,created_at"


def config_problem(xml: str) -> str | None:
    """Return what Label Studio's own check says against a labelling configuration, None if nothing."""
    from label_studio_sdk.label_interface import LabelInterface

    try:
        LabelInterface(xml).validate()
    except Exception as error:  # noqa: BLE001 -- the SDK raises whatever its parsers raise
        return f"{error}" or type(error).__name__
    return None


class LabelStudioServer:
    """A Label Studio server, as the `Labeller` of `workbench.ports`."""

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Name the server and the access token of the user to act as; nothing is asked yet."""
        import httpx
        from label_studio_sdk import LabelStudio

        self.url = url
        # The SDK never closes the client it makes: this one closes with the object.
        connections = httpx.Client(timeout=timeout_s, follow_redirects=True)
        weakref.finalize(self, connections.close)
        with self._asked():
            self._client = LabelStudio(base_url=url, api_key=token, httpx_client=connections, max_retries=0)
        # The SDK has no public way to be asked plainly; its wrapper knows how the token is sent.
        self._plain = Plain(url, connections, self._client._client_wrapper.get_headers)  # noqa: SLF001 -- see above

    def projects(self) -> list[LabellerProject]:
        """Return all projects, oldest first."""
        listed = self._plain.listed("/api/projects/", {"include": "id,title,description,created_at", "page_size": 100})
        found = [
            LabellerProject(
                project_id=int(project["id"]),
                title=str(project["title"]),
                description=str(project.get("description") or ""),
                made_at=str(project.get("created_at") or ""),
            )
            for project in listed
        ]
        return sorted(found, key=lambda project: project.project_id)

    def find_project(self, title: str) -> int | None:
        """Return the id of the oldest project of that title, None if there is none."""
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
        """Make the project, or bring it to this config and overlap; return its id."""
        wanted = {
            "label_config": label_config,
            "expert_instruction": instructions,
            "maximum_annotations": overlap,
            "show_instruction": True,
            "show_skip_button": True,
            "enable_empty_annotation": True,
            "show_collab_predictions": suggestions,
            **({} if description is None else {"description": description}),
        }
        project_id = self.find_project(title)
        if project_id is None:
            with self._asked():
                made = int(self._client.projects.create(title=title, **wanted).id)
            # An earlier request whose answer was lost may have made one just before: the oldest is everybody's.
            return self.find_project(title) or made
        with self._asked():
            have = self._client.projects.get(project_id)
            changed = {key: value for key, value in wanted.items() if getattr(have, key, None) != value}
            if changed:
                self._client.projects.update(project_id, **changed)
        return project_id

    def ensure_media(self, project_id: int, folders: Sequence[Path]) -> None:
        """Add a Local Files storage for each folder that has none; it is never synchronised, it only permits."""
        with self._asked():
            have = {storage.path for storage in self._client.import_storage.local.list(project=project_id)}
            for folder in folders:
                if str(folder) not in have:
                    self._client.import_storage.local.create(
                        project=project_id, path=str(folder), title=folder.name, use_blob_urls=True
                    )

    def tasks(self, project_id: int) -> list[LabellerTask]:
        """Return the project's tasks, oldest first, without their answers."""
        return [
            LabellerTask(
                task_id=int(task["id"]),
                sha256=str((task.get("data") or {}).get("sha256", "")),
                predictions=int(task.get("total_predictions") or 0),
                answers=int(task.get("total_annotations") or 0),
                models=tuple(
                    filter(None, map(str.strip, str(task.get("predictions_model_versions") or "").split(",")))
                ),
                image=str((task.get("data") or {}).get("image", "")),
                skips=int(task.get("cancelled_annotations") or 0),
                begun=bool(task.get("draft_exists")),
                made_at=str(task.get("created_at") or ""),
                dispute=str((task.get("data") or {}).get("dispute", "")),
            )
            for task in self._plain.tasks(project_id, _TASK_FIELDS)
        ]

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        """Add tasks, some thousands a request; return how many were added."""
        for chunk in _chunks(tasks):
            self._plain.send("POST", f"/api/projects/{project_id}/import", {}, chunk)
        return len(tasks)

    def update_task(self, task_id: int, data: Mapping[str, Any]) -> None:
        """Put other ``data`` into a task; its answers stay."""
        with self._asked():
            self._client.tasks.update(str(task_id), data=dict(data))

    def remove_untouched(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete those of the tasks that have no answer and no skip; the server filters them when it deletes.

        It looks for answers themselves: its counters lag behind, and stay wrong where it was killed in between.
        """
        nobody = {"filter": "filter:tasks:annotators", "operator": "empty", "type": "List", "value": "true"}
        for start in range(0, len(task_ids), NAMED):
            chosen = {"all": False, "included": list(task_ids[start : start + NAMED])}
            asked = {"selectedItems": chosen, "filters": {"conjunction": "and", "items": [nobody]}}
            self._plain.send("POST", "/api/dm/actions/", {"id": "delete_tasks", "project": project_id}, asked)

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Add pre-annotations to tasks, some thousands a request."""
        with self._asked():
            for chunk in _chunks(predictions):
                self._client.projects.import_predictions(project_id, request=chunk)

    def show_suggestions(self, project_id: int, model_version: str) -> None:
        """Let labellers see the pre-annotations of this model, and of no other.

        A page shows the predictions of the project's own ``model_version`` only, and the server sets it by itself to the
        first that it is given together with tasks: predictions that come later, or of another model, would stay hidden.
        """
        with self._asked():
            if self._client.projects.get(project_id).model_version != model_version:
                self._client.projects.update(project_id, model_version=model_version)

    def changes(self, project_id: int, since: str) -> list[LabellerChange]:
        """Return the tasks touched at or after a moment, in order of id."""
        later = [("updated_at", "greater_or_equal", since)] if since else []
        listed = self._plain.tasks(project_id, "id,updated_at", *later)
        return [LabellerChange(task_id=int(task["id"]), changed_at=str(task["updated_at"])) for task in listed]

    def count_answers(self, project_id: int) -> int:
        """Return how many answers, skips among them, all tasks have together."""
        counts = ("total_annotations_number", "skipped_annotations_number")  # the former is without the latter
        found = self._plain.send("GET", f"/api/projects/{project_id}/", {"include": ",".join(counts)})
        return sum(int(found[name]) for name in counts)

    def export(self, project_id: int, task_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Return the answered tasks, all or those named, with their annotations and their authors' e-mails."""
        asked: list[dict[str, Any]] = [{"exportType": "JSON"}]
        if task_ids is not None:
            chosen = [task_ids[start : start + NAMED] for start in range(0, len(task_ids), NAMED)]
            asked = [{"exportType": "JSON", "ids[]": list(ids)} for ids in chosen]
        tasks = [task for each in asked for task in self._plain.send("GET", f"/api/projects/{project_id}/export", each)]
        emails = self._emails() if tasks else {}
        for task in tasks:
            for annotation in task["annotations"]:
                for key in ("completed_by", "updated_by"):
                    who = annotation.get(key)
                    number = who.get("id") if isinstance(who, dict) else who
                    annotation[key] = emails.get(int(number), f"user-{number}") if number else None
        return tasks

    def _emails(self) -> dict[int, str]:
        return {int(user["id"]): str(user["email"]) for user in self._plain.send("GET", "/api/users/", {})}

    def project_ids(self) -> list[int]:
        """Return the ids of all projects."""
        return [project.project_id for project in self.projects()]

    def delete_tasks(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete tasks with everything answered about them."""
        with self._asked():
            for start in range(0, len(task_ids), CHUNK):
                chosen = {"all": False, "included": list(task_ids[start : start + CHUNK])}
                self._client.actions.create(id="delete_tasks", project=project_id, selected_items=chosen)

    def answer(self, task_id: int, results: Sequence[Mapping[str, Any]], *, lead_time_s: float) -> int:
        """Submit an answer to a task as this token's user; return its number on the server."""
        with self._asked():
            made = self._client.annotations.create(
                id=task_id, result=[dict(result) for result in results], lead_time=lead_time_s
            )
        return int(made.id)

    def ensure_labeller(self, email: str, password: str) -> str:
        """Return the access token of a user, made if there is none: for demonstrations and tests.

        Raises
        ------
        Refused
            ``labelling.server-refused`` if the server gives no token for the user.

        """
        import httpx

        with self._asked(), httpx.Client(base_url=self.url, timeout=TIMEOUT_S, follow_redirects=True) as browser:
            if email not in {user.email for user in self._client.users.list()}:
                # The SDK has no call for the invitation; its wrapper knows how this token is sent.
                answer = browser.get("/api/invite", headers=self._client._client_wrapper.get_headers())  # noqa: SLF001 -- see above
                answer.raise_for_status()
                sign_up(browser, str(answer.json()["invite_url"]), email, password)
            else:
                log_in(browser, email, password)
            answer = browser.get("/api/current-user/token")
            answer.raise_for_status()
            return str(answer.json()["token"])

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Say in the workbench's words why the server did not do what it was asked."""
        from label_studio_sdk.core.api_error import ApiError

        try:
            with told(self.url):
                yield
        except ApiError as error:
            raise failure(self.url, error.status_code or 0, reason(error.body)) from error


def _chunks(items: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(items), CHUNK):
        yield [dict(item) for item in items[start : start + CHUNK]]
