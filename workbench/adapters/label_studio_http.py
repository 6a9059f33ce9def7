"""Label Studio, asked plainly over HTTP: listings and what the SDK has no call for, and every refusal in our words.

A listing through the SDK costs many times as much, since it makes an object of each task.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.domain.findings import Busy, WorkbenchError, busy, refused

if TYPE_CHECKING:  # importing it takes a tenth of a second
    import httpx

#: Seconds before an unanswered request counts as lost; the export of a large project takes minutes.
TIMEOUT_S = 300.0

#: Tasks in one page of a listing.
_PAGE = 5000

#: Tasks that one request names; their numbers stand in its address.
NAMED = 500

#: How often a question that changes nothing is asked, and how long is waited before it is asked again.
_TRIES = 3
_PAUSE_S = 0.3

_SERVER_ERRORS = 500


class Plain:
    """Requests to one server with one user's token."""

    def __init__(self, url: str, connections: httpx.Client, headers: Callable[[], dict[str, str]]) -> None:
        """Keep where to ask and how."""
        self._url, self._connections, self._headers = url, connections, headers

    def send(self, method: str, path: str, asked: Mapping[str, Any], body: object = None) -> Any:
        """Send one request; return the JSON of its answer. What only reads is asked again if the server stumbles.

        Raises
        ------
        Busy
            ``labelling.server-away``.
        Refused
            ``labelling.server-refused``.

        """
        tries = _TRIES if method == "GET" else 1
        while True:
            tries -= 1
            try:
                return self._send(method, path, asked, body)
            except Busy as error:
                if not tries or _lasting(error):
                    raise
                time.sleep(_PAUSE_S)

    def _send(self, method: str, path: str, asked: Mapping[str, Any], body: object) -> Any:
        with told(self._url):
            address = f"{self._url.rstrip('/')}{path}"
            answer = self._connections.request(method, address, params=dict(asked), json=body, headers=self._headers())
            answer.raise_for_status()
        try:
            return json.loads(answer.content) if answer.content else None
        except ValueError as error:
            raise busy(
                "labelling.server-away",
                f"Label Studio at {self._url}",
                "sent an answer that cannot be read.",
                "See what listens there, then repeat the command.",
            ) from error

    def tasks(self, project_id: int, fields: str, *where: tuple[str, str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a project's tasks by id, each page after the last id seen: none is missed while others come or go."""
        last = 0
        while True:
            query = {"filters": filters(("id", "greater", last), *where), "ordering": ["tasks:id"]}
            asked = {"project": project_id, "page_size": _PAGE, "fields": "all", "include": fields}
            page = self.send("GET", "/api/tasks/", {**asked, "query": json.dumps(query)})["tasks"]
            yield from page
            if len(page) < _PAGE:
                return
            last = int(page[-1]["id"])

    def listed(self, path: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what a numbered listing holds."""
        number, more = 1, True
        while more:
            page = self.send("GET", path, {**asked, "page": number})
            yield from page["results"]
            number, more = number + 1, bool(page["next"])


def _lasting(error: Busy) -> bool:
    """Say whether asking again at once is of no use: nobody listens, or nobody answers in time."""
    import httpx

    return isinstance(error.__cause__, httpx.TimeoutException | httpx.ConnectError)


@contextmanager
def told(url: str) -> Iterator[None]:
    """Say in the workbench's words why the server did not do what it was asked."""
    import httpx

    try:
        yield
    except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL) as error:
        raise busy(
            "labelling.server-away",
            f"Label Studio at {url}",
            f"does not answer ({type(error).__name__}).",
            "Start it with `workbench up`, then repeat the command.",
        ) from error
    except httpx.HTTPStatusError as error:
        raise failure(url, error.response.status_code, error.response.text) from error


def failure(url: str, status: int, body: str) -> WorkbenchError:
    """Return what an answer of the server other than success means."""
    subject = f"Label Studio at {url}"
    if status >= _SERVER_ERRORS:
        remedy = "Look at its log, restart it with `workbench up`, then repeat the command."
        return busy("labelling.server-away", subject, f"failed with status {status}.", remedy)
    remedy = "Correct what it names, then repeat the command."
    if status in (401, 403):
        remedy = "Its access token is wrong or expired: restart it with `workbench up`."
    return refused("labelling.server-refused", subject, f"said {status}: {body[:300]}.", remedy)


def reason(body: Any) -> str:
    """Return what an error answer says, without its identifiers and versions."""
    if not isinstance(body, dict):
        return str(body)
    return str(body.get("validation_errors") or body.get("detail") or body)


def filters(*where: tuple[str, str, Any]) -> dict[str, Any]:
    """Return conditions on tasks (column, operator, value) that must all hold, as the data manager has them."""
    kinds: dict[type, str] = {int: "Number", str: "Datetime"}
    items = [
        {"filter": f"filter:tasks:{column}", "operator": how, "type": kinds[type(value)], "value": value}
        for column, how, value in where
    ]
    return {"conjunction": "and", "items": items}


def sign_up(browser: Any, invitation: str, email: str, password: str) -> None:
    """Register a user through the invitation link, as a person would."""
    path = invitation[invitation.index("/user/signup") :] if "/user/signup" in invitation else invitation
    _post_form(browser, path, {"email": email, "password": password, "allow_newsletters": "false"})


def log_in(browser: Any, email: str, password: str) -> None:
    """Log a user in, as a person would."""
    _post_form(browser, "/user/login/", {"email": email, "password": password, "persist_session": "on"})


def _post_form(browser: Any, path: str, fields: Mapping[str, str]) -> None:
    browser.get(path).raise_for_status()
    token = browser.cookies.get("csrftoken") or ""
    browser.post(path, data={**fields, "csrfmiddlewaretoken": token}, headers={"Referer": str(browser.base_url)})
