"""Pictures for people: the card's plots as SVG and contact sheets of labelled pictures.

Equal data gives equal bytes: no date, no random ids, and text that the reader's own fonts draw.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.masks import decode_mask, mask_rings
from workbench.domain.annotation import Instance
from workbench.domain.geometry import Ring

#: One colour an origin; they can be told apart on white, on black and by colour-blind readers (Okabe and Ito, 2008).
ORIGIN_COLOURS = {"real": "#0072b2", "replica": "#56b4e9", "rendered": "#e69f00", "augmented": "#009e73"}
#: Stands for the text's own colour in the SVG, so that plots are right on light and dark pages.
_INK = "#010203"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """A picture, (h, w, 3) uint8 RGB, and what is drawn on it."""

    image_hwc: NDArray[np.uint8]
    instances: Sequence[Instance]


def bars_svg(counts: Mapping[str, Mapping[str, int]], *, unit: str) -> str:
    """Return stacked horizontal bars as SVG text: a row a name, a colour an origin.

    Parameters
    ----------
    counts
        For each row's name, in order from the top, the count by origin.

    """
    names = list(counts)
    figure, axes = _axes(height_in=0.6 + 0.3 * max(1, len(names)))
    left = np.zeros(len(names))
    for origin, colour in ORIGIN_COLOURS.items():
        widths = np.array([counts[name].get(origin, 0) for name in names], float)
        if widths.any():
            axes.barh(names, widths, left=left, color=colour, height=0.68, label=origin)
            left += widths
    for row, total in enumerate(left):
        axes.text(total, row, f" {int(total)}", va="center", color=_INK, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit, color=_INK)
    axes.tick_params(axis="y", length=0)
    _whole_numbers(axes.xaxis)
    return _svg(figure)


def histogram_svg(values: Mapping[str, Sequence[float]], *, label: str, unit: str) -> str:
    """Return a stacked histogram as SVG text: a colour an origin."""
    figure, axes = _axes(height_in=2.4)
    shown = [origin for origin in ORIGIN_COLOURS if values.get(origin)]
    if shown:
        everything = np.concatenate([np.asarray(values[origin], float) for origin in shown])
        top = float(everything.max()) or 1.0
        axes.hist(
            [values[origin] for origin in shown],
            bins=np.linspace(0, top, 25),
            stacked=True,
            color=[ORIGIN_COLOURS[origin] for origin in shown],
            label=shown,
            rwidth=0.92,
        )
    axes.set_xlabel(label, color=_INK)
    axes.set_ylabel(unit, color=_INK)
    _whole_numbers(axes.yaxis)
    return _svg(figure)


def write_pairs(
    pairs: Sequence[tuple[LabelledPicture, LabelledPicture]], out: Path, *, columns: int = 3, tile_px: int = 256
) -> None:
    """Write a contact sheet of pairs side by side, labels drawn, as PNG or JPEG by the name of ``out``."""
    from PIL import Image

    gap_px = 12
    rows = -(-len(pairs) // columns)
    wide, high = 2 * tile_px + gap_px, tile_px + gap_px
    sheet = Image.new("RGB", (min(columns, len(pairs)) * wide + gap_px, rows * high + gap_px), "white")
    for index, pair in enumerate(pairs):
        left, top = index % columns * wide + gap_px, index // columns * high + gap_px
        for side, picture in enumerate(pair):
            sheet.paste(_drawn(picture, tile_px), (left + side * tile_px, top))
    part = out.with_name(f".{out.name}.part{out.suffix}")
    sheet.save(part, **({"quality": 90} if out.suffix.lower() != ".png" else {"optimize": True}))
    part.replace(out)


def _drawn(picture: LabelledPicture, tile_px: int) -> Any:
    """Return the picture as a square tile with its labels' outlines."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture.image_hwc)
    scale = (tile_px - 4) / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    brush = ImageDraw.Draw(image)
    for instance in picture.instances:
        for ring in (*instance.rings, *_mask_outlines(instance, picture.image_hwc)):
            brush.polygon([value * scale for value in ring], outline="#ffd400", width=2)
        if instance.box is not None:
            brush.rectangle([value * scale for value in instance.box.xyxy], outline="#ff5ca8", width=2)
        for point in instance.keypoints:
            x, y = point.x_px * scale, point.y_px * scale
            brush.ellipse((x - 3, y - 3, x + 3, y + 3), fill="#00e5ff")
    tile = Image.new("RGB", (tile_px, tile_px), "#e8e8e8")
    tile.paste(image, ((tile_px - image.width) // 2, (tile_px - image.height) // 2))
    return tile


def _mask_outlines(instance: Instance, image_hwc: NDArray[np.uint8]) -> tuple[Ring, ...]:
    if instance.mask_rle is None:
        return ()
    height, width = image_hwc.shape[:2]
    return mask_rings(decode_mask(instance.mask_rle, height_px=height, width_px=width))


def _axes(*, height_in: float) -> tuple[Any, Any]:
    """Return a figure that no global state of the plotting library knows of, and its axes, bare of ornament."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(5.2, height_in), layout="constrained")
        axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_INK)
    axes.tick_params(colors=_INK)
    return figure, axes


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "workbench", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().replace(_INK, "currentColor")
    return text[text.index("<svg") :]
