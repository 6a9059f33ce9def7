from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from defusedxml.ElementTree import fromstring

from workbench.adapters.label_studio import config_problem
from workbench.domain.annotation import Shape
from workbench.domain.findings import Refused
from workbench.domain.taxonomy import REJECT, Taxonomy
from workbench.labelling.check import check_project, project_folders
from workbench.labelling.drawings import drawings
from workbench.labelling.guidelines import guideline_rules, guidelines_html
from workbench.labelling.label_config import compile_label_config, read_label_config, read_labellers_config
from workbench.labelling.words import CONFIDENCES

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
DOCUMENT = {"title": "T", "shapes": {"box": ["part.*", "unknown"]}}


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("language", ["en", "fr", "es", "pt", "ar", "uk"])
def test_every_label_of_the_page_stores_a_code_of_the_taxonomy(taxonomy: Taxonomy, language: str) -> None:
    config = read_label_config(CONFIGS / "parts", taxonomy, language=language)
    page = fromstring(config.xml)
    boxes = [label.attrib["alias"] for label in page.find(".//RectangleLabels")]
    assert boxes == list(config.labels[Shape.BOX])
    assert set(boxes) == set(taxonomy.codes)
    for choices in page.iter("Choices"):
        assert (choices.attrib.get("perRegion") == "true") == (choices.attrib["name"] not in config.tags)
        assert "cannot_tell" in {choice.attrib["alias"] for choice in choices}


def test_every_project_compiles_in_every_language_and_lets_people_say_unknown(taxonomy: Taxonomy) -> None:
    projects = project_folders(CONFIGS)
    drawing = ["adjudication", "ammunition", "headstamp", "markings", "parts", "redaction"]
    assert [folder.name for folder in projects] == [*drawing, "triage"]
    for folder in projects:
        assert not list(check_project(folder, taxonomy, config_problem=config_problem))
        config = read_label_config(folder, taxonomy)
        said = config.labels[Shape.BOX] if folder.name in drawing else config.tags["kinds_shown"]
        assert "unknown" in said, folder.name


def test_a_page_that_label_studio_would_refuse_is_found(taxonomy: Taxonomy) -> None:
    findings = list(check_project(CONFIGS / "parts", taxonomy, config_problem=lambda _xml: config_problem("<View>")))
    assert {finding.code for finding in findings} == {"labelling.config-invalid"}
    assert len(findings) == len(taxonomy.languages)


def test_every_name_is_there_in_every_language(taxonomy: Taxonomy) -> None:
    codes = {language.code for language in taxonomy.languages}
    for category in taxonomy.categories:
        assert set(category.names) == codes, category.code
        assert category.definition
        assert category.is_not
    for facet in taxonomy.facets:
        for names in (facet.names, *facet.values.values(), *CONFIDENCES.values()):
            assert set(names) == codes, facet.code
    for language in codes:
        names = [category.names[language] for category in taxonomy.categories]
        assert len(set(names)) == len(names), language


def test_a_page_written_from_the_right_turns_its_words_only(taxonomy: Taxonomy) -> None:
    arabic = read_label_config(CONFIGS / "parts", taxonomy, language="ar").xml
    assert ".wb-questions { direction: rtl" in arabic
    assert "direction: rtl" not in read_label_config(CONFIGS / "parts", taxonomy, language="uk").xml


def test_a_hint_says_what_a_label_is_not_and_is_mistaken_for(taxonomy: Taxonomy) -> None:
    page = fromstring(read_label_config(CONFIGS / "parts", taxonomy, language="fr").xml)
    hints = {label.attrib["alias"]: label.attrib["hint"] for label in page.find(".//RectangleLabels")}
    assert "Pas: The receiver of a long gun" in hints["part.frame"]
    assert "Souvent confondu avec: Boîte de culasse, Poignée." in hints["part.frame"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"languages": {"en": {"name": "English", "review": "reviewed"}}}, "a review has a person"),
        ({"languages": {"en": {"name": "English", "direction": "up"}}}, "cannot be read"),
        ({"categories": {"unknown": {"names": {"en": "U"}, "confused_with": ["x.y"]}}}, "codes it lacks"),
        ({"categories": {"unknown": {"names": {"en": {"text": "U", "review": "reviewed"}}}}}, "cannot be read"),
        ({"facets": {"f": {"names": {"en": "F"}, "values": {"a": {"en": "A"}}}}}, "no cannot_tell"),
    ],
)
def test_a_taxonomy_that_claims_or_names_what_is_not_there_is_refused(change: dict[str, object], said: str) -> None:
    document = {"version": "1", "categories": {"unknown": {"names": {"en": "U"}}}, "facets": {}}
    with pytest.raises(Refused, match=said):
        Taxonomy.from_mapping(document | change)


