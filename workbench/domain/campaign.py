"""A labelling campaign: which photographs are put before whom, how often, and what nobody may notice."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

#: What stands between the parts of a desk's title, and its mark if its photographs are blurred.
_BETWEEN, _VEILED = " · ", "blurred"


class Order(StrEnum):
    """In which order a campaign's photographs are handed out."""

    #: As the table of images lists them: by image_id.
    LISTED = "listed"
    #: Shuffled by the campaign's seed; a photograph keeps its place when others are added.
    RANDOM = "random"
    #: By a number that something gave each photograph, highest first; those without one come last.
    SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which photographs a campaign is about.

    Parameters
    ----------
    where
        A query over the columns of `workbench.labelling.candidates`; empty: every photograph.
    order, seed
        In which order they are handed out, and the seed of ``random``.
    scores
        For ``score``: a table (.csv or .parquet) with the columns image_id and score, relative to the workspace.
    at_most
        How many photographs, the first in order; None: all that the query finds.

    """

    where: str = ""
    order: Order = Order.LISTED
    seed: int = 0
    scores: str | None = None
    at_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One labeller's place in a campaign.

    Parameters
    ----------
    name
        A short handle that the labeller knows; no address, no full name: the file lies in git.
    language
        The language of the labels shown to them, as ``fr``.
    sensitive
        Whether they have agreed to see photographs flagged as sensitive.
    at_most
        How many photographs they are given at most, checks included; None: their share.

    """

    name: str
    language: str = "en"
    sensitive: bool = True
    at_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """Photographs whose labels are known, mixed in as hidden checks: the share of each labeller's tasks, in [0, 1)."""

    photographs: tuple[str, ...] = ()
    share_frac: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How labellers are spared.

    Parameters
    ----------
    where
        A query that says which photographs are sensitive; empty: none is.
    blur
        Whether those are blurred until the labeller points at them.
    at_most, at_most_a_day
        How many of them one labeller is given in the campaign, and on one day (UTC); None: no limit.

    """

    where: str = ""
    blur: bool = True
    at_most: int | None = None
    at_most_a_day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as its file says it.

    Parameters
    ----------
    name
        The file's name without its ending.
    project
        The labelling project, a folder of label_configs/.
    overlap
        How many people answer each photograph, each without seeing the others' answers.
    blind
        Whether labellers get no pre-annotations; their answers are blind passes only then.
    labellers
        Who takes part; each has a project of their own in Label Studio.

    """

    name: str
    project: str
    labellers: tuple[Seat, ...]
    photographs: Choice = field(default_factory=Choice)
    overlap: int = 2
    blind: bool = True
    gold: Gold = field(default_factory=Gold)
    exposure: Exposure = field(default_factory=Exposure)

    def seat(self, name: str) -> Seat:
        """Return a labeller's place; of somebody who has left the campaign, a bare one."""
        return next((seat for seat in self.labellers if seat.name == name), Seat(name=name))

    def desk(self, title: str) -> Desk | None:
        """Return the desk that a project of Label Studio is by its title, None if it is none of this campaign.

        Examples
        --------
        >>> campaign = Campaign(name="autumn", project="parts", labellers=(Seat(name="ana"),))
        >>> [desk.title for desk in map(campaign.desk, ("autumn · ana", "autumn · bo · blurred", "spring · ana")) if desk]
        ['autumn · ana', 'autumn · bo · blurred']

        """
        first, *rest = title.split(_BETWEEN)
        if first != self.name or len(rest) not in (1, 2) or rest[1:] not in ([], [_VEILED]):
            return None
        return Desk(campaign=self.name, seat=self.seat(rest[0]), veiled=len(rest) == 2)  # noqa: PLR2004 -- name and mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One labeller's project in Label Studio; ``veiled`` is their second one, with blurred photographs.

    Examples
    --------
    >>> Desk(campaign="autumn", seat=Seat(name="ana"), veiled=True).title
    'autumn · ana · blurred'

    """

    campaign: str
    seat: Seat
    veiled: bool = False

    @property
    def title(self) -> str:
        """Return the project's name in Label Studio, which allows 50 characters."""
        return _BETWEEN.join([self.campaign, self.seat.name, *([_VEILED] if self.veiled else [])])
