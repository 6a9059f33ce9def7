"""What a model suggests about a photograph before people look at it: never an answer, always under the model's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.domain.annotation import Shape
from workbench.domain.geometry import Box, Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One object as a model sees it, in pixels of the working copy.

    Parameters
    ----------
    word
        The model's own name of it; what it means in the taxonomy is said by a class map.
    box
        The tight box of the shape.
    score
        How sure the model is, in [0, 1]; None if it does not say.

    """

    word: str
    shape: Shape
    box: Box
    rings: tuple[Ring, ...] = ()
    mask_rle: str | None = None
    transcription: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Which model it is, so that its suggestions can be traced and redone.

    Parameters
    ----------
    name
        What people call it; a file's stem.
    sha256
        SHA-256 of the weights, or of the file of results.
    words
        Every word it may use.
    parameters
        Everything else that shapes what it suggests, as JSON values.

    """

    name: str
    sha256: str
    words: tuple[str, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Name and the first twelve digits of the hash: what Label Studio shows, and the name in every table."""
        return f"{self.name}-{self.sha256[:12]}"
