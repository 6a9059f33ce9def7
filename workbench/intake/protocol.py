"""The photo protocol: which photographs an item of a class should have, and what of it is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workbench.domain.findings import Refused, refused

_FILE = "label_configs/protocol.yaml"

#: What a label says that the protocol asks for.
SCALE_BAR, COLOUR_CHART = "context.scale_bar", "context.colour_chart"

#: A partner's word that a photograph shows the item beside a scale: the label need not say so too.
_SCALE_VIEW = "scale"


class Asked(StrEnum):
    """On how many of an item's photographs something must be seen."""

    SOME = "some"
    EACH = "each"
    OPTIONAL = "optional"


class Status(StrEnum):
    """How an item stands: ``unknown`` means that what lacks may be there, but nobody has told or labelled it yet."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What the photographs of an item should show; of each group of views, one will do."""

    views: tuple[tuple[str, ...], ...]
    scale_bar: Asked
    colour_chart: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The needs by class: codes, groups as ``ammo.*``, and ``*``; and what each view means."""

    version: str
    views: Mapping[str, str]
    needs: Mapping[str, Need]

    def of(self, item_class: str | None) -> Need:
        """Return the need of a class, the most exact there is; of ``*`` for an item without one."""
        code = item_class or ""
        return self.needs.get(code) or self.needs.get(f"{code.split('.')[0]}.*") or self.needs["*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPhotographs:
    """One item as its partner told of it, and its admitted photographs.

    Parameters
    ----------
    views
        For each admitted photograph the view told, null where none was.
    seen
        For each admitted photograph that somebody labelled the codes labelled on it.
    held
        How many of its files are in quarantine.

    """

    partner_id: str
    seizure_id: str | None
    item_id: str
    item_class: str | None = None
    contributions: tuple[str, ...] = ()
    views: Mapping[str, str | None] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What an item has, lacks, and may or may not have."""

    item: ItemPhotographs
    have: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def status(self) -> Status:
        """How the item stands."""
        if self.missing:
            return Status.INCOMPLETE
        return Status.UNKNOWN if self.unknown else Status.COMPLETE


def read_protocol(document: object, codes: Collection[str]) -> Protocol:
    """Return the protocol that a parsed protocol.yaml describes.

    Parameters
    ----------
    document
        What the file holds.
    codes
        The taxonomy's codes.

    Raises
    ------
    Refused
        ``protocol.invalid``, a finding for the first thing that is wrong.

    """
    if not isinstance(document, Mapping) or not all(
        isinstance(document.get(name), Mapping) for name in ("views", "needs")
    ):
        raise _invalid("has no mapping of views and needs", "Restore it from the version you started with.")
    views = {str(name): str(meaning) for name, meaning in document["views"].items()}
    groups = {f"{code.split('.')[0]}.*" for code in codes}
    needs = {}
    for pattern, stated in document["needs"].items():
        if pattern != "*" and pattern not in groups and pattern not in codes:
            raise _invalid(f"names {pattern!r}, which is no code or group of the taxonomy", "Correct it.")
        needs[str(pattern)] = _need(pattern, stated, views)
    if "*" not in needs:
        raise _invalid("has no need for '*'", "Say what an item without a class needs.")
    return Protocol(version=str(document.get("version", "")), views=views, needs=needs)


def _need(pattern: str, stated: object, known: Collection[str]) -> Need:
    if not isinstance(stated, Mapping) or not isinstance(stated.get("views"), Sequence):
        raise _invalid(f"gives {pattern} no list of views", "Write views: [overall, ...].")
    views = tuple(tuple(map(str, one)) if isinstance(one, list) else (str(one),) for one in stated["views"])
    if unknown := sorted({view for group in views for view in group} - set(known)):
        raise _invalid(f"asks for the view {unknown[0]!r} of {pattern}", f"Use one of {', '.join(sorted(known))}.")
    asked = {}
    for name in ("scale_bar", "colour_chart"):
        try:
            asked[name] = Asked(str(stated.get(name, Asked.OPTIONAL)))
        except ValueError:
            message = f"says {stated.get(name)!r} for {name} of {pattern}"
            raise _invalid(message, f"Use one of {', '.join(Asked)}.") from None
    return Need(views=views, **asked)