def test_one_reviewed_name_says_who_reviewed_it() -> None:
    name = {"text": "Inconnu", "review": "reviewed", "by": "a speaker", "on": "2026-01-02"}
    document = {"version": "1", "categories": {"unknown": {"names": {"en": "U", "fr": name}}}, "facets": {}}
    (category,) = Taxonomy.from_mapping(document).categories
    assert category.name("fr") == "Inconnu"
    assert category.reviewed == {"fr": "a speaker, 2026-01-02"}


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


def test_every_project_has_hotkeys_unknown_cannot_tell_and_a_way_to_reject(taxonomy: Taxonomy) -> None:
    for folder in project_folders(CONFIGS):
        config = read_label_config(folder, taxonomy)
        page = fromstring(config.xml)
        assert "cannot_tell" in {choice.attrib["alias"] for choice in page.iter("Choice")}, folder.name
        assert REJECT in config.tags, folder.name
        (reject,) = (each for each in page.iter("Choices") if each.attrib["name"] == REJECT)
        assert "perRegion" not in reject.attrib, folder.name
        tags = [*page.iter("Label"), *page.iter("Choice")]
        keys = [tag.attrib["hotkey"] for tag in tags if "hotkey" in tag.attrib]
        assert len(keys) == len(set(keys)) >= 6, folder.name


def test_every_guideline_has_numbered_rules_and_shows_a_picture_that_the_project_drew(taxonomy: Taxonomy) -> None:
    drawn = drawings()
    assert {path.name: path.read_text() for path in (CONFIGS / "pictures").iterdir()} == drawn
    used = set()
    for folder in project_folders(CONFIGS):
        html = read_label_config(folder, taxonomy).instructions
        assert "background-image: url(data:image/svg+xml;base64," in html, folder.name
        rules = guideline_rules((folder / "guidelines.md").read_text())
        assert len(rules) >= 6, folder.name
        assert f"<p>{len(rules)}. " in html, folder.name
        used |= {name for name in drawn if name in (folder / "guidelines.md").read_text()}
    assert used == set(drawn)


@pytest.mark.parametrize("name", ["gone.svg", "../../params.yaml", "../../../secret.svg", "page.html"])
def test_guidelines_show_pictures_of_label_configs_only(taxonomy: Taxonomy, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "label_configs" / "p"
    folder.mkdir(parents=True)
    (tmp_path.parent / "secret.svg").write_text("<svg/>")
    (folder / "page.html").write_text("<p>")
    (folder / "config.yaml").write_text("title: T\nshapes: {box: [unknown]}\n")
    (folder / "guidelines.md").write_text(f"![a]({name})\n")
    with pytest.raises(Refused, match="shows"):
        read_label_config(folder, taxonomy)


def test_a_question_about_the_photograph_is_no_question_about_an_object(taxonomy: Taxonomy) -> None:
    for wrong in ({"tags": ["material"]}, {"facets": ["view_shown"]}, {"hotkeys": {"material=cheese": "1"}}):
        with pytest.raises(Refused, match="labelling.unknown-code"):
            compile_label_config("p", DOCUMENT | wrong, "", taxonomy, language="en")


def test_a_project_may_ask_without_drawing_but_not_do_neither(taxonomy: Taxonomy) -> None:
    asks = compile_label_config("p", {"title": "T", "shapes": {}, "tags": ["view_shown"]}, "", taxonomy, language="en")
    assert "headstamp" in asks.tags["view_shown"]
    with pytest.raises(Refused, match="asks nothing"):
        compile_label_config("p", {"title": "T", "shapes": {}}, "", taxonomy, language="en")


def test_a_rule_of_the_guidelines_keeps_its_number_across_pictures_and_lines() -> None:
    rules = guideline_rules("# T\n- one\n  goes on\n\n![p](x.svg)\n\n- two\n\ntext\n- three")
    assert rules == ("one goes on", "two", "three")


def test_the_project_of_the_adjudicators_is_not_one_to_label_in(taxonomy: Taxonomy) -> None:
    assert read_labellers_config(CONFIGS / "triage", taxonomy).project == "triage"
    with pytest.raises(Refused, match="adjudication queue"):
        read_labellers_config(CONFIGS / "adjudication", taxonomy)
