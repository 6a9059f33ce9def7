"""An opened release: its tables, its splits and its pictures, each checked against the manifest when it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.domain.findings import Finding, bad_usage
from workbench.domain.lineage import sha256_hex
from workbench.ports import Files
from workbench.reading.pictures import Pictures
from workbench.reading.samples import AugmentedSamples, Samples
from workbench.release.assemble import RECIPE
from workbench.release.manifest import check_files, read_manifest
from workbench.release.places import altered, missing, read
from workbench.release.record import Record
from workbench.tables import IMAGES, INSTANCES, table_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.adapters.albumentations import AugmentationRecipe


class OpenRelease:
    """A release, read piece by piece as it is asked for.

    Parameters
    ----------
    name
        The release's name, or where it lies if it has no record.
    files
        Where its files are.
    record
        Its signed record; none for a bare folder.
    verify
        Compare each file with the manifest when it is read.

    """

    def __init__(self, name: str, files: Files, *, record: Record | None = None, verify: bool = True) -> None:
        """Read the manifest and nothing else."""
        self.name, self.files, self.record, self.verify = name, files, record, verify
        self._listed = read_manifest(files)

    def __repr__(self) -> str:
        """Return one line that says which release this is and how large."""
        counts = ", ".join(f"{split} {count}" for split, count in self.splits.items())
        return f"<OpenRelease {self.name}: {len(self._images)} images ({counts}), {len(self._instances)} objects>"

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __iter__(self) -> Iterator[Any]:
        """Yield every sample, split by split."""
        for split in self.splits:
            yield from self.split(split)

    @property
    def images(self) -> pd.DataFrame:
        """A row an image, as docs/ARCHITECTURE.md describes the table IMAGES; a new frame each time."""
        frame: pd.DataFrame = self._images.to_pandas()
        return frame

    @property
    def instances(self) -> pd.DataFrame:
        """A row an object, as docs/ARCHITECTURE.md describes the table INSTANCES; a new frame each time."""
        frame: pd.DataFrame = self._instances.to_pandas()
        return frame

    @cached_property
    def splits(self) -> dict[str, int]:
        """The number of images by split, train first."""
        counts: dict[str, int] = {}
        for value in self._images["split"].to_pylist():
            counts[value] = counts.get(value, 0) + 1
        known = [name for name in ("train", "val", "test") if name in counts]
        return {name: counts[name] for name in [*known, *sorted(set(counts) - set(known))]}

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The taxonomy codes in the order that numbers classes, from 0."""
        return tuple(self.read("classes.txt").decode().split())

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What the card tells, as summary.json has it."""
        facts: Mapping[str, Any] = json.loads(self.read("summary.json"))
        return facts

    @property
    def recipe(self) -> AugmentationRecipe:
        """The recipe of the release's augmented copies, to make the same ones or more in a training loop.

        Raises
        ------
        Refused
            ``release.file-missing`` if the release was made without augmentation.

        """
        from workbench.adapters.albumentations import AugmentationRecipe

        return AugmentationRecipe.from_params(json.loads(self.read(RECIPE)))

    def split(self, name: str) -> Samples:
        """Return the samples of one split, in the order of their ids.

        Raises
        ------
        BadUsage
            ``usage.bad-argument`` if the release has no such split.

        """
        if name not in self.splits:
            raise bad_usage(
                "usage.bad-argument", name, "is no split of this release.", f"Use one of {', '.join(self.splits)}."
            )
        import pyarrow.compute as pc

        images = self._images.filter(pc.equal(self._images["split"], name))
        shards = sorted(path for path in self._listed if path.startswith(f"shards/{name}-"))
        pictures = Pictures(self.files, tuple(shards), verify=self.verify)
        return Samples(images, self._instances, pictures=pictures, categories=self.categories)

    def augmented(self, copies: int = 1, recipe: AugmentationRecipe | None = None) -> AugmentedSamples:
        """Return copies of the training photographs, made when asked for, by the release's recipe or another one."""
        return self.split("train").photographs().augmented(recipe or self.recipe, copies)

    def read(self, name: str) -> bytes:
        """Return a file of the release by its path inside it.

        Raises
        ------
        Refused
            ``release.file-missing``, or ``release.file-altered`` if it is not the file that the manifest lists.

        """
        if name not in self._listed:
            raise missing(name)
        data = read(self.files, name)
        if self.verify and sha256_hex(data) != self._listed[name]:
            raise altered(name)
        return data

    def check(self) -> list[Finding]:
        """Return what is wrong with the release's files; every byte is read."""
        return list(check_files(self.files))

    @cached_property
    def _images(self) -> pa.Table:
        return table_of(self.read("images.parquet"), IMAGES, "images.parquet").sort_by("image_id")

    @cached_property
    def _instances(self) -> pa.Table:
        table = table_of(self.read("instances.parquet"), INSTANCES, "instances.parquet")
        return table.sort_by([("image_id", "ascending"), ("instance_id", "ascending")])
