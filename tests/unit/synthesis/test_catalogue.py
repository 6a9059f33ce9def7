"""The catalogue: built-in parts as described, rows that survive their file, and what a CAD file would add."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from workbench.domain.findings import BadUsage, Refused
from workbench.layout import Layout
from workbench.ports import CadPart, Component, Mesh
from workbench.reference.calibres import load_calibres
from workbench.synthesis.additions import Wanted, merge_rows, plan_additions, sealed_as
from workbench.synthesis.cartridges import OUTLINES
from workbench.synthesis.catalogue import (
    builtin_index,
    diameter_m,
    index_path,
    mesh_sha256,
    read_index,
    refreshed,
    write_index,
)
from workbench.synthesis.keypoints import read_keypoints
from workbench.synthesis.landmarks import LANDMARKS
from workbench.synthesis.parts import BUILTIN
from workbench.synthesis.solids import merged, moved, painted, prism, spun
from workbench.synthesis.symmetry import Axis, turn

WANTED = Wanted(
    file_name="Clip 2.stl", file_sha256="f" * 64, contribution_id="c", category="negative.toy", tolerance_m=None
)


@pytest.fixture(scope="module")
def made() -> Any:
    return {part_id: make() for part_id, _, _, _, make in BUILTIN}


def cube(side_m: float, at: float = 0.0) -> Mesh:
    import shapely

    return moved(prism(shapely.box(0, 0, side_m, side_m), side_m, side_m / 50), by_m=(at, 0, 0))


def loaded(*sides_m: float, copies: bool = False, unit: str = "mm") -> CadPart:
    """Return a part of several cubes side by side, the last two copies of each other if told."""
    cubes = [cube(side, at=3 * i * side) for i, side in enumerate(sides_m)]
    count = len(cubes[0].faces)
    shapes = [*range(len(cubes) - 1), len(cubes) - 2] if copies else list(range(len(cubes)))
    components = [
        Component(name=f"body {i}", first_face=i * count, face_count=count, rgb=None, shape=shape, open_edges=0)
        for i, shape in enumerate(shapes)
    ]
    return CadPart(mesh=merged(*cubes), components=tuple(components), unit=unit, open_edges=0)


def open_edges(mesh: Mesh) -> int:
    _, place = np.unique(np.round(mesh.vertices_m, 12), axis=0, return_inverse=True)
    faces = place.ravel()[mesh.faces]
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, count = np.unique(ends, axis=0, return_counts=True)
    return int((count % 2).sum())


@pytest.mark.parametrize("part_id", [entry[0] for entry in BUILTIN])
def test_a_built_in_part_is_watertight_and_its_points_lie_in_it(part_id: Any, made: Any) -> None:
    mesh, known = made[part_id], LANDMARKS[part_id]
    assert open_edges(mesh) == 0
    low, high = mesh.vertices_m.min(axis=0) - 1e-6, mesh.vertices_m.max(axis=0) + 1e-6
    assert known.keypoints
    for at in known.keypoints.values():
        assert (low <= at).all()
        assert (np.asarray(at) <= high).all()


@pytest.mark.parametrize("part_id", [entry[0] for entry in BUILTIN])
def test_symmetries_bring_a_part_onto_itself(part_id: Any, made: Any) -> None:
    vertices = np.unique(np.round(made[part_id].vertices_m, 9), axis=0)
    tree, known = cKDTree(vertices), LANDMARKS[part_id].symmetry
    # A turned part has 48 to 96 sections, so a half and a sixth of a turn bring vertices onto vertices.
    motions = [*known.discrete, *(turn(axis, angle) for axis in known.continuous for angle in (np.pi, np.pi / 3))]
    for motion in motions:
        matrix = np.reshape(motion, (4, 4))
        distance, _ = tree.query(vertices @ matrix[:3, :3].T + matrix[:3, 3])
        # A disc of other sections than the rest meets itself between its vertices.
        assert np.quantile(distance, 0.9) < 1e-7
        assert distance.max() < 5e-4


def test_a_turn_that_is_no_symmetry_is_seen(made: Any) -> None:
    vertices = made["bracket"].vertices_m
    matrix = np.reshape(turn(Axis(direction=(0, 0, 1), through_m=(0.025, 0.02, 0)), np.pi), (4, 4))
    distance, _ = cKDTree(vertices).query(vertices @ matrix[:3, :3].T + matrix[:3, 3])
    assert distance.max() > 0.005


def test_built_in_parts_are_the_same_each_time(made: Any) -> None:
    assert {row.part_id: row.sha256 for row in builtin_index()} == {name: mesh_sha256(m) for name, m in made.items()}
    assert mesh_sha256(painted(cube(0.01), (0.1, 0.2, 0.3))) != mesh_sha256(cube(0.01))


def test_stand_ins_have_the_outer_dimensions_of_the_reference_table(made: Any) -> None:
    calibres = {calibre.calibre_id: calibre for calibre in load_calibres().calibres}
    for name, outline in OUTLINES.items():
        known = calibres[outline.calibre_id].dimensions
        own = {
            "rim_dia_mm": outline.rim,
            "base_dia_mm": outline.base,
            "neck_dia_mm": outline.neck,
            "bullet_dia_mm": outline.bullet,
            "case_length_mm": outline.case,
            "shoulder_dia_mm": outline.shoulder,
        }
        for key, value in own.items():
            assert known.get(key) == value, (name, key)
        sides_mm = np.ptp(made[name].vertices_m, axis=0) * 1000
        assert sides_mm == pytest.approx([outline.rim, outline.rim, outline.overall], abs=0.02)


def test_a_spun_cone_holds_its_volume() -> None:
    cone = spun([(0, 0), (0.01, 0), (0, 0.03)], sections=360)
    a, b, c = (cone.vertices_m[cone.faces[:, i]] for i in range(3))
    assert np.sum(a * np.cross(b, c)) / 6 == pytest.approx(np.pi * 0.01**2 * 0.03 / 3, rel=1e-3)


def test_the_diameter_is_the_largest_distance() -> None:
    assert diameter_m(cube(0.01)) == pytest.approx(0.01 * 3**0.5, rel=0.03)
    flat = Mesh(vertices_m=np.array([[0, 0, 0], [3, 0, 0], [0, 4, 0]]) / 100, faces=np.array([[0, 1, 2]], np.int32))
    assert diameter_m(flat) == pytest.approx(0.05)


def test_rows_survive_their_file_and_rows_of_earlier_versions_are_read(tmp_path: Any) -> None:
    layout = Layout(tmp_path)
    index = sorted(builtin_index(), key=lambda row: row.part_id)
    write_index(layout, index)
    assert read_index(layout) == index
    old = {
        "part_id": "x",
        "name": "x",
        "sha256": "a",
        "category": "c",
        "unit": "mm",
        "materials": ["pla"],
        "source": "file",
    }
    index_path(layout).write_text(json.dumps([old]))
    (row,) = read_index(layout)
    assert (row.part_id, row.keypoints, row.symmetry.continuous) == ("x", {}, ())


def test_refreshing_renews_built_in_parts_and_keeps_files() -> None:
    index = builtin_index()
    (addition,) = plan_additions(loaded(0.02), WANTED)
    changed = [replace(index[0], sha256="0" * 64), *index[2:], addition.row]
    after = refreshed(changed)
    assert {row.part_id for row in after} == {row.part_id for row in index} | {"clip-2"}
    assert index[0] in after


def test_a_file_becomes_one_part_with_all_its_bodies() -> None:
    (addition,) = plan_additions(loaded(0.02, 0.03), WANTED)
    assert addition.row.part_id == "clip-2"
    assert [body.name for body in addition.row.components] == ["body 0", "body 1"]
    assert addition.row.materials == ("pla",)
    coloured = loaded(0.02)
    coloured = replace(coloured, mesh=painted(coloured.mesh, (1, 0, 0)))
    assert plan_additions(coloured, WANTED)[0].row.materials == ("as_drawn",)


def test_split_gives_a_part_a_body_and_copies_once() -> None:
    additions = plan_additions(loaded(0.02, 0.03, 0.03, copies=True), replace(WANTED, split=True))
    assert [addition.row.part_id for addition in additions] == ["clip-2-body-0", "clip-2-body-1"]
    for addition, side in zip(additions, (0.02, 0.03), strict=True):
        assert addition.row.extent_m == pytest.approx((side, side, side))
        assert open_edges(addition.mesh) == 0


@pytest.mark.parametrize(("side_m", "unit", "hint"), [(60.0, "m", "--unit mm"), (0.00006, "mm", "--unit cm")])
def test_a_doubtful_size_is_refused_with_the_unit_that_would_fit(side_m: Any, unit: Any, hint: Any) -> None:
    with pytest.raises(Refused) as refusal:
        plan_additions(loaded(side_m, unit=unit), WANTED)
    (finding,) = refusal.value.findings
    assert finding.code == "synthesis.size-doubtful"
    assert "--any-size" in finding.remedy
    if side_m > 1:
        assert hint in finding.remedy
    assert plan_additions(loaded(side_m, unit=unit), replace(WANTED, any_size=True))


def test_the_same_part_twice_is_one_and_another_of_its_name_is_refused() -> None:
    row = sealed_as(plan_additions(loaded(0.02), WANTED)[0], b"mesh")
    index, fresh = merge_rows([], [row], file_name="Clip 2.stl", in_place=False)
    assert fresh == index == [row]
    assert merge_rows(index, [row], file_name="Clip 2.stl", in_place=False) == (index, [])
    other = replace(row, category="negative.tool")
    with pytest.raises(Refused) as refusal:
        merge_rows(index, [other], file_name="Clip 2.stl", in_place=False)
    assert refusal.value.findings[0].code == "synthesis.part-exists"
    assert "category" in refusal.value.findings[0].message
    assert merge_rows(index, [other], file_name="Clip 2.stl", in_place=True) == ([other], [other])


def test_keypoints_are_read_in_millimetres_from_json_and_csv() -> None:
    want = {"tip": (0.001, 0.002, 0.003)}
    assert read_keypoints("k.json", b'{"tip": [1, 2, 3]}') == want
    assert read_keypoints("k.csv", b"name,x_mm,y_mm,z_mm\ntip,1,2,3\n") == want


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"tip": [1, 2]}', b'{"tip": [1, 2, NaN]}', b'{"a\\nb": [1, 2, 3]}', b"\xff\xfe"]
)
def test_keypoints_that_cannot_be_used_are_refused(data: Any) -> None:
    with pytest.raises(Refused) as refusal:
        read_keypoints("k.json", data)
    assert refusal.value.findings[0].code == "synthesis.keypoints-refused"


def test_keypoints_in_another_unit_are_seen() -> None:
    with pytest.raises(Refused) as refusal:
        plan_additions(loaded(0.02), replace(WANTED, keypoints={"tip": (2.0, 0, 0)}))
    assert "outside the part" in refusal.value.findings[0].message


def test_a_part_that_is_not_round_is_not_called_round() -> None:
    (addition,) = plan_additions(loaded(0.02), replace(WANTED, turned_about="z"))
    (axis,) = addition.row.symmetry.continuous
    assert axis.direction == (0, 0, 1)
    assert axis.through_m == pytest.approx((0.01, 0.01, 0))
    with pytest.raises(BadUsage):
        plan_additions(loaded(0.02, 0.03), replace(WANTED, turned_about="z"))


def test_an_unknown_material_is_bad_usage() -> None:
    with pytest.raises(BadUsage) as refusal:
        plan_additions(loaded(0.02), replace(WANTED, materials=("jelly",)))
    assert "pla" in refusal.value.findings[0].remedy
