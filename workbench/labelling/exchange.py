"""Label Studio's results to instances and back, exactly, and checked against what the project offers.

Label Studio checks nothing itself: a label that no config knows is stored like any other. So every answer is held
against the config here; an answer that does not fit stays out, with a finding, and the others come through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench.domain.annotation import Instance, Shape
from workbench.domain.findings import Finding
from workbench.domain.lineage import sha256_hex
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.page import CONTROLS, IMAGE_NAME
from workbench.labelling.regions import geometry_from_region, region_from_geometry
from workbench.labelling.tags import is_about_photograph
from workbench.labelling.words import CONFIDENCES

_SHAPES = {result_type: shape for shape, (_, _, result_type) in CONTROLS.items()}


class AnswerProblem(Exception):  # noqa: N818 -- reads as what it is; never leaves this package
    """What is wrong with one answer: a finding's code and its sentence."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code and the sentence."""
        super().__init__(message)
        self.code = code


def short_id(*parts: str) -> str:
    """Return 20 hexadecimal digits that stand for the parts, the same on every machine."""
    return sha256_hex("\x00".join(parts).encode())[:20]


def instances_from_results(
    results: Sequence[Mapping[str, Any]],
    *,
    config: LabelConfig,
    size_wh: tuple[int, int],
    image_id: str,
    annotation_id: str,
    annotator: str,
    task: str,
) -> tuple[tuple[Instance, ...], tuple[Finding, ...]]:
    """Return the instances of one answer, in the order they were drawn, or none and the finding that says why.

    Parameters
    ----------
    results
        The answer's ``result`` list.
    config
        The project the answer was given in.
    size_wh
        Width and height of the working copy, in pixels.
    task
        How the finding names the task, as ``task 12 of project parts``.

    """
    try:
        instances = tuple(
            _instance(items, config, size_wh, annotation_id, {"image_id": image_id, "annotator": annotator})
            for items in _regions(results, config)
        )
    except AnswerProblem as problem:
        remedy = (
            "Correct the answer in Label Studio and pull again; the others were kept."
            if problem.code == "labelling.unknown-label"
            else "Have the photograph labelled again; the other answers were kept."
        )
        return (), (Finding(code=problem.code, subject=task, message=f"{problem}", remedy=remedy),)
    except (TypeError, AttributeError, KeyError) as error:  # a result edited by hand into another shape
        finding = Finding(
            code="labelling.unreadable-answer",
            subject=task,
            message=f"holds a result that is no Label Studio result ({error}).",
            remedy="Have the photograph labelled again; the other answers were kept.",
        )
        return (), (finding,)
    return instances, ()


def _regions(results: Sequence[Any], config: LabelConfig) -> list[list[Mapping[str, Any]]]:
    """Return the results joined by region.

    A link between two regions (a relation) says nothing about either; what is said about the whole photograph is read
    by `workbench.labelling.tags`.
    """
    regions: dict[str, list[Mapping[str, Any]]] = {}
    for item in results:
        if not isinstance(item, Mapping) or not isinstance(item.get("value", {}), Mapping):
            raise AnswerProblem("labelling.unreadable-answer", "holds a result that is no Label Studio result.")
        if item.get("type") != "relation" and not is_about_photograph(item, config):
            regions.setdefault(str(item.get("id")), []).append(item)
    return list(regions.values())


def _instance(
    items: Sequence[Mapping[str, Any]],
    config: LabelConfig,
    size_wh: tuple[int, int],
    annotation_id: str,
    of: Mapping[str, Any],
) -> Instance:
    """Return the instance that one region's results describe."""
    drawn = [item for item in items if item.get("type") in _SHAPES]
    if len(drawn) != 1:
        named = ", ".join(sorted({f"{i.get('from_name')} ({i.get('type')})" for i in items}))
        raise AnswerProblem("labelling.unknown-label", f"holds a region that is not one labelled shape: {named}.")
    (region,) = drawn
    shape = _SHAPES[region["type"]]
    _require_tool(shape, region, config)
    answers = _answers([item for item in items if item is not region], config)
    try:
        geometry = geometry_from_region(shape, region, size_wh)
    except (KeyError, TypeError, ValueError) as error:
        message = f"holds a {shape.value} whose numbers cannot be used ({error})."
        raise AnswerProblem("labelling.unreadable-answer", message) from error
    return Instance(
        instance_id=short_id(annotation_id, str(region.get("id"))),
        category=_category(shape, region, config),
        annotation_id=annotation_id,
        **of,
        **geometry,
        **answers,
    )


