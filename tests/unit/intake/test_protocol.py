"""What an item's photographs should show, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.domain.findings import Refused
from workbench.domain.taxonomy import Taxonomy
from workbench.intake.protocol import (
    COLOUR_CHART,
    SCALE_BAR,
    ItemPhotographs,
    Protocol,
    Status,
    complete_item,
    gather_items,
    read_protocol,
)
from workbench.intake.protocol_page import protocol_page

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
CODES = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8"))).codes
DOCUMENT: dict[str, Any] = {
    "version": "protocol/9",
    "views": {"overall": "all of it", "left": "its left", "headstamp": "its base", "scale": "beside a scale"},
    "needs": {
        "*": {"views": ["overall"]},
        "ammo.*": {"views": [["overall", "left"]], "scale_bar": "some"},
        "ammo.cartridge": {"views": [["overall", "left"], "headstamp"], "scale_bar": "some", "colour_chart": "each"},
    },
}


@pytest.fixture
def protocol() -> Protocol:
    return read_protocol(DOCUMENT, CODES)


def _item(views: dict[str, str | None], seen: dict[str, set[str]] | None = None, **more: Any) -> ItemPhotographs:
    facts = {"partner_id": "lab", "seizure_id": "s", "item_id": "i", "item_class": "ammo.cartridge"} | more
    return ItemPhotographs(views=views, seen={key: frozenset(codes) for key, codes in (seen or {}).items()}, **facts)


def test_the_shipped_protocol_fits_the_shipped_taxonomy() -> None:
    shipped = read_protocol(yaml.safe_load((CONFIGS / "protocol.yaml").read_text(encoding="utf-8")), CODES)
    assert shipped.of("ammo.cartridge") != shipped.of("ammo.projectile") == shipped.of(None)
    assert shipped.of("part.slide") == shipped.of("part.barrel")


def test_the_most_exact_rule_counts(protocol: Protocol) -> None:
    assert protocol.of("ammo.cartridge").views == (("overall", "left"), ("headstamp",))
    assert protocol.of("ammo.case").views == (("overall", "left"),)
    assert protocol.of("part.slide").views == protocol.of(None).views == (("overall",),)


def test_an_item_with_all_it_needs_is_complete(protocol: Protocol) -> None:
    chart = {COLOUR_CHART}
    item = _item({"p": "left", "q": "headstamp"}, {"p": chart | {SCALE_BAR}, "q": chart})
    done = complete_item(item, protocol)
    assert (done.status, done.missing, done.unknown) == (Status.COMPLETE, (), ())
    assert done.have == ("headstamp", "left", "scale bar", "colour chart")


def test_what_nobody_took_is_missing_by_name(protocol: Protocol) -> None:
    done = complete_item(_item({"p": "left"}, {"p": set()}), protocol)
    assert done.status is Status.INCOMPLETE
    assert done.missing == ("headstamp", "scale bar", "colour chart in each photograph")


def test_what_nobody_told_or_labelled_is_unknown_and_not_missing(protocol: Protocol) -> None:
    done = complete_item(_item({"p": None, "q": "left"}), protocol)
    assert (done.status, done.missing) == (Status.UNKNOWN, ())
    assert done.unknown == ("headstamp", "scale bar", "colour chart")


def test_one_unlabelled_photograph_may_still_show_the_scale(protocol: Protocol) -> None:
    done = complete_item(_item({"p": "left", "q": "headstamp"}, {"p": {COLOUR_CHART}}), protocol)
    assert done.unknown == ("scale bar", "colour chart")
    told = complete_item(_item({"p": "left", "q": "headstamp", "r": "scale"}, {"p": {COLOUR_CHART}}), protocol)
    assert "scale bar" in told.have, "the partner's word counts"


def test_an_item_without_any_photograph_lacks_everything(protocol: Protocol) -> None:
    done = complete_item(_item({}), protocol)
    assert done.status is Status.INCOMPLETE
    assert done.missing[:2] == ("overall or left", "headstamp")


def _file(letter: str, item: str | None, *, seizure: str = "s", view: str | None = None, **more: Any) -> dict[str, Any]:
    row = {"image_id": letter, "contribution_id": "c1", "partner_id": "lab", "seizure_id": seizure, "item_id": item}
    return row | {"view": view} | more


def test_items_are_told_apart_by_seizure_and_partner_and_join_over_deliveries() -> None:
    files = [
        _file("a", "1", view="left"),
        _file("b", "1", view="headstamp", contribution_id="c2"),
        _file("c", "1", seizure="t"),
        _file("d", "1", partner_id="other", contribution_id="c3"),
        _file("e", None),
        _file("f", "1"),
    ]
    listed = [
        {"item_id": "1", "seizure_id": "s", "contribution_id": "c1", "item_class": "ammo.case"},
        {"item_id": "2", "seizure_id": "s", "contribution_id": "c1", "item_class": "part.slide"},
    ]
    items, loose = gather_items(files, listed, set("abcde"), {"a": frozenset({SCALE_BAR})})
    found = {(item.partner_id, item.seizure_id, item.item_id): item for item in items}
    assert sorted(found) == [("lab", "s", "1"), ("lab", "s", "2"), ("lab", "t", "1"), ("other", "s", "1")]
    first = found["lab", "s", "1"]
    assert (first.item_class, first.views, first.held) == ("ammo.case", {"a": "left", "b": "headstamp"}, 1)
    assert first.contributions == ("c1", "c2")
    assert first.seen == {"a": frozenset({SCALE_BAR})}
    assert found["lab", "s", "2"].views == {}
    assert loose == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"needs": {}}, r"'\*'"),
        ({"needs": {"*": {"views": ["sideways"]}}}, "sideways"),
        ({"needs": {"*": {"views": ["overall"], "scale_bar": "always"}}}, "always"),
        ({"needs": {"*": {"views": "overall"}}}, "list of views|sideways|asks for"),
        ({"needs": {"part.wing": {"views": []}, "*": {"views": []}}}, "part.wing"),
        ({"views": None}, "mapping"),
    ],
)
def test_a_protocol_that_cannot_be_used_is_refused_by_name(change: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word) as refusal:
        read_protocol(DOCUMENT | change, CODES)
    assert refusal.value.findings[0].code == "protocol.invalid"


def test_the_page_says_what_is_lacking_and_escapes_what_partners_write(protocol: Protocol) -> None:
    report = complete_item(_item({"p": "left"}, {"p": set()}, item_id="<b>1</b>"), protocol)
    page = protocol_page([report], protocol, partner_id="lab", partner_name="A & B", loose=3)
    assert "<b>1</b>" not in page
    assert "A &amp; B" in page
    assert "headstamp, scale bar, colour chart in each photograph" in page
    assert "3 photographs belong to no item" in page
    assert "http" not in page, "everything is inline"
