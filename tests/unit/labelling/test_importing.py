from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench import tables
from workbench.domain.annotation import Shape
from workbench.domain.findings import Refused
from workbench.domain.photograph import UprightTransform
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling import coco_rle
from workbench.labelling.class_map import read_class_map, read_partial_class_map
from workbench.labelling.foreign import read_foreign
from workbench.labelling.importing import check_words, map_labels

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
CLASSES = {"pipe": "negative.plumbing_or_tube", "coin": "unknown"}


def _row(image_id: str, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(tables.IMAGES.names) | {"image_id": image_id, "width_px": 200, "height_px": 100}
    return row | {"orientation": 1, "original_width_px": 200, "original_height_px": 100, "scale": 1.0} | changes


def _import(path: Path, label_format: str, row: dict[str, Any] | None = None, *, stored: bool = False) -> Any:
    return map_labels(
        read_foreign(path, label_format),
        classes=CLASSES,
        names={"day1/IMG_1.jpg": "one"},
        images={"one": row or _row("one")},
        label_format=label_format,
        stored=stored,
    )


def _coco(path: Path, *annotations: dict[str, Any], size: tuple[int, int] = (200, 100)) -> Path:
    document = {
        "images": [{"id": 5, "file_name": "IMG_1.jpg", "width": size[0], "height": size[1]}],
        "categories": [{"id": 9, "name": "pipe"}],
        "annotations": [{"image_id": 5, "category_id": 9, **annotation} for annotation in annotations],
    }
    path.write_text(json.dumps(document))
    return path


def _write(folder: Path, label_format: str) -> Path:
    """The same box, (20, 10) to (60, 50) of 200 x 100, in each format."""
    if label_format == "coco":
        return _coco(folder / "labels.json", {"bbox": [20, 10, 40, 40]})
    if label_format == "yolo":
        (folder / "data.yaml").write_text("names: [coin, pipe]\n")
        (folder / "labels").mkdir()
        (folder / "labels" / "IMG_1.txt").write_text("1 0.2 0.3 0.2 0.4\n")
        return folder
    if label_format == "voc":
        size = "<size><width>200</width><height>100</height></size>"
        box = "<bndbox><xmin>21</xmin><ymin>11</ymin><xmax>60</xmax><ymax>50</ymax></bndbox>"
        (folder / "IMG_1.xml").write_text(
            f"<annotation><filename>IMG_1.jpg</filename>{size}<object><name>pipe</name>{box}</object></annotation>"
        )
        return folder
    box = '<box label="pipe" xtl="20" ytl="10" xbr="60" ybr="50"/>'
    path = folder / "annotations.xml"
    path.write_text(
        f'<annotations><image id="0" name="a/IMG_1.jpg" width="200" height="100">{box}</image></annotations>'
    )
    return path


@pytest.mark.parametrize("label_format", ["coco", "yolo", "voc", "cvat"])
def test_the_same_box_means_the_same_pixels_in_every_format(tmp_path: Path, label_format: str) -> None:
    imported = _import(_write(tmp_path, label_format), label_format)
    (annotation,) = imported.annotations
    (instance,) = annotation.instances
    assert instance.box is not None
    assert instance.box.xyxy == (20, 10, 60, 50)
    assert instance.category == "negative.plumbing_or_tube"
    assert (annotation.pass_, annotation.annotator) == ("imported", f"import:{label_format}")
    assert imported.findings == ()


def test_importing_twice_gives_the_same_digest_and_ids(tmp_path: Path) -> None:
    path = _write(tmp_path, "coco")
    assert _import(path, "coco") == _import(path, "coco")


def test_stored_coordinates_are_turned_and_scaled_with_the_photograph(tmp_path: Path) -> None:
    # a phone's picture: stored 400 x 200, orientation 6, working copy 100 x 200
    row = _row("one", orientation=6, original_width_px=400, original_height_px=200, scale=0.5)
    row |= {"width_px": 100, "height_px": 200}
    path = _coco(tmp_path / "c.json", {"bbox": [40, 20, 80, 40]}, size=(400, 200))
    ((instance,),) = [annotation.instances for annotation in _import(path, "coco", row, stored=True).annotations]
    transform = UprightTransform(orientation=6, original_width_px=400, original_height_px=200, scale=0.5)
    corners = [transform.to_upright(40, 20), transform.to_upright(120, 60)]
    assert instance.box.xyxy == (
        min(x for x, _ in corners),
        min(y for _, y in corners),
        max(x for x, _ in corners),
        max(y for _, y in corners),
    )


def test_stored_sizes_are_not_taken_for_upright_ones(tmp_path: Path) -> None:
    row = _row("one", orientation=6, width_px=100, height_px=200)
    path = _coco(tmp_path / "c.json", {"bbox": [40, 20, 80, 40]})
    imported = _import(path, "coco", row)
    assert imported.annotations == ()
    assert [finding.code for finding in imported.findings] == ["labelling.import-size"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_stored_mask_is_turned_like_its_box(tmp_path: Path, orientation: int) -> None:
    mask = np.zeros((100, 200), dtype=bool)
    mask[10:30, 40:120] = True
    size = (100, 200) if orientation >= 5 else (200, 100)
    row = _row("one", orientation=orientation, width_px=size[0], height_px=size[1])
    rle = {"segmentation": {"size": [100, 200], "counts": coco_rle.encode(mask)}, "bbox": [0, 0, 1, 1]}
    path = _coco(tmp_path / "c.json", rle, {"bbox": [40, 10, 80, 20]})
    (annotation,) = _import(path, "coco", row, stored=True).annotations
    masked, boxed = annotation.instances
    assert (masked.shape, boxed.shape) == (Shape.MASK, Shape.BOX)
    assert masked.box == boxed.box
    assert coco_rle.decode(masked.mask_rle, (size[1], size[0])).sum() == mask.sum()


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_masks_survive_their_run_lengths(height: int, width: int, data: st.DataObject) -> None:
    flat = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(flat, dtype=bool).reshape(height, width)
    assert (coco_rle.decode(coco_rle.encode(mask), (height, width)) == mask).all()


def test_polygons_of_coco_and_yolo_keep_every_corner(tmp_path: Path) -> None:
    path = _coco(tmp_path / "c.json", {"segmentation": [[1, 2, 30, 4, 5, 60]], "bbox": [0, 0, 1, 1]})
    ((instance,),) = [annotation.instances for annotation in _import(path, "coco").annotations]
    assert instance.rings == ((1, 2, 30, 4, 5, 60),)
    (tmp_path / "data.yaml").write_text("names: {3: pipe}\n")
    (tmp_path / "IMG_1.txt").write_text("3 0.005 0.02 0.15 0.04 0.025 0.6\n")
    ((instance,),) = [annotation.instances for annotation in _import(tmp_path, "yolo").annotations]
    assert instance.rings == ((1, 2, 30, 4, 5, 60),)


def test_every_unmapped_word_is_named_at_once() -> None:
    taxonomy = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
    shapes = [{"word": "gizmo"}, {"word": "widget"}, {"word": "pipe"}]
    from workbench.labelling.foreign_shapes import ForeignImage, ForeignShape

    images = [ForeignImage(name="x", shapes=tuple(ForeignShape(**shape) for shape in shapes))]
    with pytest.raises(Refused) as raised:
        check_words(images, {"pipe": "part.wing"}, taxonomy)
    assert [(finding.code, finding.subject) for finding in raised.value.findings] == [
        ("labelling.import-unknown-word", "gizmo"),
        ("labelling.import-unknown-word", "widget"),
        ("labelling.unknown-code", "part.wing"),
    ]


def test_a_photograph_nobody_delivered_is_named_and_the_rest_comes_in(tmp_path: Path) -> None:
    path = _coco(tmp_path / "c.json", {"bbox": [1, 2, 3, 4]})
    document = json.loads(path.read_text())
    document["images"].append({"id": 6, "file_name": "other.jpg", "width": 9, "height": 9})
    path.write_text(json.dumps(document))
    imported = _import(path, "coco")
    assert len(imported.annotations) == 1
    assert [(f.code, f.subject) for f in imported.findings] == [("labelling.import-unmatched", "other.jpg")]


@pytest.mark.parametrize(
    ("label_format", "text"),
    [
        ("coco", "{"),
        ("coco", "[]"),
        ("coco", '{"images": [], "annotations": [{}], "categories": []}'),
        ("coco", '{"images": [], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1]}], "categories": []}'),
        ("yolo", "names: 5"),
        ("voc", "<annotation><object/></annotation>"),
        ("voc", "not xml"),
        ("voc", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'),
        ("cvat", '<annotations><image name="x" width="1" height="1"><cuboid label="pipe"/></image></annotations>'),
        ("cvat", '<annotations><image name="x"/></annotations>'),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, label_format: str, text: str) -> None:
    path = tmp_path / "labels"
    path.write_text(text)
    with pytest.raises(Refused) as raised:
        read_foreign(path, label_format)
    assert raised.value.findings[0].code == "labelling.import-unreadable"


def _cvat(folder: Path, inside: str) -> Path:
    path = folder / "labels.xml"
    path.write_text(f'<annotations><image name="one.jpg" width="8" height="6">{inside}</image></annotations>')
    return path


def test_shapes_that_cannot_be_taken_over_are_all_told_with_the_image_they_are_in(tmp_path: Path) -> None:
    shapes = '<polyline label="a" points="0,0;1,1"/><cuboid label="a"/><polyline label="b" points="0,0;1,1"/>'
    with pytest.raises(Refused, match=r"1 cuboid, 2 polyline; the first in image 'one.jpg'"):
        read_foreign(_cvat(tmp_path, shapes), "cvat")


def test_a_turned_box_of_cvat_is_the_polygon_of_its_corners(tmp_path: Path) -> None:
    told = '<box label="a" xtl="1" ytl="2" xbr="5" ybr="4" rotation="90"/>'
    ((shape,),) = [image.shapes for image in read_foreign(_cvat(tmp_path, told), "cvat")]
    assert shape.rings[0] == pytest.approx((4, 1, 4, 5, 2, 5, 2, 1))


@pytest.mark.parametrize(
    "told", ['rle="1, 3" left="7" width="2"', 'rle="1, 2" left="0" width="2"', 'rle="5, -1" left="0" width="2"']
)
def test_a_mask_of_cvat_that_does_not_fit_is_refused(tmp_path: Path, told: str) -> None:
    with pytest.raises(Refused, match=r"labelling\.import-unreadable"):
        read_foreign(_cvat(tmp_path, f'<mask label="a" {told} top="0" height="2"/>'), "cvat")


def test_a_class_map_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    for text in ("- pipe", "pipe: 3", ": :", ""):
        path.write_text(text)
        with pytest.raises(Refused, match="labelling.import-unreadable"):
            read_class_map(path)
    path.write_text("pipe: negative.tool\nhand: null\n")
    assert read_partial_class_map(path) == {"pipe": "negative.tool", "hand": None}
    with pytest.raises(Refused, match="labelling.import-unreadable"):
        read_class_map(path)
