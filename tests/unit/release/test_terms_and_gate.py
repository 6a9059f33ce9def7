"""What usage terms, labels and the gate keep out of a release, and on which day."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.domain.delivery import OnwardSharing, UsageTerms
from workbench.domain.findings import Refused
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.release.basis import read_basis
from workbench.release.gate import GATE_CODES, Rules, breaches, judge
from workbench.release.terms import Intent, day_problems, why_not
from workbench.tables import IMAGES, read_rows, write_table

PARAMS = {"activity": "release/2", "title": "t", "purpose": "tests"}


def state(layout: Layout, contribution: str = "c1", **terms: Any) -> None:
    """Give a contribution these usage terms."""
    folder = layout.deliveries / contribution
    folder.mkdir(exist_ok=True)
    record = {"contribution_id": contribution, "terms": terms}
    (folder / "contribution.json").write_text(json.dumps(record))


def split_in_two(layout: Layout) -> None:
    """Make the photographs with group-1 a contribution of its own, c2."""
    for folder in (layout.curation, layout.augmentation):
        rows = read_rows(folder / "images.parquet", IMAGES)
        for row in rows:
            if row["group_id"] == "group-0":
                row["contribution_id"] = "c2"
        write_table(folder / "images.parquet", IMAGES, rows)


def codes(run: Callable[[], Any]) -> list[str]:
    with pytest.raises(Refused) as caught:
        run()
    return [finding.code for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"permitted_purposes": ["training of the police"]}, "purpose not permitted"),
        ({"onward_sharing": "none"}, "sharing not permitted"),
        ({"embargo_until": "2026-06-02"}, "under embargo"),
        ({"retention_until": "2026-05-31"}, "retention ended"),
    ],
)
def test_what_terms_forbid_stays_out_with_its_copies_and_is_counted_by_reason(
    layout: Layout, run_assemble: Callable[..., Any], terms: dict[str, Any], reason: str
) -> None:
    split_in_two(layout)
    state(layout, "c2", **terms)
    facts = run_assemble(layout, as_of="2026-06-01").facts
    assert facts["left_out"][reason] == 2  # the photograph and its augmented copy
    released = pd.read_parquet(layout.release / "images.parquet")
    assert "c2" not in set(released["contribution_id"])
    assert reason in (layout.release / "card.html").read_text()
    assert reason in (layout.release / "card.md").read_text()
    assert json.loads((layout.release / "gate.json").read_text())["left_out"][reason] == 2


def test_terms_that_permit_the_purpose_on_that_day_keep_nothing_out(
    layout: Layout, run_assemble: Callable[..., Any]
) -> None:
    state(layout, embargo_until="2026-06-01", retention_until="2026-06-01", permitted_purposes=["tests", "other"])
    assert run_assemble(layout, as_of="2026-06-01").facts["images"] == 7


def test_terms_with_a_day_need_a_day(layout: Layout, run_assemble: Callable[..., Any]) -> None:
    state(layout, retention_until="2036-01-01")
    assert codes(lambda: run_assemble(layout)) == ["release.as-of-missing"]
    assert run_assemble(layout, as_of=date(2026, 6, 1)).facts["as_of"] == "2026-06-01"  # as YAML reads it


@pytest.mark.parametrize(
    "bad", [{"as_of": "June"}, {"sharing": "world"}, {"formats": ["coco", "png"]}, {"accept_labels": []}]
)
def test_parameters_that_cannot_be_used_are_refused(
    layout: Layout, run_assemble: Callable[..., Any], bad: dict[str, Any]
) -> None:
    assert codes(lambda: run_assemble(layout, **bad)) == ["workspace.params-invalid"]


@pytest.mark.parametrize("record", ['{"terms": {"embargo_until": "soon"}}', '{"terms": {"nonsense": 1}}', "no json"])
def test_terms_that_cannot_be_read_are_refused(layout: Layout, run_assemble: Callable[..., Any], record: str) -> None:
    (layout.deliveries / "c1" / "contribution.json").write_text(record)
    assert codes(lambda: run_assemble(layout)) == ["release.terms-unreadable"]


def test_images_of_a_contribution_without_a_record_are_refused(
    layout: Layout, run_assemble: Callable[..., Any]
) -> None:
    (layout.deliveries / "c1" / "contribution.json").unlink()
    assert codes(lambda: run_assemble(layout)) == ["release.terms-unknown"]


def test_the_gate_itself_refuses_terms_that_expired(layout: Layout, taxonomy: Taxonomy) -> None:
    basis = read_basis(layout, PARAMS, taxonomy)
    terms = {"c1": UsageTerms(retention_until="2026-01-01")}
    intent = Intent(purpose="tests", as_of=date(2026, 1, 2))
    rules = Rules(
        taxonomy=taxonomy, statuses=basis.rules.statuses, accepted=basis.rules.accepted, terms=terms, intent=intent
    )
    findings = list(breaches(basis.contents, rules))
    assert [finding.code for finding in findings] == ["release.terms-forbid"]
    assert "retention ended" in findings[0].message


def test_labels_less_settled_than_asked_stay_out_and_so_do_copies_of_them(
    layout: Layout, run_assemble: Callable[..., Any], taxonomy: Taxonomy
) -> None:
    facts = run_assemble(layout, accept_labels=["adjudicated"]).facts
    assert facts["left_out"]["labels agreed"] == 5
    assert facts["left_out"]["copy of an image left out"] == 1
    assert facts["images_by_split_and_origin"]["train"] == {"real": 0, "replica": 0, "rendered": 1, "augmented": 0}
    basis = read_basis(layout, PARAMS, taxonomy)
    rules = Rules(
        taxonomy=taxonomy,
        statuses=basis.rules.statuses,
        accepted={"single"},
        terms=basis.rules.terms,
        intent=basis.rules.intent,
    )
    assert judge(basis.contents, rules)[1]["release.unlabelled-image"] == 5


def test_a_clean_gate_counts_every_code_as_none(layout: Layout, run_assemble: Callable[..., Any]) -> None:
    run_assemble(layout)
    told = json.loads((layout.release / "gate.json").read_text())
    assert told["breaches"] == dict.fromkeys(GATE_CODES, 0)


@pytest.mark.parametrize(
    ("as_of", "terms", "found"),
    [
        (date(2026, 6, 2), UsageTerms(), ["release.as-of-future"]),
        (date(2026, 5, 1), UsageTerms(retention_until="2026-05-31"), ["release.as-of-stale"]),
        (None, UsageTerms(embargo_until="2026-06-02"), ["release.as-of-stale"]),
        (date(2020, 1, 1), UsageTerms(retention_until="2026-06-01"), []),
        (None, UsageTerms(), []),
    ],
)
def test_a_day_is_stale_when_the_terms_say_otherwise_today(
    as_of: date | None, terms: UsageTerms, found: list[str]
) -> None:
    intent = Intent(purpose="tests", as_of=as_of)
    problems = day_problems({"c1": terms}, intent, ["c1"], today=date(2026, 6, 1))
    assert [finding.code for finding in problems] == found


def test_sharing_goes_no_wider_than_each_contribution_allows() -> None:
    order = [OnwardSharing.NONE, OnwardSharing.PROJECT, OnwardSharing.NAMED, OnwardSharing.PUBLIC]
    for i, wanted in enumerate(order):
        for j, allowed in enumerate(order):
            reason = why_not(UsageTerms(onward_sharing=allowed), Intent(purpose="p", sharing=wanted))
            assert (reason is None) == (i <= j)


def test_the_gate_command_tells_without_writing(layout: Layout, workbench: Callable[..., dict[str, Any]]) -> None:
    (layout.root / "dvc.yaml").write_text("stages: {}\n")
    layout.params.write_text("release: {activity: release/2, title: t, purpose: tests}\n")
    answer = workbench("release", "gate", "--workspace", layout.root)
    assert answer["data"]["left_out"] == {"disagreed": 1, "exact duplicate": 1, "not labelled": 1}
    (layout.deliveries / "c1" / "contribution.json").unlink()
    refused = workbench("release", "gate", "--workspace", layout.root, expect=1)
    assert [finding["code"] for finding in refused["findings"]] == ["release.terms-unknown"]
    assert refused["data"]["breaches"]["release.terms-unknown"] == 1
    assert not layout.release.exists()


def test_the_country_of_each_seizure_is_counted_and_drawn(assembled: Layout) -> None:
    facts = json.loads((assembled.release / "summary.json").read_text())
    assert facts["images_by_country"] == {"BR": 4, "unknown": 1}
    assert "<title>BR: 4</title>" in (assembled.release / "card.html").read_text()


def test_the_card_shows_no_picture_with_a_serial_number(assembled: Layout) -> None:
    images = pd.read_parquet(assembled.release / "images.parquet").set_index("image_id")
    instances = pd.read_parquet(assembled.release / "instances.parquet")
    serial = set(instances[instances["category"] == "marking.serial"]["image_id"])
    page = (assembled.release / "card.html").read_text()
    assert serial
    assert not [image_id for image_id in serial if Path(images.loc[image_id, "path"]).name in page]
