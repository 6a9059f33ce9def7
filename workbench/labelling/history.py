"""Every version of every answer: what is new is added, what was edited or deleted behind our back is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.findings import Finding, Severity
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.labelling.editions import Edition, edition_at
from workbench.labelling.exchange import short_id

NAME = "history.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was looked at in a place of the server: its tasks, or some of them, with their answers as they are now.

    Parameters
    ----------
    place
        The project's title on the server.
    tasks
        As `Labeller.export` returns them.
    editions
        What labellers had before them there, and since when.
    looked_at
        Numbers of tasks that were looked at, answered or not: what they held before and do not now is gone. None: all.

    """

    place: str
    tasks: Sequence[Mapping[str, Any]]
    editions: Sequence[Edition] = ()
    looked_at: frozenset[int] | None = None


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the versions known so far, oldest first; none before the first pull."""
    path = folder / NAME
    return tables.read_rows(path, tables.ANSWER_HISTORY) if path.is_file() else []


def plan_versions(
    known: Iterable[Mapping[str, Any]],
    seen: Iterable[Seen],
    *,
    project: str,
    pseudonym: Callable[[str], str],
    now: str,
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the versions to be added, and what happened to answers after they were pulled.

    Parameters
    ----------
    known
        Rows of `tables.ANSWER_HISTORY`.
    now
        When a deletion counts as found: the server does not say when it happened.

    """
    latest = {row["annotation_id"]: row for row in known}
    added: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for look in seen:
        here = set()
        for of, answer in ((task, answer) for task in look.tasks for answer in task["annotations"]):
            row = _version(of, answer, look, project=project, pseudonym=pseudonym)
            here.add(row["annotation_id"])
            before = latest.get(row["annotation_id"])
            if before is not None and before["digest"] == row["digest"]:
                continue
            row["version"] = before["version"] + 1 if before else 1
            row["event"] = "skipped" if answer["was_cancelled"] else "edited" if before else "given"
            added.append(row)
            findings += _told(row, before)
        for before in [row for row in latest.values() if _gone(row, look, here)]:
            nothing = {"event": "deleted", "changed_by": None, "changed_at": now, "result": None}
            added.append({**before, **nothing, "version": before["version"] + 1, "digest": _digest("deleted")})
            findings.append(_deleted(before))
    added.sort(key=lambda row: (row["changed_at"], row["annotation_id"], row["version"]))
    return added, findings


def write_history(folder: Path, known: Sequence[Mapping[str, Any]], added: Sequence[Mapping[str, Any]]) -> None:
    """Write the versions known and added; nothing is written where nothing is added."""
    if added or not (folder / NAME).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        tables.write_table(folder / NAME, tables.ANSWER_HISTORY, [dict(row) for row in (*known, *added)])


def _version(
    task: Mapping[str, Any], answer: Mapping[str, Any], look: Seen, *, project: str, pseudonym: Callable[[str], str]
) -> dict[str, Any]:
    image_id = str(task["data"].get("sha256"))
    annotator, changed_by = pseudonym(str(answer["completed_by"])), answer.get("updated_by")
    changed_at = str(answer.get("updated_at") or answer["created_at"])
    edition = edition_at(look.editions, changed_at)
    result = canonical_json(answer["result"] or [])
    return {
        "annotation_id": short_id(project, image_id, str(answer.get("unique_id") or answer["id"])),
        "version": 0,
        "event": "",
        "image_id": image_id,
        "task_id": int(task["id"]),
        "project": project,
        "place": look.place,
        "annotator": annotator,
        "changed_by": pseudonym(str(changed_by)) if changed_by else None,
        "given_at": str(answer["created_at"]),
        "changed_at": changed_at,
        "lead_time_s": answer.get("lead_time"),
        "guide_version": edition.guide if edition else None,
        "taxonomy_version": edition.taxonomy if edition else None,
        "result": result,
        "digest": _digest("skipped" if answer["was_cancelled"] else "given", annotator, result),
    }


def _digest(*words: str) -> str:
    return sha256_hex("\x00".join(words).encode())


def _gone(row: Mapping[str, Any], look: Seen, here: set[str]) -> bool:
    """Say whether an answer that was there is not any more."""
    if row["place"] != look.place or row["event"] == "deleted" or row["annotation_id"] in here:
        return False
    return look.looked_at is None or row["task_id"] in look.looked_at


def _told(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Finding]:
    """Return what is worth telling of a new version: somebody else's hand, or a change after it was pulled."""
    whose, hand = row["annotator"], row["changed_by"]
    severity = Severity.WARNING
    if before and before["annotator"] != whose:
        message = f"was {before['annotator']}'s and is now said to be {whose}'s; {_hand(hand)} wrote that."
    elif hand is not None and hand != whose:
        message = f"is {whose}'s and was written last by {hand}."
    elif before:
        message, severity = f"was changed by {whose} after it was pulled.", Severity.NOTE
    else:
        return []
    remedy = "The newest version counts; every version is kept in history.parquet."
    return [
        Finding(
            code="labelling.answer-edited", subject=_subject(row), message=message, remedy=remedy, severity=severity
        )
    ]


def _hand(pseudonym: str | None) -> str:
    return pseudonym or "somebody unknown"


def _deleted(row: Mapping[str, Any]) -> Finding:
    return Finding(
        code="labelling.answer-deleted",
        subject=_subject(row),
        message=f"of {row['annotator']} is no longer in Label Studio.",
        remedy="It does not count any more, and is kept in history.parquet; ask who deleted it.",
        severity=Severity.WARNING,
    )


def _subject(row: Mapping[str, Any]) -> str:
    return f"answer {row['annotation_id']} about photograph {row['image_id'][:12]} in {row['place']}"
