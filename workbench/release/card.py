"""The card: what a release is, what is in it and what is not, as a page for people (HTML and Markdown).

After "Datasheets for Datasets" (Gebru et al., 2021). Everything is inline, so the page opens from disk and prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from workbench.domain.dataset import SPLITS
from workbench.domain.photograph import Origin
from workbench.release.charts import bars_svg, heat_counts, heat_svg, histogram_svg, scores_svg
from workbench.release.contents import Contents
from workbench.release.formats import FORMATS
from workbench.release.formats.huggingface import front_matter
from workbench.release.picture import Outline, Whole

#: Photographs shown on the card, and objects drawn on one of them.
_SHOWN, _DRAWN = 8, 60
#: Pictures that show one of these are not on the card, which travels further than the pictures do.
PRIVATE = frozenset(
    {
        "context.person",
        "context.face",
        "context.plate",
        "context.document",
        "context.screen",
        "context.evidence_tag",
        "marking.serial",
        "marking.obliterated_suspected",
    }
)
#: The figures of agreement.json that the card draws.
_FIGURES = ("f1", "mean_iou", "alpha_category")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What draws for a release with a tool: a world map of counts by country, and a mask's outlines."""

    world: Callable[[Mapping[str, int]], str]
    outline: Outline


def card_files(contents: Contents, whole: Whole, draw: Draw) -> Iterator[tuple[str, bytes]]:
    """Yield card.html and card.md, and README.md where Hugging Face is to read it."""
    facts, taxonomy = whole.facts, whole.taxonomy
    templates = FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8")
    shared = {
        "facts": facts,
        "names": {category.code: category.name("en") for category in taxonomy.categories},
        "splits": [split.value for split in SPLITS],
        "origins": [origin.value for origin in Origin],
        "classes": _class_rows(facts),
        "agreement": _agreement(facts["agreement"]),
        "formats": [FORMATS[name] for name in facts["formats"]],
    }
    page = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = {name: Markup(svg) for name, svg in _plots(whole, draw).items()}  # noqa: S704 -- drawn here
    html = page.get_template("card.html").render(**shared, plots=drawn, shown=_shown(contents))
    yield "card.html", html.encode()
    text = Environment(
        loader=templates,
        autoescape=False,  # noqa: S701 -- Markdown is not HTML, and only programs and editors show it
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    markdown = text.get_template("card.md").render(**shared)
    yield "card.md", markdown.encode()
    if "huggingface" in facts["formats"]:
        yield "README.md", (front_matter(whole) + markdown).encode()


def _class_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a class that is there, in the taxonomy's order."""
    seen = facts["instances_by_class_and_origin"]
    return [
        {"code": code, "counts": seen[code], "total": sum(seen[code].values())}
        for code in facts["classes"]
        if code in seen
    ]


def _agreement(figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the figures of agreement by what they are of: all, a category, a pair; each with its figures."""
    grouped: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        group, _, figure = name.rpartition(".")
        grouped.setdefault(group or "overall", {})[figure] = value
    # What is said of facets, tags and transcriptions is of another kind: the report of adjudication tells it.
    kept = {group: figures for group, figures in grouped.items() if group == "overall" or "photographs" in figures}
    return dict(sorted(kept.items(), key=lambda item: (item[0] != "overall", item[0])))


def _plots(whole: Whole, draw: Draw) -> dict[str, str]:
    facts = whole.facts
    seen = facts["instances_by_class_and_origin"]
    longest: dict[str, list[float]] = {}
    for picture in whole.pictures:
        size_wh = picture.image["width_px"], picture.image["height_px"]
        longest.setdefault(picture.image["origin"], []).append(max(size_wh))
    edges, origins = _edges(whole)
    sides = 100 * np.sqrt((edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1]))
    shares = {origin.value: sides[origins == origin.value].tolist() for origin in Origin}
    known = {code: count for code, count in facts["images_by_country"].items() if code != "unknown"}
    partners = {name: {"real": count} for name, count in facts["photographs_by_partner"].items()}
    figures = {
        group.removeprefix("categories."): values["f1"]
        for group, values in _agreement(facts["agreement"]).items()
        if "f1" in values
    }
    return {
        "classes": bars_svg({code: seen[code] for code in facts["classes"] if code in seen}),
        "splits": bars_svg(facts["images_by_split_and_origin"]),
        "object_sizes": histogram_svg(shares, label="object size, % of the image's side", unit="objects"),
        "image_sizes": histogram_svg(longest, label="longest side, pixels", unit="images"),
        "where": heat_svg(heat_counts(edges)),
        "partners": bars_svg(partners),
        "world": draw.world(known) if known else "",
        "agreement": scores_svg(figures) if figures else "",
    }


def _edges(whole: Whole) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return each box's edges, (n, 4), as shares of its image in [0, 1], and the origin of its image."""
    edges, sizes, origins = [], [], []
    for picture in whole.pictures:
        image = picture.image
        found = [
            (row["x_min"], row["y_min"], row["x_max"], row["y_max"])
            for row in picture.objects
            if row["x_min"] is not None
        ]
        edges += found
        sizes += [(image["width_px"], image["height_px"])] * len(found)
        origins += [image["origin"]] * len(found)
    shares = np.array(edges, np.float64).reshape(-1, 4) / np.tile(np.array(sizes, np.float64).reshape(-1, 2), 2)
    return shares, np.array(origins, np.str_)


def _shown(contents: Contents) -> list[dict[str, Any]]:
    """Return a few pictures with their boxes: photographs before renders before copies, those with objects first."""
    rank = {"real": 0, "replica": 1, "rendered": 2, "augmented": 3}
    objects: dict[str, list[Mapping[str, Any]]] = {}
    for row in contents.instances:
        objects.setdefault(row["image_id"], []).append(row)
    private = {row["image_id"] for row in contents.instances if row["category"] in PRIVATE}
    by_origin: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(contents.images, key=lambda row: (row["image_id"] not in objects, row["image_id"])):
        if row["image_id"] not in private and row["parent_image_id"] not in private:
            by_origin.setdefault(row["origin"], []).append(row)
    chosen: list[Mapping[str, Any]] = []
    for turn in range(_SHOWN):
        for origin in sorted(by_origin, key=rank.__getitem__):
            chosen += by_origin[origin][turn : turn + 1]
    return [_picture(row, objects.get(row["image_id"], [])) for row in chosen[:_SHOWN]]


def _picture(row: Mapping[str, Any], instances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    boxes = [
        {
            "category": instance["category"],
            "x": instance["x_min"],
            "y": instance["y_min"],
            "width": instance["x_max"] - instance["x_min"],
            "height": instance["y_max"] - instance["y_min"],
        }
        for instance in instances[:_DRAWN]
        if instance["x_min"] is not None
    ]
    rings = [
        " ".join(f"{x},{y}" for x, y in zip(r[0::2], r[1::2], strict=True))
        for instance in instances[:_DRAWN]
        for r in instance["rings"] or ()
    ]
    names = sorted({instance["category"] for instance in instances})
    return {"image": row, "boxes": boxes, "rings": rings, "categories": names}
