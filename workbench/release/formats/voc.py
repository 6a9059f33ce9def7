"""Pascal VOC, an XML file an image with the boxes of its objects.

VOC counts pixels from 1 and includes the last, so ``xmin`` is the left edge + 1 and ``xmax`` the right edge (VOC 2012
development kit, section 8.1). Readers differ here: some take the numbers as they are and are then off by one. Where an
edge lies within a pixel the numbers have decimals, so nothing is lost. An object without a box is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

import orjson

from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Picture, Row, Whole


def fragment(picture: Picture, whole: Whole) -> bytes:
    """Return the XML of a picture."""
    del whole
    row = picture.image
    folder, _, name = row["path"].rpartition("/")
    objects = "".join(_object(item) for item in picture.objects if item["x_min"] is not None)
    text = (
        f"<annotation>\n <folder>{folder}</folder>\n <filename>{name}</filename>\n"
        f" <source><database>{row['image_id']}</database></source>\n"
        f" <size><width>{row['width_px']}</width><height>{row['height_px']}</height><depth>3</depth></size>\n"
        f" <segmented>0</segmented>\n{objects}</annotation>\n"
    )
    return text.encode()


def _object(row: Row) -> str:
    edges = {"xmin": row["x_min"] + 1, "ymin": row["y_min"] + 1, "xmax": row["x_max"], "ymax": row["y_max"]}
    box = "".join(f"<{name}>{number(value)}</{name}>" for name, value in edges.items())
    facets = orjson.loads(row["facets"]) | {"object_id": row["instance_id"]}
    told = "".join(
        f"<attribute><name>{escape(name)}</name><value>{escape(value)}</value></attribute>"
        for name, value in facets.items()
    )
    return (
        f" <object>\n  <name>{escape(row['category'])}</name><pose>Unspecified</pose><truncated>0</truncated>"
        f"<difficult>0</difficult>\n  <bndbox>{box}</bndbox>\n  <attributes>{told}</attributes>\n </object>\n"
    )


def number(value: float) -> str:
    """Return a number in its shortest exact form, whole ones without a point.

    Examples
    --------
    >>> number(12.0), number(0.1)
    ('12', '0.1')

    """
    return str(int(value)) if value == int(value) else repr(value)


def files(whole: Whole, _fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield the lists of images by split, and the classes."""
    for split in ("train", "val", "test"):
        names = "".join(f"{picture.image['image_id']}\n" for picture in whole.of(split))
        yield f"voc/ImageSets/Main/{split}.txt", names.encode()
    labels = "".join(f"{code}:::\n" for code in whole.taxonomy.codes)
    yield "voc/labelmap.txt", f"# label:color_rgb:parts:actions\n{labels}".encode()


FORMAT = Format(
    name="voc",
    fragment=fragment,
    path_of=lambda picture: f"voc/Annotations/{picture.image['image_id']}.xml",
    files=files,
    reader="datumaro, supervision, FiftyOne, torchvision: boxes, counted from 1",
    where=("voc/Annotations/", "voc/ImageSets/Main/<split>.txt"),
)
