"""Recipes: what kind of scene is set up, every range of it under a name in params.yaml, checked before anything is drawn."""

# ruff: noqa: RUF009 -- what stands as a default is the description of a field

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from workbench.domain.findings import Finding, Refused
from workbench.domain.lineage import seed_for
from workbench.synthesis.rooms import ROOMS
from workbench.synthesis.surfaces import TABLES

#: Least and most, both drawn.
Range = tuple[float, float]
Counts = tuple[int, int]
#: Chance of each name, relative to the others'.
Weights = Mapping[str, float]

#: The room that stands for the files in the folder ``environments``.
FILES = "files"


def _range(default: Range, limits: Range, about: str) -> Any:
    return field(default=default, metadata={"kind": "range", "limits": limits, "about": about})


def _counts(default: Counts, limits: Counts, about: str) -> Any:
    return field(default=default, metadata={"kind": "counts", "limits": limits, "about": about})


def _share(default: float, about: str) -> Any:
    return field(default=default, metadata={"kind": "share", "limits": (0.0, 1.0), "about": about})


def _weights(default: Sequence[str], names: Sequence[str], about: str) -> Any:
    chances = dict.fromkeys(default, 1.0)
    return field(default_factory=lambda: dict(chances), metadata={"kind": "weights", "limits": names, "about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is drawn, and from which ranges; what params.yaml leaves out is as here: objects laid out on a table."""

    objects: Counts = _counts((2, 5), (1, 40), "catalogue parts on the table")
    dropped: float = _share(0.0, "of the scenes whose parts fall and come to rest on one another")
    rows: float = _share(0.25, "of the scenes laid out side by side, much alike turned")
    spread: Range = _range((0.85, 1.15), (0.2, 4.0), "size of the area they lie on; 1 leaves room between them")
    cut_off: float = _share(0.15, "of the scenes aimed so that the frame cuts through what lies there")
    fill: Range = _range((0.7, 1.05), (0.1, 3.0), "how much of the frame's width that area takes")
    surfaces: Weights = _weights(tuple(TABLES), tuple(TABLES), "kinds of table")
    scale_bar: float = _share(0.7, "of the scenes with a scale bar")
    colour_chart: float = _share(0.15, "of the scenes with a colour chart")
    evidence_tag: float = _share(0.4, "of the scenes with an evidence tag")
    distractors: Counts = _counts((0, 2), (0, 20), "other things that lie about: coins, pens, keys, cables")
    distractors_labelled: float = _share(0.0, "of those things that get a label (their code, or unknown)")
    rooms: Weights = _weights(ROOMS, (*ROOMS, FILES), "what surrounds the table; files: the folder `environments`")
    room_strength: Range = _range((0.22, 0.5), (0.0, 20.0), "brightness of the room")
    lamps: Counts = _counts((1, 3), (0, 6), "lamps above and around the table")
    lamp_size_m: Range = _range((0.08, 0.4), (0.005, 3.0), "their side: small ones throw hard shadows")
    lamp_kelvin: Range = _range((2900.0, 6200.0), (1700.0, 15000.0), "colour of each lamp: mixed light")
    lamp_strength: Range = _range((0.5, 1.25), (0.0, 50.0), "their brightness")
    flash: float = _share(0.05, "of the scenes lit by the phone's own lamp too")
    elevation_deg: Range = _range((42.0, 82.0), (10.0, 90.0), "camera's height above the table, as an angle")
    focal_mm: Range = _range((24.0, 50.0), (12.0, 200.0), "focal length, as on 36 mm film")
    distortion: Range = _range((-0.035, 0.015), (-0.15, 0.15), "the lens's k1: barrel below 0, cushion above")
    aperture_mm: Range = _range((0.8, 2.8), (0.0, 25.0), "diameter of the lens's opening: wide ones blur near and far")
    exposure_ev: Range = _range((-0.4, 0.4), (-4.0, 4.0), "error of the automatic exposure, in stops")
    white_balance: Range = _range((0.75, 1.0), (0.0, 1.2), "how far the phone corrects the colour of the light")
    saturation: Range = _range((0.95, 1.2), (0.0, 2.0), "of colours; 1 leaves them")
    vignetting: Range = _range((0.03, 0.25), (0.0, 0.9), "share of the light lost in the corners")
    motion_frac: Range = _range((0.0, 0.0015), (0.0, 0.05), "blur by an unsteady hand, of the width")
    noise: Range = _range((0.0006, 0.003), (0.0, 0.1), "of the sensor, of full scale")
    sharpening: Range = _range((0.2, 0.7), (0.0, 3.0), "the phone's own")
    jpeg_quality: Counts = _counts((82, 95), (20, 100), "of the phone's file")
    wear: Range = _range((0.1, 0.7), (0.0, 1.0), "scratches, rubbed edges and stains of parts")
    dust: Range = _range((0.0, 0.4), (0.0, 1.0), "on parts")
    layer_mm: Range = _range((0.12, 0.3), (0.04, 1.0), "height of the layers of printed parts")


def draw(limits: Range, rng: np.random.Generator) -> float:
    """Return a number drawn evenly from a range."""
    return float(rng.uniform(*limits))


def draw_count(limits: Counts, rng: np.random.Generator) -> int:
    """Return a whole number drawn evenly from least to most."""
    return int(rng.integers(limits[0], limits[1] + 1))


def draw_name(weights: Weights, rng: np.random.Generator) -> str:
    """Return a name drawn by its weight."""
    names = sorted(weights)
    chances = np.array([weights[name] for name in names], float)
    return names[int(rng.choice(len(names), p=chances / chances.sum()))]


def recipes_of(params: Mapping[str, Any]) -> dict[str, tuple[Recipe, float]]:
    """Return the recipes that ``synthesis.recipe`` picks, each with its weight.

    Parameters
    ----------
    params
        The section ``synthesis``: ``recipe`` is a name or a weight by name; ``recipes`` holds what each says.

    Raises
    ------
    Refused
        ``workspace.params-invalid`` with everything that is wrong.

    """
    given, picked = params.get("recipes") or {}, params.get("recipe")
    if problems := recipe_problems(params):
        raise Refused(*problems)
    weights = {picked: 1.0} if isinstance(picked, str) else dict(picked or {})
    overrides = {"objects": params["objects_per_image"]} if params.get("objects_per_image") else {}
    return {
        name: (_parsed({**(given.get(name) or {}), **overrides}), float(weight)) for name, weight in weights.items()
    }


def recipe_problems(params: Mapping[str, Any]) -> list[Finding]:
    """Return everything that is wrong with ``recipe`` and ``recipes``, as findings."""
    given, picked = params.get("recipes") or {}, params.get("recipe")
    problems = _problems(given, picked)
    rule = Recipe.__dataclass_fields__["objects"].metadata
    if (counts := params.get("objects_per_image")) is not None and (message := _wrong(counts, rule)):
        problems.append(("objects_per_image", message))
    return [bad_param(key, message) for key, message in problems]


def bad_param(key: str, message: str) -> Finding:
    """Return the finding that a key of the section ``synthesis`` cannot be used."""
    return Finding(
        code="workspace.params-invalid",
        subject=f"params.yaml synthesis.{key}",
        message=message,
        remedy="Correct it in params.yaml; docs/synthesis.md lists what a recipe may say.",
    )


def recipe_of(params: Mapping[str, Any], index: int) -> str:
    """Return the name of the recipe of image ``index``; another mixture changes only images whose recipe it changes."""
    weights = {name: weight for name, (_, weight) in recipes_of(params).items()}
    return draw_name(weights, np.random.default_rng(seed_for(params["seed"], "recipe", index)))


def _parsed(given: Mapping[str, Any]) -> Recipe:
    ranges: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return Recipe(**ranges)


def _problems(given: Any, picked: Any) -> list[tuple[str, str]]:
    """Return everything wrong with the recipes, as (key, sentence)."""
    if not isinstance(given, Mapping):
        return [("recipes", f"must hold a recipe by name, not {given!r}.")]
    known = {entry.name: entry.metadata for entry in fields(Recipe)}
    found = []
    for name, recipe in given.items():
        if not isinstance(recipe, Mapping):
            found.append((f"recipes.{name}", f"must hold ranges by key, not {recipe!r}."))
            continue
        for key, value in recipe.items():
            if key not in known:
                found.append((f"recipes.{name}.{key}", f"is no key of a recipe. {_nearest(str(key), tuple(known))}"))
            elif message := _wrong(value, known[key]):
                found.append((f"recipes.{name}.{key}", message))
    return found + _pick_problems(given, picked)


def _pick_problems(given: Mapping[str, Any], picked: Any) -> list[tuple[str, str]]:
    weights = {picked: 1} if isinstance(picked, str) else picked
    if not isinstance(weights, Mapping) or not weights:
        return [("recipe", f"must be a recipe's name or a weight by name, not {picked!r}.")]
    found = []
    for name, weight in weights.items():
        if given and name not in given:
            found.append(("recipe", f"names {name}, which is none of {', '.join(sorted(given))}."))
        if not _is_number(weight) or weight < 0:
            found.append(("recipe", f"gives {name} the weight {weight!r}, which is no number of 0 or more."))
    if not found and not sum(weights.values()):
        found.append(("recipe", "gives every recipe the weight 0."))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _wrong(value: Any, rule: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a value, or null."""
    kind, limits = rule["kind"], rule["limits"]
    if kind == "weights":
        return _wrong_weights(value, limits)
    low, high = limits
    if kind == "share":
        return None if _is_number(value) and low <= value <= high else f"must be a share from 0 to 1, not {value!r}."
    number = _is_number if kind == "range" else lambda item: isinstance(item, int) and not isinstance(item, bool)
    pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(number, value))  # noqa: PLR2004 -- two ends
    if not pair or not low <= value[0] <= value[1] <= high:
        what = "numbers" if kind == "range" else "whole numbers"
        return f"must be [least, most], {what} from {low:g} to {high:g}, not {value!r}."
    return None


def _wrong_weights(value: Any, names: Sequence[str]) -> str | None:
    if not isinstance(value, Mapping) or not value:
        return f"must give a weight by name, of {', '.join(names)}, not {value!r}."
    if unknown := sorted(str(name) for name in value if name not in names):
        return f"names {', '.join(unknown)}; it may name {', '.join(names)}."
    if not all(_is_number(weight) and weight >= 0 for weight in value.values()) or not sum(value.values()):
        return f"must give weights of 0 or more, not all 0: not {dict(value)!r}."
    return None


def _nearest(word: str, known: Sequence[str]) -> str:
    """Return a hint at what was meant."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    return f"Is {close[0]} meant?" if close else f"Its keys are {', '.join(known)}."
