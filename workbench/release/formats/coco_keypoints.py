"""COCO keypoints, as pycocotools loads them: the objects that have named points, with every name of their class.

A class lists the names of all its points in this release, sorted; a name that an object lacks is ``0, 0, 0``. Points
are the tables' continuous pixels. Numbers of images, objects and classes are those of the instances' documents.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from workbench.release.formats.coco import documents, image_entry, shape_entry
from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Picture, Row, Whole

#: Labelled and visible.
_VISIBLE = 2


def fragment(picture: Picture, whole: Whole) -> bytes:
    """Return a picture as lines of JSON: its entry under images, then its annotations with points."""
    size_wh = picture.image["width_px"], picture.image["height_px"]
    lines = [orjson.dumps(image_entry(picture, whole))]
    lines += [
        orjson.dumps(
            {
                "id": number,
                "image_id": picture.number,
                "category_id": whole.class_numbers[row["category"]] + 1,
                **shape_entry(row, *size_wh),
                "iscrowd": 0,
                "keypoints": _flat(row, whole.point_names[row["category"]]),
                "num_keypoints": len({point["name"] for point in row["keypoints"]}),
            }
        )
        for row, number in zip(picture.objects, picture.object_numbers, strict=True)
        if row["keypoints"]
    ]
    return b"\n".join(lines)


def _flat(row: Row, names: tuple[str, ...]) -> list[float]:
    placed = {point["name"]: (point["x_px"], point["y_px"], _VISIBLE) for point in row["keypoints"]}
    return [value for name in names for value in placed.get(name, (0, 0, 0))]


def files(whole: Whole, fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield annotations/coco_keypoints_<split>.json; nothing where no object has a point."""
    if not whole.point_names:
        return
    categories = [
        {
            "id": whole.class_numbers[code] + 1,
            "name": code,
            "supercategory": code.split(".")[0],
            "keypoints": list(whole.point_names[code]),
            "skeleton": [],
        }
        for code in whole.taxonomy.codes
        if code in whole.point_names
    ]
    yield from documents(whole, fragments, categories, "coco_keypoints")


FORMAT = Format(
    name="coco_keypoints",
    fragment=fragment,
    files=files,
    shaped_by=lambda whole: repr((whole.licences, whole.point_names)),
    reader="pycocotools: named points",
    where=("annotations/coco_keypoints_<split>.json",),
)
