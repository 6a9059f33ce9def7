"""What a labelling project offers: compiled from its config.yaml and the taxonomy into Label Studio's XML."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import yaml

from workbench.domain.annotation import Shape
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.taxonomy import Facet, Taxonomy

#: Name of the control that draws each shape, with its tag, the type of its results and the key that holds the labels.
CONTROLS: Mapping[Shape, tuple[str, str, str]] = {
    Shape.BOX: ("box", "RectangleLabels", "rectanglelabels"),
    Shape.POLYGON: ("polygon", "PolygonLabels", "polygonlabels"),
    Shape.KEYPOINT: ("point", "KeyPointLabels", "keypointlabels"),
}

#: The name of the image tag that every control points to.
IMAGE_NAME = "image"

#: How sure a labeller may say to be (docs: annotation record), with the words shown.
CONFIDENCES: Mapping[str, Mapping[str, str]] = {
    "certain": {"en": "Certain", "fr": "Certain"},
    "probable": {"en": "Probable", "fr": "Probable"},
    "possible": {"en": "Possible", "fr": "Possible"},
    "cannot_tell": {"en": "Cannot tell", "fr": "Impossible à dire"},
}

#: The page's own words.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "filter": {"en": "Find a label…", "fr": "Chercher une étiquette…"},
    "box": {"en": "Box", "fr": "Rectangle"},
    "polygon": {"en": "Polygon", "fr": "Polygone"},
    "point": {"en": "Point", "fr": "Point"},
    "transcription": {"en": "Text as it stands, ? for unreadable", "fr": "Texte tel quel, ? si illisible"},
    "transcription_title": {"en": "Marking (press Enter)", "fr": "Marquage (touche Entrée)"},
    "confidence": {"en": "How sure are you?", "fr": "Degré de certitude"},
    "help": {
        "en": "Draw an object, then answer for it here.",
        "fr": "Tracez un objet, puis répondez ici à son sujet.",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """A compiled labelling project: what may be answered, and the page that asks for it.

    Parameters
    ----------
    project
        The folder's name under label_configs/, as ``parts``.
    title
        The project's name in Label Studio.
    instructions
        The guidelines as HTML.
    xml
        Label Studio's labelling configuration.
    labels
        For each shape the codes that may be drawn so.
    facets
        For each facet's code the codes of its values.
    transcription, confidence
        Whether a region may carry them.

    """

    project: str
    title: str
    instructions: str
    xml: str
    labels: Mapping[Shape, tuple[str, ...]]
    facets: Mapping[str, tuple[str, ...]]
    transcription: bool
    confidence: bool


def read_label_config(folder: Path, taxonomy: Taxonomy, *, language: str = "en") -> LabelConfig:
    """Return the compiled project of a folder that holds config.yaml and guidelines.md.

    Raises
    ------
    Refused
        ``labelling.no-config`` if the folder has none, else as `compile_label_config`.

    """
    try:
        document = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        guidelines = (folder / "guidelines.md").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise refused(
            "labelling.no-config",
            folder.name,
            f"is no labelling project ({error.filename} is missing).",
            "Name a folder of label_configs/ that holds config.yaml and guidelines.md.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise refused(
            "labelling.config-invalid", folder / "config.yaml", f"is not valid YAML ({error}).", "Correct the line named."
        ) from error
    return compile_label_config(folder.name, document, guidelines, taxonomy, language=language)


def compile_label_config(
    project: str, document: object, guidelines: str, taxonomy: Taxonomy, *, language: str
) -> LabelConfig:
    """Return the project that a parsed config.yaml describes, in a language.

    Raises
    ------
    Refused
        ``labelling.config-invalid``, ``labelling.unknown-language``, or ``labelling.unknown-code`` with a finding for
        each code that the taxonomy lacks.

    """
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), dict) or not document.get("title"):
        raise refused(
            "labelling.config-invalid", f"{project}/config.yaml", "lacks title or shapes.", "Give it both, as parts/ has."
        )
    _check_language(taxonomy, language)
    problems: list[str] = []
    labels = {
        shape: _expand(document["shapes"].get(shape.value) or (), taxonomy, problems) for shape in CONTROLS
    }
    facets = {facet.code: facet for facet in taxonomy.facets}
    chosen = tuple(document.get("facets") or ())
    hotkeys = {str(code): str(key) for code, key in (document.get("hotkeys") or {}).items()}
    problems += [str(code) for code in chosen if code not in facets]
    problems += [code for code in hotkeys if code not in taxonomy.codes]
    if stray := set(document["shapes"]) - {shape.value for shape in CONTROLS}:
        raise refused(
            "labelling.config-invalid",
            f"{project}/config.yaml",
            f"names shapes that cannot be drawn: {', '.join(sorted(map(str, stray)))}.",
            "Use box, polygon and keypoint.",
        )
    if problems:
        raise Refused(*(_unknown_code(project, code, taxonomy) for code in dict.fromkeys(problems)))
    page = _Page(taxonomy=taxonomy, language=language, hotkeys=hotkeys, colours=document.get("colours") or {})
    asks = tuple(facets[code] for code in chosen)
    transcription, confidence = bool(document.get("transcription")), bool(document.get("confidence"))
    return LabelConfig(
        project=project,
        title=str(document["title"]),
        instructions=guidelines_html(guidelines),
        xml=page.xml(labels, asks, transcription=transcription, confidence=confidence),
        labels=labels,
        facets={facet.code: tuple(facet.values) for facet in asks},
        transcription=transcription,
        confidence=confidence,
    )


def _check_language(taxonomy: Taxonomy, language: str) -> None:
    known = sorted({key for category in taxonomy.categories for key in category.names})
    if language not in known:
        raise refused(
            "labelling.unknown-language",
            language,
            "is no language of the taxonomy.",
            f"Use one of {', '.join(known)}, or add its names to label_configs/taxonomy.yaml.",
        )


def _expand(patterns: Sequence[str], taxonomy: Taxonomy, problems: list[str]) -> tuple[str, ...]:
    """Return the codes that the patterns name, each once; add what names nothing to the problems."""
    found: dict[str, None] = {}
    for pattern in map(str, patterns):
        group = pattern[:-1] if pattern.endswith(".*") else None
        hits = [code for code in taxonomy.codes if (code.startswith(group) if group else code == pattern)]
        if not hits:
            problems.append(pattern)
        found.update(dict.fromkeys(hits))
    return tuple(found)


def _unknown_code(project: str, code: str, taxonomy: Taxonomy) -> Finding:
    return Finding(
        code="labelling.unknown-code",
        subject=f"label_configs/{project}/config.yaml",
        message=f"names {code}, which taxonomy {taxonomy.version} does not have.",
        remedy="Correct the code, or add it to label_configs/taxonomy.yaml.",
    )


def guidelines_html(markdown: str) -> str:
    """Return headings, lists, bold text and paragraphs of a Markdown text as HTML; everything else is shown as it stands.

    Examples
    --------
    >>> guidelines_html("# See\\n- **one** <two>")
    '<h3>See</h3>\\n<li><b>one</b> &lt;two&gt;</li>'

    """
    lines = []
    for line in filter(None, map(str.strip, markdown.splitlines())):
        text = html.escape(line.lstrip("#-").strip(), quote=False)
        text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
        tag = "h3" if line.startswith("#") else "li" if line.startswith("- ") else "p"
        lines.append(f"<{tag}>{text}</{tag}>")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Writes the labelling page: labels on the left, the photograph, and the questions about a region below it."""

    taxonomy: Taxonomy
    language: str
    hotkeys: Mapping[str, str]
    colours: Mapping[str, str]

    def word(self, names: Mapping[str, str]) -> str:
        return names.get(self.language, names["en"])

    def xml(
        self, labels: Mapping[Shape, tuple[str, ...]], facets: Sequence[Facet], *, transcription: bool, confidence: bool
    ) -> str:
        palettes = [self.palette(shape, codes) for shape, codes in labels.items() if codes]
        questions = []
        if confidence:
            questions.append(self.choices("confidence", self.word(_WORDS["confidence"]), CONFIDENCES))
        questions += [self.choices(facet.code, self.word(facet.names), facet.values) for facet in facets]
        if transcription:
            questions.insert(0, self.text())
        return "\n".join(
            [
                "<View>",
                f"  <Style>{_STYLE}</Style>",
                '  <View className="wb-page">',
                '    <View className="wb-labels">',
                "      <Collapse accordion=\"false\" bordered=\"false\">",
                *palettes,
                "      </Collapse>",
                "    </View>",
                '    <View className="wb-photo">',
                f'      <Image name="{IMAGE_NAME}" value="$image" zoom="true" zoomControl="true" brightnessControl="true"'
                ' contrastControl="true" gammaControl="true" maxWidth="100%" smoothing="true"/>',
                '      <View className="wb-questions" visibleWhen="region-selected">',
                *questions,
                "      </View>",
                "    </View>",
                "  </View>",
                "</View>",
            ]
        )

    def palette(self, shape: Shape, codes: Sequence[str]) -> str:
        name, tag, _ = CONTROLS[shape]
        extra = {
            Shape.BOX: 'strokeWidth="2" canRotate="false"',
            Shape.POLYGON: 'strokeWidth="2" pointSize="small"',
            Shape.KEYPOINT: 'strokeWidth="2"',
        }[shape]
        lines = [f"        <Panel value={quoteattr(self.word(_WORDS[name]))}>"]
        lines.append(
            f'          <Filter name="filter_{name}" toName="{name}" minlength="0"'
            f" placeholder={quoteattr(self.word(_WORDS['filter']))}/>"
        )
        lines.append(f'          <{tag} name="{name}" toName="{IMAGE_NAME}" showInline="true" {extra}>')
        lines += [f"            {self.label(code, hotkeys=shape is Shape.BOX)}" for code in codes]
        lines += [f"          </{tag}>", "        </Panel>"]
        return "\n".join(lines)

    def label(self, code: str, *, hotkeys: bool) -> str:
        category = self.taxonomy.category(code)
        parts = [f"value={quoteattr(category.name(self.language))}", f'alias="{code}"']
        if colour := self.colours.get(code.split(".")[0]):
            parts.append(f"background={quoteattr(str(colour))}")
        if hotkeys and code in self.hotkeys:
            parts.append(f"hotkey={quoteattr(self.hotkeys[code])}")
        if category.definition:
            parts.append(f"hint={quoteattr(category.definition)}")
        return f"<Label {' '.join(parts)}/>"

    def choices(self, name: str, title: str, values: Mapping[str, Mapping[str, str]]) -> str:
        lines = [
            '        <View className="wb-question">',
            f'          <Header value={quoteattr(title)} size="6"/>',
            f'          <Choices name="{name}" toName="{IMAGE_NAME}" perRegion="true" choice="single-radio" showInline="true">',
        ]
        lines += [
            f"            <Choice value={quoteattr(self.word(names))} alias={quoteattr(code)}/>"
            for code, names in values.items()
        ]
        return "\n".join([*lines, "          </Choices>", "        </View>"])

    def text(self) -> str:
        return "\n".join(
            [
                '        <View className="wb-question">',
                f'          <Header value={quoteattr(self.word(_WORDS["transcription_title"]))} size="6"/>',
                f'          <TextArea name="transcription" toName="{IMAGE_NAME}" perRegion="true" editable="true"'
                f' maxSubmissions="1" rows="1" placeholder={quoteattr(self.word(_WORDS["transcription"]))}/>',
                "        </View>",
            ]
        )


_STYLE = (
    ".wb-page { display: flex; gap: 12px; align-items: flex-start }"
    " .wb-labels { flex: 0 0 270px; max-height: 82vh; overflow-y: auto }"
    " .wb-photo { flex: 1 1 auto; min-width: 0 }"
    " .wb-questions { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 4px 20px }"
)
