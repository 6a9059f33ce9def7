"""How the labellers agree and work, as one page for the labelling lead that needs nothing beside it and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from workbench.adjudication.differences import Difference, Drawn
from workbench.adjudication.report_charts import course_svg, intervals_svg, spread_svg
from workbench.domain.geometry import Box

#: Returns the place on a photograph as JPEG and the whole pixels it shows; null where the picture is not to be had.
Crop = Callable[[str, Box], tuple[bytes, tuple[int, int, int, int]] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What adjudication measured, and where each two labellers differ."""

    agreement: Mapping[str, Any]
    labellers: Mapping[str, Any]
    differences: Mapping[tuple[str, str], Sequence[Difference]]


def report_page(measured: Measured, *, crop: Crop) -> str:
    """Return the page as HTML."""
    names = list(measured.labellers)
    asked = [told for kind in ("facets", "tags") for told in measured.agreement[kind].values()]
    answered = {name for told in asked for pair in told["pairs"] for name in pair["annotators"]}
    number = {name: place for place, name in enumerate([*names, *sorted(answered - set(names))], start=1)}
    pairs = {tuple(pair["annotators"]): pair for pair in measured.agreement["pairs"]}
    agreement = measured.agreement
    page = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.globals.update(number=number)
    return page.get_template("report.html").render(
        overall=agreement["overall"],
        categories=agreement["categories"],
        projects=agreement["projects"],
        confusions=agreement["confusions"],
        only_asked=[name for name in number if name not in measured.labellers],
        questions=[(kind, code, told) for kind in ("facets", "tags") for code, told in agreement[kind].items()],
        texts=agreement["transcriptions"],
        labellers=measured.labellers,
        suggested={name: told["suggestions"] for name, told in measured.labellers.items() if "suggestions" in told},
        names=names,
        pairs=pairs,
        opened=[
            {
                "annotators": key,
                "figures": pair,
                "tiles": [_tile(each, crop) for each in measured.differences.get((key[0], key[1]), ())],
            }
            for key, pair in pairs.items()
        ],
        plots=_plots(measured, number),
    )


def _plots(measured: Measured, number: Mapping[str, int]) -> dict[str, Any]:
    """Return the plots as SVG; empty text where there is nothing to draw."""
    categories = [
        (code, told["f1"], told["intervals"].get("f1"))
        for code, told in measured.agreement["categories"].items()
        if told["f1"] is not None
    ]
    categories.sort(key=lambda row: (row[1], row[0]))
    people = [
        (f"{number[name]} · {name}", told["time"])
        for name, told in measured.labellers.items()
        if told.get("time", {}).get("answers")
    ]
    courses = {
        name: {figure: Markup(course_svg(told["fatigue"]["curve"], figure)) for figure in ("median_s", "f1")}  # noqa: S704
        for name, told in measured.labellers.items()
        if told.get("fatigue", {}).get("curve")
    }
    # Drawn here of figures; names are escaped where they are drawn.
    return {
        "categories": Markup(intervals_svg(categories)) if categories else "",  # noqa: S704
        "times": Markup(spread_svg(people)) if people else "",  # noqa: S704
        "courses": courses,
    }


def _tile(difference: Difference, crop: Crop) -> dict[str, Any]:
    """Return one place as the page draws it; without a picture where it shows personal data or is not to be had."""
    told: dict[str, Any] = {
        "said": difference.said,
        "image_id": difference.image_id,
        "shapes": [_shape(each) for each in difference.drawn],
    }
    if difference.personal:
        return told | {"note": "not shown: somebody marked personal data here"}
    shown = crop(difference.image_id, difference.around)
    if shown is None:
        return told | {"note": "the picture is not to be had"}
    jpeg, (left, top, right, bottom) = shown
    return told | {
        "note": "",
        "href": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
    }


def _shape(drawn: Drawn) -> dict[str, Any]:
    box = drawn.box
    return {
        "side": drawn.side,
        "called": drawn.category if drawn.text is None else f"{drawn.category} {drawn.text!r}",
        "box": None if box is None or drawn.rings else (box[0], box[1], box[2] - box[0], box[3] - box[1]),
        "rings": [" ".join(f"{value:g}" for value in ring) for ring in drawn.rings],
        "points": drawn.points,
    }
