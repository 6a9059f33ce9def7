"""A release against its rebuild: the first file that differs, the stage it comes from, and the likeliest cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What can change the bytes of each stage beside its inputs, the likeliest first.
_CAUSES = {
    "synthesis": ("cpu_class", "engines", "code_sha256", "python"),
    "composition": ("cpu_class", "engines", "code_sha256", "python"),
    "augmentation": ("engines", "code_sha256", "cpu_class", "python"),
}
_ANY_CAUSE = ("code_sha256", "engines", "python", "cpu_class")
_WORDS = {"code_sha256": "code of the workbench", "cpu_class": "class of processor", "python": "Python"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first difference: a file, what is the matter with it, the stage that made it, and why."""

    path: str
    what: str
    stage: str
    cause: str


def first_difference(
    signed: Mapping[str, str],
    rebuilt: Mapping[str, str],
    *,
    stages: Mapping[str, tuple[str, str]],
    then: Mapping[str, Any],
    now: Mapping[str, Any],
) -> Difference | None:
    """Return the first difference in the order of the paths; nothing if every byte is the same.

    Parameters
    ----------
    signed, rebuilt
        Digests by path: of the release's manifest, and of its rebuild.
    stages
        For each stage in the order of the flow, the digests of what it made then and now.
    then, now
        The environments in which the two were made; empty if not recorded.

    """
    paths = [path for path in sorted({*signed, *rebuilt}) if signed.get(path) != rebuilt.get(path)]
    if not paths:
        return None
    stage = next((name for name, (was, made) in stages.items() if was != made), "release")
    path = paths[0]
    what = "has other bytes"
    if path not in rebuilt:
        what = "is not made any more"
    elif path not in signed:
        what = "is made in addition"
    return Difference(path=path, what=what, stage=stage, cause=likely_cause(stage, then, now))


def likely_cause(stage: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what differs between two environments and can change a stage's bytes, in words.

    Examples
    --------
    >>> likely_cause("synthesis", {"cpu_class": "x86-64-v4"}, {"cpu_class": "x86-64-v3"})
    'the class of processor was x86-64-v4 and is x86-64-v3'

    """
    if not then:
        return "the record does not say what it was made with"
    for key in _CAUSES.get(stage, _ANY_CAUSE):
        if key == "engines":
            engines = then.get(key, {}), now.get(key, {})
            changed = [
                name for name in sorted({*engines[0], *engines[1]}) if engines[0].get(name) != engines[1].get(name)
            ]
            if changed:
                told = (
                    f"{name} was {engines[0].get(name, 'absent')} and is {engines[1].get(name, 'absent')}"
                    for name in changed
                )
                return f"the engine {', '.join(told)}"
        elif then.get(key) != now.get(key):
            was, made = (str(side.get(key, "unknown"))[:16] for side in (then, now))
            return f"the {_WORDS[key]} was {was} and is {made}"
    return "code, engines and processor are the same, so a step does not give the same bytes each time"
