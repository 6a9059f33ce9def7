"""What every format is written from: one picture with its objects, and the whole release around it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from workbench.domain.geometry import Ring
from workbench.domain.lineage import sha256_hex
from workbench.domain.taxonomy import Taxonomy

Row = Mapping[str, Any]
#: Outlines of a mask: compressed RLE counts, width and height in pixels give rings, largest first.
Outline = Callable[..., Sequence[Ring]]
#: Numbers are 48 bits, which every JSON reader keeps exact.
_NUMBER_BITS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of a release with its objects, in the order of their ids, and the numbers that formats know them by."""

    image: Row
    objects: Sequence[Row]
    number: int
    object_numbers: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A release as its formats see it: pictures in the order of their ids, and what is said of all of them.

    ``digest_of`` gives the SHA-256 of a file of the release written before.
    """

    pictures: Sequence[Picture]
    taxonomy: Taxonomy
    facts: Mapping[str, Any]
    outline: Outline
    digest_of: Callable[[str], str] = field(default=lambda _path: "")

    @cached_property
    def class_numbers(self) -> dict[str, int]:
        """The number of each class, from 0, in the taxonomy's order."""
        return {code: number for number, code in enumerate(self.taxonomy.codes)}

    @cached_property
    def licences(self) -> list[str]:
        """The licences there are, sorted."""
        return sorted({picture.image["licence"] for picture in self.pictures})

    @cached_property
    def splits(self) -> list[str]:
        """The splits that hold an image."""
        found = {picture.image["split"] for picture in self.pictures}
        return [split for split in ("train", "val", "test") if split in found]

    @cached_property
    def point_names(self) -> dict[str, tuple[str, ...]]:
        """For each class with named points, their names, sorted."""
        names: dict[str, set[str]] = defaultdict(set)
        for picture in self.pictures:
            for row in picture.objects:
                if row["keypoints"]:
                    names[row["category"]].update(point["name"] for point in row["keypoints"])
        return {code: tuple(sorted(names[code])) for code in sorted(names)}

    def of(self, split: str) -> Iterator[Picture]:
        """Yield the pictures of a split."""
        return (picture for picture in self.pictures if picture.image["split"] == split)


def pictures_of(images: Sequence[Row], instances: Iterable[Row]) -> list[Picture]:
    """Return the pictures of a release's rows."""
    objects: dict[str, list[Row]] = defaultdict(list)
    ids = []
    for row in instances:
        objects[row["image_id"]].append(row)
        ids.append(row["instance_id"])
    image_numbers, numbers = stable_numbers(row["image_id"] for row in images), stable_numbers(ids)
    return [
        Picture(
            image=row,
            objects=objects[row["image_id"]],
            number=image_numbers[row["image_id"]],
            object_numbers=[numbers[item["instance_id"]] for item in objects[row["image_id"]]],
        )
        for row in images
    ]


def stable_numbers(ids: Iterable[str]) -> dict[str, int]:
    """Return a positive number for each id that follows from the id, so that it stays as a dataset grows.

    Two ids with the same leading bits are told apart by the order of the ids.

    Examples
    --------
    >>> stable_numbers(["a"])["a"] == int(sha256_hex(b"a")[:12], 16)
    True

    """
    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for key in sorted(set(ids)):
        number = int(sha256_hex(key.encode())[: _NUMBER_BITS // 4], 16) or 1
        while number in taken:
            number += 1
        taken.add(number)
        numbers[key] = number
    return numbers
