"""The words in which a partner tells of seizures, of the objects in them, and of what each photograph shows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class EventType(StrEnum):
    """How the objects came into the partner's hands."""

    SEIZED = "seized"
    FOUND = "found"
    SURRENDERED = "surrendered"
    REFERENCE_COLLECTION = "reference_collection"
    STAGED = "staged"
    UNKNOWN = "unknown"


class TraceStatus(StrEnum):
    """Whether the origin of the objects was traced."""

    TRACED = "traced"
    PENDING = "pending"
    NOT_ATTEMPTED = "not_attempted"
    ESTABLISHED_OTHERWISE = "established_otherwise"


class SerialPresent(StrEnum):
    """Whether the object bears a serial number; the number itself is never kept."""

    YES = "yes"
    NO = "no"
    REMOVED = "removed"
    UNKNOWN = "unknown"


class View(StrEnum):
    """What a photograph shows of its item; sides are those of the object as it is held or carried."""

    OVERALL = "overall"
    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"
    FRONT = "front"
    REAR = "rear"
    MARKING_CLOSE_UP = "marking_close_up"
    HEADSTAMP = "headstamp"
    DETAIL = "detail"
    SCALE = "scale"
    PACKAGING = "packaging"
    CONTEXT = "context"


#: What each view means, for templates and guides.
VIEW_MEANING: Mapping[View, str] = {
    View.OVERALL: "the whole item, from whichever side shows most of it",
    View.LEFT: "the whole item from its left",
    View.RIGHT: "the whole item from its right",
    View.TOP: "the whole item from above",
    View.BOTTOM: "the whole item from below",
    View.FRONT: "the whole item from in front",
    View.REAR: "the whole item from behind",
    View.MARKING_CLOSE_UP: "one marking, as large as it can be read",
    View.HEADSTAMP: "the base of a cartridge or case, straight from behind",
    View.DETAIL: "a part of the item that is no marking: damage, surface, seam",
    View.SCALE: "the whole item beside a scale bar",
    View.PACKAGING: "the box, bag or wrapping it came in",
    View.CONTEXT: "several items together, or the place as it was found",
}
