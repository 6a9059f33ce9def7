"""How the codes of older taxonomies are read today: steps that rename, merge, split or deprecate them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What one version of the taxonomy changed: each old code with the codes that stand for it since.

    One code: it was renamed, or merged into another. Several: it was split. None: it was deprecated. In both latter
    cases a person has to look again.
    """

    to: str
    successors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, step: Mapping[str, Any]) -> Migration:
        """Return the step that a mapping of ``to``, ``rename``, ``merge``, ``split`` and ``deprecate`` states.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it states something else, a code twice, or a split into fewer than two.

        """
        if stray := set(step) - {"to", "rename", "merge", "split", "deprecate"}:
            raise ValueError(f"migration step with {', '.join(sorted(stray))}")
        moves: list[tuple[str, tuple[str, ...]]] = [
            (old, (str(new),)) for kind in ("rename", "merge") for old, new in (step.get(kind) or {}).items()
        ]
        for old, new in (step.get("split") or {}).items():
            if len(set(new)) < 2:  # noqa: PLR2004 -- a split into one is a rename
                raise ValueError(f"split of {old} into fewer than two")
            moves.append((old, tuple(map(str, new))))
        moves += [(old, ()) for old in step.get("deprecate") or {}]
        if len(dict(moves)) != len(moves):
            raise ValueError("a migration step moves a code twice")
        version_key(str(step["to"]))
        return cls(to=str(step["to"]), successors=dict(moves))


def version_key(version: str) -> tuple[int, ...]:
    """Return a version's numbers, by which versions are ordered.

    Raises
    ------
    ValueError
        If it is not of numbers and points.

    Examples
    --------
    >>> version_key("1.10.0") > version_key("1.9.2")
    True

    """
    return tuple(int(part) for part in version.split("."))


def successors(code: str, version: str, steps: Sequence[Migration]) -> tuple[str, ...]:
    """Return the codes that stand today for a code given under an older version; none if it was deprecated.

    Examples
    --------
    >>> steps = [
    ...     Migration(to="2.0", successors={"a": ("b",)}),
    ...     Migration(to="3.0", successors={"b": ("c", "d")}),
    ... ]
    >>> successors("a", "1.0", steps), successors("b", "3.0", steps)
    (('c', 'd'), ('b',))

    """
    codes: Iterable[str] = (code,)
    for step in steps:
        if version_key(step.to) > version_key(version):
            codes = [new for old in codes for new in step.successors.get(old, (old,))]
    return tuple(dict.fromkeys(codes))
