"""One annotator's answer to one task, and the objects in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workbench.domain.geometry import Box, Ring


class Shape(StrEnum):
    """How an instance is drawn."""

    BOX = "box"
    POLYGON = "polygon"
    MASK = "mask"
    KEYPOINT = "keypoint"
    #: Only drawn so: an ellipse is kept as the polygon of points on it.
    ELLIPSE = "ellipse"


class Pass(StrEnum):
    """Which pass over the photograph an annotation belongs to."""

    BLIND1 = "blind1"
    BLIND2 = "blind2"
    REVIEW = "review"
    ADJUDICATION = "adjudication"
    IMPORTED = "imported"
    #: A hidden check: an answer about a photograph whose labels were known. It decides nothing about the photograph.
    GOLD = "gold"


class DecidedBy(StrEnum):
    """How a ground-truth instance came to be."""

    AGREEMENT = "agreement"
    SINGLE = "single"
    ADJUDICATION = "adjudication"
    IMPORTED = "imported"
    RENDERED = "rendered"
    AUGMENTED = "augmented"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoint:
    """A named point, in pixels of the working copy."""

    name: str
    x_px: float
    y_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One object in an answer: category, shape, facets, transcription.

    ``box`` is the tight box of the shape in pixels, null for a lone keypoint; ``rings`` are the polygon's rings;
    ``mask_rle`` is COCO compressed RLE of an image-sized mask; ``facets`` maps a facet's code to its value's code.
    """

    instance_id: str
    image_id: str
    category: str
    shape: Shape
    box: Box | None = None
    rings: tuple[Ring, ...] = ()
    mask_rle: str | None = None
    keypoints: tuple[Keypoint, ...] = ()
    facets: Mapping[str, str] = field(default_factory=dict)
    transcription: str | None = None
    confidence: str | None = None
    annotation_id: str | None = None
    annotator: str | None = None
    decided_by: DecidedBy | None = None
    agreement_iou: float | None = None
    parent_instance_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """An answer to a question about the whole photograph: codes of the facet asked and of the value given."""

    question: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotator's whole answer to one task; never updated in place."""

    annotation_id: str
    image_id: str
    project: str
    annotator: str
    pass_: Pass
    submitted_at: str | None
    lead_time_s: float | None
    source: str
    instances: tuple[Instance, ...]
    tags: tuple[Tag, ...] = ()
