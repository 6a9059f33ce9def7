"""Samples: pictures with their labels, by number or as a stream, in this process or in a loader's workers.

`Samples` is what PyTorch calls a map-style data set (``__len__`` and ``__getitem__``), and needs no torch for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.adapters.pixels import decode_rgb
from workbench.domain.annotation import Instance
from workbench.domain.findings import bad_usage
from workbench.domain.lineage import sha256_hex
from workbench.reading.pictures import Pictures
from workbench.tables import row_instance

if TYPE_CHECKING:
    from workbench.adapters.albumentations import AugmentationRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture and what is labelled in it.

    Parameters
    ----------
    image_hwc
        Pixels, (h, w, 3) uint8 RGB.
    instances
        The objects, in the order of their ids.
    labels
        Class number of each instance, (n,) int64: its category's place in the release's ``categories``.

    """

    image_id: str
    origin: str
    split: str
    image_hwc: NDArray[np.uint8]
    instances: tuple[Instance, ...]
    labels: NDArray[np.int64]

    def target(self) -> dict[str, NDArray[Any]]:
        """Return the labels as detectors take them: of the instances that have a box, lone keypoints left out.

        Returns
        -------
        dict
            ``boxes`` (n, 4) float32, pixels, x_min y_min x_max y_max; ``labels`` (n,) int64; ``masks`` (n, h, w) bool,
            the instance's mask or polygon, else its box filled.

        """
        from workbench.adapters.masks import instance_mask

        boxed = [index for index, instance in enumerate(self.instances) if instance.box is not None]
        height, width = self.image_hwc.shape[:2]
        boxes = [box.xyxy for index in boxed if (box := self.instances[index].box) is not None]
        masks = [instance_mask(self.instances[index], height_px=height, width_px=width) for index in boxed]
        return {
            "boxes": np.array(boxes, np.float32).reshape(-1, 4),
            "labels": self.labels[boxed],
            "masks": np.array(masks, bool).reshape(-1, height, width),
        }


class Samples:
    """The samples of a split; small to send to another process, and read only when asked for."""

    def __init__(self, images: pa.Table, instances: pa.Table, *, pictures: Pictures, categories: Sequence[str]) -> None:
        """Take the rows of the split's images and those of all objects, both sorted by image_id."""
        self._rows = images.select(["image_id", "path", "file_sha256", "origin", "split"]).to_pylist()
        mine = instances.filter(pc.is_in(instances["image_id"], images["image_id"].combine_chunks()))
        self._instances = mine.combine_chunks()
        self._pictures = pictures
        self.categories = tuple(categories)
        self._numbers = {code: number for number, code in enumerate(self.categories)}
        counts = pc.value_counts(self._instances["image_id"])
        sizes = np.asarray(counts.field("counts"))
        starts = np.cumsum(sizes) - sizes
        found = zip(counts.field("values").to_pylist(), starts.tolist(), sizes.tolist(), strict=True)
        self._places = {image_id: (start, size) for image_id, start, size in found}

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample by its number; negative numbers count from the end.

        Raises
        ------
        Refused
            ``release.file-missing``, ``release.file-altered``.

        """
        row = self._rows[index]
        return self._sample(row, self._pictures.read(row["path"], row["image_id"], row["file_sha256"]))

    def __iter__(self) -> Iterator[Sample]:
        """Yield every sample in order."""
        return (self[index] for index in range(len(self)))

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The ids of the images, in the order of the samples."""
        return tuple(row["image_id"] for row in self._rows)

    def stream(self, part: int = 0, parts: int = 1) -> Iterator[Sample]:
        """Yield the samples as they lie, from tar shards where the release has them: best over a network.

        Parameters
        ----------
        part, parts
            Which part of how many, so that workers share the split: each sample is in one part.

        Raises
        ------
        BadUsage
            ``usage.bad-argument`` if ``part`` is no number from 0 to ``parts - 1``.

        """
        if not 0 <= part < parts:
            raise bad_usage("usage.bad-argument", part, "is no part.", f"Use a number from 0 to {parts - 1}.")
        by_id = {row["image_id"]: row for row in self._rows}
        for image_id, data in self._pictures.stream(by_id, part, parts):
            yield self._sample(by_id[image_id], data)

    def photographs(self) -> Samples:
        """Return those samples that are photographs: neither rendered nor augmented."""
        return self._only([row for row in self._rows if row["origin"] in {"real", "replica"}])

    def augmented(self, recipe: AugmentationRecipe, copies: int = 1) -> AugmentedSamples:
        """Return copies of these samples, made when they are asked for."""
        return AugmentedSamples(self, recipe, copies)

    def torch(self, *, stream: bool = False) -> Any:
        """Return a data set for ``torch.utils.data.DataLoader`` that gives (image, target) tensors.

        With ``stream`` it is iterable, and the loader's workers share it.

        Raises
        ------
        ImportError
            If torch is not installed; the workbench does not bring it.

        """
        from workbench.adapters.torch import IterableSamples, MapSamples

        return IterableSamples(self) if stream else MapSamples(self)

    def _only(self, rows: list[dict[str, Any]]) -> Samples:
        chosen = object.__new__(Samples)
        chosen.__dict__ |= self.__dict__ | {"_rows": rows}
        return chosen

    def _sample(self, row: Mapping[str, Any], data: bytes) -> Sample:
        start, size = self._places.get(row["image_id"], (0, 0))
        instances = tuple(row_instance(found) for found in self._instances.slice(start, size).to_pylist())
        return self._labelled(row, decode_rgb(data, row["path"]), instances)

    def _labelled(self, row: Mapping[str, Any], image: NDArray[np.uint8], instances: tuple[Instance, ...]) -> Sample:
        return Sample(
            image_id=row["image_id"],
            origin=row["origin"],
            split=row["split"],
            image_hwc=image,
            instances=instances,
            labels=np.array([self._numbers[instance.category] for instance in instances], np.int64),
        )


class AugmentedSamples:
    """Copies of samples by a recipe: number i is copy ``i % copies`` of sample ``i // copies``, always the same."""

    def __init__(self, parents: Samples, recipe: AugmentationRecipe, copies: int) -> None:
        """Take the parents, of which every one gets ``copies`` copies."""
        self.parents, self.recipe, self.copies = parents, recipe, copies

    def __len__(self) -> int:
        """Return the number of copies."""
        return len(self.parents) * self.copies

    def __getitem__(self, index: int) -> Sample:
        """Return a copy; its pixels are those that the augmentation stage stores for the same recipe."""
        number = range(len(self))[index]
        parent = self.parents[number // self.copies]
        copy = self.recipe.copy_of(parent.image_hwc, parent.instances, parent.image_id, number % self.copies)
        copy_id = sha256_hex(copy.jpeg)
        row = {"image_id": copy_id, "origin": "augmented", "split": parent.split}
        return self.parents._labelled(row, decode_rgb(copy.jpeg, copy_id), copy.instances)  # noqa: SLF001 -- one module

    def __iter__(self) -> Iterator[Sample]:
        """Yield every copy in order."""
        return (self[index] for index in range(len(self)))

    def stream(self, part: int = 0, parts: int = 1) -> Iterator[Sample]:
        """Yield this part of the copies in order."""
        return (self[index] for index in range(part, len(self), parts))

    def torch(self, *, stream: bool = False) -> Any:
        """Return a data set for ``torch.utils.data.DataLoader``, as `Samples.torch` does."""
        from workbench.adapters.torch import IterableSamples, MapSamples

        return IterableSamples(self) if stream else MapSamples(self)
