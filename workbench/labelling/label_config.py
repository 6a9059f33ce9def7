"""What a labelling project offers: compiled from its config.yaml and the taxonomy into Label Studio's XML."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.annotation import Shape
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.page import CONTROLS, Page


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
            "labelling.config-invalid",
            folder / "config.yaml",
            f"is not valid YAML ({error}).",
            "Correct the line named.",
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
    checked = _checked(project, document)
    taxonomy.language(language)
    problems: list[str] = []
    # In the order of the file: the first tool is in sight, the others are folded.
    drawn = {Shape(name): patterns or () for name, patterns in checked["shapes"].items()}
    labels = {shape: _expand(patterns, taxonomy, problems) for shape, patterns in drawn.items()}
    facets = {facet.code: facet for facet in taxonomy.facets}
    chosen = tuple(checked.get("facets") or ())
    hotkeys = {str(code): str(key) for code, key in (checked.get("hotkeys") or {}).items()}
    problems += [str(code) for code in chosen if code not in facets]
    problems += [code for code in hotkeys if code not in taxonomy.codes]
    asked_of = {str(k): _expand(v, taxonomy, problems) for k, v in (checked.get("asked_of") or {}).items()}
    problems += [code for code in asked_of if code not in chosen]
    if problems:
        raise Refused(*(_unknown_code(project, code, taxonomy) for code in dict.fromkeys(problems)))
    page = Page(
        taxonomy=taxonomy,
        language=language,
        hotkeys=hotkeys,
        colours=checked.get("colours") or {},
        asked_of=asked_of,
    )
    asks = tuple(facets[code] for code in chosen)
    transcription, confidence = bool(checked.get("transcription")), bool(checked.get("confidence"))
    return LabelConfig(
        project=project,
        title=str(checked["title"]),
        instructions=guidelines_html(guidelines),
        xml=page.xml(labels, asks, transcription=transcription, confidence=confidence),
        labels=labels,
        facets={facet.code: tuple(facet.values) for facet in asks},
        transcription=transcription,
        confidence=confidence,
    )


def _checked(project: str, document: object) -> dict[str, Any]:
    """Return the document once each of its parts is of the kind it must be."""
    subject = f"label_configs/{project}/config.yaml"
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), dict) or not document.get("title"):
        raise refused(
            "labelling.config-invalid", subject, "lacks title or shapes.", "Give it both, as label_configs/parts has."
        )
    shapes = document["shapes"]
    stray = set(shapes) - {shape.value for shape in CONTROLS}
    maps = [document.get(name) or {} for name in ("hotkeys", "colours", "asked_of")]
    lists = [*shapes.values(), document.get("facets") or [], *(maps[2].values() if isinstance(maps[2], dict) else ())]
    wrong = "names shapes that cannot be drawn." if stray else None
    if not all(isinstance(part, list) for part in lists) or not all(isinstance(part, dict) for part in maps):
        wrong = "has a list or a map where the other is needed."
    elif not any(shapes.values()):
        wrong = "offers no label."
    if wrong:
        remedy = "Use box, ellipse, polygon and keypoint, each with a list of codes, as label_configs/parts does."
        raise refused("labelling.config-invalid", subject, wrong, remedy)
    return document


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
    r"""Return headings, lists, bold text and paragraphs of a Markdown text as HTML; everything else is shown as it stands.

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
