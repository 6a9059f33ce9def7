"""The parameters of intake: checked before anything is unsealed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.domain.findings import Finding, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """What one parameter may be: a number from ``least`` (itself excluded with ``above``) to ``most``."""

    least: float
    most: float = math.inf
    above: bool = False
    whole: bool = False

    def allows(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return (
            (value > self.least if self.above else value >= self.least) and value <= self.most and math.isfinite(value)
        )

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        begins = f"above {self.least:g}" if self.above else f"from {self.least:g} on"
        return f"{kind} {begins}" + (f", at most {self.most:g}" if math.isfinite(self.most) else "")


_RULES = {
    "max_side_px": _Number(least=1, whole=True),
    "max_megapixels": _Number(least=0, above=True),
    "jpeg_quality": _Number(least=1, most=100, whole=True),
    "timeout_s": _Number(least=0, above=True),
    "video_timeout_s": _Number(least=0, above=True),
    "max_video_s": _Number(least=0, above=True),
    "max_video_frames": _Number(least=1, whole=True),
    "video_gap_s": _Number(least=0),
    "scene_change_frac": _Number(least=0, most=1),
}


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse limits that cannot be used, all that are wrong at once; the activity's version is `admit.run_intake`'s to check.

    Parameters
    ----------
    params
        The section intake of params.yaml: pixels, megapixels, seconds, and a fraction of the grey range.

    Raises
    ------
    Refused
        ``workspace.params-invalid``.

    """
    problems = [
        Finding(
            code="workspace.params-invalid",
            subject=f"params.yaml intake.{name}",
            message=f"is {params[name]!r}." if name in params else "is missing.",
            remedy=f"Set it to {rule}.",
        )
        for name, rule in _RULES.items()
        if not rule.allows(params.get(name))
    ]
    if problems:
        raise Refused(*problems)
