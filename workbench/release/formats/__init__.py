"""The formats a release is written in, one module each; ``FORMATS`` names them all.

A format is a value: how one picture turns into bytes, and which files the bytes of all pictures make. All are written
from the same rows, so coordinates, classes and their order are equal in all of them. No format holds the pictures
again, save ``webdataset``, which is for export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.domain.findings import refused
from workbench.release.formats import coco, coco_keypoints, croissant, cvat, huggingface, voc, yolo
from workbench.release.formats.kind import Format

#: Every format that a release folder can hold, by the name that params.yaml gives it, in the order of writing.
FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        coco.FORMAT,
        coco_keypoints.FORMAT,
        yolo.DETECT,
        yolo.SEGMENT,
        yolo.ORIENTED,
        voc.FORMAT,
        cvat.FORMAT,
        huggingface.FORMAT,
        croissant.FORMAT,  # last: it names the others' files with their digests
    )
}


def chosen_formats(names: object) -> Sequence[Format]:
    """Return the formats of the names in params.yaml, in the order of writing; all if there is no list.

    Raises
    ------
    Refused
        ``workspace.params-invalid``.

    """
    if names is None:
        return tuple(FORMATS.values())
    if not isinstance(names, list) or not set(map(str, names)) <= FORMATS.keys():
        raise refused(
            "workspace.params-invalid",
            "params.yaml release.formats",
            f"is {names!r}.",
            f"Give a list of {', '.join(FORMATS)}; `release export --format` writes any other.",
        )
    return tuple(one for name, one in FORMATS.items() if name in names)
