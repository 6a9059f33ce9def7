from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import Box
from workbench.domain.headstamp import OrientationBasis, normalised_text, read_headstamps


def _mark(name: str, category: str, middle: tuple[float, float], half: tuple[float, float], **more: object) -> Instance:
    (x, y), (across, down) = middle, half
    box = Box(x_min=x - across, y_min=y - down, x_max=x + across, y_max=y + down)
    return Instance(instance_id=name, image_id="i", category=category, shape=Shape.POLYGON, box=box, **more)  # type: ignore[arg-type]


def _base(
    name: str = "base", middle: tuple[float, float] = (500, 400), radii: tuple[float, float] = (200, 200), **facets: str
) -> Instance:
    return _mark(name, "ammo.headstamp", middle, radii, facets=facets)


def _element(name: str, degrees: float, base: Instance, text: str | None = None, **facets: str) -> Instance:
    """Return an element that stands so many degrees clockwise from the picture's top, at 0.8 of the radius."""
    assert base.box
    x, y = (base.box.x_min + base.box.x_max) / 2, (base.box.y_min + base.box.y_max) / 2
    across, down = (base.box.x_max - base.box.x_min) / 2, (base.box.y_max - base.box.y_min) / 2
    angle = math.radians(degrees)
    middle = x + 0.8 * across * math.sin(angle), y - 0.8 * down * math.cos(angle)
    return _mark(name, "marking.other", middle, (9, 7), transcription=text, facets=facets)


def _read(*marks: Instance) -> list[tuple[str, int, str]]:
    return [(read.element.instance_id, read.clock_deg, read.basis.value) for read in read_headstamps(marks)]


def test_positions_count_clockwise_from_the_nato_cross() -> None:
    base = _base()
    cross = _element("cross", 90, base, element_kind="nato_cross")
    assert _read(base, _element("year", 270, base, "87"), cross, _element("maker", 180, base, "ABC")) == [
        ("cross", 0, "nato_cross"),
        ("maker", 90, "nato_cross"),
        ("year", 180, "nato_cross"),
    ]


def test_without_a_cross_the_longest_text_stands_at_twelve() -> None:
    base = _base()
    assert _read(base, _element("a", 10, base, "WXYZ"), _element("b", 100, base, "9")) == [
        ("a", 0, "longest_text"),
        ("b", 90, "longest_text"),
    ]


def test_two_texts_of_one_length_leave_the_picture_s_top() -> None:
    base = _base()
    marks = _element("a", 30, base, "AB"), _element("b", 200, base, "CD")
    assert _read(base, *marks) == [("a", 30, "arbitrary"), ("b", 200, "arbitrary")]


def test_what_the_labeller_says_counts_where_there_is_such_an_element() -> None:
    for said, expected in (("arbitrary", "arbitrary"), ("longest_text", "longest_text"), ("nato_cross", "arbitrary")):
        base = _base(orientation_basis=said)
        assert _read(base, _element("a", 45, base, "LONG"))[0][2] == expected


@given(
    turn=st.integers(0, 359),
    apart=st.lists(st.integers(5, 355), min_size=1, max_size=5, unique=True),
    radii=st.tuples(st.floats(50, 400), st.floats(50, 400)),
)
def test_turning_the_cartridge_or_tilting_the_camera_moves_no_element(
    turn: int, apart: list[int], radii: tuple[float, float]
) -> None:
    base = _base(radii=radii)
    marks = [_element("cross", turn, base, element_kind="nato_cross")]
    marks += [_element(f"m{degrees}", turn + degrees, base) for degrees in apart]
    found = {name: clock for name, clock, _ in _read(base, *marks)}
    assert found == {"cross": 0} | {f"m{degrees}": degrees for degrees in apart}
    ordinals = [read.ordinal for read in read_headstamps([base, *marks])]
    assert ordinals == list(range(1, len(apart) + 2))


def test_an_element_belongs_to_the_base_it_stands_on() -> None:
    one, other = _base("one"), _base("other", middle=(1000, 400))
    marks = _element("a", 0, one, "A"), _element("b", 0, other, "B"), _mark("far", "marking.other", (2000, 9), (5, 5))
    homes = {read.element.instance_id: read.headstamp.instance_id for read in read_headstamps([one, other, *marks])}
    assert homes == {"a": "one", "b": "other"}


def test_without_a_base_there_is_nothing_to_read() -> None:
    assert read_headstamps([_element("a", 0, _base())]) == []


@pytest.mark.parametrize(("raw", "form"), [("w a", "W A"), ("", None), (None, None), (" 7,62 x 39 ", "7,62 X 39")])
def test_texts_are_compared_in_one_form(raw: str | None, form: str | None) -> None:
    assert normalised_text(raw) == form


def test_every_basis_is_a_value_labellers_can_choose() -> None:
    from pathlib import Path

    import yaml

    path = Path(__file__).resolve().parents[3] / "label_configs" / "taxonomy.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))["facets"]["orientation_basis"]["values"]
    assert set(values) == {basis.value for basis in OrientationBasis} | {"cannot_tell"}
