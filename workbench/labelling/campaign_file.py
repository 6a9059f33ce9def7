"""A campaign's file: read and checked whole, with every problem told at once; written so that people can edit it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.campaign import Campaign, Choice, Exposure, Gold, Order, Seat
from workbench.domain.findings import Finding, Refused, refused
from workbench.labelling.candidates import COLUMNS
from workbench.labelling.query import QueryProblem, read_query

#: Names of campaigns and labellers; together they must fit a Label Studio title.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")

#: What a file may say, part by part, with the kind of each value.
_PARTS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "": {
        "project": str,
        "photographs": dict,
        "overlap": int,
        "blind": bool,
        "labellers": list,
        "gold": dict,
        "exposure": dict,
    },
    "photographs": {"where": str, "order": str, "seed": int, "scores": str, "at_most": int},
    "labellers": {"name": str, "language": str, "sensitive": bool, "at_most": int},
    "gold": {"photographs": list, "share": (int, float)},
    "exposure": {"where": str, "blur": bool, "at_most": int, "at_most_a_day": int},
}


def read_campaign(path: Path, *, projects: Collection[str], languages: Collection[str]) -> Campaign:
    """Return the campaign of a file.

    Parameters
    ----------
    projects
        The folders of label_configs/.
    languages
        The languages that labels can be shown in.

    Raises
    ------
    Refused
        ``labelling.no-campaign`` if there is no such file; ``labelling.campaign-invalid`` with a finding for each
        problem.

    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise refused(
            "labelling.no-campaign",
            path.stem,
            "is no campaign of this workspace.",
            f"Make it with `workbench labelling plan {path.stem}`, or name a file of campaigns/.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid(path, f"is not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(document, dict):
        raise _invalid(path, "is no map of names and values")
    problems = list(_problems(path.stem, document, projects=projects, languages=languages))
    if problems:
        raise Refused(*(_finding(path, problem) for problem in problems))
    return _campaign(path.stem, document)


def _invalid(path: Path, problem: str) -> Refused:
    return Refused(_finding(path, problem))


def _finding(path: Path, problem: str) -> Finding:
    return Finding(
        code="labelling.campaign-invalid",
        subject=f"campaigns/{path.name}",
        message=f"{problem}.",
        remedy="Correct it; docs/guide-labelling-leads.md describes every line of the file.",
    )


def _problems(
    name: str, document: Mapping[str, Any], *, projects: Collection[str], languages: Collection[str]
) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"is called {name!r}: a campaign's name is at most 16 small letters, digits and hyphens"
    kinds = list(_wrong_kinds(document))
    yield from kinds
    if kinds:
        return  # what has the wrong kind cannot be looked at further
    if document.get("project") not in projects:
        yield f"names the project {document.get('project')!r}; there are {', '.join(sorted(projects))}"
    seats = [seat for seat in document.get("labellers") or [] if isinstance(seat, dict)]
    yield from _wrong_seats(seats, languages)
    overlap = document.get("overlap", 2)
    if overlap < 1 or overlap > max(1, len(seats)):
        yield f"asks for an overlap of {overlap} with {len(seats)} labellers"
    yield from _wrong_choice(document.get("photographs") or {})
    gold = document.get("gold") or {}
    if not 0 <= gold.get("share", 0) < 1:
        yield f"has a gold share of {gold['share']}, which must be at least 0 and under 1"
    for image_id in gold.get("photographs") or []:
        if not isinstance(image_id, str) or not _IMAGE_ID.fullmatch(image_id):
            yield f"names the gold photograph {str(image_id)[:70]!r}, which is no image_id (64 hexadecimal digits)"
    exposure = document.get("exposure") or {}
    yield from _wrong_query("exposure.where", exposure.get("where", ""))
    for key in ("at_most", "at_most_a_day"):
        if exposure.get(key, 0) is not None and exposure.get(key, 0) < 0:
            yield f"has exposure.{key} {exposure[key]}, which must be 0 or more"


def _wrong_kinds(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is unknown, and what is of another kind than it must be."""
    for part, allowed in _PARTS.items():
        held = document if not part else document.get(part) or {}
        if part and not isinstance(held, _PARTS[""][part]):
            continue  # said for the document itself
        for each in held if isinstance(held, list) else [held]:
            if not isinstance(each, dict):
                yield f"has {each!r} among its {part}, where a map is needed"
                continue
            for key, value in each.items():
                where = f"{part}.{key}" if part else str(key)
                if key not in allowed:
                    yield f"says {where}, which means nothing here; {part or 'a campaign'} has {', '.join(allowed)}"
                elif value is not None and not _is(value, allowed[key]):
                    yield f"has {where} {value!r}, which is of the wrong kind"


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    """Say whether a value is of a kind; yes and no are no numbers."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _wrong_seats(seats: list[dict[str, Any]], languages: Collection[str]) -> Iterator[str]:
    if not seats:
        yield "names no labellers"
    names = [seat.get("name") for seat in seats]
    for name in dict.fromkeys(names):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"names a labeller {name!r}: a name is at most 16 small letters, digits and hyphens"
        elif names.count(name) > 1:
            yield f"names the labeller {name} twice"
    for seat in seats:
        if seat.get("language", "en") not in languages:
            spoken = ", ".join(sorted(languages))
            yield f"gives {seat.get('name')} labels in {seat.get('language')!r}; there are {spoken}"
        if (seat.get("at_most") or 0) < 0:
            yield f"gives {seat.get('name')} at most {seat['at_most']} photographs, which must be 0 or more"


def _wrong_choice(choice: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrong_query("photographs.where", choice.get("where") or "")
    order = choice.get("order", "listed")
    if order not in set(Order):
        yield f"has photographs.order {order!r}; it may be {', '.join(Order)}"
    if order == Order.SCORE and not choice.get("scores"):
        yield "orders photographs by score and names no photographs.scores"
    if (choice.get("at_most") or 0) < 0:
        yield f"has photographs.at_most {choice['at_most']}, which must be 0 or more"


def _wrong_query(where: str, text: str | None) -> Iterator[str]:
    try:
        read_query(text or "", COLUMNS)
    except QueryProblem as problem:
        yield f"has a query in {where} that {problem}"


def _campaign(name: str, document: Mapping[str, Any]) -> Campaign:
    """Return the campaign of a document that has been checked; what is not said has its default."""
    given = {key: value for key, value in document.items() if value is not None}
    gold, exposure = _said(given.get("gold")), _said(given.get("exposure"))
    choice = _said(given.get("photographs"))
    if "order" in choice:
        choice["order"] = Order(choice["order"])
    return Campaign(
        name=name,
        project=given["project"],
        labellers=tuple(Seat(**_said(seat)) for seat in given["labellers"]),
        photographs=Choice(**choice),
        overlap=given.get("overlap", 2),
        blind=given.get("blind", True),
        gold=Gold(photographs=tuple(gold.get("photographs", ())), share_frac=float(gold.get("share", 0.0))),
        exposure=Exposure(**exposure),
    )


def _said(part: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (part or {}).items() if value is not None}


def campaign_text(campaign: Campaign) -> str:
    """Return the file of a campaign, with a comment a line, so that it can be edited by hand.

    Reading it gives the campaign again.
    """
    choice, gold, exposure = campaign.photographs, campaign.gold, campaign.exposure
    lines = [
        (
            "# A labelling campaign. `workbench labelling plan NAME` says what it does, `push --campaign NAME` does it.",
            "",
        ),
        (f"project: {_plain(campaign.project)}", "a folder of label_configs/"),
        ("photographs:", ""),
        (f"  where: {_plain(choice.where)}", "a query; empty: all. Its columns are in the guide for labelling leads"),
        (f"  order: {choice.order.value}", "listed | random | score"),
        (f"  seed: {choice.seed}", "of random"),
        (f"  scores: {_plain(choice.scores)}", "for score: a table of image_id and score; highest first"),
        (f"  at_most: {_plain(choice.at_most)}", "how many, the first in order; null: all"),
        (f"overlap: {campaign.overlap}", "how many people answer each photograph"),
        (f"blind: {_plain(campaign.blind)}", "labellers get no pre-annotations"),
        ("labellers:", "each has a project of their own; names are handles, not people's names"),
        *((f"  - {_flow(seat)}", "") for seat in campaign.labellers),
        ("gold:", "photographs with settled labels, mixed in as hidden checks"),
        (f"  share: {gold.share_frac:g}", "of each labeller's tasks"),
        ("  photographs:" + ("" if gold.photographs else " []"), ""),
        *((f"    - {_plain(image_id)}", "") for image_id in gold.photographs),
        ("exposure:", ""),
        (f"  where: {_plain(exposure.where)}", "which photographs are sensitive: a query; empty: none"),
        (f"  blur: {_plain(exposure.blur)}", "blurred until the pointer rests on them"),
        (f"  at_most: {_plain(exposure.at_most)}", "sensitive photographs a labeller gets in the campaign"),
        (f"  at_most_a_day: {_plain(exposure.at_most_a_day)}", "and on one day (UTC)"),
    ]
    return "".join(f"{line:<26} # {about}\n" if about else f"{line}\n" for line, about in lines)


def _plain(value: object) -> str:
    """Return a value as YAML has it; JSON's strings, numbers, truths and null are YAML's."""
    return json.dumps(value, ensure_ascii=False)


def _flow(seat: Seat) -> str:
    words = {"name": seat.name, "language": seat.language, "sensitive": seat.sensitive, "at_most": seat.at_most}
    return "{" + ", ".join(f"{key}: {_plain(value)}" for key, value in words.items()) + "}"
