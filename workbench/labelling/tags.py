"""Answers about the whole photograph: questions of a project, the reason it cannot be labelled, an adjudicator's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.domain.annotation import Tag
from workbench.domain.findings import Finding
from workbench.domain.taxonomy import ALONE, REJECT
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.page import ANSWERS

#: What an adjudicator's page asks besides: name of the control and type of its results.
VERDICT_FIELDS: Mapping[str, str] = {"verdict": "choices", "reason": "textarea", "reference": "textarea"}


#: The controls that show an adjudicator what others answered; what stands in them is no answer.
_SHOWN = frozenset(name for name, _, _ in ANSWERS.values())


def is_about_photograph(item: Mapping[str, Any], config: LabelConfig) -> bool:
    """Return whether a result is about the whole photograph, or only shows an adjudicator what others drew."""
    name = str(item.get("from_name"))
    return name in config.tags or (config.verdict and (name in VERDICT_FIELDS or name in _SHOWN))


def tags_from_results(
    results: Sequence[Any], *, config: LabelConfig, task: str
) -> tuple[tuple[Tag, ...], tuple[Finding, ...]]:
    """Return what one answer says about the whole photograph, sorted, or nothing and the finding that says why.

    Parameters
    ----------
    results
        The answer's ``result`` list.
    config
        The project the answer was given in.
    task
        How the finding names the task.

    """
    tags: set[Tag] = set()
    objects = 0
    try:
        for item in results:
            name = str(item.get("from_name"))
            if name in config.tags:
                values = _values(name, item, config)
                if any(tag.question == name for tag in tags):
                    return (), (_finding("labelling.contradictory-answer", task, f"answers {name} twice."),)
                tags |= {Tag(question=name, value=value) for value in values}
            elif item.get("type") != "relation" and not is_about_photograph(item, config):
                objects += 1
    except _NotOffered as stray:
        return (), (_finding("labelling.unknown-label", task, f"{stray}"),)
    except (AttributeError, TypeError) as error:
        message = f"holds a result that is no Label Studio result ({error})."
        return (), (_finding("labelling.unreadable-answer", task, message),)
    if problem := _contradiction(tags, objects, config):
        return (), (_finding("labelling.contradictory-answer", task, problem),)
    return tuple(sorted(tags, key=lambda tag: (tag.question, tag.value))), ()


class _NotOffered(Exception):  # noqa: N818 -- reads as what it is; never leaves this module
    """A value that the project does not offer."""


def _values(name: str, item: Mapping[str, Any], config: LabelConfig) -> list[str]:
    """Return the values given to one question."""
    stated = item["value"].get("choices") if isinstance(item.get("value"), Mapping) else None
    given: list[Any] = stated if isinstance(stated, list) else []
    if item.get("type") != "choices" or not given or any(value not in config.tags[name] for value in given):
        said = ", ".join(map(str, given)) or f"a {item.get('type')} without a value"
        raise _NotOffered(f"answers {name!r} with {said}, which project {config.project} lacks.")
    if len(set(given)) != len(given) or (len(given) > 1 and name not in config.many):
        raise _NotOffered(f"answers {name!r} with several values, {', '.join(given)}.")
    return given


def _contradiction(tags: set[Tag], objects: int, config: LabelConfig) -> str | None:
    """Say what contradicts itself in an answer, None if nothing."""
    said: dict[str, set[str]] = {}
    for tag in tags:
        said.setdefault(tag.question, set()).add(tag.value)
    for question, values in sorted(said.items()):
        if len(values) > 1 and (alone := sorted(values & set(ALONE))):
            return f"answers {question} with {alone[0]} and something else."
    others = len(said) - 1
    if REJECT in said and not config.verdict and (objects or others):
        return f"says that the photograph cannot be labelled, and holds {objects + others} other answers."
    return None


def _finding(code: str, task: str, message: str) -> Finding:
    return Finding(
        code=code,
        subject=task,
        message=message,
        remedy="Correct the answer in Label Studio and pull again; the others were kept.",
    )
