"""The card: what a release is, what is in it and what is not, as a page for people (HTML and Markdown).

After "Datasheets for Datasets" (Gebru et al., 2021). Everything is inline, so the page opens from disk and prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from workbench.domain.dataset import SPLITS
from workbench.domain.photograph import Origin
from workbench.domain.taxonomy import Taxonomy
from workbench.release.contents import Contents

#: Photographs shown on the card.
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plots:
    """What draws the card's plots as SVG text: stacked bars a name, and a stacked histogram."""

    bars: Callable[..., str]
    histogram: Callable[..., str]


def write_card(folder: Path, facts: Mapping[str, Any], contents: Contents, taxonomy: Taxonomy, plots: Plots) -> None:
    """Write card.html and card.md into a release."""
    templates = FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8")
    shared = {
        "facts": facts,
        "names": {category.code: category.name("en") for category in taxonomy.categories},
        "splits": [split.value for split in SPLITS],
        "origins": [origin.value for origin in Origin],
        "classes": _class_rows(facts),
    }
    page = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = {name: Markup(svg) for name, svg in _plots(facts, contents, plots).items()}  # noqa: S704 -- drawn here
    html = page.get_template("card.html").render(**shared, plots=drawn, shown=_shown(contents))
    (folder / "card.html").write_text(html, encoding="utf-8", newline="\n")
    text = Environment(
        loader=templates,
        autoescape=False,  # noqa: S701 -- Markdown is not HTML, and only programs and editors show it
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    (folder / "card.md").write_text(text.get_template("card.md").render(**shared), encoding="utf-8", newline="\n")


def _class_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a class that is there, in the taxonomy's order."""
    seen = facts["instances_by_class_and_origin"]
    return [
        {"code": code, "counts": seen[code], "total": sum(seen[code].values())}
        for code in facts["classes"]
        if code in seen
    ]


def _plots(facts: Mapping[str, Any], contents: Contents, plots: Plots) -> dict[str, str]:
    seen = facts["instances_by_class_and_origin"]
    size_of = {row["image_id"]: row for row in contents.images}
    shares: dict[str, list[float]] = {}
    for row in contents.instances:
        if row["x_min"] is None:
            continue
        image = size_of[row["image_id"]]
        area = (row["x_max"] - row["x_min"]) * (row["y_max"] - row["y_min"])
        side = (area / (image["width_px"] * image["height_px"])) ** 0.5
        shares.setdefault(image["origin"], []).append(100 * side)
    longest: dict[str, list[float]] = {}
    for row in contents.images:
        longest.setdefault(row["origin"], []).append(max(row["width_px"], row["height_px"]))
    return {
        "classes": plots.bars({code: seen[code] for code in facts["classes"] if code in seen}, unit="objects"),
        "splits": plots.bars(facts["images_by_split_and_origin"], unit="images"),
        "object_sizes": plots.histogram(shares, label="object size, % of the image's side", unit="objects"),
        "image_sizes": plots.histogram(longest, label="longest side, pixels", unit="images"),
    }


def _shown(contents: Contents) -> list[dict[str, Any]]:
    """Return a few pictures with their boxes: photographs before renders before copies, those with objects first."""
    rank = {"real": 0, "replica": 1, "rendered": 2, "augmented": 3}
    objects: dict[str, list[Mapping[str, Any]]] = {}
    for row in contents.instances:
        objects.setdefault(row["image_id"], []).append(row)
    private = {"context.person", "context.face", "context.plate", "context.document", "marking.serial"}
    fit = [
        row
        for row in contents.images
        if not private & {instance["category"] for instance in objects.get(row["image_id"], ())}
    ]
    by_origin: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(fit, key=lambda row: (row["image_id"] not in objects, row["image_id"])):
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
        for instance in instances
        if instance["x_min"] is not None
    ]
    rings = [
        " ".join(f"{x},{y}" for x, y in zip(r[0::2], r[1::2], strict=True)) for i in instances for r in i["rings"] or ()
    ]
    names = sorted({instance["category"] for instance in instances})
    return {"image": row, "boxes": boxes, "rings": rings, "categories": names}
