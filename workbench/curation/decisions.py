"""What curators decided about photographs: an append-only list of attributed decisions, and what follows from it.

The list is text, a JSON object a line, so that git and people can read a change of it. Each line holds the SHA-256 of
all lines before it: a line altered, removed or slipped in is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
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
    record = {**asdict(decision), "after": hashlib.sha256(before).hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(before + canonical_json(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


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
