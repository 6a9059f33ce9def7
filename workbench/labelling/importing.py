"""Existing labels to instances of the workspace's photographs: words to codes, coordinates to the working copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from workbench.domain.annotation import Annotation, DecidedBy, Instance, Pass
from workbench.domain.findings import Finding, Refused, Severity
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.class_map import unknown_codes
from workbench.labelling.exchange import short_id
from workbench.labelling.foreign_shapes import ForeignImage
from workbench.labelling.to_working_copy import drawn_shape, mapping
from workbench.tables import instance_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Existing labels as they will be written, their digest, and what was left out and why."""

    annotations: tuple[Annotation, ...]
    digest: str
    findings: tuple[Finding, ...]


def check_words(foreign: Iterable[ForeignImage], classes: Mapping[str, str], taxonomy: Taxonomy) -> None:
    """Refuse labels whose words have no code, all of them at once, so that nothing is imported by halves.

    Raises
    ------
    Refused
        ``labelling.import-unknown-word`` for a word that the map lacks, ``labelling.unknown-code`` for a code that
        the taxonomy lacks.

    """
    counts = Counter(shape.word for image in foreign for shape in image.shapes)
    findings = [
        Finding(
            code="labelling.import-unknown-word",
            subject=word,
            message=f"labels {number} objects and has no code in the class map.",
            remedy=f"Add a line `{word}: CODE` with a code of label_configs/taxonomy.yaml.",
        )
        for word, number in sorted(counts.items())
        if word not in classes
    ]
    findings += unknown_codes(classes.values(), taxonomy)
    if findings:
        raise Refused(*findings)


def map_labels(
    foreign: Sequence[ForeignImage],
    *,
    classes: Mapping[str, str],
    names: Mapping[str, str],
    images: Mapping[str, Mapping[str, Any]],
    label_format: str,
    stored: bool,
) -> Imported:
    """Return existing labels as one annotation a photograph, in pixels of the upright working copy.

    Parameters
    ----------
    foreign
        What the labels' reader gave.
    classes
        Code of each word; `check_words` has passed.
    names
        Image_id of each delivered file name.
    images
        Rows of `tables.IMAGES` by image_id.
    label_format
        The format imported from, as ``coco``.
    stored
        Whether coordinates refer to the pixels as stored (before the EXIF orientation) and not to the upright picture.

    """
    find = finder(names)
    findings: list[Finding] = []
    shapes: dict[str, list[dict[str, Any]]] = {}
    for image in foreign:
        image_id = find(image.name)
        row = images.get(image_id or "")
        if row is None:
            findings.append(_unmatched(image.name))
            continue
        point = mapping(image, row, stored=stored)
        if point is None:
            findings.append(_wrong_size(image, row))
            continue
        drawn = [drawn_shape(shape, point, row, classes, stored=stored) for shape in image.shapes]
        shapes.setdefault(row["image_id"], []).extend(drawn)
    rows = [{"image_id": image_id, "shapes": [_plain(s) for s in drawn]} for image_id, drawn in sorted(shapes.items())]
    digest = sha256_hex(canonical_json([label_format, rows]).encode())[:12]
    annotations = [_annotation(image_id, drawn, label_format, digest) for image_id, drawn in shapes.items()]
    annotations.sort(key=lambda annotation: annotation.annotation_id)
    return Imported(annotations=tuple(annotations), digest=digest, findings=tuple(findings))


def finder(names: Mapping[str, str]) -> Callable[[str], str | None]:
    """Return a look-up by delivered name: the whole path, else the file's name, else its stem, where only one has it."""
    by_name: dict[str, set[str]] = {}
    by_stem: dict[str, set[str]] = {}
    for name, image_id in names.items():
        path = PurePosixPath(name)
        by_name.setdefault(path.name, set()).add(image_id)
        by_stem.setdefault(path.stem, set()).add(image_id)

    def find(name: str) -> str | None:
        path = PurePosixPath(name.replace("\\", "/"))
        if (exact := names.get(str(path))) is not None:
            return exact
        hits = by_name.get(path.name) or by_stem.get(path.name) or set()
        return next(iter(hits)) if len(hits) == 1 else None

    return find


def _plain(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return a geometry as JSON values, for the digest."""
    row = instance_row(Instance(instance_id="", image_id="", **drawn))
    return {key: value for key, value in row.items() if value is not None}


def _annotation(image_id: str, drawn: Sequence[Mapping[str, Any]], label_format: str, digest: str) -> Annotation:
    annotation_id = short_id("import", digest, image_id)
    annotator = f"import:{label_format}"
    return Annotation(
        annotation_id=annotation_id,
        image_id=image_id,
        project=f"imported-{digest}",
        annotator=annotator,
        pass_=Pass.IMPORTED,
        submitted_at=None,
        lead_time_s=None,
        source=label_format,
        instances=tuple(
            Instance(
                instance_id=short_id(annotation_id, str(number)),
                image_id=image_id,
                annotation_id=annotation_id,
                annotator=annotator,
                decided_by=DecidedBy.IMPORTED,
                **shape,
            )
            for number, shape in enumerate(drawn)
        ),
    )


def _unmatched(name: str) -> Finding:
    return Finding(
        code="labelling.import-unmatched",
        subject=PurePosixPath(name).name,
        message="has labels, but no admitted photograph was delivered under this name alone.",
        remedy="Receive and admit it first, or correct the name in the labels.",
        severity=Severity.WARNING,
    )


def _wrong_size(image: ForeignImage, row: Mapping[str, Any]) -> Finding:
    return Finding(
        code="labelling.import-size",
        subject=PurePosixPath(image.name).name,
        message=f"was labelled at {image.size_wh}, the upright photograph has {(row['width_px'], row['height_px'])}.",
        remedy="If the labels refer to the pixels as stored, repeat with --coordinates stored.",
    )
