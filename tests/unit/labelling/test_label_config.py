from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from defusedxml.ElementTree import fromstring

from workbench.domain.annotation import Shape
from workbench.domain.findings import Refused
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.label_config import compile_label_config, guidelines_html, read_label_config

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
DOCUMENT = {"title": "T", "shapes": {"box": ["part.*", "unknown"]}}


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_label_of_the_page_stores_a_code_of_the_taxonomy(taxonomy: Taxonomy, language: str) -> None:
    config = read_label_config(CONFIGS / "parts", taxonomy, language=language)
    page = fromstring(config.xml)
    boxes = [label.attrib["alias"] for label in page.find(".//RectangleLabels")]
    assert boxes == list(config.labels[Shape.BOX])
    assert set(boxes) == set(taxonomy.codes)
    for choices in page.iter("Choices"):
        assert choices.attrib["perRegion"] == "true"
        assert "cannot_tell" in {choice.attrib["alias"] for choice in choices}


def test_labels_are_shown_in_the_language_asked_for(taxonomy: Taxonomy) -> None:
    page = fromstring(read_label_config(CONFIGS / "parts", taxonomy, language="fr").xml)
    shown = {label.attrib["alias"]: label.attrib["value"] for label in page.find(".//RectangleLabels")}
    assert shown["part.frame"] == "Carcasse"


def test_no_two_labels_of_a_page_share_a_hotkey(taxonomy: Taxonomy) -> None:
    page = fromstring(read_label_config(CONFIGS / "parts", taxonomy).xml)
    keys = [label.attrib["hotkey"] for label in page.iter("Label") if "hotkey" in label.attrib]
    assert len(keys) == len(set(keys)) == 10


def test_every_unknown_code_of_a_config_is_refused_by_name(taxonomy: Taxonomy) -> None:
    document = DOCUMENT | {"shapes": {"box": ["part.frame", "part.wing"]}, "facets": ["smell"], "hotkeys": {"x.y": "1"}}
    with pytest.raises(Refused) as raised:
        compile_label_config("p", document, "", taxonomy, language="en")
    assert {finding.code for finding in raised.value.findings} == {"labelling.unknown-code"}
    said = [finding.message.split(",")[0] for finding in raised.value.findings]
    assert said == ["names part.wing", "names smell", "names x.y"]


@pytest.mark.parametrize(
    ("document", "language", "code"),
    [
        ([], "en", "labelling.config-invalid"),
        ({"title": "T"}, "en", "labelling.config-invalid"),
        (DOCUMENT | {"shapes": {"blob": ["unknown"]}}, "en", "labelling.config-invalid"),
        (DOCUMENT | {"shapes": {"box": []}}, "en", "labelling.config-invalid"),
        (DOCUMENT | {"shapes": {"box": 7}}, "en", "labelling.config-invalid"),
        (DOCUMENT | {"hotkeys": ["1"]}, "en", "labelling.config-invalid"),
        (DOCUMENT, "xx", "labelling.unknown-language"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused(
    taxonomy: Taxonomy, document: object, language: str, code: str
) -> None:
    with pytest.raises(Refused) as raised:
        compile_label_config("p", document, "", taxonomy, language=language)
    assert raised.value.findings[0].code == code


def test_a_folder_without_a_config_is_refused(taxonomy: Taxonomy, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="labelling.no-config"):
        read_label_config(tmp_path / "nowhere", taxonomy)


def test_guidelines_cannot_smuggle_markup_into_the_page() -> None:
    assert "<script>" not in guidelines_html("- <script>alert(1)</script>")
