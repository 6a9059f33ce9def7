"""Who is given which photograph: decided from the campaign and what stands on the server, the same every time.

What stands is never taken back. So a plan is made again and again while people work, and only adds what is missing.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from workbench.domain.campaign import Campaign, Choice, Desk, Order, Seat


class State(StrEnum):
    """How far a labeller is with a photograph."""

    OPEN = "open"
    ANSWERED = "answered"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A photograph that lies on somebody's desk, since which day (ISO 8601, UTC)."""

    desk: Desk
    image_id: str
    state: State
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What is to be added to each desk, in the order it is to be handed out, and what could not be.

    Parameters
    ----------
    added
        Photographs by desk title, checks among them.
    short
        How many further labellers each photograph needs and nobody is there for: all have it, refuse it or are full.
    gold
        How many of those added are checks, by labeller.

    """

    added: Mapping[str, tuple[str, ...]]
    short: Mapping[str, int] = field(default_factory=dict)
    gold: Mapping[str, int] = field(default_factory=dict)


def order_photographs(image_ids: Collection[str], choice: Choice, scores: Mapping[str, float]) -> list[str]:
    """Return photographs in the order a campaign hands them out."""
    listed = sorted(image_ids)
    if choice.order is Order.RANDOM:
        return sorted(listed, key=lambda image_id: _draw(str(choice.seed), image_id))
    if choice.order is Order.SCORE:
        return sorted(listed, key=lambda image_id: -scores.get(image_id, -math.inf))
    return listed


def choose_photographs(
    matching: Collection[str], standing: Collection[str], choice: Choice, scores: Mapping[str, float]
) -> list[str]:
    """Return a campaign's photographs in order: those it has handed out already, then what its query finds.

    A photograph stays in the campaign though the query no longer finds it, as ``answers == 0`` does once one of several
    people has answered. ``at_most`` counts both.
    """
    further = order_photographs(set(matching) - set(standing), choice, scores)
    if choice.at_most is not None:
        further = further[: max(0, choice.at_most - len(set(standing)))]
    return [*order_photographs(standing, choice, scores), *further]


def assign(
    campaign: Campaign,
    photographs: Sequence[str],
    standing: Sequence[Slot],
    *,
    sensitive: Collection[str] = (),
    gold: Sequence[str] = (),
    today: str,
) -> Assignment:
    """Return what each desk still needs.

    Each photograph goes to as many different people as the overlap says, to those with least on their desks first; a
    skipped one goes to somebody else. Checks are drawn for each labeller and lie anywhere among what is added.

    Parameters
    ----------
    photographs
        The campaign's photographs in order, without checks.
    standing
        Every task of the campaign that the server has.
    sensitive
        Which photographs count against the limits of exposure.
    gold
        Photographs with known labels.
    today
        The day in UTC, ISO 8601.

    """
    table = _Table(campaign, standing, sensitive=frozenset(sensitive), today=today)
    added: dict[str, list[str]] = defaultdict(list)
    short: dict[str, int] = {}
    for image_id in photographs:
        missing = campaign.overlap - table.working_on(image_id)
        for seat in table.free_for(image_id)[: max(0, missing)]:
            added[table.give(image_id, seat)].append(image_id)
            missing -= 1
        if missing > 0:
            short[image_id] = missing
    checks = {seat.name: _checks(table, seat, gold, added) for seat in campaign.labellers}
    for seat in campaign.labellers:
        for image_id in checks[seat.name]:
            _mix_in(added, table.give(image_id, seat), image_id, campaign=campaign, seat=seat)
    return Assignment(
        added={title: tuple(ids) for title, ids in added.items()},
        short=short,
        gold={name: len(ids) for name, ids in checks.items() if ids},
    )


class _Table:
    """Who has what while a plan is made."""

    def __init__(self, campaign: Campaign, standing: Sequence[Slot], *, sensitive: frozenset[str], today: str) -> None:
        self.campaign, self._sensitive = campaign, sensitive
        self.load: Counter[str] = Counter()
        self.has: dict[str, set[str]] = defaultdict(set)
        self._counting: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._seen_today: Counter[str] = Counter()
        names = {seat.name for seat in campaign.labellers}
        for slot in standing:
            name = slot.desk.seat.name
            self.has[name].add(slot.image_id)
            self.load[name] += 1
            # Of somebody who has left, only what was answered counts; a skipped photograph waits for somebody else.
            done = slot.state is State.ANSWERED
            self._counting[slot.image_id] += done or (slot.state is State.OPEN and name in names)
            if slot.image_id in sensitive:
                self._seen[name] += 1
                self._seen_today[name] += slot.day == today

    def working_on(self, image_id: str) -> int:
        """Return how many people have answered about a photograph or are about to."""
        return self._counting[image_id]

    def free_for(self, image_id: str) -> list[Seat]:
        """Return who may be given a photograph, the least laden first."""
        seats = [seat for seat in self.campaign.labellers if self.may(image_id, seat)]
        drawn = self.campaign.name, str(self.campaign.photographs.seed), image_id
        return sorted(seats, key=lambda seat: (self.load[seat.name], _draw(*drawn, seat.name)))

    def may(self, image_id: str, seat: Seat, *, check: bool = False) -> bool:
        """Say whether a labeller may be given a photograph; some room is kept for checks."""
        exposure, gold = self.campaign.exposure, self.campaign.gold
        kept = 0.0 if check or not gold.photographs else gold.share_frac
        if image_id in self.has[seat.name] or self.load[seat.name] >= _limit(seat.at_most) * (1 - kept):
            return False
        if image_id not in self._sensitive:
            return True
        within = self._seen[seat.name] < _limit(exposure.at_most)
        return seat.sensitive and within and self._seen_today[seat.name] < _limit(exposure.at_most_a_day)

    def give(self, image_id: str, seat: Seat) -> str:
        """Note that a labeller gets a photograph; return the title of the desk it goes to."""
        self.has[seat.name].add(image_id)
        self.load[seat.name] += 1
        self._counting[image_id] += 1
        flagged = image_id in self._sensitive
        self._seen[seat.name] += flagged
        self._seen_today[seat.name] += flagged
        return self.desk_of(image_id, seat).title

    def desk_of(self, image_id: str, seat: Seat) -> Desk:
        """Return the desk on which a labeller finds a photograph."""
        return self.desk(seat, veiled=image_id in self._sensitive and self.campaign.exposure.blur)

    def desk(self, seat: Seat, *, veiled: bool) -> Desk:
        """Return one of a labeller's two desks."""
        return Desk(campaign=self.campaign.name, seat=seat, veiled=veiled)


