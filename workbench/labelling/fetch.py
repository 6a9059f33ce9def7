"""What people answered, fetched from the server: everything the first time, then only what was touched since.

Tasks tell when they were touched, by answering, editing or deleting. What slips by that, as a change of the database by
hand, shows in the count of all answers: where it differs from what is known, everything is fetched again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.domain.campaign import Campaign, Desk
from workbench.ports import Labeller, LabellerProject

#: Seconds before the last known change from which changes are asked for again: a request may write its time down
#: before, and be done after, one that was seen.
_MARGIN_S = 30

#: How often what changed is fetched before everything is: labellers go on answering meanwhile.
_ROUNDS = 3

_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project on the server that holds answers of a labelling project: the one for all, or somebody's desk."""

    on_server: LabellerProject
    campaign: Campaign | None = None
    desk: Desk | None = None

    @property
    def title(self) -> str:
        """The project's name on the server."""
        return self.on_server.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a place is known: its number and birth on the server, and when each known task was last touched."""

    project_id: int
    made_at: str
    touched: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a place holds now.

    Parameters
    ----------
    fresh
        Tasks fetched now, as `Labeller.export` returns them.
    gone
        Known tasks that have no answer any more.
    whole
        Whether everything was fetched.
    mark
        How far the place is known now.

    """

    fresh: Sequence[Mapping[str, Any]]
    mark: Mark
    gone: frozenset[int] = field(default_factory=frozenset)
    whole: bool = False


def find_places(
    projects: Iterable[LabellerProject], title: str, campaigns: Iterable[Campaign], known: Iterable[str] = ()
) -> list[Place]:
    """Return where answers may lie: the project of that title, and every desk of the campaigns that is on the server.

    Where several projects have one title, because making one was repeated while the server still worked on the first, all
    are looked at, the younger ones under their title and number. ``known`` are places that answers were pulled from
    before: they are looked at though the file of their campaign is gone.
    """
    campaigns, oldest = list(campaigns), set[str]()
    places: dict[str, Place] = {}
    asked = set(known)
    for project in projects:
        named = (
            project if project.title not in oldest else replace(project, title=f"{project.title} #{project.project_id}")
        )
        oldest.add(project.title)
        of = [(campaign, desk) for campaign in campaigns if (desk := campaign.desk(project.title)) is not None]
        if of:
            places[named.title] = Place(on_server=named, campaign=of[0][0], desk=of[0][1])
        elif project.title == title or named.title in asked:
            places[named.title] = Place(on_server=named)
    return list(places.values())


def fetch_place(server: Labeller, place: Place, known: Mapping[int, int], mark: Mark | None) -> Fetched:
    """Return what a place holds now, with as little asking as can be.

    Parameters
    ----------
    known
        How many answers, skips among them, each known task has.
    mark
        How far it was known; None fetches everything.

    """
    project_id, made_at = place.on_server.project_id, place.on_server.made_at
    if mark is not None and (mark.project_id, mark.made_at) == (project_id, made_at) and any(mark.touched.values()):
        fetched = _fetch_changed(server, known, mark)
        if fetched is not None:
            return fetched
    everything = server.export(project_id)
    touched = {int(task["id"]): str(task.get("updated_at") or "") for task in everything}
    mark = Mark(project_id=project_id, made_at=made_at, touched=touched)
    return Fetched(fresh=everything, mark=mark, whole=True)


def _fetch_changed(server: Labeller, known: Mapping[int, int], mark: Mark) -> Fetched | None:
    """Return what was touched since the mark; None if that does not account for all answers that are there."""
    touched, counts = dict(mark.touched), dict(known)
    fresh: dict[int, Mapping[str, Any]] = {}
    for _ in range(_ROUNDS):
        changed = {c.task_id: c.changed_at for c in server.changes(mark.project_id, _earlier(max(touched.values())))}
        news = sorted(task_id for task_id, moment in changed.items() if touched.get(task_id) != moment)
        found = {int(task["id"]): task for task in server.export(mark.project_id, news)} if news else {}
        for task_id in news:
            fresh.pop(task_id, None)
            counts[task_id] = len(found[task_id]["annotations"]) if task_id in found else 0
        fresh |= found
        touched |= changed
        if sum(counts.values()) == server.count_answers(mark.project_id):
            gone = {task_id for task_id in known if touched.get(task_id) != mark.touched.get(task_id)} - fresh.keys()
            now = Mark(project_id=mark.project_id, made_at=mark.made_at, touched=touched)
            return Fetched(fresh=list(fresh.values()), mark=now, gone=frozenset(gone))
    return None


def _earlier(moment: str) -> str:
    """Return a moment the margin before another, in the form that the server's filters read."""
    known = dt.datetime.fromisoformat(moment)
    return (known - dt.timedelta(seconds=_MARGIN_S)).astimezone(dt.UTC).strftime(_MOMENT)