def _invalid(message: str, remedy: str) -> Refused:
    return refused("protocol.invalid", _FILE, f"{message}.", remedy)


def gather_items(
    files: Iterable[Mapping[str, Any]],
    items: Iterable[Mapping[str, Any]],
    admitted: Collection[str],
    seen: Mapping[str, frozenset[str]],
) -> tuple[list[ItemPhotographs], int]:
    """Return every item told of with its photographs, sorted; and how many admitted photographs belong to none.

    An item is one of its seizure and partner: partners number items anew in each seizure.

    Parameters
    ----------
    files, items
        Rows of `tables.FILES` and `tables.ITEMS`.
    admitted
        Ids of the photographs admitted, as delivered.
    seen
        For each photograph that somebody labelled the codes labelled on it.

    """
    rows = list(files)
    partner_of = {row["contribution_id"]: row["partner_id"] for row in rows}
    listed = [(row, partner_of.get(row["contribution_id"], "")) for row in items]
    classes = {(partner, row["seizure_id"], row["item_id"]): row["item_class"] for row, partner in listed}
    of_item: dict[tuple[str, str | None, str], list[Mapping[str, Any]]] = {key: [] for key in classes}
    loose = set()
    for row in rows:
        if row["item_id"]:
            of_item.setdefault((row["partner_id"], row["seizure_id"], row["item_id"]), []).append(row)
        elif row["image_id"] in admitted:
            loose.add(row["image_id"])
    gathered = []
    for key, shown in sorted(of_item.items(), key=lambda pair: tuple(str(part or "") for part in pair[0])):
        told = {row["contribution_id"] for row in shown}
        told |= {
            row["contribution_id"] for row, partner in listed if (partner, row["seizure_id"], row["item_id"]) == key
        }
        views = {row["image_id"]: row["view"] for row in shown if row["image_id"] in admitted}
        gathered.append(
            ItemPhotographs(
                partner_id=key[0],
                seizure_id=key[1],
                item_id=key[2],
                item_class=classes.get(key),
                contributions=tuple(sorted(told)),
                views=views,
                seen={image_id: seen[image_id] for image_id in views if image_id in seen},
                held=len({row["image_id"] for row in shown} - set(views)),
            )
        )
    return gathered, len(loose)


def complete_item(item: ItemPhotographs, protocol: Protocol) -> Completeness:
    """Return what an item has and lacks under the protocol."""
    need = protocol.of(item.item_class)
    told = {view for view in item.views.values() if view}
    untold = any(view is None for view in item.views.values())
    missing: list[str] = []
    unknown: list[str] = []
    for group in need.views:
        if not told & set(group):
            (unknown if untold else missing).append(" or ".join(group))
    have = sorted(told)
    for name, code, asked in (
        ("scale bar", SCALE_BAR, need.scale_bar),
        ("colour chart", COLOUR_CHART, need.colour_chart),
    ):
        verdict = _is_seen(item, code, asked)
        if verdict is Status.COMPLETE and asked is not Asked.OPTIONAL:
            have.append(name)
        elif verdict is Status.INCOMPLETE:
            missing.append(f"{name} in each photograph" if asked is Asked.EACH else name)
        elif verdict is Status.UNKNOWN:
            unknown.append(name)
    return Completeness(item=item, have=tuple(have), missing=tuple(missing), unknown=tuple(unknown))


def _is_seen(item: ItemPhotographs, code: str, asked: Asked) -> Status:
    """Say whether something is seen as often as asked; unknown while photographs that may show it are not labelled."""
    if asked is Asked.OPTIONAL:
        return Status.COMPLETE
    told = {image_id for image_id, view in item.views.items() if code == SCALE_BAR and view == _SCALE_VIEW}
    showing = told | {image_id for image_id, codes in item.seen.items() if code in codes}
    unlabelled = set(item.views) - set(item.seen) - told
    if asked is Asked.SOME:
        if showing:
            return Status.COMPLETE
        return Status.UNKNOWN if unlabelled else Status.INCOMPLETE
    if not item.views or set(item.seen) - showing:
        return Status.INCOMPLETE
    return Status.UNKNOWN if unlabelled else Status.COMPLETE
