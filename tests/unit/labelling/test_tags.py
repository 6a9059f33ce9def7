from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.annotation import Tag
from workbench.domain.taxonomy import ALONE, REJECT, Taxonomy
from workbench.labelling.exchange import instances_from_results
from workbench.labelling.label_config import read_label_config
from workbench.labelling.tags import tags_from_results

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
TAXONOMY = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
TRIAGE = read_label_config(CONFIGS / "triage", TAXONOMY)
PARTS = read_label_config(CONFIGS / "parts", TAXONOMY)


def said(question: str, *values: str, **changes: Any) -> dict[str, Any]:
    result = {"id": f"q-{question}", "from_name": question, "to_name": "image", "type": "choices"}
    return result | {"value": {"choices": list(values)}} | changes


def box() -> dict[str, Any]:
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["part.barrel"]}
    return {"id": "r", "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value}


@st.composite
def _said(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    questions = draw(st.lists(st.sampled_from(sorted(set(TRIAGE.tags) - {REJECT})), unique=True))
    answers = {}
    for question in questions:
        most = len(TRIAGE.tags[question]) if question in TRIAGE.many else 1
        values = draw(st.lists(st.sampled_from(TRIAGE.tags[question]), min_size=1, max_size=most, unique=True))
        alone = [value for value in values if value in ALONE]
        answers[question] = (alone[0],) if alone else tuple(sorted(values))
    return answers


@given(_said())
def test_what_is_said_about_a_photograph_comes_back_exactly(answers: dict[str, tuple[str, ...]]) -> None:
    results = [said(question, *values) for question, values in answers.items()]
    tags, findings = tags_from_results(results, config=TRIAGE, task="task 1")
    assert findings == ()
    assert set(tags) == {Tag(question=q, value=v) for q, values in answers.items() for v in values}
    assert list(tags) == sorted(tags, key=lambda tag: (tag.question, tag.value))


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(TRIAGE.tags)), _ANYTHING, st.sampled_from(["choices", "textarea", "rating"]))
def test_nothing_that_the_project_does_not_offer_gets_through(question: str, value: Any, kind: str) -> None:
    result = said(question, type=kind, value={"choices": value})
    tags, findings = tags_from_results([result], config=TRIAGE, task="task 1")
    offered = isinstance(value, list) and value and all(each in TRIAGE.tags[question] for each in value)
    assert bool(tags) != bool(findings)
    assert bool(tags) <= bool(offered and kind == "choices")
    assert all(tag.value in TRIAGE.tags[tag.question] for tag in tags)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([said("image_usable", "usable", "unusable")], "labelling.unknown-label"),
        ([said("image_usable", "splendid")], "labelling.unknown-label"),
        ([said("image_usable")], "labelling.unknown-label"),
        ([said("image_usable", "usable", value=None)], "labelling.unknown-label"),
        ([said("kinds_shown", "part", "part")], "labelling.unknown-label"),
        ([said("image_usable", "usable"), said("image_usable", "unusable")], "labelling.contradictory-answer"),
        ([said("kinds_shown", "part", "none")], "labelling.contradictory-answer"),
        ([said("sensitive_content", "face", "cannot_tell")], "labelling.contradictory-answer"),
        ([said(REJECT, "blurred"), said("image_usable", "usable")], "labelling.contradictory-answer"),
        (["nonsense"], "labelling.unreadable-answer"),
    ],
)
def test_an_answer_that_is_unknown_or_contradicts_itself_stays_out(results: list[Any], code: str) -> None:
    tags, findings = tags_from_results(results, config=TRIAGE, task="task 1")
    assert tags == ()
    assert [(finding.code, finding.subject) for finding in findings] == [(code, "task 1")]


def test_a_photograph_is_rejected_or_labelled_but_not_both() -> None:
    tags, findings = tags_from_results([said(REJECT, "blurred")], config=PARTS, task="t")
    assert (tags, findings) == ((Tag(question=REJECT, value="blurred"),), ())
    _, findings = tags_from_results([said(REJECT, "blurred"), box()], config=PARTS, task="t")
    assert [finding.code for finding in findings] == ["labelling.contradictory-answer"]


def test_questions_of_another_project_are_unknown_here() -> None:
    instances, findings = instances_from_results(
        [said("image_usable", "usable")],
        config=PARTS,
        size_wh=(200, 100),
        image_id="i",
        annotation_id="a",
        annotator="p",
        task="t",
    )
    assert instances == ()
    assert [finding.code for finding in findings] == ["labelling.unknown-label"]
