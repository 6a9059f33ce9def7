from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.annotation import DecidedBy, Instance, Keypoint, Shape
from workbench.domain.findings import Refused
from workbench.domain.geometry import Box, box_iou, ring_area_px2, ring_box
from workbench.domain.lineage import require_activity, work_key
from workbench.domain.photograph import UprightTransform
from workbench.tables import INSTANCES, instance_row, read_rows, row_instance, write_table

coordinate = st.floats(0, 4000, allow_nan=False, width=32)
boxes = st.builds(
    lambda a, b, c, d: Box(x_min=min(a, c), y_min=min(b, d), x_max=max(a, c), y_max=max(b, d)),
    *[coordinate] * 4,
)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(first: Box, second: Box) -> None:
    assert box_iou(first, second) == box_iou(second, first)
    assert 0 <= box_iou(first, second) <= 1 + 1e-9


@given(boxes)
def test_a_box_drawn_as_a_ring_is_the_same_box(box: Box) -> None:
    ring = (box.x_min, box.y_min, box.x_max, box.y_min, box.x_max, box.y_max, box.x_min, box.y_max)
    assert ring_box(ring) == box
    assert ring_area_px2(ring) == pytest.approx(box.area_px2, rel=1e-6, abs=1e-2)


@given(
    st.integers(1, 8),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.floats(0.01, 1.0),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_points_map_to_the_upright_copy_and_back(
    orientation: int, width: int, height: int, scale: float, x_frac: float, y_frac: float
) -> None:
    transform = UprightTransform(
        orientation=orientation, original_width_px=width, original_height_px=height, scale=scale
    )
    x, y = x_frac * width, y_frac * height
    there = transform.to_upright(x, y)
    assert transform.to_original(*there) == pytest.approx((x, y), abs=1e-6)
    upright_wh = (width, height) if orientation < 5 else (height, width)
    assert all(-1e-9 <= value <= side * scale + 1e-6 for value, side in zip(there, upright_wh, strict=True))


@given(
    st.sampled_from(range(1, 9)),
    st.tuples(st.integers(1, 8000), st.integers(1, 8000)),
    st.floats(0.01, 1.0),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_boxes_map_to_the_upright_copy_and_back(
    orientation: int, size_wh: tuple[int, int], scale: float, fractions: list[float]
) -> None:
    width, height = size_wh
    transform = UprightTransform(
        orientation=orientation, original_width_px=width, original_height_px=height, scale=scale
    )
    (x0, x1), (y0, y1) = sorted(fractions[:2]), sorted(fractions[2:])
    box = Box(x_min=x0 * width, y_min=y0 * height, x_max=x1 * width, y_max=y1 * height)
    upright = transform.box_to_upright(box)
    assert upright.area_px2 == pytest.approx(box.area_px2 * scale**2, rel=1e-6, abs=1e-3)
    assert transform.box_to_original(upright).xyxy == pytest.approx(box.xyxy, abs=1e-6)
    assert transform.box_to_upright(transform.box_to_original(upright)).xyxy == pytest.approx(upright.xyxy, abs=1e-6)


def test_work_is_known_by_its_inputs_parameters_and_activity() -> None:
    key = work_key(activity="copy/1", parameters={"q": 95}, inputs=("a",))
    assert key == work_key(activity="copy/1", parameters={"q": 95}, inputs=("a",))
    assert len({
        key,
        work_key(activity="copy/2", parameters={"q": 95}, inputs=("a",)),
        work_key(activity="copy/1", parameters={"q": 94}, inputs=("a",)),
        work_key(activity="copy/1", parameters={"q": 95}, inputs=("b",)),
    }) == 4  # fmt: skip


def test_another_activity_version_is_refused_with_the_remedy() -> None:
    with pytest.raises(Refused, match=r"Set intake\.activity"):
        require_activity({"activity": "copy/1"}, "copy/2", section="intake")


def test_an_instance_survives_its_table(tmp_path) -> None:  # noqa: ANN001
    instance = Instance(
        instance_id="i1",
        image_id="a" * 64,
        category="part.barrel",
        shape=Shape.POLYGON,
        box=Box(x_min=0, y_min=1, x_max=4, y_max=5),
        rings=((0.0, 1.0, 4.0, 1.0, 4.0, 5.0),),
        keypoints=(Keypoint(name="tip", x_px=1.5, y_px=2.5),),
        facets={"completeness": "fragment"},
        transcription="A?1",
        decided_by=DecidedBy.AGREEMENT,
        agreement_iou=0.8,
    )
    write_table(tmp_path / "t.parquet", INSTANCES, [instance_row(instance)])
    (row,) = read_rows(tmp_path / "t.parquet", INSTANCES)
    assert row_instance(row) == instance


def test_a_null_where_none_may_stand_is_refused(tmp_path) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match="category holds a null"):
        write_table(
            tmp_path / "t.parquet", INSTANCES, [{"instance_id": "i", "image_id": "a", "shape": "box", "facets": "{}"}]
        )
    assert not list(tmp_path.iterdir())
