"""Printed cards of known geometry: scale bar, colour chart and evidence tag; and all textures of a scene.

Prints are float32 arrays (h, w, 3) of sRGB values in [0, 1], ten dots a millimetre, top row first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.scene import Card, Scene
from workbench.synthesis.finishes import finish
from workbench.synthesis.rooms import environment_file, room
from workbench.synthesis.surfaces import Texture, table_surface

_INK, _PAPER = 0.06, 0.88

#: Patches of the colour chart, row by row, as sRGB bytes: six greys, six saturated and six natural colours. The chart
#: is this project's own.
CHART = (
    (243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52),
    (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
    (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
)  # fmt: skip
_CHART_COLUMNS = 6


def textures_of(scene: Scene, *, environments: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Return every texture a scene names.

    Parameters
    ----------
    scene
        What is to be rendered.
    environments
        Files by the name a scene calls them, for rooms that code does not draw.

    Returns
    -------
    dict
        ``table`` and ``table_relief``; ``room`` (linear radiance, or the path of its file); a print a card by
        `Card.texture`; a `workbench.synthesis.finishes.Finish` a part as ``part0`` and on, a thing as ``prop0`` and on.

    """
    around = scene.environment
    table, relief = table_surface(scene.table.kind, scene.table.seed)
    textures: dict[str, Any] = {
        "table": table,
        "table_relief": relief,
        "room": room(around.name, around.seed)
        if around.sha256 is None
        else environment_file(around, environments or {}),
    }
    textures.update({card.texture: card_print(card) for card in scene.cards})
    textures.update({f"part{i}": finish(part.material) for i, part in enumerate(scene.parts)})
    textures.update({f"prop{i}": finish(prop.material) for i, prop in enumerate(scene.props)})
    return textures


#: A 5x7 dot-matrix alphabet, a row a number, most significant bit left; drawn for this project.
_GLYPHS = {
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12), "A": (14, 17, 17, 31, 17, 17, 17), "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14), "D": (28, 18, 17, 17, 17, 18, 28), "E": (31, 16, 16, 30, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17), "-": (0, 0, 0, 31, 0, 0, 0), " ": (0, 0, 0, 0, 0, 0, 0),
}  # fmt: skip


def lettering(text: str) -> NDArray[np.bool_]:
    """Return text as dots, (7, 6 n - 1) for n characters.

    Raises
    ------
    KeyError
        If the alphabet lacks a character.

    """
    columns = [[[bool(row >> (4 - x) & 1) for x in range(5)] + [False] for row in _GLYPHS[letter]] for letter in text]
    return np.asarray(np.concatenate([np.array(letter) for letter in columns], axis=1)[:, :-1], np.bool_)


def card_print(card: Card) -> Texture:
    """Return what is printed on a card."""
    height, width = round(card.height_m * 1e4), round(card.width_m * 1e4)
    if card.kind == "colour_chart":
        return _chart(height, width)
    value = np.full((height, width), _PAPER)
    if card.kind == "scale_bar":
        _print_scale(value)
    else:
        _print_tag(value, card.text)
    return np.repeat(value[..., None], 3, axis=2).astype(np.float32)


def _chart(height: int, width: int) -> Texture:
    """Return the colour chart: patches between black bars, four millimetres of card around."""
    image = np.full((height, width, 3), 0.10, np.float32)
    rows, margin, gap = len(CHART) // _CHART_COLUMNS, 40, 12
    down, across = (height - 2 * margin) / rows, (width - 2 * margin) / _CHART_COLUMNS
    for i, patch in enumerate(CHART):
        top, left = margin + i // _CHART_COLUMNS * down, margin + i % _CHART_COLUMNS * across
        area = np.s_[round(top) : round(top + down) - gap, round(left) : round(left + across) - gap]
        image[area] = np.asarray(patch) / 255
    return image


def _print_scale(value: NDArray[np.float64]) -> None:
    """Print alternating centimetres, millimetre ticks and numbers; 5 mm margins."""
    height, width = value.shape
    for cm in range((width - 100) // 100):
        left = 50 + cm * 100
        value[20:60, left : left + 100] = _INK if cm % 2 == 0 else _PAPER
        value[60:64, left : left + 100] = _INK
        _stamp(value, str(cm + 1), top=110, left=left + 82, dot=5)
        for mm in range(10):
            value[60 : 100 if mm == 0 else 82, left + mm * 10 : left + mm * 10 + 2] = _INK
    value[[0, 1, height - 1, height - 2]] = 0.4


def _print_tag(value: NDArray[np.float64], text: str) -> None:
    """Print a heading bar and the text as large as it fits."""
    height, width = value.shape
    value[: height // 5] = 0.30
    dot = max(1, min((width - 60) // (6 * len(text)), int(height * 0.6) // 7))
    _stamp(
        value,
        text,
        top=height // 5 + (height * 4 // 5 - 7 * dot) // 2,
        left=(width - (6 * len(text) - 1) * dot) // 2,
        dot=dot,
    )


def _stamp(value: NDArray[np.float64], text: str, *, top: int, left: int, dot: int) -> None:
    ink = np.kron(lettering(text), np.ones((dot, dot), bool))
    area = value[top : top + ink.shape[0], left : left + ink.shape[1]]
    area[ink[: area.shape[0], : area.shape[1]]] = _INK
