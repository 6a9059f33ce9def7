"""Answers from every place of a labelling project put together: what is frozen already, and what was fetched anew."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.domain.annotation import Pass
from workbench.domain.campaign import Campaign
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.labelling.editions import Edition, edition_at, read_editions
from workbench.labelling.fetch import Mark, Place, fetch_place
from workbench.labelling.history import Seen
from workbench.labelling.snapshot import canonical_export, write_text
from workbench.ports import Labeller


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """All answers as they are now.

    Parameters
    ----------
    export
        Every answered task, canonical.
    seen
        What was fetched now, for the history.
    marks
        How far each place is known now, by title.
    fetched, whole
        How many tasks were fetched, and whether those were all.

    """

    export: list[dict[str, Any]]
    seen: tuple[Seen, ...]
    marks: Mapping[str, Mark]
    fetched: int
    whole: bool


def pull_answers(
    server: Labeller,
    places: Iterable[Place],
    *,
    frozen: Sequence[Mapping[str, Any]],
    marks: Mapping[str, Mark],
    pseudonym: Callable[[str], str],
) -> Pulled:
    """Return every answer of the places, fetching only what was touched since the marks.

    Parameters
    ----------
    frozen
        The canonical export that the marks belong to.

    """
    by_place: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for task in frozen:
        by_place[str(task["place"])][int(task["id"])] = task
    export: list[dict[str, Any]] = []
    seen, now, fetched = [], {}, []
    for place in places:
        had = by_place[place.title]
        counts = {task_id: len(task["annotations"]) for task_id, task in had.items()}
        got = fetch_place(server, place, counts, marks.get(place.title))
        editions = read_editions(place.on_server.description)
        fresh = [_placed(task, place, editions) for task in got.fresh]
        clean = {int(task["id"]): task for task in canonical_export(fresh, pseudonym)}
        kept = {} if got.whole else {t: task for t, task in had.items() if t not in clean and t not in got.gone}
        export += [_valued(task, place.campaign) for task in (kept | clean).values()]
        looked_at = None if got.whole else frozenset(clean) | got.gone
        seen.append(Seen(place=place.title, tasks=got.fresh, editions=editions, looked_at=looked_at))
        now[place.title] = got.mark
        fetched.append(got)
    return Pulled(
        export=sorted(export, key=lambda task: int(task["id"])),
        seen=tuple(seen),
        marks=now,
        fetched=sum(len(got.fresh) for got in fetched),
        whole=all(got.whole for got in fetched),
    )


def _placed(task: Mapping[str, Any], place: Place, editions: Sequence[Edition]) -> dict[str, Any]:
    """Return a task with where it lies, and its answers with what they were given under."""
    answers = []
    for answer in task["annotations"]:
        edition = edition_at(editions, str(answer.get("updated_at") or answer["created_at"]))
        under = {"guide_version": edition.guide, "taxonomy_version": edition.taxonomy} if edition else {}
        answers.append({**answer, **under})
    whose = {}
    if place.campaign and place.desk:
        whose = {"campaign": place.campaign.name, "labeller": place.desk.seat.name}
    return {**task, "annotations": answers, "place": place.title, **whose}


def _valued(task: Mapping[str, Any], campaign: Campaign | None) -> dict[str, Any]:
    """Return a task with what its answers are worth by the campaign's file as it is now: a check, a review, or blind."""
    valued = {key: value for key, value in task.items() if key != "shown"}
    if campaign is not None and task["data"].get("sha256") in campaign.gold.photographs:
        valued["shown"] = Pass.GOLD.value
    elif campaign is not None and not campaign.blind:
        valued["shown"] = Pass.REVIEW.value
    return valued


def read_frozen(folder: Path, state: Path) -> tuple[list[dict[str, Any]], dict[str, Mark]]:
    """Return the canonical export of the last pull and how far each place was known; nothing if they do not belong together.

    Parameters
    ----------
    folder
        The snapshot, data/02_labelling/<project>.
    state
        What the last pull left in .workbench.

    """
    try:
        known = json.loads(state.read_text(encoding="utf-8"))
        data = (folder / "export.json").read_bytes()
        if known["export"] != sha256_hex(data):
            return [], {}
        marks = {
            title: Mark(
                project_id=int(mark["project_id"]),
                made_at=str(mark["made_at"]),
                touched={int(task_id): str(moment) for task_id, moment in mark["touched"].items()},
            )
            for title, mark in known["marks"].items()
        }
        return json.loads(data), marks
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [], {}  # half a state, or none: everything is fetched


def write_marks(state: Path, marks: Mapping[str, Mark], *, export_sha256: str) -> None:
    """Write how far each place is known, with the hash of the export that this belongs to."""
    state.parent.mkdir(parents=True, exist_ok=True)
    told = {title: asdict(mark) for title, mark in marks.items()}
    for mark in told.values():
        mark["touched"] = {str(task_id): moment for task_id, moment in mark["touched"].items()}
    write_text(state, canonical_json({"export": export_sha256, "marks": told}) + "\n")
