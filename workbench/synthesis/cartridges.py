"""Stand-ins for small-calibre ammunition: outlines of revolution by outer dimensions, solid all through.

Nothing of them opens, and nothing is said of what a real one holds. Diameters and the case's length are those of the
workbench's own reference table (a test holds them to it); lengths that the table does not have yet are the maximum
dimensions of the public C.I.P. tables (TDCC), by their symbols there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from workbench.ports import Mesh
from workbench.synthesis.solids import merged, painted, spun

#: Linear colours: reflectances at normal incidence, rounded from the tables of physicallybased.info (CC0).
BRASS, COPPER, LEAD, NICKEL = (0.80, 0.62, 0.30), (0.86, 0.52, 0.38), (0.32, 0.32, 0.33), (0.60, 0.57, 0.52)
_RED_PLASTIC = (0.42, 0.02, 0.02)

_CHAMFER_MM = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Outer dimensions of a cartridge in millimetres; in brackets the symbol of the C.I.P. tables.

    Parameters
    ----------
    calibre_id
        Row of the reference table that the diameters and the case's length are from.
    rim, base, neck, bullet
        Diameters: rim (R1), base of the body (P1), mouth of the case (H2), bullet (G1).
    shoulder
        Diameter where the shoulder begins (P2), or null for a case without one.
    case, overall
        Lengths: of the case (L3) and of the whole (L6).
    shoulder_from, neck_from
        Heights where shoulder (L1) and neck (L2) begin; with ``shoulder`` only.
    rimmed
        Whether the rim stands out beyond the base, without a groove.

    """

    calibre_id: str
    rim: float
    base: float
    neck: float
    bullet: float
    case: float
    overall: float
    shoulder: float | None = None
    shoulder_from: float = 0.0
    neck_from: float = 0.0
    rim_thick: float = 1.2
    rimmed: bool = False


OUTLINES = {
    "cartridge-22": Outline(
        calibre_id="WB-C0001", rim=7.06, base=5.74, neck=5.72, bullet=5.72, case=15.57, overall=25.4, rim_thick=1.09,
        rimmed=True,
    ),
    "cartridge-9x19": Outline(
        calibre_id="WB-C0010", rim=9.96, base=9.93, neck=9.65, bullet=9.02, case=19.15, overall=29.69, rim_thick=1.27,
    ),
    "cartridge-5-56": Outline(
        calibre_id="WB-C0029", rim=9.6, base=9.55, neck=6.43, bullet=5.7, case=44.7, overall=57.4, shoulder=9.0,
        shoulder_from=36.52, neck_from=39.55, rim_thick=1.14,
    ),
    "cartridge-7-62x39": Outline(
        calibre_id="WB-C0032", rim=11.35, base=11.35, neck=8.6, bullet=7.85, case=38.7, overall=56.0, shoulder=10.07,
        shoulder_from=30.5, neck_from=33.0, rim_thick=1.5,
    ),
}  # fmt: skip


def cartridge(
    outline: Outline, *, case_rgb: tuple[float, float, float], bullet_rgb: tuple[float, float, float]
) -> Mesh:
    """Return the stand-in of an outline, base at z = 0: case, bullet and the ring of colour that a primer makes."""
    bullet = painted(spun(_bullet(outline), 96), bullet_rgb)
    parts = [painted(spun(_case(outline), 96), case_rgb), bullet]
    if not outline.rimmed:
        radius = _primer(outline) / 1000
        disc = [(0, 3e-5), (radius - 2e-4, 3e-5), (radius - 5e-5, 1.2e-4), (radius - 5e-5, 5e-4), (0, 5e-4)]
        parts.append(painted(spun(disc, 64), NICKEL))
    return merged(*parts)


def _primer(o: Outline) -> float:
    """Return the radius of what is seen of a primer, in millimetres: drawn, not to a table."""
    return 0.26 * o.base


