"""A file of results in COCO's format as a model: what somebody's detector found, looked up and not run.

The format (cocodataset.org, "Results format"): a list of ``{image_id, category_id, bbox | segmentation, score}``. Numbers of
images and categories are explained by the dataset file the detector was run on; without one, image_id is the photograph's
own id (a SHA-256) or the name it was delivered under, and words are the numbers of the categories.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.domain.annotation import Shape
from workbench.domain.findings import Finding, Refused, Severity, refused
from workbench.domain.lineage import sha256_hex
from workbench.domain.suggestion import ModelFacts, Suggestion
from workbench.labelling.foreign_shapes import ForeignImage, ForeignShape, ring_of
from workbench.labelling.importing import finder
from workbench.labelling.to_working_copy import Point, drawn_shape, mapping

#: Largest file of results that is read, in bytes.
_MAX_BYTES = 512_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoResults:
    """The suggestions of a file, by image_id; a `workbench.ports.Predictor`."""

    facts: ModelFacts
    found: Mapping[str, tuple[Suggestion, ...]]
    findings: tuple[Finding, ...] = field(default=())

    def __call__(self, photograph: tuple[str, Path]) -> tuple[Suggestion, ...]:
        """Return what the file says about a photograph, best first."""
        return self.found.get(photograph[0], ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dataset:
    """What a dataset file says: each image's name and size, each category's word."""

    names: Mapping[Any, str]
    sizes: Mapping[Any, tuple[int, int]]
    words: Mapping[Any, str]


def read_coco_results(
    path: Path,
    *,
    dataset: Path | None,
    images: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    least_score: float,
) -> CocoResults:
    """Return a file's suggestions in pixels of the working copies.

    Parameters
    ----------
    dataset
        The COCO file with ``images`` and ``categories`` that the results' numbers refer to.
    images
        Rows of `tables.IMAGES` by image_id.
    names
        Image_id of each delivered file name.
    least_score
        Results that score less are left out.

    Raises
    ------
    Refused
        ``labelling.model-unreadable`` if a file cannot be read, ``labelling.import-empty`` if no image is known.

    """
    text = _text(path)
    try:
        known = _dataset(dataset) if dataset else _Dataset(names={}, sizes={}, words={})
        read = [_entry(entry, known) for entry in _entries(text)]
    except Refused:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, f"cannot be read as COCO results ({type(error).__name__}: {error})") from error
    placed, findings = _place(read, known, images=images, names=names, least_score=least_score)
    if read and not placed and findings:
        raise Refused(
            Finding(
                code="labelling.import-empty",
                subject=str(path),
                message="speaks of no admitted photograph.",
                remedy="Give the dataset file that explains its image numbers with --images.",
            ),
            *findings[:3],
        )
    found = {
        image_id: tuple(sorted(given, key=lambda one: (-(one.score or 0.0), one.word, one.box.xyxy)))
        for image_id, given in placed.items()
    }
    facts = ModelFacts(
        name=path.stem,
        sha256=sha256_hex(text),
        words=tuple(sorted({one.word for _, one, _ in read})),
        parameters={"least_score": least_score, "images": dataset and sha256_hex(_text(dataset))},
    )
    return CocoResults(facts=facts, found=found, findings=tuple(findings))


def _entries(text: bytes) -> list[Mapping[str, Any]]:
    entries = json.loads(text)
    if not isinstance(entries, list):
        raise TypeError("it is no list of results")
    return entries


def _dataset(path: Path) -> _Dataset:
    try:
        document = json.loads(_text(path))
        return _Dataset(
            names={image["id"]: str(image["file_name"]) for image in document["images"]},
            sizes={
                image["id"]: (int(image["width"]), int(image["height"]))
                for image in document["images"]
                if "width" in image and "height" in image
            },
            words={category["id"]: str(category["name"]) for category in document["categories"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, f"is no COCO dataset ({type(error).__name__}: {error})") from error


def _entry(entry: Mapping[str, Any], known: _Dataset) -> tuple[Any, ForeignShape, float]:
    """Return the image, the shape and the score of one result."""
    number = entry["category_id"]
    word = known.words[number] if known.words else str(number)
    score = float(entry["score"])
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise ValueError(f"a score of {score}")
    return entry["image_id"], _shape(entry, word), score


def _shape(entry: Mapping[str, Any], word: str) -> ForeignShape:
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, Mapping):
        return ForeignShape(word=word, mask_rle={"size": segmentation["size"], "counts": segmentation["counts"]})
    if segmentation:
        return ForeignShape(word=word, rings=tuple(ring_of(ring) for ring in segmentation))
    x, y, width, height = map(float, entry["bbox"])
    return ForeignShape(word=word, box_xyxy=(x, y, x + width, y + height))


def _place(
    read: list[tuple[Any, ForeignShape, float]],
    known: _Dataset,
    *,
    images: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    least_score: float,
) -> tuple[dict[str, list[Suggestion]], list[Finding]]:
    """Return the suggestions of each photograph, and what could not be placed."""
    find = finder({**{str(row["file_sha256"]): image_id for image_id, row in images.items()}, **names})
    placed: dict[str, list[Suggestion]] = {}
    lost: Counter[tuple[str, str]] = Counter()
    points: dict[Any, tuple[Mapping[str, Any], Point] | str] = {}
    for number, shape, score in read:
        if number not in points:
            points[number] = _photograph(number, known, images=images, find=find)
        place = points[number]
        if isinstance(place, str):
            lost[place, str(known.names.get(number, number))] += 1
            continue
        row, point = place
        given = placed.setdefault(str(row["image_id"]), [])
        if score >= least_score:
            given.append(_suggestion(shape, point, row, score))
    for number in known.names:  # looked at, with nothing found
        place = points.get(number) or _photograph(number, known, images=images, find=find)
        if not isinstance(place, str):
            placed.setdefault(str(place[0]["image_id"]), [])
    return placed, [_lost(code, name, count) for (code, name), count in sorted(lost.items())]


def _photograph(
    number: Any,
    known: _Dataset,
    *,
    images: Mapping[str, Mapping[str, Any]],
    find: Callable[[str], str | None],
) -> tuple[Mapping[str, Any], Point] | str:
    """Return the photograph's row and what takes coordinates to it, or the code that says why there is none."""
    name = known.names.get(number, str(number))
    row = images.get(name) or images.get(find(name) or "")
    if row is None:
        return "labelling.import-unmatched"
    size = known.sizes.get(number) or (row["width_px"], row["height_px"])
    point = mapping(ForeignImage(name=name, size_wh=size), row, stored=False)
    return (row, point) if point else "labelling.import-size"


