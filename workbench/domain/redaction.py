"""Regions of a photograph that are to be covered because they show a person's data, and what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workbench.domain.geometry import Box
from workbench.domain.lineage import canonical_json, sha256_hex


class State(StrEnum):
    """How far the decision about a region has come."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Unreviewed(StrEnum):
    """What becomes of photographs with undecided regions when labelling tasks are made."""

    BLOCK = "block"
    WARN = "warn"
    ALLOW = "allow"


class Labelled(StrEnum):
    """What a box that somebody labelled becomes."""

    ACCEPT = "accept"
    PROPOSE = "propose"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A region of a photograph that may have to be covered.

    Parameters
    ----------
    image_id
        The photograph as delivered, whatever is covered in it by now: all its working copies have one geometry.
    box
        In pixels of the working copy.
    category
        Taxonomy code of what it shows, as ``context.face``.
    source
        What proposed it: a detector and its version, ``labels of PROJECT``, or ``person``.
    score
        The detector's, in (0, 1]; null where a person drew it.

    """

    image_id: str
    box: Box
    category: str
    source: str
    score: float | None = None

    @property
    def region_id(self) -> str:
        """A short id that follows from what and where the region is, so that it is proposed once only."""
        edges = [round(float(edge), 3) for edge in self.box.xyxy]
        return "r-" + sha256_hex(canonical_json([self.image_id, self.category, self.source, edges]).encode())[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided about a region; a later decision about the same region outweighs it, and both stay."""

    region: Region
    state: State
    decided_by: str
    decided_at: str
    reason: str | None = None


def covered_frac(box: Box, other: Box) -> float:
    """Return how much of a box lies inside another, in [0, 1]; 0 for a degenerate box.

    Examples
    --------
    >>> covered_frac(Box(x_min=0, y_min=0, x_max=4, y_max=2), Box(x_min=2, y_min=0, x_max=9, y_max=9))
    0.5

    """
    width = min(box.x_max, other.x_max) - max(box.x_min, other.x_min)
    height = min(box.y_max, other.y_max) - max(box.y_min, other.y_min)
    if width <= 0 or height <= 0 or not box.area_px2:
        return 0.0
    return width * height / box.area_px2