def _checks(table: _Table, seat: Seat, gold: Sequence[str], added: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the checks that a labeller is to get with what is added: their share of all on the desk, drawn by lot.

    A check goes only where ordinary photographs are added too: alone it would stand out.
    """
    share, has = table.campaign.gold.share_frac, table.has[seat.name]
    fresh = sum(len(added.get(table.desk(seat, veiled=veiled).title, ())) for veiled in (False, True))
    if not fresh or not share:
        return []
    wanted = math.ceil(len(has - set(gold)) * share / (1 - share)) - len(has & set(gold))
    lots = sorted(gold, key=lambda image_id: _draw(table.campaign.name, "gold", seat.name, image_id))
    free = [
        image_id
        for image_id in lots
        if table.may(image_id, seat, check=True) and added.get(table.desk_of(image_id, seat).title)
    ]
    room = wanted if seat.at_most is None else min(wanted, seat.at_most - table.load[seat.name])
    return free[: max(0, min(room, fresh))]


def _mix_in(added: dict[str, list[str]], title: str, image_id: str, *, campaign: Campaign, seat: Seat) -> None:
    """Put a check anywhere among what is added to a desk."""
    place = int(_draw(campaign.name, "place", seat.name, image_id), 16) % (len(added[title]) + 1)
    added[title].insert(place, image_id)


def _limit(number: int | None) -> float:
    return math.inf if number is None else number


def _draw(*words: str) -> str:
    """Return a lot: equal words draw the same, different ones fall anywhere."""
    return hashlib.sha256("\x00".join(words).encode()).hexdigest()
