"""How the marked base of a cartridge reads: its elements by clock position, and what those positions rest on.

A round base has no top of its own. A clock position means something only beside its basis: a NATO cross or the longest
text that is put at twelve o'clock, or nothing but the picture's top (arbitrary).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from workbench.domain.annotation import Instance
from workbench.domain.geometry import Box

#: Category of the marked base, and the group of categories that its elements have.
HEADSTAMP, ELEMENTS = "ammo.headstamp", "marking."

#: An element's middle may lie this far outside the base, as a part of its radius, from hands that draw.
_MARGIN_FRAC = 0.1


class OrientationBasis(StrEnum):
    """What stands at twelve o'clock."""

    NATO_CROSS = "nato_cross"
    LONGEST_TEXT = "longest_text"
    ARBITRARY = "arbitrary"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadstampElement:
    """One element of a headstamp; ``clock_deg`` is 0 at twelve o'clock and grows clockwise, 0 to 359."""

    element: Instance
    headstamp: Instance
    ordinal: int
    clock_deg: int
    basis: OrientationBasis


def read_headstamps(instances: Sequence[Instance]) -> list[HeadstampElement]:
    """Return the elements of every headstamp on one photograph, each base's in clockwise order; none without a base.

    An element belongs to the smallest base that its middle lies in (a tenth of the radius beyond still counts). An
    oblique base is an ellipse: directions are taken after stretching it to a circle along its box's sides.
    """
    bases = sorted(
        (each for each in instances if each.category == HEADSTAMP and each.box and each.box.area_px2 > 0),
        key=lambda each: (each.box.area_px2 if each.box else 0, each.instance_id),
    )
    members: dict[str, list[Instance]] = {base.instance_id: [] for base in bases}
    for element in sorted(instances, key=lambda each: each.instance_id):
        if element.category.startswith(ELEMENTS) and element.box:
            home = next(
                (base for base in bases if base.box and _offset(element.box, base.box)[1] <= 1 + _MARGIN_FRAC), None
            )
            if home is not None:
                members[home.instance_id].append(element)
    return [read for base in bases for read in _around(base, members[base.instance_id])]


def _around(base: Instance, elements: Sequence[Instance]) -> list[HeadstampElement]:
    """Return one base's elements in clockwise order from what stands at twelve o'clock."""
    if base.box is None:
        return []
    angles = {each.instance_id: _offset(each.box, base.box)[0] for each in elements if each.box}
    basis, twelve = _basis(base, elements)
    zero = angles[twelve.instance_id] if twelve else 0.0
    placed = sorted((round(angles[each.instance_id] - zero) % 360, each.instance_id, each) for each in elements)
    return [
        HeadstampElement(element=each, headstamp=base, ordinal=ordinal, clock_deg=clock, basis=basis)
        for ordinal, (clock, _, each) in enumerate(placed, start=1)
    ]


def _basis(base: Instance, elements: Sequence[Instance]) -> tuple[OrientationBasis, Instance | None]:
    """Return the basis, and the element that stands at twelve: what the labeller said, where such an element is there.

    Where nothing was said a NATO cross counts first, then the longest text, if one is longer than all others.
    """
    said = base.facets.get("orientation_basis")
    if said == OrientationBasis.ARBITRARY:
        return OrientationBasis.ARBITRARY, None
    crosses = [each for each in elements if each.facets.get("element_kind") == "nato_cross"]
    if said != OrientationBasis.LONGEST_TEXT and len(crosses) == 1:
        return OrientationBasis.NATO_CROSS, crosses[0]
    by_length = sorted(elements, key=lambda each: -len(each.transcription or ""))
    longest = by_length[0] if by_length and by_length[0].transcription else None
    rival = len(by_length) > 1 and longest and len(by_length[1].transcription or "") == len(longest.transcription or "")
    if said != OrientationBasis.NATO_CROSS and longest and not rival:
        return OrientationBasis.LONGEST_TEXT, longest
    return OrientationBasis.ARBITRARY, None


def _offset(box: Box, base: Box) -> tuple[float, float]:
    """Return direction (degrees clockwise from up) and distance (radii) of a box's middle from a base's middle."""
    across = ((box.x_min + box.x_max) - (base.x_min + base.x_max)) / (base.x_max - base.x_min)
    down = ((box.y_min + box.y_max) - (base.y_min + base.y_max)) / (base.y_max - base.y_min)
    return math.degrees(math.atan2(across, -down)) % 360, math.hypot(across, down)


def normalised_text(raw: str | None) -> str | None:
    """Return a transcription in one form: compatibility characters folded (NFKC), capitals, single spaces; None if empty.

    Examples
    --------
    >>> normalised_text("w\uff41  9mm?")
    'WA 9MM?'

    """
    return " ".join(unicodedata.normalize("NFKC", raw or "").upper().split()) or None
