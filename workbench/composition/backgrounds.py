"""Which photographs of empty surfaces may stand behind cut-outs: partners', added ones, or else drawn ones."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.composition.added import read_added
from workbench.domain.annotation import Shape
from workbench.domain.delivery import UsageTerms
from workbench.domain.findings import refused
from workbench.layout import Layout
from workbench.tables import IMAGES, INSTANCES, LABELLED, read_rows

#: The purpose that a contribution's usage terms must name.
PURPOSE = "background"
#: What may be seen in a background: things that were put there so that nobody takes them for what is sought.
_NOTHING_SOUGHT = "negative."
#: Statuses of a photograph whose labels are settled.
_SETTLED = frozenset({"agreed", "single", "imported", "adjudicated"})
#: Shapes that are moved with the picture by numbers alone.
_MOVABLE = frozenset({Shape.BOX.value, Shape.POLYGON.value})

Row = Mapping[str, Any]


class Source(StrEnum):
    """Where a background comes from."""

    PHOTOGRAPH = "photograph"
    ADDED = "added"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """One photograph of an empty surface.

    Parameters
    ----------
    image
        The facts that a picture made of it inherits, as a row of `IMAGES` or `ADDED_BACKGROUNDS` has them.
    instances
        Rows of what is labelled in it, all of them ``negative``.

    """

    background_id: str
    source: Source
    path: str
    file_sha256: str
    width_px: int
    height_px: int
    licence: str
    image: Row
    instances: tuple[Row, ...] = ()


def read_backgrounds(layout: Layout) -> list[Background]:
    """Return the photographs that may be backgrounds and the pictures that were added, sorted by id.

    Raises
    ------
    Refused
        ``workspace.input-missing`` if curation has not run, ``composition.terms-unreadable``.

    """
    found = [*_of_added(read_added(layout)), *_read_photographs(layout)]
    return sorted(found, key=lambda background: background.background_id)


def _read_photographs(layout: Layout) -> list[Background]:
    """Return partners' photographs that may be backgrounds; none before anything was curated."""
    if not (layout.curation / "images.parquet").is_file():
        return []
    statuses = {row["image_id"]: row["status"] for row in read_rows(layout.adjudication / "labelled.parquet", LABELLED)}
    return usable_photographs(
        read_rows(layout.curation / "images.parquet", IMAGES),
        read_rows(layout.adjudication / "instances.parquet", INSTANCES),
        settled={image_id for image_id, status in statuses.items() if status in _SETTLED},
        released={name for name, terms in _read_terms(layout) if PURPOSE in terms.permitted_purposes},
    )


def _of_added(rows: Iterable[Row]) -> Iterator[Background]:
    for row in rows:
        yield Background(
            background_id=row["image_id"],
            source=Source.ADDED,
            path=row["path"],
            file_sha256=row["image_id"],
            width_px=row["width_px"],
            height_px=row["height_px"],
            licence=row["licence"],
            image={},
        )


def usable_photographs(
    images: Sequence[Row], instances: Iterable[Row], *, settled: set[str], released: set[str]
) -> list[Background]:
    """Return the photographs that may be backgrounds.

    Parameters
    ----------
    images, instances
        Rows of curation's images and of the ground truth.
    settled
        Ids of the photographs whose labels are settled; one of them without an object shows none.
    released
        Ids of the contributions whose terms name the purpose: terms that name none say nothing of it, and that is no yes.

    """
    seen: dict[str, list[Row]] = defaultdict(list)
    for row in instances:
        seen[row["image_id"]].append(row)
    found = []
    for row in images:
        if row["contribution_id"] not in released or row["image_id"] not in settled:
            continue
        if row["split"] != "train" or row["excluded"] is not None:
            continue
        labels = seen[row["image_id"]]
        if all(label["category"].startswith(_NOTHING_SOUGHT) and label["shape"] in _MOVABLE for label in labels):
            found.append(
                Background(
                    background_id=row["image_id"],
                    source=Source.PHOTOGRAPH,
                    path=row["path"],
                    file_sha256=row["file_sha256"],
                    width_px=row["width_px"],
                    height_px=row["height_px"],
                    licence=row["licence"],
                    image=row,
                    instances=tuple(sorted(labels, key=lambda label: str(label["instance_id"]))),
                )
            )
    return found


def _read_terms(layout: Layout) -> Iterator[tuple[str, UsageTerms]]:
    for path in sorted(layout.deliveries.glob("*/contribution.json")):
        try:
            stated = json.loads(path.read_text(encoding="utf-8"))
            yield path.parent.name, UsageTerms.from_json(stated.get("terms") or {})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise refused(
                "composition.terms-unreadable",
                path,
                f"states no usage terms that can be read ({error}).",
                "Restore it with `dvc checkout`.",
            ) from error
