"""Label Studio, over its own SDK: projects, tasks, pre-annotations and answers. Nothing is decided here.

Label Studio accepts any result, serves a local file only where a Local Files storage covers its folder, and numbers
its own tasks; a photograph is known by ``data.sha256`` alone.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.domain.findings import busy, refused
from workbench.ports import LabellerTask

#: Seconds before an unanswered request counts as lost; the export of a large project takes minutes.
TIMEOUT_S = 300.0

#: Tasks in one request; the server writes about a thousand in a second.
CHUNK = 1000

#: Tasks in one page of a listing.
_PAGE = 5000


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

    def find_project(self, title: str) -> int | None:
        """Return the id of the oldest project of that title, None if there is none."""
        with self._asked():
            found = [project for project in self._client.projects.list() if project.title == title]
        return min((int(project.id) for project in found), default=None)

    def ensure_project(self, title: str, *, label_config: str, instructions: str, overlap: int) -> int:
        """Make the project, or bring it to this config and overlap; return its id."""
        wanted = {
            "label_config": label_config,
            "expert_instruction": instructions,
            "maximum_annotations": overlap,
            "show_instruction": True,
            "show_skip_button": True,
            "enable_empty_annotation": True,
            "show_collab_predictions": True,
        }
        project_id = self.find_project(title)
        with self._asked():
            if project_id is None:
                return int(self._client.projects.create(title=title, **wanted).id)
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
        """Return the project's tasks, without their answers."""
        with self._asked():
            listed = self._client.tasks.list(
                project=project_id,
                fields="all",
                include="id,data,total_annotations,total_predictions,predictions_model_versions",
                page_size=_PAGE,
            )
            return [
                LabellerTask(
                    task_id=int(task.id),
                    sha256=str((task.data or {}).get("sha256", "")),
                    predictions=int(task.total_predictions or 0),
                    answers=int(task.total_annotations or 0),
                    image=str((task.data or {}).get("image", "")),
                    models=tuple(filter(None, map(str.strip, str(task.predictions_model_versions or "").split(",")))),
                )
                for task in listed
            ]

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        """Add tasks, a thousand a request; return how many were added."""
        with self._asked():
            for chunk in _chunks(tasks):
                self._client.projects.import_tasks(project_id, request=chunk)
        return len(tasks)

    def update_task(self, task_id: int, data: Mapping[str, Any]) -> None:
        """Put other ``data`` into a task; its answers stay."""
        with self._asked():
            self._client.tasks.update(str(task_id), data=dict(data))

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Add pre-annotations to tasks, a thousand a request."""
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

    def export(self, project_id: int) -> list[dict[str, Any]]:
        """Return the answered tasks with their annotations; each one's ``completed_by`` is the user's e-mail."""
        with self._asked():
            emails = {int(user.id): str(user.email) for user in self._client.users.list()}
            body = b"".join(self._client.projects.exports.download_sync(project_id, export_type="JSON"))
        tasks: list[dict[str, Any]] = json.loads(body)
        for task in tasks:
            for annotation in task["annotations"]:
                author = annotation.get("completed_by")
                number = author.get("id") if isinstance(author, dict) else author
                annotation["completed_by"] = emails.get(int(number or 0), f"user-{number}")
        return tasks

    def project_ids(self) -> list[int]:
        """Return the ids of all projects."""
        with self._asked():
            return [int(project.id) for project in self._client.projects.list()]

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
                _sign_up(browser, str(answer.json()["invite_url"]), email, password)
            else:
                _log_in(browser, email, password)
            answer = browser.get("/api/current-user/token")
            answer.raise_for_status()
            return str(answer.json()["token"])

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Say in the workbench's words why the server did not do what it was asked."""
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise busy(
                "labelling.server-away",
                f"Label Studio at {self.url}",
                f"does not answer ({type(error).__name__}).",
                "Start it with `workbench up`, then repeat the command.",
            ) from error
        except ApiError as error:
            _say(self.url, error.status_code or 0, _reason(error.body), error)
        except httpx.HTTPStatusError as error:
            _say(self.url, error.response.status_code, error.response.text, error)


def _say(url: str, status: int, body: str, cause: Exception) -> None:
    """Raise what an answer of the server other than success means."""
    server_errors = 500
    if status >= server_errors:
        raise busy(
            "labelling.server-away",
            f"Label Studio at {url}",
            f"failed with status {status}.",
            "Look at its log, restart it with `workbench up`, then repeat the command.",
        ) from cause
    remedy = "Correct what it names, then repeat the command."
    if status in (401, 403):
        remedy = "Its access token is wrong or expired: restart it with `workbench up`."
    raise refused(
        "labelling.server-refused", f"Label Studio at {url}", f"said {status}: {body[:300]}.", remedy
    ) from cause


def _reason(body: Any) -> str:
    """Return what an error answer says, without its identifiers and versions."""
    if not isinstance(body, dict):
        return str(body)
    return str(body.get("validation_errors") or body.get("detail") or body)


def _chunks(items: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(items), CHUNK):
        yield [dict(item) for item in items[start : start + CHUNK]]


def _sign_up(browser: Any, invitation: str, email: str, password: str) -> None:
    """Register a user through the invitation link, as a person would."""
    path = invitation[invitation.index("/user/signup") :] if "/user/signup" in invitation else invitation
    _post_form(browser, path, {"email": email, "password": password, "allow_newsletters": "false"})


def _log_in(browser: Any, email: str, password: str) -> None:
    _post_form(browser, "/user/login/", {"email": email, "password": password, "persist_session": "on"})


def _post_form(browser: Any, path: str, fields: Mapping[str, str]) -> None:
    browser.get(path).raise_for_status()
    token = browser.cookies.get("csrftoken") or ""
    browser.post(path, data={**fields, "csrfmiddlewaretoken": token}, headers={"Referer": str(browser.base_url)})
