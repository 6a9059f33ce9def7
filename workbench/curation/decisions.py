"""What curators decided about photographs: an append-only list of attributed decisions, and what follows from it.

The list is text, a JSON object a line, so that git and people can read a change of it. Each line holds the SHA-256 of
all lines before it: a line altered, removed or slipped in is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from workbench.domain.findings import Refused, refused
from workbench.domain.lineage import canonical_json

#: The list's name in data/04_decisions.
NAME = "decisions.jsonl"


class Action(StrEnum):
    """What a curator may decide."""

    EXCLUDE = "exclude"
    KEEP = "keep"
    GROUP = "group"
    RELABEL = "relabel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision about one or more photographs.

    Parameters
    ----------
    action
        ``exclude`` leaves them out; ``relabel`` sends them back to labelling and leaves them out until ``keep``;
        ``keep`` takes either back; ``group`` puts them into one group, for good.
    image_ids
        The photographs, sorted.
    reason, actor, decided_at
        Why, who, and when (ISO 8601, UTC).

    """

    action: Action
    image_ids: tuple[str, ...]
    reason: str
    actor: str
    decided_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the decisions come to: why photographs are left out, what belongs together, how often each was sent back."""

    excluded: Mapping[str, str]
    together: tuple[tuple[str, str], ...]
    sent_back: Mapping[str, int]


def standing(decisions: Iterable[Decision]) -> Standing:
    """Return what decisions come to, in their order; the latest word about a photograph counts."""
    excluded: dict[str, str] = {}
    together: list[tuple[str, str]] = []
    sent_back: dict[str, int] = {}
    for decision in decisions:
        ids = decision.image_ids
        if decision.action is Action.GROUP:
            together += [(ids[0], other) for other in ids[1:]]
        for image_id in ids:
            if decision.action is Action.EXCLUDE:
                excluded[image_id] = f"excluded by {decision.actor}: {decision.reason}"
            elif decision.action is Action.RELABEL:
                excluded[image_id] = f"sent back to labelling by {decision.actor}: {decision.reason}"
                sent_back[image_id] = sent_back.get(image_id, 0) + 1
            elif decision.action is Action.KEEP:
                excluded.pop(image_id, None)
    return Standing(excluded=excluded, together=tuple(together), sent_back=sent_back)


def read_decisions(folder: Path) -> list[Decision]:
    """Return the decisions in data/04_decisions, oldest first; none where there is no list.

    Raises
    ------
    Refused
        ``curation.decisions-altered``.

    """
    path = folder / NAME
    if not path.is_file():
        return []
    digest, found = hashlib.sha256(), []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            record = json.loads(line)
            if record.pop("after") != digest.hexdigest() or not line.endswith(b"\n"):
                raise _altered(path, number)
            found.append(
                Decision(**{**record, "action": Action(record["action"]), "image_ids": tuple(record["image_ids"])})
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _altered(path, number) from error
        digest.update(line)
    return found


def ensure_list(folder: Path) -> bool:
    """Make an empty list where there is none; say whether one was made."""
    path = folder / NAME
    if path.is_file():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    path.touch()
    return True


def append_decision(folder: Path, decision: Decision) -> None:
    """Append a decision; the file appears whole or not at all. The caller holds the workspace's ``curation`` lock.

    Raises
    ------
    Refused
        ``curation.decisions-altered`` if what stands there is not as it was written.

    """
    read_decisions(folder)
    path = folder / NAME
    before = path.read_bytes() if path.is_file() else b""
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, before + _line(decision, after=before))


def _line(decision: Decision, *, after: bytes) -> bytes:
    record = {**asdict(decision), "after": hashlib.sha256(after).hexdigest()}
    return canonical_json(record).encode() + b"\n"


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def rewrite_without(folder: Path, gone: Collection[str], blank: Callable[[str], str]) -> None:
    """Write the list anew without photographs that were withdrawn; the file is replaced whole or not at all.

    This is the one exception to a list that only grows: what a partner takes back must not be spoken of. Decisions that
    speak of no other photograph go; the others stay in their order, under hashes of the list as it is now.

    Parameters
    ----------
    gone
        The withdrawn image_ids.
    blank
        Puts identifiers of what was withdrawn out of a reason.

    Raises
    ------
    Refused
        ``curation.decisions-altered`` if what stands there is not as it was written.

    """
    lines = b""
    for decision in read_decisions(folder):
        left = tuple(image_id for image_id in decision.image_ids if image_id not in gone)
        if not left or (decision.action is Action.GROUP and len(left) == 1):
            continue
        lines += _line(replace(decision, image_ids=left, reason=blank(decision.reason)), after=lines)
    _write(folder / NAME, lines)


def require_known(image_ids: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return full ids for ids given whole or by their first characters (8 or more), sorted.

    Raises
    ------
    Refused
        ``curation.unknown-image`` if one names no photograph, or several.

    """
    everything, found = sorted(set(known)), set()
    for given in image_ids:
        fits = [image_id for image_id in everything if image_id.startswith(given)] if len(given) >= 8 else []  # noqa: PLR2004 -- fewer characters soon name several
        if len(fits) != 1:
            raise refused(
                "curation.unknown-image",
                given,
                f"names {len(fits) or 'no'} photograph{'s' if len(fits) > 1 else ''} that curation knows.",
                "Give the image_id as data/04_curation/images.parquet has it, or its first 8 characters or more.",
            )
        found.add(fits[0])
    return tuple(sorted(found))


def _altered(path: Path, number: int) -> Refused:
    return refused(
        "curation.decisions-altered",
        f"{path.parent.name}/{path.name} line {number}",
        "is not what was appended there.",
        "Restore the list with `dvc checkout data/04_decisions.dvc`; never edit it, take a decision back with `keep`.",
    )
