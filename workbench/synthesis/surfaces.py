"""Textures drawn by seeded code: table surfaces, printed cards, fine patterns of materials, and the room around.

All are float32 arrays (h, w, 3) in [0, 1]: reflectances as sRGB, except the room, which is linear radiance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.scene import Card, Scene

Texture = NDArray[np.float32]

#: Kinds of table and how rough each is (principled model).
TABLES = {"wood": 0.42, "cloth": 0.95, "cardboard": 0.9, "paper": 0.85, "mat": 0.6, "laminate": 0.3}

_SIZE_PX = 1024
_INK = 0.06


def textures_of(scene: Scene) -> dict[str, Texture]:
    """Return every texture a scene names: ``table``, ``room``, ``layers``, ``brushed`` and one a card."""
    textures = {
        "table": table_texture(scene.table.kind, scene.table.seed),
        "room": room(scene.room_seed),
        "layers": layers(),
        "brushed": brushed(),
    }
    textures.update({card.texture: card_print(card) for card in scene.cards})
    return textures


def _noise(rng: np.random.Generator, sigma: tuple[float, float], size: int = _SIZE_PX) -> NDArray[np.float64]:
    """Return seamless smooth noise of mean 0 and deviation 1, (size, size); ``sigma`` is its scale down and across."""
    # A Gaussian's transform is a Gaussian: one multiplication, however wide the blur.
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    spectrum *= np.exp(-2 * np.pi**2 * ((down * sigma[0]) ** 2 + (across * sigma[1]) ** 2))
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray((field - field.mean()) / field.std())


def _tinted(value: NDArray[np.float64], rgb: tuple[float, float, float]) -> Texture:
    return np.asarray(np.clip(value[..., None] * np.asarray(rgb), 0.01, 0.97), np.float32)


def table_texture(kind: str, seed: int) -> Texture:
    """Return a seamless texture of one kind of table."""
    rng = np.random.default_rng(seed)
    return {
        "wood": _wood,
        "cloth": _cloth,
        "cardboard": _cardboard,
        "paper": _paper,
        "mat": _mat,
        "laminate": _laminate,
    }[kind](rng)


def _wood(rng: np.random.Generator) -> Texture:
    """Planks: growth rings cut lengthwise, warped by slow noise, with pores along the grain."""
    y = np.linspace(0, 1, _SIZE_PX, endpoint=False)[:, None]
    plank = np.floor(y * 4).astype(int)
    shift = rng.uniform(0, 50, 4)[plank]
    warp = 0.55 * _noise(rng, (14, 220)) + 0.12 * _noise(rng, (4, 90))
    rings = np.sin(2 * np.pi * (y * 9 + warp + shift))
    grain = _noise(rng, (0.7, 26))
    pores = np.clip(_noise(rng, (0.6, 9)) - 1.7, 0, None)
    value = 1 + 0.07 * rings + 0.05 * grain - 0.16 * pores + rng.normal(0, 0.05, 4)[plank]
    joint = np.abs((y * 4) % 1 - 0.5) > 0.4955  # noqa: PLR2004 -- half a plank less a 1 mm joint
    tone = [(0.68, 0.50, 0.34), (0.56, 0.38, 0.25), (0.78, 0.66, 0.50), (0.42, 0.30, 0.22)][rng.integers(4)]
    return _tinted(np.where(joint, value * 0.45, value), tone)


def _cloth(rng: np.random.Generator) -> Texture:
    """Plain weave: warp over weft and weft over warp in turn, with uneven yarns and faint folds."""
    i, j = np.mgrid[0:_SIZE_PX, 0:_SIZE_PX] * (2 * np.pi * 128 / _SIZE_PX)
    weave = np.where(np.sin(i / 2) * np.sin(j / 2) > 0, np.abs(np.sin(i)), np.abs(np.sin(j)))
    yarn = 0.05 * _noise(rng, (0.8, 40)) + 0.05 * _noise(rng, (40, 0.8))
    value = 0.78 + 0.22 * weave + yarn + 0.05 * _noise(rng, (80, 60))
    tone = [(0.28, 0.36, 0.46), (0.55, 0.55, 0.53), (0.32, 0.42, 0.34), (0.20, 0.20, 0.22)][rng.integers(4)]
    return _tinted(value, tone)


def _cardboard(rng: np.random.Generator) -> Texture:
    """Kraft board: faint flutes and short fibres."""
    x = np.linspace(0, 2 * np.pi, _SIZE_PX, endpoint=False)[None, :]
    fibres = np.clip(_noise(rng, (0.6, 6)) - 1.5, 0, None) - np.clip(_noise(rng, (5, 0.6)) - 1.6, 0, None)
    value = 1 + 0.018 * np.sin(x * 60) + 0.05 * fibres + 0.02 * _noise(rng, (1, 1)) + 0.03 * _noise(rng, (90, 70))
    return _tinted(value, (0.72, 0.57, 0.41))


def _paper(rng: np.random.Generator) -> Texture:
    """Butcher's paper, grey-white, slightly uneven."""
    value = 1 + 0.012 * _noise(rng, (1.2, 1.2)) + 0.018 * _noise(rng, (60, 60))
    tone = [(0.86, 0.86, 0.84), (0.80, 0.78, 0.73), (0.74, 0.76, 0.78)][rng.integers(3)]
    return _tinted(value, tone)


