"""Load a release with other people's readers; print what each found as JSON: boxes by image. Run by its own Python.

Usage: read_formats.py READER FOLDER [SPLIT]. A box is (class name, x_min, y_min, x_max, y_max) in pixels.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

Boxes = dict[str, list[list[Any]]]


def _supervision(detections: dict[str, Any], classes: list[str]) -> Boxes:
    found: Boxes = {}
    for path, here in detections.items():
        found[Path(path).stem] = [
            [classes[int(number)], *map(float, box)] for number, box in zip(here.class_id, here.xyxy, strict=True)
        ]
    return found


def yolo(folder: Path, split: str, labels: str = "labels", *, oriented: bool = False) -> Boxes:
    import supervision

    data = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(folder / "images" / split),
        annotations_directory_path=str(folder / labels / split),
        data_yaml_path=str(folder / "data.yaml"),
        is_obb=oriented,
    )
    return _supervision(data.annotations, data.classes)


def yolo_segment(folder: Path, split: str) -> Boxes:
    return yolo(folder, split, "labels_segment")


def yolo_oriented(folder: Path, split: str) -> Boxes:
    return yolo(folder, split, "labels_oriented", oriented=True)


def voc(folder: Path, split: str) -> Boxes:
    import supervision

    data = supervision.DetectionDataset.from_pascal_voc(
        images_directory_path=str(folder / "images" / split),
        annotations_directory_path=str(folder / "voc" / "Annotations"),
    )
    return _supervision(data.annotations, data.classes)


def _datumaro(path: Path, name: str, *kinds: str, **options: Any) -> tuple[Boxes, Any]:
    import datumaro

    data = datumaro.Dataset.import_from(str(path), name, **options)
    labels = data.categories()[datumaro.AnnotationType.label]
    found: Boxes = {}
    for item in data:
        boxes = []
        for annotation in item.annotations:
            if annotation.type.name not in kinds:
                continue
            x, y, width, height = map(float, annotation.get_bbox())
            if width and height:  # COCO gives a lone point a box of no area
                boxes.append([labels[annotation.label].name, x, y, x + width, y + height])
        found[Path(item.id).name] = boxes
    return found, data


def datumaro_coco(folder: Path, split: str) -> Boxes:
    return _datumaro(folder / "annotations" / f"coco_{split}.json", "coco_instances", "bbox")[0]


def datumaro_cvat(folder: Path, split: str) -> Boxes:
    return _datumaro(folder / f"cvat_{split}.xml", "cvat", "bbox", "polygon", "mask")[0]


def datumaro_voc(folder: Path, split: str) -> Boxes:
    found, data = _datumaro(folder / "voc", "voc_detection", "bbox", coordinate_mode="voc-one-based")
    return {name: boxes for name, boxes in found.items() if data.get(name, split) is not None}


def huggingface(folder: Path, split: str) -> Boxes:
    import datasets

    rows = datasets.load_dataset("imagefolder", data_dir=str(folder / "images"))
    named = "validation" if split == "val" else split
    return {row["image_id"]: _rows(row) for row in rows[named]}


def huggingface_card(folder: Path, split: str) -> Boxes:
    import datasets

    rows = datasets.load_dataset(str(folder))
    return {row["image_id"]: _rows(row) for row in rows["validation" if split == "val" else split]}


def _rows(row: dict[str, Any]) -> list[list[Any]]:
    assert row["image"].size == (row["width"], row["height"])
    return [
        [item["category"], x, y, x + width, y + height]
        for item in row["objects"]
        for x, y, width, height in (item["bbox"],)
        if item["shape"] != "keypoint"
    ]


def webdataset(folder: Path, split: str) -> Boxes:
    import webdataset as wds

    shards = sorted(map(str, (folder / "shards").glob(f"{split}-*.tar")))
    found: Boxes = {}
    for sample in wds.WebDataset(shards, shardshuffle=False).decode("rgb8"):
        told = sample["json"]
        assert sample["jpg"].shape == (told["height_px"], told["width_px"], 3)
        found[sample["__key__"]] = [
            [item["category"], *(item[edge] for edge in ("x_min", "y_min", "x_max", "y_max"))]
            for item in told["objects"]
            if "x_min" in item
        ]
    return found


def croissant(folder: Path, split: str) -> Boxes:
    import mlcroissant

    data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not data.metadata.issues.errors, data.metadata.issues.report()

    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    found: Boxes = {
        text(row["images/image_id"]): [] for row in data.records("images") if text(row["images/split"]) == split
    }
    for row in data.records("instances"):
        image = text(row["instances/image_id"])
        edges = [row[f"instances/{name}"] for name in ("x_min", "y_min", "x_max", "y_max")]
        if image in found and edges[0] is not None and edges[0] == edges[0]:  # a lone point has none
            found[image].append([text(row["instances/category"]), *map(float, edges)])
    pictures = {text(row["pictures/image_id"]): row["pictures/content"].size for row in data.records("pictures")}
    assert set(found) <= set(pictures)
    return found


def fiftyone_coco(folder: Path, split: str) -> Boxes:
    from fiftyone.utils import coco

    _, classes, _, images, annotations = coco.load_coco_detection_annotations(
        str(folder / "annotations" / f"coco_{split}.json")
    )
    found: Boxes = {}
    for number, image in images.items():
        boxes = []
        for item in (annotations or {}).get(number, ()):
            size_wh = image["width"], image["height"]
            read = item.to_detection(size_wh, classes_map=classes)
            read.validate()  # what adding it to a dataset would ask
            x, y, width, height = (value * size_wh[i % 2] for i, value in enumerate(read.bounding_box))
            if width and height:
                boxes.append([read.label, x, y, x + width, y + height])
        found[Path(image["file_name"]).stem] = boxes
    return found


def fiftyone_yolo(folder: Path, split: str) -> Boxes:
    import yaml
    from fiftyone.utils import yolo as reader

    classes = list(yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))["names"].values())
    return {
        path.stem: _relative(reader.load_yolo_annotations(str(path), classes), folder, split, path.stem)
        for path in (folder / "labels" / split).glob("*.txt")
    }


def fiftyone_voc(folder: Path, split: str) -> Boxes:
    from fiftyone.utils import voc as reader

    found: Boxes = {}
    for name in (folder / "voc" / "ImageSets" / "Main" / f"{split}.txt").read_text(encoding="utf-8").split():
        path = folder / "voc" / "Annotations" / f"{name}.xml"
        read = reader.load_voc_detection_annotations(str(path)).to_detections()
        # FiftyOne takes VOC's numbers as they are, so the left and upper edge are one too far
        found[name] = [
            [code, x - 1, y - 1, right, low] for code, x, y, right, low in _relative(read, folder, split, name)
        ]
    return found


def _relative(detections: Any, folder: Path, split: str, name: str) -> list[list[Any]]:
    from PIL import Image

    with Image.open(next((folder / "images" / split).glob(f"{name}.*"))) as image:
        wide, high = image.size
    return [
        [item.label, x * wide, y * high, (x + width) * wide, (y + height) * high]
        for item in detections.detections
        for x, y, width, height in (item.bounding_box,)
    ]


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
    warnings.simplefilter("ignore")
    answer = {}
    with contextlib.redirect_stdout(sys.stderr):
        for task in sys.argv[1:]:
            reader, folder, split = task.split("=")
            try:
                answer[task] = globals()[reader](Path(folder), split)
            except Exception as error:  # noqa: BLE001 -- the test shows what went wrong with which reader
                answer[task] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(answer))