def _suggestion(shape: ForeignShape, point: Point, row: Mapping[str, Any], score: float) -> Suggestion:
    drawn = drawn_shape(shape, point, row, {shape.word: ""}, stored=False)
    return Suggestion(
        word=shape.word,
        shape=Shape(drawn["shape"]),
        box=drawn["box"],
        rings=drawn.get("rings", ()),
        mask_rle=drawn.get("mask_rle"),
        score=score,
    )


def _lost(code: str, name: str, count: int) -> Finding:
    said = {
        "labelling.import-unmatched": (
            "but no admitted photograph was delivered under this name alone.",
            "Receive and admit it first, or give the dataset file with --images.",
        ),
        "labelling.import-size": (
            "but the sizes do not fit: it was looked at in another shape than the upright photograph has.",
            "Run the detector on the upright photographs.",
        ),
    }
    message, remedy = said[code]
    return Finding(
        code=code,
        subject=PurePosixPath(name).name,
        message=f"has {count} results, {message}",
        remedy=remedy,
        severity=Severity.WARNING,
    )


def _text(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _unreadable(path, f"is larger than {_MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({error.strerror})") from error


def _unreadable(path: Path, what: str) -> Refused:
    return refused(
        "labelling.model-unreadable",
        path,
        f"{what}.",
        "Give COCO results (a list of image_id, category_id, bbox and score), and their dataset file with --images.",
    )
