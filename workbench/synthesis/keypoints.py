"""A file of a part's named points: read, checked, and held against the part."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.domain.findings import refused
from workbench.ports import Mesh
from workbench.synthesis.symmetry import Xyz

#: Keypoints may lie a little outside, as the middle of a ring does not, but a wrong unit does.
_OUTSIDE_FRAC = 0.25
_MOST_KEYPOINTS = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .-]{0,59}")


def read_keypoints(name: str, data: bytes) -> dict[str, Xyz]:
    """Return the keypoints of a file in metres.

    Parameters
    ----------
    name
        The file's name; its ending says the format.
    data
        JSON, an object of name to [x, y, z], or CSV with the columns ``name,x_mm,y_mm,z_mm``: millimetres in the
        part's own coordinates.

    Raises
    ------
    Refused
        ``synthesis.keypoints-refused`` if it cannot be read.

    """
    try:
        text = data.decode("utf-8-sig")
        if name.lower().endswith(".csv"):
            rows = csv.DictReader(io.StringIO(text))
            listed = [(row["name"], [row["x_mm"], row["y_mm"], row["z_mm"]]) for row in rows]
        else:
            listed = list(json.loads(text).items())
        points = {str(key).strip(): _metres(at) for key, at in listed}
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise _bad_keypoints(name, f"cannot be read ({type(error).__name__}: {str(error)[:80]}).") from error
    if not 1 <= len(points) <= _MOST_KEYPOINTS or len(points) != len(listed):
        raise _bad_keypoints(
            name, f"names {len(listed)} points; 1 to {_MOST_KEYPOINTS} of different names can be used."
        )
    for key, at in points.items():
        if not _NAME.fullmatch(key) or not np.isfinite(at).all():
            raise _bad_keypoints(name, f"has a point {key[:40]!r} whose name or place cannot be used.")
    return points


def check_inside(keypoints: Mapping[str, Xyz], mesh: Mesh, across_m: float) -> None:
    """Refuse keypoints far outside a part: most likely they are in another unit.

    Raises
    ------
    Refused
        ``synthesis.keypoints-refused``.

    """
    low, high = mesh.vertices_m.min(axis=0), mesh.vertices_m.max(axis=0)
    for name, at in keypoints.items():
        outside = float(np.max(np.maximum(low - at, np.asarray(at) - high)))
        if outside > _OUTSIDE_FRAC * across_m:
            raise _bad_keypoints(
                name, f"lies {outside * 1000:.4g} mm outside the part, which is {across_m * 1000:.4g} mm."
            )


def _bad_keypoints(subject: str, message: str) -> Exception:
    return refused(
        "synthesis.keypoints-refused",
        subject,
        message,
        "Give JSON {name: [x, y, z]} or CSV name,x_mm,y_mm,z_mm, in millimetres of the part's own coordinates.",
    )


def _metres(at: Sequence[Any]) -> Xyz:
    x, y, z = (float(value) / 1000 for value in at)
    return (x, y, z)
