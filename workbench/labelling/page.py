"""The labelling page: labels on the left, the photograph, and questions about the selected region below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from workbench.domain.annotation import Shape
from workbench.domain.taxonomy import Category, Direction, Facet, Taxonomy

#: Name of the control that draws each shape, with its tag, the type of its results and the key that holds the labels.
CONTROLS: Mapping[Shape, tuple[str, str, str]] = {
    Shape.ELLIPSE: ("ellipse", "EllipseLabels", "ellipselabels"),
    Shape.BOX: ("box", "RectangleLabels", "rectanglelabels"),
    Shape.POLYGON: ("polygon", "PolygonLabels", "polygonlabels"),
    Shape.KEYPOINT: ("point", "KeyPointLabels", "keypointlabels"),
}

#: The name of the image tag that every control points to.
IMAGE_NAME = "image"

#: How sure a labeller may say to be (docs: annotation record), with the words shown. Translations are drafts, as those of
#: label_configs/taxonomy.yaml are.
CONFIDENCES: Mapping[str, Mapping[str, str]] = {
    "certain": {"en": "Certain", "fr": "Certain", "es": "Seguro", "pt": "Certo", "ar": "متأكد", "uk": "Впевнено"},
    "probable": {
        "en": "Probable",
        "fr": "Probable",
        "es": "Probable",
        "pt": "Provável",
        "ar": "مرجح",
        "uk": "Ймовірно",
    },
    "possible": {"en": "Possible", "fr": "Possible", "es": "Posible", "pt": "Possível", "ar": "ممكن", "uk": "Можливо"},
    "cannot_tell": {
        "en": "Cannot tell",
        "fr": "Impossible à dire",
        "es": "No se puede saber",
        "pt": "Não é possível saber",
        "ar": "لا يمكن التحديد",
        "uk": "Неможливо визначити",
    },
}


#: The page's own words; drafts too.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "filter": {
        "en": "Find a label…",
        "fr": "Chercher une étiquette…",
        "es": "Buscar una etiqueta…",
        "pt": "Procurar uma etiqueta…",
        "ar": "ابحث عن تسمية…",
        "uk": "Знайти мітку…",
    },
    "box": {"en": "Box", "fr": "Rectangle", "es": "Rectángulo", "pt": "Retângulo", "ar": "مستطيل", "uk": "Рамка"},
    "ellipse": {
        "en": "Ellipse",
        "fr": "Ellipse",
        "es": "Elipse",
        "pt": "Elipse",
        "ar": "قطع ناقص",
        "uk": "Еліпс",
    },
    "polygon": {
        "en": "Polygon",
        "fr": "Polygone",
        "es": "Polígono",
        "pt": "Polígono",
        "ar": "مضلع",
        "uk": "Багатокутник",
    },
    "point": {"en": "Point", "fr": "Point", "es": "Punto", "pt": "Ponto", "ar": "نقطة", "uk": "Точка"},
    "transcription": {
        "en": "Text as it stands, ? for unreadable",
        "fr": "Texte tel quel, ? si illisible",
        "es": "Texto tal cual, ? si es ilegible",
        "pt": "Texto tal como está, ? se ilegível",
        "ar": "النص كما هو، ? لما لا يقرأ",
        "uk": "Текст як є, ? замість нечитабельного",
    },
    "transcription_title": {
        "en": "Marking (press Enter)",
        "fr": "Marquage (touche Entrée)",
        "es": "Marca (pulse Intro)",
        "pt": "Marcação (prima Enter)",
        "ar": "العلامة (اضغط Enter)",
        "uk": "Маркування (натисніть Enter)",
    },
    "confidence": {
        "en": "How sure are you?",
        "fr": "Degré de certitude",
        "es": "¿Cuán seguro está?",
        "pt": "Qual o grau de certeza?",
        "ar": "ما درجة يقينك؟",
        "uk": "Наскільки ви впевнені?",
    },
    "not": {"en": "Not", "fr": "Pas", "es": "No", "pt": "Não", "ar": "ليس", "uk": "Не"},
    "confused": {
        "en": "Often confused with",
        "fr": "Souvent confondu avec",
        "es": "A menudo confundido con",
        "pt": "Muitas vezes confundido com",
        "ar": "كثيرا ما يخلط مع",
        "uk": "Часто плутають з",
    },
}

_STYLE = (
    ".wb-page { display: flex; gap: 12px; align-items: flex-start }"
    " .wb-labels { flex: 0 0 270px; max-height: 82vh; overflow-y: auto }"
    " .wb-photo { flex: 1 1 auto; min-width: 0 }"
    " .wb-questions { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 4px 20px }"
)


#: The photograph keeps its place; only words turn.
_FROM_THE_RIGHT = (
    ".wb-labels, .wb-questions { direction: rtl; text-align: right }"
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
        self, labels: Mapping[Shape, tuple[str, ...]], facets: Sequence[Facet], *, transcription: bool, confidence: bool
    ) -> str:
        """Return the whole configuration."""
        first, *others = [(shape, codes) for shape, codes in labels.items() if codes]
        palettes = [self.palette(*first, hotkeys=True)]
        if others:  # the tools that are used less stay folded, so that the labels of the first are in sight
            folded = [self.folded(*other) for other in others]
            palettes = ['      <Collapse accordion="false" bordered="false">', *folded, "      </Collapse>", *palettes]
        questions = []
        if confidence:
            questions.append(self.choices("confidence", self.word(_WORDS["confidence"]), CONFIDENCES))
        questions += [
            self.choices(facet.code, self.word(facet.names), facet.values, of=self.asked_of.get(facet.code, ()))
            for facet in facets
        ]
        if transcription:
            questions.insert(0, self.text())
        return "\n".join(
            [
                "<View>",
                f"  <Style>{self.style()}</Style>",
                '  <View className="wb-page">',
                '    <View className="wb-labels">',
                *palettes,
                "    </View>",
                '    <View className="wb-photo">',
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
        hint = quoteattr(self.word(_WORDS["filter"]))
        lines = [f'          <Filter name="filter_{name}" toName="{name}" minlength="0" placeholder={hint}/>']
        lines.append(f'          <{tag} name="{name}" toName="{IMAGE_NAME}" showInline="true" {extra}>')
        lines += [f"            {self.label(code, hotkeys=hotkeys)}" for code in codes]
        lines.append(f"          </{tag}>")
        return "\n".join(lines)

    def folded(self, shape: Shape, codes: Sequence[str]) -> str:
        """Return a palette under a title that opens it."""
        title = quoteattr(self.word(_WORDS[CONTROLS[shape][0]]))
        return f"        <Panel value={title}>\n{self.palette(shape, codes)}\n        </Panel>"

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
            parts.append(f"{self.word(_WORDS['not'])}: {category.is_not}")
        if category.confused_with:
            others = ", ".join(self.taxonomy.category(code).name(self.language) for code in category.confused_with)
            parts.append(f"{self.word(_WORDS['confused'])}: {others}.")
        return " ".join(filter(None, parts))

    def choices(self, name: str, title: str, values: Mapping[str, Mapping[str, str]], *, of: Sequence[str] = ()) -> str:
        """Return a question about the region that is selected; with ``of``, asked of regions with these labels only."""
        # Label Studio compares with what a label stores, its alias.
        only = f' visibleWhen="region-selected" whenLabelValue={quoteattr(",".join(of))}' if of else ""
        lines = [
            f'        <View className="wb-question"{only}>',
            f'          <Header value={quoteattr(title)} size="6"/>',
            f'          <Choices name="{name}" toName="{IMAGE_NAME}" perRegion="true" choice="single-radio" showInline="true">',
        ]
        lines += [
            f"            <Choice value={quoteattr(self.word(names))} alias={quoteattr(code)}/>"
            for code, names in values.items()
        ]
        return "\n".join([*lines, "          </Choices>", "        </View>"])

    def text(self) -> str:
        """Return the field that a marking is copied into."""
        return "\n".join(
            [
                '        <View className="wb-question">',
                f'          <Header value={quoteattr(self.word(_WORDS["transcription_title"]))} size="6"/>',
                (
                    f'          <TextArea name="transcription" toName="{IMAGE_NAME}" perRegion="true" editable="true"'
                    f' maxSubmissions="1" rows="1" placeholder={quoteattr(self.word(_WORDS["transcription"]))}/>'
                ),
                "        </View>",
            ]
        )
