"""What a labelling project offers: compiled from its config.yaml and the taxonomy into Label Studio's XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.adjudication import Verdict
from workbench.domain.annotation import Shape
from workbench.domain.findings import Finding, Refused, refused
from workbench.domain.taxonomy import REJECT, About, Facet, Taxonomy
from workbench.labelling.guidelines import guidelines_html, read_pictures
from workbench.labelling.page import CONTROLS, Page
from workbench.labelling.words import CONFIDENCES


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
    tags
        For each question about the whole photograph the codes of its values; `REJECT` is one of every labelling project.
    many
        The questions that may be given several values at once.
    verdict
        Whether it is the project of the adjudicators, who are asked which of several answers is right.

    """

    project: str
    title: str
    instructions: str
    xml: str
    labels: Mapping[Shape, tuple[str, ...]]
    facets: Mapping[str, tuple[str, ...]]
    transcription: bool
    confidence: bool
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    many: frozenset[str] = frozenset()
    verdict: bool = False


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
    shown = guidelines_html(guidelines, pictures=read_pictures(folder, guidelines))
    return compile_label_config(folder.name, document, shown, taxonomy, language=language)


def read_labellers_config(folder: Path, taxonomy: Taxonomy, *, language: str = "en") -> LabelConfig:
    """Return a compiled project that labellers answer in, as `read_label_config` does.

    Raises
    ------
    Refused
        ``adjudication.own-commands`` for the project of the adjudicators, else as `read_label_config`.

    """
    config = read_label_config(folder, taxonomy, language=language)
    if config.verdict:
        raise refused(
            "adjudication.own-commands",
            f"project {config.project}",
            "holds what labellers disagree about, and no photographs to label.",
            "Fill it with `workbench adjudication queue` and read it with `workbench adjudication decisions`.",
        )
    return config


def compile_label_config(
    project: str, document: object, guidelines: str, taxonomy: Taxonomy, *, language: str
) -> LabelConfig:
    """Return the project that a parsed config.yaml describes, in a language; ``guidelines`` are HTML.

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
    asks = _asked(checked.get("facets"), About.OBJECT, taxonomy, problems)
    rejected = () if REJECT in (checked.get("tags") or ()) else (REJECT,)
    tags = _asked([*(checked.get("tags") or ()), *rejected], About.PHOTOGRAPH, taxonomy, problems)
    hotkeys = {str(code): str(key) for code, key in (checked.get("hotkeys") or {}).items()}
    offered = {f"{facet.code}={value}" for facet in (*asks, *tags) for value in facet.values}
    offered |= {f"confidence={value}" for value in CONFIDENCES} | {f"verdict={value}" for value in Verdict}
    problems += [code for code in hotkeys if code not in taxonomy.codes and code not in offered]
    asked_of = {str(k): _expand(v, taxonomy, problems) for k, v in (checked.get("asked_of") or {}).items()}
    problems += [code for code in asked_of if code not in {facet.code for facet in asks}]
    if problems:
        raise Refused(*(_unknown_code(project, code, taxonomy) for code in dict.fromkeys(problems)))
    page = Page(
        taxonomy=taxonomy,
        language=language,
        hotkeys=hotkeys,
        colours=checked.get("colours") or {},
        asked_of=asked_of,
    )
    flags = {name: bool(checked.get(name)) for name in ("transcription", "confidence", "verdict")}
    return LabelConfig(
        project=project,
        title=str(checked["title"]),
        instructions=guidelines,
        xml=page.xml(labels, asks, tags=tags, **flags),
        labels=labels,
        facets={facet.code: tuple(facet.values) for facet in asks},
        tags={facet.code: tuple(facet.values) for facet in tags},
        many=frozenset(facet.code for facet in tags if facet.many),
        **flags,
    )


def _asked(codes: Sequence[object] | None, about: About, taxonomy: Taxonomy, problems: list[str]) -> tuple[Facet, ...]:
    """Return the facets of these codes; add to the problems those that are no facets of what they are asked about."""
    known = {facet.code: facet for facet in taxonomy.facets if facet.about is about}
    chosen = [str(code) for code in codes or ()]
    # A taxonomy older than the question about rejecting is still one to label with.
    problems += [code for code in chosen if code not in known and code != REJECT]
    return tuple(known[code] for code in chosen if code in known)


def _checked(project: str, document: object) -> dict[str, Any]:
    """Return the document once each of its parts is of the kind it must be."""
    subject = f"label_configs/{project}/config.yaml"
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), dict) or not document.get("title"):
        raise refused(
            "labelling.config-invalid",
            subject,
            "lacks title or shapes.",
            "Give it both, as label_configs/parts has; shapes may be {}.",
        )
    shapes, tags = document["shapes"], document.get("tags") or []
    stray = set(shapes) - {shape.value for shape in CONTROLS}
    maps = [document.get(name) or {} for name in ("hotkeys", "colours", "asked_of")]
    asked_of = maps[2].values() if isinstance(maps[2], dict) else ()
    lists = [*shapes.values(), document.get("facets") or [], tags, *asked_of]
    wrong = "names shapes that cannot be drawn." if stray else None
    if not all(isinstance(part, list) for part in lists) or not all(isinstance(part, dict) for part in maps):
        wrong = "has a list or a map where the other is needed."
    elif not any(shapes.values()) and not tags:
        wrong = "offers no label and asks nothing."
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