def _require_tool(shape: Shape, region: Mapping[str, Any], config: LabelConfig) -> None:
    name, _, _ = CONTROLS[shape]
    if region.get("from_name") != name or region.get("to_name") != IMAGE_NAME or shape not in config.labels:
        raise AnswerProblem(
            "labelling.unknown-label",
            f"was drawn with {region.get('from_name')!r}, which project {config.project} lacks.",
        )


def _category(shape: Shape, region: Mapping[str, Any], config: LabelConfig) -> str:
    _, _, result_type = CONTROLS[shape]
    given = region["value"].get(result_type) or []
    if len(given) != 1 or given[0] not in config.labels.get(shape, ()):
        said = ", ".join(map(str, given)) or "no label"
        raise AnswerProblem(
            "labelling.unknown-label", f"holds a {shape.value} labelled {said}, which project {config.project} lacks."
        )
    return str(given[0])


def _answers(items: Sequence[Mapping[str, Any]], config: LabelConfig) -> dict[str, Any]:
    """Return what was answered about a region: facets, confidence, transcription."""
    facets: dict[str, str] = {}
    answers: dict[str, Any] = {"facets": facets}
    for item in items:
        name, value = item.get("from_name"), item.get("value", {})
        if name == "transcription" and config.transcription and item.get("type") == "textarea":
            lines = value.get("text") or []
            answers["transcription"] = "\n".join([lines] if isinstance(lines, str) else map(str, lines)) or None
            continue
        allowed = tuple(CONFIDENCES) if name == "confidence" and config.confidence else config.facets.get(str(name), ())
        given = value.get("choices") or []
        if item.get("type") != "choices" or not allowed or len(given) != 1 or given[0] not in allowed:
            said = ", ".join(map(str, given)) or str(item.get("type"))
            raise AnswerProblem(
                "labelling.unknown-label", f"answers {name!r} with {said}, which project {config.project} lacks."
            )
        if name == "confidence":
            answers["confidence"] = given[0]
        else:
            facets[str(name)] = given[0]
    return answers


def results_from_instances(
    instances: Iterable[Instance], *, config: LabelConfig, size_wh: tuple[int, int]
) -> tuple[list[dict[str, Any]], tuple[Instance, ...]]:
    """Return the instances as a Label Studio result list, and those that had to be simplified to their box.

    A mask, a polygon of several rings and a polygon of a category that the project draws as boxes only become their
    box. What the project cannot hold at all (a category without a control) is among the simplified and not in the list.
    """
    results: list[dict[str, Any]] = []
    simplified = []
    for instance in instances:
        shape = _drawable(instance, config)
        if shape is not instance.shape:
            simplified.append(instance)
        if shape is not None:
            results += _region_results(instance, shape, config, size_wh)
    return results, tuple(simplified)


def _drawable(instance: Instance, config: LabelConfig) -> Shape | None:
    """Return the shape in which a project can hold an instance; None if in no shape."""
    own = instance.shape
    offered = instance.category in config.labels.get(own, ())
    if offered and (own is not Shape.POLYGON or len(instance.rings) == 1):
        return own
    return Shape.BOX if instance.box and instance.category in config.labels.get(Shape.BOX, ()) else None


def _region_results(
    instance: Instance, shape: Shape, config: LabelConfig, size_wh: tuple[int, int]
) -> list[dict[str, Any]]:
    name, _, result_type = CONTROLS[shape]
    width, height = size_wh
    base = {
        "id": instance.instance_id,
        "to_name": IMAGE_NAME,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    value = region_from_geometry(instance, shape, size_wh)
    results = [{**base, "from_name": name, "type": result_type, "value": {**value, result_type: [instance.category]}}]
    choices = {
        code: choice for code, choice in sorted(instance.facets.items()) if choice in config.facets.get(code, ())
    }
    if instance.confidence and config.confidence:
        choices["confidence"] = instance.confidence
    for code, choice in choices.items():
        results.append({**base, "from_name": code, "type": "choices", "value": {**value, "choices": [choice]}})
    if instance.transcription and config.transcription:
        text = {**value, "text": [instance.transcription]}
        results.append({**base, "from_name": "transcription", "type": "textarea", "value": text})
    return results
