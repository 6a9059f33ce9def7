"""Named points and symmetries of the built-in parts, in each part's own coordinates (metres), as `parts` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.synthesis.cartridges import OUTLINES
from workbench.synthesis.symmetry import NO_SYMMETRY, Axis, Symmetry, Xyz, turn, turns

_Z = Axis(direction=(0.0, 0.0, 1.0))
_ROUND = Symmetry(continuous=(_Z,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """What is known of a part beside its geometry."""

    keypoints: Mapping[str, Xyz] = field(default_factory=dict)
    symmetry: Symmetry = NO_SYMMETRY


def _about(direction: Xyz, through_m: Xyz) -> Symmetry:
    """Return the symmetry of one half turn."""
    return Symmetry(discrete=turns(Axis(direction=direction, through_m=through_m), 2))


def _flipped_round(half_height_m: float) -> Symmetry:
    """Return the symmetry of a body of revolution about z that also looks the same upside down."""
    across = Axis(direction=(1.0, 0.0, 0.0), through_m=(0.0, 0.0, half_height_m))
    return Symmetry(continuous=(_Z,), discrete=turns(across, 2))


def _hexagonal(height_m: float) -> Symmetry:
    """Return the symmetry of a hexagonal prism: six turns about z, and upside down after each."""
    half = height_m / 2
    flips = [
        turn(Axis(direction=(float(np.cos(a)), float(np.sin(a)), 0.0), through_m=(0.0, 0.0, half)), np.pi)
        for a in np.arange(6) * np.pi / 6
    ]
    return Symmetry(discrete=(*turns(_Z, 6), *flips))


def _cartridge(name: str) -> Landmarks:
    """Return base, mouth and tip on the axis of a cartridge's stand-in, all on its surface but the mouth's middle."""
    outline = OUTLINES[name]
    points = {"base": 0.0 if outline.rimmed else 3e-5, "mouth": outline.case / 1000, "tip": outline.overall / 1000}
    return Landmarks(keypoints={key: (0.0, 0.0, z) for key, z in points.items()}, symmetry=_ROUND)


_STUDS = {f"stud_{i + 1}_{j + 1}": ((i + 0.5) * 0.008, (j + 0.5) * 0.008, 0.0118) for i in range(4) for j in range(2)}
_HOLES = {"left": 0.012, "right": 0.038}
_CORNERS = {
    f"hole_{side}_{end}": (x, y, 0.004)
    for side, x in (("left", 0.008), ("right", 0.072))
    for end, y in (("near", 0.008), ("far", 0.042))
}
_BEND = float(np.sqrt(0.5))

#: By part: points at the middle of a hole lie on the level of the face it is drilled in.
LANDMARKS: Mapping[str, Landmarks] = {
    "bracket": Landmarks(
        keypoints={
            **{f"flat_hole_{side}": (x, 0.025, 0.003) for side, x in _HOLES.items()},
            **{f"upright_hole_{side}": (x, 0.003, 0.025) for side, x in _HOLES.items()},
            "bend_left": (0.004, 0.003, 0.003),
            "bend_right": (0.046, 0.003, 0.003),
        },
        # The plates are equal, so the half turn about their bisector swaps them.
        symmetry=_about((0.0, _BEND, _BEND), (0.025, 0.0, 0.0)),
    ),
    "filament-spool": Landmarks(
        keypoints={"top": (0.0, 0.0, 0.032), "bottom": (0.0, 0.0, 0.0)}, symmetry=_hexagonal(0.032)
    ),
    "gear": Landmarks(keypoints={"hub": (0.0, 0.0, 0.011), "back": (0.0, 0.0, 0.0), "tooth": (0.0239, 0.0, 0.004)}),
    "hex-bolt": Landmarks(
        keypoints={"head": (0.0, 0.0, 0.0052), "tip": (0.0, 0.0, -0.045)}, symmetry=Symmetry(discrete=turns(_Z, 6))
    ),
    "hex-nut": Landmarks(
        keypoints={"top": (0.0, 0.0, 0.0064), "bottom": (0.0, 0.0, 0.0)}, symmetry=Symmetry(discrete=turns(_Z, 6))
    ),
    "hinge": Landmarks(
        keypoints={
            "pin_near": (0.0, -0.0012, 0.0),
            "pin_far": (0.0, 0.0512, 0.0),
            **{f"hole_{name}": (0.014, y, 0.001) for name, y in (("near", 0.008), ("middle", 0.025), ("far", 0.042))},
        }
    ),
    "mounting-plate": Landmarks(
        keypoints={**_CORNERS, "centre": (0.04, 0.025, 0.004)}, symmetry=_about((0.0, 0.0, 1.0), (0.04, 0.025, 0.0))
    ),
    "open-box": Landmarks(
        keypoints={
            "rim_near": (0.03, 0.0011, 0.022),
            "rim_far": (0.03, 0.0389, 0.022),
            "rim_left": (0.0011, 0.02, 0.022),
            "rim_right": (0.0589, 0.02, 0.022),
            "floor": (0.03, 0.02, 0.003),
        },
        symmetry=_about((0.0, 0.0, 1.0), (0.03, 0.02, 0.0)),
    ),
    "pipe-elbow": Landmarks(
        keypoints={
            "end_one": (0.02, -0.006, 0.0),
            "end_two": (-0.006, 0.02, 0.0),
            "bend_outside": (0.0295 * _BEND, 0.0295 * _BEND, 0.0),
            "bend_inside": (0.0105 * _BEND, 0.0105 * _BEND, 0.0),
        },
        symmetry=_about((_BEND, _BEND, 0.0), (0.0, 0.0, 0.0)),
    ),
    "shotshell-12": Landmarks(keypoints={"base": (0.0, 0.0, 3e-5), "mouth": (0.0, 0.0, 0.056)}, symmetry=_ROUND),
    "spanner": Landmarks(
        keypoints={
            "shaft_large": (0.02, 0.0, 0.0052),
            "shaft_middle": (0.05, 0.0, 0.0052),
            "shaft_small": (0.085, 0.0, 0.0052),
        }
    ),
    "spool": Landmarks(keypoints={"top": (0.0, 0.0, 0.04), "bottom": (0.0, 0.0, 0.0)}, symmetry=_flipped_round(0.02)),
    "toy-brick": Landmarks(keypoints=_STUDS, symmetry=_about((0.0, 0.0, 1.0), (0.016, 0.008, 0.0))),
    "tube": Landmarks(keypoints={"collar_end": (0.0, 0.0, 0.0), "open_end": (0.0, 0.0, 0.085)}, symmetry=_ROUND),
    "washer": Landmarks(
        keypoints={"top": (0.0, 0.0, 0.0022), "bottom": (0.0, 0.0, 0.0)}, symmetry=_flipped_round(0.0011)
    ),
    **{name: _cartridge(name) for name in OUTLINES},
}
