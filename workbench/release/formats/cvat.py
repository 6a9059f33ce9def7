"""CVAT for images 1.1, an XML file a split: boxes, polygons, masks and points, with facets as attributes.

Elements of one object that has several rings or points share a ``group_id``. Masks are CVAT's own run-length code: row
by row inside the mask's box, unset first. Every attribute is text; ``object_id`` leads back to the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import orjson

from workbench.domain.taxonomy import About, Taxonomy
from workbench.release.formats.kind import Format, Fragments
from workbench.release.picture import Picture, Row, Whole
from workbench.release.rle import rle_mask


def fragment(picture: Picture, whole: Whole) -> bytes:
    """Return the element of a picture."""
    del whole
    row = picture.image
    size = {"width_px": row["width_px"], "height_px": row["height_px"]}
    name = row["path"].removeprefix("images/")
    lines = [
        f' <image id="{picture.number}" name={quoteattr(name)} width="{row["width_px"]}" height="{row["height_px"]}">\n'
    ]
    for item, group in zip(picture.objects, picture.object_numbers, strict=True):
        lines += _shapes(item, group, size)
    return ("".join(lines) + " </image>\n").encode()


def _shapes(row: Row, group: int, size: dict[str, int]) -> Iterator[str]:
    facets = orjson.loads(row["facets"]) | {"object_id": row["instance_id"]}
    if row["transcription"] is not None:
        facets["transcription"] = row["transcription"]
    told = "".join(f"<attribute name={quoteattr(k)}>{escape(str(v))}</attribute>" for k, v in facets.items())
    points = row["keypoints"] or ()
    pieces = len(row["rings"] or ()) + len(points) + (row["mask_rle"] is not None)
    common = f'label={quoteattr(row["category"])} source="manual" occluded="0" z_order="0"'
    if pieces > 1:
        common += f' group_id="{group}"'
    if row["mask_rle"] is not None:
        yield f"  <mask {common} {_mask(row['mask_rle'], size)}>{told}</mask>\n"
    elif row["rings"]:
        for ring in row["rings"]:
            text = ";".join(f"{x!r},{y!r}" for x, y in zip(ring[0::2], ring[1::2], strict=True))
            yield f'  <polygon {common} points="{text}">{told}</polygon>\n'
    elif row["x_min"] is not None:
        edges = zip(("xtl", "ytl", "xbr", "ybr"), ("x_min", "y_min", "x_max", "y_max"), strict=True)
        text = " ".join(f'{name}="{row[column]!r}"' for name, column in edges)
        yield f"  <box {common} {text}>{told}</box>\n"
    for point in points:
        named = f'{told}<attribute name="point">{escape(point["name"])}</attribute>'
        yield f'  <points {common} points="{point["x_px"]!r},{point["y_px"]!r}">{named}</points>\n'


def _mask(counts: str, size: dict[str, int]) -> str:
    """Return the attributes of a mask element."""
    mask = rle_mask(counts, **size)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 'rle="1" left="0" top="0" width="1" height="1"'
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    flat = mask[top:bottom, left:right].ravel()
    turns = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], turns, [len(flat)])))
    if flat[0]:
        runs = np.concatenate(([0], runs))
    text = ", ".join(map(str, runs.tolist()))
    return f'rle="{text}" left="{left}" top="{top}" width="{right - left}" height="{bottom - top}"'


def files(whole: Whole, fragments: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield cvat_<split>.xml, beside the folder ``images``, where readers look for the pictures."""
    labels = _labels(whole.taxonomy)
    for split in ("train", "val", "test"):
        pieces = [fragments[picture.image["image_id"]] for picture in whole.of(split)]
        title = escape(f"{whole.facts['title']}: {split}")
        head = (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n <version>1.1</version>\n'
            f" <meta><task><name>{title}</name><size>{len(pieces)}</size><mode>annotation</mode>\n{labels} </task></meta>\n"
        )
        yield f"cvat_{split}.xml", b"".join((head.encode(), *pieces, b"</annotations>\n"))


def _labels(taxonomy: Taxonomy) -> str:
    asked = (facet for facet in taxonomy.facets if facet.about is About.OBJECT)
    facets: list[tuple[str, str, Any]] = [(f.code, "select", list(f.values)) for f in asked]
    facets += [(name, "text", []) for name in ("object_id", "transcription", "point")]
    told = "".join(
        f"<attribute><name>{escape(name)}</name><mutable>False</mutable><input_type>{kind}</input_type>"
        f"<default_value></default_value><values>{escape(chr(10).join(values))}</values></attribute>"
        for name, kind, values in facets
    )
    rows = "".join(
        f"  <label><name>{escape(code)}</name><attributes>{told}</attributes></label>\n" for code in taxonomy.codes
    )
    return f"  <labels>\n{rows}  </labels>\n"


FORMAT = Format(
    name="cvat",
    fragment=fragment,
    files=files,
    reader="CVAT, datumaro: boxes, polygons, masks and points with their facets",
    where=("cvat_<split>.xml",),
)
