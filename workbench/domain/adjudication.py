"""What annotators disagree about, put before an adjudicator, and what is decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.domain.annotation import Instance

#: What the answers of a dispute are called before an adjudicator: at most so many stand side by side.
LETTERS = "ABC"


class Kind(StrEnum):
    """What kind of disagreement a dispute is about, the most consequential first unless params.yaml says otherwise."""

    REJECT = "reject"
    CATEGORY = "category"
    UNMATCHED = "unmatched"
    TAG = "tag"
    GEOMETRY = "geometry"
    TRANSCRIPTION = "transcription"
    FACET = "facet"


#: Kinds that keep an object out of ground truth until somebody decides; of the others a rule decides meanwhile.
OPEN_KINDS = frozenset({Kind.REJECT, Kind.CATEGORY, Kind.UNMATCHED, Kind.GEOMETRY})


class Verdict(StrEnum):
    """What an adjudicator decided about a dispute."""

    A_RIGHT = "a_right"
    B_RIGHT = "b_right"
    C_RIGHT = "c_right"
    CORRECTED = "corrected"
    NO_SUCH_OBJECT = "no_such_object"
    CANNOT_TELL = "cannot_tell"

    @property
    def letter(self) -> str | None:
        """The letter of the answer that is right, None if none is."""
        return self.value[0].upper() if self.value.endswith("_right") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one annotator's answer says about a dispute.

    Parameters
    ----------
    letter
        What it is called before the adjudicator; empty where more people answered than there are letters.
    instance
        The object as this annotator marked it, None if not marked or if the dispute is about the whole photograph.
    values
        The values given to the dispute's question; of a dispute about rejecting, none stands for having labelled.
    content
        Hash of all that was said but the category, whose code may be renamed without anybody answering anew.

    """

    letter: str
    annotator: str
    annotation_id: str
    instance: Instance | None = None
    values: tuple[str, ...] = ()
    content: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what is kept beside a decision: who is behind the letter and what exactly was judged."""
        return {
            "letter": self.letter,
            "annotator": self.annotator,
            "annotation_id": self.annotation_id,
            "instance_id": self.instance and self.instance.instance_id,
            "category": self.instance and self.instance.category,
            "values": list(self.values),
            "content": self.content,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """One disagreement, about one object or one question on a photograph.

    Parameters
    ----------
    dispute_id
        Follows from the photograph, the project and the marks concerned; stays while the answers are edited.
    answers_digest
        Follows from everything that was answered; another one means that the answers changed.
    kinds
        Every kind of disagreement about it, the most consequential first.
    question
        The question about the whole photograph, None if it is about an object.
    detail
        What the disagreement is, in sentences.
    least_iou
        The least overlap of two answers' shapes, None where that is not what it is about.

    """

    dispute_id: str
    answers_digest: str
    image_id: str
    project: str
    kinds: tuple[Kind, ...]
    question: str | None
    detail: str
    least_iou: float | None
    given: tuple[Given, ...]

    @property
    def key(self) -> str:
        """What a task about this dispute, with these answers, is known by."""
        return f"{self.dispute_id}.{self.answers_digest}"

    def by_letter(self, letter: str | None) -> Given | None:
        """Return the answer of a letter, None if there is none."""
        return next((given for given in self.given if letter and given.letter == letter), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an adjudicator decided about a dispute as it was then; decisions are only ever added.

    ``given`` holds `Given.to_json` of each answer judged; ``corrections`` the objects the adjudicator drew, ``values`` the
    values given to the dispute's question.
    """

    decision_id: str
    dispute_id: str
    answers_digest: str
    image_id: str
    project: str
    question: str | None
    verdict: Verdict
    reason: str
    reference: str | None
    adjudicator: str
    decided_at: str
    given: tuple[Mapping[str, Any], ...]
    taxonomy_version: str
    values: tuple[str, ...] = ()
    corrections: tuple[Instance, ...] = ()