def _case(o: Outline) -> list[tuple[float, float]]:
    """Return the case's profile in metres, axis to axis: rim, groove, body, shoulder, neck, a broken mouth."""
    c, rim, base = _CHAMFER_MM, o.rim / 2, o.base / 2
    points = [(0.0, 0.15), (_primer(o), 0.15), (_primer(o), 0.0)] if not o.rimmed else [(0.0, 0.0)]
    points += [(rim - c, 0.0), (rim, c * 0.6), (rim, o.rim_thick)]
    if o.rimmed:
        points += [(base, o.rim_thick + 0.1)]
    else:
        groove = base - 0.08 * o.base
        points += [(groove, o.rim_thick + 0.15), (groove, o.rim_thick + 0.75), (base, o.rim_thick + 1.6)]
    if o.shoulder is not None:
        points += [(o.shoulder / 2, o.shoulder_from), (o.neck / 2, o.neck_from)]
    mouth = o.neck / 2
    points += [(mouth, o.case - 0.1), (mouth - 0.1, o.case), (0.0, o.case)]
    return [(r / 1000, z / 1000) for r, z in points]


def _bullet(o: Outline) -> list[tuple[float, float]]:
    """Return the bullet's profile in metres: a cylinder, then half of an ellipse to a blunt tip."""
    radius, start = o.bullet / 2, o.case - 1.0
    free = o.overall - o.case
    straight = o.case + 0.18 * free
    blunt = 0.12 if o.shoulder is not None else 0.0
    points = [(0.0, start), (radius, start), (radius, straight)]
    for t in np.linspace(0, np.pi / 2, 22)[1:-1]:
        bulge = float(np.cos(t)) if o.shoulder is None else float(np.cos(t)) ** 0.8
        points.append((radius * max(bulge, blunt), straight + (o.overall - straight) * float(np.sin(t))))
    points.append((0.0, o.overall))
    return [(r / 1000, z / 1000) for r, z in points]


def shotshell(rgb: tuple[float, float, float] = _RED_PLASTIC) -> Mesh:
    """Return the stand-in of a 12-gauge shotshell: a ribless tube, folded flat at 58 mm, in a brass head of 16 mm.

    Rim and tube diameters are those of C.I.P. table VII (12/70: 22.45 and 20.65 mm).
    """
    rim, tube, head, length = 22.45 / 2000, 20.65 / 2000, 0.016, 0.058
    base = [
        (0, 1.5e-4),
        (0.0032, 1.5e-4),
        (0.0032, 0),
        (rim - 4e-4, 0),
        (rim, 3e-4),
        (rim, 0.0018),
        (tube + 2e-4, 0.0019),
        (tube + 2e-4, head - 3e-4),
    ]
    hull = [(0, 0.001), (tube - 1e-4, 0.001), (tube - 1e-4, length - 0.0012), (tube - 8e-4, length)]
    hull += [(tube - 0.0025, length), (tube - 0.0042, length - 0.0014), (0, length - 0.002)]
    disc = [(0, 3e-5), (0.0030, 3e-5), (0.00315, 1.2e-4), (0.00315, 8e-4), (0, 8e-4)]
    return merged(
        painted(spun([*base, (tube - 1e-4, head), (0, head)], 96), BRASS),
        painted(spun(hull, 96), rgb),
        painted(spun(disc, 48), NICKEL),
    )


def _made(name: str, bullet_rgb: tuple[float, float, float]) -> Callable[[], Mesh]:
    return partial(cartridge, OUTLINES[name], case_rgb=BRASS, bullet_rgb=bullet_rgb)


#: Rows of the built-in catalogue, as in `workbench.synthesis.parts`.
CARTRIDGES: tuple[tuple[str, str, str, tuple[str, ...], Callable[[], Mesh]], ...] = (
    ("cartridge-22", "stand-in of a .22 rimfire cartridge", "ammo.cartridge", ("metal_as_drawn",), _made("cartridge-22", LEAD)),
    ("cartridge-5-56", "stand-in of a 5.56 mm cartridge", "ammo.cartridge", ("metal_as_drawn",), _made("cartridge-5-56", COPPER)),
    ("cartridge-7-62x39", "stand-in of a 7.62 x 39 mm cartridge", "ammo.cartridge", ("metal_as_drawn",), _made("cartridge-7-62x39", COPPER)),
    ("cartridge-9x19", "stand-in of a 9 x 19 mm cartridge", "ammo.cartridge", ("metal_as_drawn",), _made("cartridge-9x19", COPPER)),
    ("shotshell-12", "stand-in of a 12-gauge shotshell", "ammo.shotshell", ("as_drawn",), shotshell),
)  # fmt: skip
