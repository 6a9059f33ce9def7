"""The recipe of params.yaml: checked as a whole, all problems told at once, and digested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.lineage import require_activity

#: Version of this stage's code; stands in params.yaml.
ACTIVITY = "augmentation/1"

#: Says what is wrong with one step of a recipe, or nothing if it can be used.
StepProblem = Callable[[Mapping[str, Any]], str | None]

_RANGES = {"copies": (0, 100), "size_px": (32, 8192), "jpeg_quality": (1, 100), "seed": (0, 2**32 - 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is done to a photograph, and how often.

    Parameters
    ----------
    steps
        Transforms in order, each a mapping with ``name`` and its arguments.
    copies
        Copies of each training photograph.
    size_px
        Longest side of a copy; larger results are scaled down, smaller ones left.

    """

    steps: tuple[Mapping[str, Any], ...]
    copies: int
    seed: int
    size_px: int
    jpeg_quality: int

    @property
    def shaping(self) -> dict[str, Any]:
        """The parameters that shape each copy; how many copies are made shapes none of them."""
        return {
            "steps": [dict(step) for step in self.steps],
            "seed": self.seed,
            "size_px": self.size_px,
            "jpeg_quality": self.jpeg_quality,
        }

    @property
    def params(self) -> dict[str, Any]:
        """The recipe as the section of params.yaml says it, without the version of the code."""
        numbers = {"copies": self.copies, "seed": self.seed, "size_px": self.size_px, "jpeg_quality": self.jpeg_quality}
        return {**numbers, "recipe": [dict(step) for step in self.steps]}


def parse_recipe(params: Mapping[str, Any], step_problem: StepProblem) -> Recipe:
    """Return the recipe that the section ``augmentation`` of params.yaml describes.

    Raises
    ------
    Refused
        ``workspace.activity-version``, ``workspace.params-invalid``, or ``augmentation.bad-recipe`` with a finding a
        step that cannot be used.

    """
    require_activity(params, ACTIVITY, section="augmentation")
    for key, (low, high) in _RANGES.items():
        value = params.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise refused(
                "workspace.params-invalid",
                f"params.yaml augmentation.{key}",
                f"must be a whole number between {low} and {high}, not {value!r}.",
                "Correct it in params.yaml.",
            )
    steps = params.get("recipe")
    if not isinstance(steps, list):
        raise Refused(_bad_step("recipe", "is no list of transforms."))
    _require_sound(steps, step_problem)
    numbers = {key: params[key] for key in _RANGES}
    return Recipe(steps=tuple(dict(step) for step in steps), **numbers)


def _require_sound(steps: Sequence[Any], step_problem: StepProblem) -> None:
    findings = []
    for index, step in enumerate(steps):
        if not isinstance(step, dict) or not isinstance(step.get("name"), str):
            findings.append(_bad_step(f"recipe[{index}]", "is no mapping with a `name`."))
        elif problem := step_problem(step):
            findings.append(_bad_step(f"recipe[{index}] {step['name']}", problem))
    if findings:
        raise Refused(*findings)


def _bad_step(where: str, problem: str) -> Finding:
    return Finding(
        code="augmentation.bad-recipe",
        subject=f"params.yaml augmentation.{where}",
        message=problem,
        remedy="Name an albumentations 2.0.8 transform and its own arguments.",
    )
