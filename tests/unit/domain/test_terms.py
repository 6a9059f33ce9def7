"""Usage terms: every problem told at once, narrowed and never widened, known by a digest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.delivery import OnwardSharing, UsageTerms
from workbench.domain.findings import Refused
from workbench.domain.terms import StatedTerms, narrowed, read_stated, terms_digest

BASE = UsageTerms(
    permitted_purposes=("research", "training"),
    onward_sharing=OnwardSharing.NAMED,
    embargo_until="2027-01-01",
    retention_until="2030-01-01",
    personal_data_declared=True,
)


def _stated(**document: Any) -> StatedTerms:
    return read_stated(document, source="t.yaml")


def test_every_problem_of_a_terms_file_is_told_at_once() -> None:
    with pytest.raises(Refused) as refusal:
        _stated(
            permitted_purposes=["research", "Fun!"],
            onward_sharing="friends",
            embargo_until="2027-02-30",
            retention_until="soon",
            personal_data_declared="perhaps",
            licence="",
            colour="red",
        )
    told = [finding.subject for finding in refusal.value.findings]
    keys = ["colour", "permitted_purposes", "onward_sharing", "personal_data_declared", "licence"]
    assert told == [f"t.yaml: {key}" for key in (*keys, "embargo_until", "retention_until")]
    assert {finding.code for finding in refusal.value.findings} == {"custody.terms-invalid"}


def test_terms_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(Refused, match="before the embargo"):
        _stated(embargo_until="2027-01-01", retention_until="2026-12-31")


def test_what_is_not_stated_stays_and_what_is_empty_is_lifted() -> None:
    stated = _stated(embargo_until=None, permitted_purposes=["training"], agreement_ref="A-7")
    wanted = stated.over(BASE)
    assert wanted.embargo_until is None
    assert (wanted.permitted_purposes, wanted.agreement_ref) == (("training",), "A-7")
    assert wanted.retention_until == BASE.retention_until


@pytest.mark.parametrize(
    ("document", "wider"),
    [
        ({"permitted_purposes": ["advertising"]}, "permitted_purposes"),
        ({"permitted_purposes": []}, "permitted_purposes"),
        ({"onward_sharing": "public"}, "onward_sharing"),
        ({"embargo_until": "2026-12-31"}, "embargo_until"),
        ({"embargo_until": None}, "embargo_until"),
        ({"retention_until": "2030-01-02"}, "retention_until"),
        ({"retention_until": None}, "retention_until"),
        ({"personal_data_declared": False}, "personal_data_declared"),
        ({"licence": "CC0-1.0"}, "licence"),
    ],
)
def test_a_contribution_is_never_given_under_wider_terms(document: dict[str, Any], wider: str) -> None:
    with pytest.raises(Refused) as refusal:
        narrowed(BASE, _stated(**document), licence="CC-BY-4.0", source="t.yaml")
    assert [(f.code, f.subject) for f in refusal.value.findings] == [("custody.terms-wider", f"t.yaml: {wider}")]


def test_narrower_terms_are_taken() -> None:
    document = {"permitted_purposes": ["training"], "onward_sharing": "none", "embargo_until": "2028-01-01"}
    wanted = narrowed(BASE, _stated(**document, licence="CC-BY-4.0"), licence="CC-BY-4.0", source="t.yaml")
    assert wanted.onward_sharing is OnwardSharing.NONE
    assert narrowed(UsageTerms(), _stated(**document), licence="x", source="t").permitted_purposes == ("training",)


TERMS = st.builds(
    UsageTerms,
    permitted_purposes=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(lambda some: tuple(sorted(some))),
    onward_sharing=st.sampled_from(list(OnwardSharing)),
    embargo_until=st.none() | st.dates().map(str),
    legal_basis=st.none() | st.text(min_size=1, max_size=20),
    personal_data_declared=st.booleans(),
)


@given(TERMS, TERMS)
def test_a_digest_knows_terms_apart_and_survives_json(one: UsageTerms, other: UsageTerms) -> None:
    assert UsageTerms.from_json(one.to_json()) == one
    assert (terms_digest("l", one) == terms_digest("l", other)) == (one == other)
    assert terms_digest("l", one) != terms_digest("m", one)


@given(TERMS, TERMS)
def test_narrowing_twice_is_narrowing_once(base: UsageTerms, wanted: UsageTerms) -> None:
    stated = StatedTerms(stated={name: getattr(wanted, name) for name in ("permitted_purposes", "onward_sharing")})
    try:
        once = narrowed(base, stated, licence="l", source="t")
    except Refused:
        return
    assert narrowed(once, stated, licence="l", source="t") == once
    assert not base.permitted_purposes or set(once.permitted_purposes) <= set(base.permitted_purposes)