def _mat(rng: np.random.Generator) -> Texture:
    """Cutting mat with a printed grid, a line every 1/24 of the tile."""
    y, x = np.mgrid[0:_SIZE_PX, 0:_SIZE_PX] / _SIZE_PX * 24
    line = np.minimum(np.minimum(x % 1, 1 - x % 1), np.minimum(y % 1, 1 - y % 1)) < 0.03  # noqa: PLR2004 -- line width
    value = 1 + 0.03 * _noise(rng, (0.8, 0.8)) + 0.04 * _noise(rng, (50, 50)) + 0.55 * line
    tone = [(0.16, 0.36, 0.30), (0.18, 0.26, 0.40), (0.30, 0.30, 0.31)][rng.integers(3)]
    return _tinted(value, tone)


def _laminate(rng: np.random.Generator) -> Texture:
    """Laminate bench with speckles."""
    specks = np.clip(_noise(rng, (1.1, 1.1)) - 1.3, 0, 1) - 0.7 * np.clip(_noise(rng, (1.6, 1.6)) - 1.6, 0, 1)
    tone = [(0.70, 0.71, 0.70), (0.62, 0.60, 0.56), (0.40, 0.43, 0.46)][rng.integers(3)]
    return _tinted(1 + 0.10 * specks + 0.02 * _noise(rng, (40, 40)), tone)


def layers() -> Texture:
    """Return the pattern of printed layers, dark in the grooves: eight layers a period, running across."""
    y = np.arange(128) / 128 * 8
    ridge = np.abs(np.sin(np.pi * y)) ** 0.6
    value = 0.80 + 0.20 * ridge
    return np.repeat(np.repeat(value[:, None, None], 8, axis=1), 3, axis=2).astype(np.float32)


def brushed() -> Texture:
    """Return fine lengthwise scratches (always the same: a material, not a scene, owns them)."""
    rng = np.random.default_rng(20)
    field = ndimage.gaussian_filter(rng.standard_normal((512, 512)), (0.5, 40), mode="wrap")
    value = np.clip(0.88 + 0.07 * field / field.std(), 0.5, 1)
    return np.repeat(value[..., None], 3, axis=2).astype(np.float32)


def room(seed: int) -> Texture:
    """Return a dim room as an equirectangular map of linear radiance (64, 128, 3): ceiling, walls, windows, clutter."""
    rng = np.random.default_rng(seed)
    image = np.empty((64, 128, 3))
    image[:20] = rng.uniform(0.5, 0.9) * np.array([1.0, 0.97, 0.92])
    image[20:40] = rng.uniform(0.25, 0.5) * np.array([1.0, 0.98, 0.95])
    image[40:] = 0.12
    for _ in range(7):
        x, y, w, h = rng.integers(0, 112), rng.integers(24, 38), rng.integers(3, 14), rng.integers(3, 14)
        image[y : y + h, x : x + w] = rng.uniform(0.03, 0.35, 3)
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.integers(0, 110), rng.integers(10, 20)
        image[y : y + 14, x : x + rng.integers(8, 18)] = rng.uniform(2.0, 4.5) * np.array([0.95, 1.0, 1.08])
    strip = rng.integers(0, 100)
    image[2:6, strip : strip + 26] = 5.0
    return np.asarray(ndimage.gaussian_filter(image, (0.8, 0.8, 0), mode=("nearest", "wrap", "nearest")), np.float32)


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
    """Return what is printed on a card, ten dots a millimetre, top row first."""
    height, width = round(card.height_m * 1e4), round(card.width_m * 1e4)
    value = np.full((height, width), 0.88)
    if card.kind == "scale_bar":
        _print_scale(value)
    else:
        _print_tag(value, card.text)
    return np.repeat(value[..., None], 3, axis=2).astype(np.float32)


def _print_scale(value: NDArray[np.float64]) -> None:
    """Print alternating centimetres, millimetre ticks and numbers; 5 mm margins."""
    height, width = value.shape
    for cm in range((width - 100) // 100):
        left = 50 + cm * 100
        value[20:60, left : left + 100] = _INK if cm % 2 == 0 else 0.88
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
