"""The page on which people look at regions before they decide: each photograph once, its regions drawn on it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from workbench.domain.redaction import Decision


def write_sheet(
    page: Path, decisions: Sequence[Decision], *, images: Mapping[str, Mapping[str, Any]], data: Path
) -> None:
    """Write the page; it shows the image files where they lie, so it holds no picture itself.

    Parameters
    ----------
    decisions
        What counts for each region to be shown.
    images
        Rows of `tables.IMAGES` by the id the photograph was delivered under.
    data
        The folder that image paths are relative to.

    """
    by_photograph: dict[str, list[Decision]] = {}
    for decision in decisions:
        if decision.region.image_id in images:
            by_photograph.setdefault(decision.region.image_id, []).append(decision)
    shown = [
        {
            "image_id": image_id,
            "source": quote(os.path.relpath(data / images[image_id]["path"], page.absolute().parent)),
            "regions": [_region(decision, images[image_id]) for decision in listed],
        }
        for image_id, listed in sorted(by_photograph.items())
    ]
    templates = FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8")
    environment = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("sheet.html").render(photographs=shown)
    page.parent.mkdir(parents=True, exist_ok=True)
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)


def _region(decision: Decision, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page says of a region; edges in hundredths of the picture's size."""
    region, width, height = decision.region, row["width_px"] / 100, row["height_px"] / 100
    return {
        "region_id": region.region_id,
        "category": region.category,
        "source": region.source,
        "score": "" if region.score is None else f"{region.score:.3f}",
        "state": decision.state.value,
        "by": decision.decided_by,
        "reason": decision.reason or "",
        "left": f"{region.box.x_min / width:.3f}",
        "top": f"{region.box.y_min / height:.3f}",
        "width": f"{(region.box.x_max - region.box.x_min) / width:.3f}",
        "height": f"{(region.box.y_max - region.box.y_min) / height:.3f}",
    }
