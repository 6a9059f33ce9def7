"""Existing labels as their formats write them: COCO, YOLO, Pascal VOC and CVAT, read into one plain form.

Nothing is mapped here: words stay the source's words, coordinates the source's coordinates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.findings import Refused, refused
from workbench.labelling.foreign_cvat import cvat_images
from workbench.labelling.foreign_shapes import ForeignImage, ForeignShape, ring_of

#: Largest annotation file that is read, in bytes; XML is held to less (docs: CSV and XML in).
_MAX_BYTES = 512_000_000
_MAX_XML_BYTES = 64_000_000


def read_foreign(path: Path, label_format: str) -> list[ForeignImage]:
    """Return the labels of a file or folder, in its own order.

    Raises
    ------
    Refused
        ``labelling.import-unreadable``, naming the file and what is wrong.

    """
    reader = READERS.get(label_format)
    if reader is None:
        raise refused(
            "labelling.import-unreadable", label_format, "is no known format.", f"Use one of {', '.join(READERS)}."
        )
    if not path.exists():
        raise _unreadable(path, "does not exist")
    try:
        return reader(path)
    except Refused:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError, yaml.YAMLError) as error:
        raise _unreadable(path, f"cannot be read as {label_format} ({type(error).__name__}: {error})") from error


def _unreadable(path: Path, what: str) -> Refused:
    return refused(
        "labelling.import-unreadable", path, f"{what}.", "Check --format and that the file is whole; see the guide."
    )


def _text(path: Path, limit: int = _MAX_BYTES) -> str:
    if path.stat().st_size > limit:
        raise _unreadable(path, f"is larger than {limit // 1_000_000} MB")
    return path.read_text(encoding="utf-8-sig")


def _read_coco(path: Path) -> list[ForeignImage]:
    document = json.loads(_text(path))
    words = {category["id"]: str(category["name"]) for category in document["categories"]}
    shapes: dict[Any, list[ForeignShape]] = {}
    for entry in document["annotations"]:
        shapes.setdefault(entry["image_id"], []).append(_coco_shape(entry, words[entry["category_id"]]))
    images = [
        ForeignImage(
            name=str(image["file_name"]),
            size_wh=(int(image["width"]), int(image["height"])) if "width" in image and "height" in image else None,
            shapes=tuple(shapes.pop(image["id"], ())),
        )
        for image in document["images"]
    ]
    if shapes:
        raise ValueError(f"annotations name image_id {next(iter(shapes))!r}, which images lacks")
    return images


def _coco_shape(entry: Mapping[str, Any], word: str) -> ForeignShape:
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, dict):
        return ForeignShape(word=word, mask_rle={"size": segmentation["size"], "counts": segmentation["counts"]})
    if segmentation:
        return ForeignShape(word=word, rings=tuple(ring_of(ring) for ring in segmentation))
    x, y, width, height = map(float, entry["bbox"])
    return ForeignShape(word=word, box_xyxy=(x, y, x + width, y + height))


def _read_yolo(path: Path) -> list[ForeignImage]:
    """Read a data.yaml, or a folder that holds one, with its ``*.txt`` below ``labels/`` (or anywhere below)."""
    settings = path if path.is_file() else path / "data.yaml"
    names = yaml.safe_load(_text(settings))["names"]
    words = dict(enumerate(names)) if isinstance(names, list) else {int(key): value for key, value in names.items()}
    root = settings.parent
    below = root / "labels" if (root / "labels").is_dir() else root
    files = sorted(file for file in below.rglob("*.txt") if file.name not in {"classes.txt", "train.txt", "val.txt"})
    images = []
    for file in files:
        try:
            shapes = tuple(_yolo_shape(line.split(), words) for line in _text(file).splitlines() if line.strip())
        except (KeyError, ValueError) as error:
            raise _unreadable(file, f"cannot be read as yolo ({type(error).__name__}: {error})") from error
        images.append(ForeignImage(name=file.stem, normalised=True, shapes=shapes))
    return images


def _yolo_shape(fields: list[str], words: Mapping[int, str]) -> ForeignShape:
    word, numbers = str(words[int(fields[0])]), tuple(map(float, fields[1:]))
    if len(numbers) in (4, 5):  # a fifth number is a detector's confidence
        x, y, width, height = numbers[:4]
        return ForeignShape(word=word, box_xyxy=(x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return ForeignShape(word=word, rings=(ring_of(numbers),))


def _xml(path: Path) -> Any:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        return fromstring(_text(path, _MAX_XML_BYTES))
    except (ParseError, DefusedXmlException) as error:
        raise _unreadable(path, f"is no XML that may be read ({type(error).__name__}: {error})") from error


def _needed(element: Any, tag: str) -> str:
    found = element.findtext(tag)
    if found is None:
        raise ValueError(f"{element.tag} lacks {tag}")
    return str(found).strip()


def _read_voc(path: Path) -> list[ForeignImage]:
    """Read one Pascal VOC XML file, or every one below a folder.

    VOC counts pixels from 1 and includes the last, so the continuous edges are ``xmin - 1`` and ``xmax``
    (VOC 2012 development kit, section 8.1).
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.xml"))
    images = []
    for file in files:
        root = _xml(file)
        shapes = []
        for entry in root.iter("object"):
            box = entry.find("bndbox")
            if box is None:
                raise _unreadable(file, "holds an object without bndbox")
            x_min, y_min, x_max, y_max = (float(_needed(box, tag)) for tag in ("xmin", "ymin", "xmax", "ymax"))
            shapes.append(ForeignShape(word=_needed(entry, "name"), box_xyxy=(x_min - 1, y_min - 1, x_max, y_max)))
        size = root.find("size")
        size_wh = None if size is None else (int(_needed(size, "width")), int(_needed(size, "height")))
        name = root.findtext("filename") or file.stem
        images.append(ForeignImage(name=name.strip(), size_wh=size_wh, shapes=tuple(shapes)))
    return images


READERS: Mapping[str, Callable[[Path], list[ForeignImage]]] = {
    "coco": _read_coco,
    "yolo": _read_yolo,
    "voc": _read_voc,
    "cvat": lambda path: cvat_images(_xml(path), path),
}
