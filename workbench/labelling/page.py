"""The labelling page: labels on the left, the photograph, and questions about the selected region below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from workbench.domain.adjudication import LETTERS
from workbench.domain.annotation import Shape
from workbench.domain.taxonomy import Category, Direction, Facet, Taxonomy
from workbench.labelling.words import CONFIDENCES, VERDICTS, WORDS

#: Name of the control that draws each shape, with its tag, the type of its results and the key that holds the labels.
CONTROLS: Mapping[Shape, tuple[str, str, str]] = {
    Shape.ELLIPSE: ("ellipse", "EllipseLabels", "ellipselabels"),
    Shape.BOX: ("box", "RectangleLabels", "rectanglelabels"),
    Shape.POLYGON: ("polygon", "PolygonLabels", "polygonlabels"),
    Shape.KEYPOINT: ("point", "KeyPointLabels", "keypointlabels"),
}

#: What shows the answers before an adjudicator on the photograph: name, tag and type of results; the labels are letters.
ANSWERS: Mapping[Shape, tuple[str, str, str]] = {
    Shape.BOX: ("answer_box", "RectangleLabels", "rectanglelabels"),
    Shape.POLYGON: ("answer_polygon", "PolygonLabels", "polygonlabels"),
    Shape.KEYPOINT: ("answer_point", "KeyPointLabels", "keypointlabels"),
}

#: The colours of the answers, by letter.
_LETTER_COLOURS = dict(zip(LETTERS, ("#0b57d0", "#d95f02", "#7b3fa0"), strict=True))

#: The name of the image tag that every control points to.
IMAGE_NAME = "image"

_STYLE = (
    ".wb-page { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start }"
    " .wb-labels { flex: 0 0 270px; max-height: 82vh; overflow-y: auto }"
    " .wb-photo { flex: 1 1 320px; min-width: 0 }"
    " .wb-wide { flex-basis: 400px } .wb-hidden { display: none }"
    " .wb-questions { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 4px 20px }"
)


#: The photograph keeps its place; only words turn.
_FROM_THE_RIGHT = (
    ".wb-labels, .wb-photo table, .wb-questions { direction: rtl; text-align: right }"
    " .wb-labels [class*=hotkey] { margin-inline: 0.5em }"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Writes the labelling page: labels on the left, the photograph, and the questions about a region below it."""

    taxonomy: Taxonomy
    language: str
    hotkeys: Mapping[str, str]
    colours: Mapping[str, str]
    asked_of: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def word(self, names: Mapping[str, str]) -> str:
        """Return the text in the page's language, in English where there is none."""
        return names.get(self.language, names["en"])

    def xml(
        self,
        labels: Mapping[Shape, tuple[str, ...]],
        facets: Sequence[Facet],
        *,
        tags: Sequence[Facet],
        transcription: bool,
        confidence: bool,
        verdict: bool,
    ) -> str:
        """Return the whole configuration.

        Parameters
        ----------
        labels
            For each shape, in the order of the tools, the codes that may be drawn so.
        facets
            What is asked of the object that is selected.
        tags
            What is asked of the whole photograph.
        verdict
            Whether the page puts two answers before an adjudicator.

        """
        questions = [self.text()] if transcription else []
        if confidence:
            questions.append(self.choices("confidence", self.word(WORDS["confidence"]), CONFIDENCES))
        questions += [
            self.choices(facet.code, self.word(facet.names), facet.values, of=self.asked_of.get(facet.code, ()))
            for facet in facets
        ]
        return "\n".join(
            [
                "<View>",
                f"  <Style>{self.style()}</Style>",
                '  <View className="wb-page">',
                f'    <View className="wb-labels{"" if any(labels.values()) and not verdict else " wb-wide"}">',
                *([self.verdict()] if verdict else []),
                *self.column(labels, tags, folded=verdict),
                "    </View>",
                '    <View className="wb-photo">',
                *(
                    ['      <HyperText name="answers" value="$answers" valueType="text" inline="true"/>']
                    if verdict
                    else []
                ),
                (
                    f'      <Image name="{IMAGE_NAME}" value="$image" zoom="true" zoomControl="true" brightnessControl="true"'
                    ' contrastControl="true" gammaControl="true" maxWidth="100%" smoothing="true"/>'
                ),
                '      <View className="wb-questions" visibleWhen="region-selected">',
                *questions,
                "      </View>",
                "    </View>",
                "  </View>",
                "</View>",
            ]
        )

    def column(self, labels: Mapping[Shape, tuple[str, ...]], tags: Sequence[Facet], *, folded: bool) -> list[str]:
        """Return the left column: what is asked of the photograph, the folded tools, and the labels of the first one.

        Where objects are drawn, questions about the whole photograph are asked less and stay folded.
        """
        drawn = [(shape, codes) for shape, codes in labels.items() if codes]
        first, others = drawn[:1], drawn[1:]
        panels = [self.folded(*other) for other in others]
        if drawn:
            title = self.word(tags[0].names if len(tags) == 1 else WORDS["about_photograph"])
            asked = [self.choices(tag.code, "" if len(tags) == 1 else self.word(tag.names), tag=tag) for tag in tags]
            panels += [self.panel(title, "\n".join(asked))] if asked else []
        else:
            return [self.choices(tag.code, self.word(tag.names), tag=tag) for tag in tags]
        palettes = [self.palette(*each, hotkeys=True) for each in first]
        if folded:
            panels.insert(0, self.panel(self.word(WORDS["correction"]), "\n".join(palettes)))
            palettes = []
        collapse = (
            ['      <Collapse accordion="false" bordered="false">', *panels, "      </Collapse>"] if panels else []
        )
        return [*collapse, *palettes]

    def verdict(self) -> str:
        """Return what an adjudicator is asked: who is right, why, and what that rests on."""
        names = {verdict.value: names for verdict, names in VERDICTS.items()}
        lines = ['      <Header value="$what" size="5"/>']
        lines.append(self.choices("verdict", self.word(WORDS["verdict"]), names, about_object=False, required=True))
        lines += [
            f'        <TextArea name="{name}" toName="{IMAGE_NAME}" editable="true" maxSubmissions="1" rows="1"'
            f" placeholder={quoteattr(self.word(WORDS[name]))}{required}/>"
            for name, required in (("reason", ' required="true"'), ("reference", ""))
        ]
        for name, tag, _ in ANSWERS.values():
            shown = "".join(f'<Label value="{key}" background="{colour}"/>' for key, colour in _LETTER_COLOURS.items())
            lines.append(
                f'        <View className="wb-hidden"><{tag} name="{name}" toName="{IMAGE_NAME}">{shown}</{tag}></View>'
            )
        return "\n".join(lines)

    def style(self) -> str:
        """Return the page's style; words of a language written from the right stand at the right."""
        if self.taxonomy.language(self.language).direction is Direction.RIGHT_TO_LEFT:
            return f"{_STYLE} {_FROM_THE_RIGHT}"
        return _STYLE

    def palette(self, shape: Shape, codes: Sequence[str], *, hotkeys: bool = False) -> str:
        """Return the labels that can be drawn in one shape, with a field that finds them."""
        name, tag, _ = CONTROLS[shape]
        extra = {
            Shape.BOX: 'strokeWidth="2" canRotate="false"',
            Shape.ELLIPSE: 'strokeWidth="2"',
            Shape.POLYGON: 'strokeWidth="2" pointSize="small"',
            Shape.KEYPOINT: 'strokeWidth="2"',
        }[shape]
        hint = quoteattr(self.word(WORDS["filter"]))
        lines = [f'          <Filter name="filter_{name}" toName="{name}" minlength="0" placeholder={hint}/>']
        lines.append(f'          <{tag} name="{name}" toName="{IMAGE_NAME}" showInline="true" {extra}>')
        lines += [f"            {self.label(code, hotkeys=hotkeys)}" for code in codes]
        lines.append(f"          </{tag}>")
        return "\n".join(lines)

    def folded(self, shape: Shape, codes: Sequence[str]) -> str:
        """Return a palette under a title that opens it."""
        return self.panel(self.word(WORDS[CONTROLS[shape][0]]), self.palette(shape, codes))

    def panel(self, title: str, content: str) -> str:
        """Return something under a title that opens it."""
        return f"        <Panel value={quoteattr(title)}>\n{content}\n        </Panel>"

    def label(self, code: str, *, hotkeys: bool) -> str:
        """Return one label: the name people read, the code that is stored."""
        category = self.taxonomy.category(code)
        parts = [f"value={quoteattr(category.name(self.language))}", f'alias="{code}"']
        if colour := self.colours.get(code.split(".", maxsplit=1)[0]):
            parts.append(f"background={quoteattr(str(colour))}")
        if hotkeys and code in self.hotkeys:
            parts.append(f"hotkey={quoteattr(self.hotkeys[code])}")
        if hint := self.hint(category):
            parts.append(f"hint={quoteattr(hint)}")
        return f"<Label {' '.join(parts)}/>"

    def hint(self, category: Category) -> str:
        """Return what a label is, is not, and is mistaken for; definitions are in English, names in the page's language."""
        parts = [category.definition]
        if category.is_not:
            parts.append(f"{self.word(WORDS['not'])}: {category.is_not}")
        if category.confused_with:
            others = ", ".join(self.taxonomy.category(code).name(self.language) for code in category.confused_with)
            parts.append(f"{self.word(WORDS['confused'])}: {others}.")
        return " ".join(filter(None, parts))

    def choices(
        self,
        name: str,
        title: str,
        values: Mapping[str, Mapping[str, str]] | None = None,
        *,
        of: Sequence[str] = (),
        tag: Facet | None = None,
        about_object: bool = True,
        required: bool = False,
    ) -> str:
        """Return a question about the region that is selected, or with ``tag`` about the whole photograph.

        With ``of``, it is asked of regions with these labels only.
        """
        # Label Studio compares with what a label stores, its alias.
        only = f' visibleWhen="region-selected" whenLabelValue={quoteattr(",".join(of))}' if of else ""
        per_region = ' perRegion="true"' if about_object and tag is None else ""
        kind = "multiple" if tag is not None and tag.many else "single-radio"
        need = ' required="true"' if required else ""
        lines = [f'        <View className="wb-question"{only}>']
        lines += [f'          <Header value={quoteattr(title)} size="6"/>'] if title else []
        lines.append(
            f'          <Choices name="{name}" toName="{IMAGE_NAME}"{per_region} choice="{kind}" showInline="true"{need}>'
        )
        shown = tag.values if tag is not None else values or {}
        for code, names in shown.items():
            key = self.hotkeys.get(f"{name}={code}")
            hotkey = f" hotkey={quoteattr(key)}" if key else ""
            lines.append(f"            <Choice value={quoteattr(self.word(names))} alias={quoteattr(code)}{hotkey}/>")
        return "\n".join([*lines, "          </Choices>", "        </View>"])

    def text(self) -> str:
        """Return the field that a marking is copied into."""
        return "\n".join(
            [
                '        <View className="wb-question">',
                f'          <Header value={quoteattr(self.word(WORDS["transcription_title"]))} size="6"/>',
                (
                    f'          <TextArea name="transcription" toName="{IMAGE_NAME}" perRegion="true" editable="true"'
                    f' maxSubmissions="1" rows="1" placeholder={quoteattr(self.word(WORDS["transcription"]))}/>'
                ),
                "        </View>",
            ]
        )
