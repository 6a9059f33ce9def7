"""The workspace's tables, shown as a FiftyOne dataset to look at: a view that is rebuilt, never a place of truth."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.adapters.masks import decode_mask
from workbench.domain.dataset import SPLITS
from workbench.domain.findings import busy

Row = Mapping[str, Any]

#: Text columns of the image table that become fields of a sample.
_FIELDS = (
    "image_id",
    "split",
    "origin",
    "partner_id",
    "seizure_id",
    "group_id",
    "contribution_id",
    "licence",
    "excluded",
    "parent_image_id",
)

_PHOTOGRAPHS = ["real", "replica"]
_MADE = ["rendered", "augmented"]


def show_dataset(
    *,
    name: str,
    media_root: Path,
    images: Sequence[Row],
    instances: Iterable[Row],
    duplicates: Iterable[Row],
    mongo_uri: str,
) -> int:
    """Rebuild the dataset ``name`` from rows of the image, instance and duplicate tables; return its sample count.

    It is built under another name and then put in the old one's place, so that an interruption leaves the old one.

    Parameters
    ----------
    name
        The dataset's name in the app.
    media_root
        The folder that the images' ``path`` is relative to.
    images, instances, duplicates
        Rows as `workbench.tables` describes them; shapes in pixels.
    mongo_uri
        The database, as servers.json names it.

    Raises
    ------
    Busy
        ``servers.database-away`` if the database does not answer.

    """
    with _database(mongo_uri):
        import fiftyone as fo

        building = f"{name} (being built)"
        if fo.dataset_exists(building):
            fo.delete_dataset(building)
        dataset = fo.Dataset(building, persistent=True)
        for column in _FIELDS:
            dataset.add_sample_field(column, fo.StringField)
        dataset.add_sample_field("near_duplicates", fo.ListField, subfield=fo.StringField)
        dataset.add_sample_field("ground_truth", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
        dataset.add_sample_field("polylines", fo.EmbeddedDocumentField, embedded_doc_type=fo.Polylines)
        dataset.add_sample_field("keypoints", fo.EmbeddedDocumentField, embedded_doc_type=fo.Keypoints)
        samples = list(_samples(media_root, images, instances, duplicates))
        if samples:
            dataset.add_samples(samples, dynamic=True, progress=False)
        _save_views(dataset)
        if fo.dataset_exists(name):
            fo.delete_dataset(name)
        dataset.name = name
        return len(samples)


def count_samples(*, mongo_uri: str, contribution_id: str, images: Sequence[str], remove: bool = False) -> int:
    """Return how many samples of all datasets show or come from a contribution or these images; perhaps remove them.

    With ``remove``, what FiftyOne computed over a dataset that held some (embeddings, similarity) goes too, and no
    other sample names them as its near-duplicate any more.

    Raises
    ------
    Busy
        ``servers.database-away`` if the database does not answer.

    """
    with _database(mongo_uri):
        import fiftyone as fo
        from fiftyone import ViewField

        gone, found = set(images), 0
        for name in fo.list_datasets():
            dataset = fo.load_dataset(name)
            fields = dataset.get_field_schema()
            wanted = {"image_id": gone, "parent_image_id": gone, "contribution_id": {contribution_id}}
            matches = [ViewField(key).is_in(sorted(values)) for key, values in wanted.items() if key in fields]
            if not matches:
                continue
            view = dataset.match(ViewField.any(matches))
            found += len(view)
            if remove and len(view):
                dataset.delete_samples(view)
                dataset.delete_brain_runs()
                _forget_duplicates(dataset, gone)
        return found


def _forget_duplicates(dataset: Any, gone: set[str]) -> None:
    if "near_duplicates" in dataset.get_field_schema() and len(dataset):
        listed = dataset.values("near_duplicates")
        dataset.set_values("near_duplicates", [[one for one in ids or [] if one not in gone] for ids in listed])


@contextmanager
def _database(mongo_uri: str) -> Iterator[None]:
    """Set what FiftyOne reads when it is first imported; say in one sentence that its database is away."""
    from pymongo.errors import PyMongoError

    os.environ["FIFTYONE_DATABASE_URI"] = mongo_uri
    os.environ["FIFTYONE_DATABASE_VALIDATION"] = "false"
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    try:
        yield
    except (ConnectionError, PyMongoError) as error:
        raise busy(
            "servers.database-away",
            "FiftyOne's database",
            f"does not answer ({type(error).__name__}).",
            "Start it with `workbench up`, then repeat the command.",
        ) from error


def _samples(
    media_root: Path, images: Iterable[Row], instances: Iterable[Row], duplicates: Iterable[Row]
) -> Iterator[Any]:
    """Yield a sample an image, its labels in relative coordinates."""
    import fiftyone as fo

    drawn: defaultdict[str, list[Row]] = defaultdict(list)
    for row in instances:
        drawn[row["image_id"]].append(row)
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for row in duplicates:
        alike[row["image_id"]].add(row["other_image_id"])
        alike[row["other_image_id"]].add(row["image_id"])
    for row in images:
        image_id, width_px, height_px = row["image_id"], row["width_px"], row["height_px"]
        tags = [row["origin"], row.get("split"), "excluded" if row.get("excluded") else None]
        tags.append("near_duplicate" if alike[image_id] else None)
        yield fo.Sample(
            filepath=str(media_root / row["path"]),
            metadata=fo.ImageMetadata(width=width_px, height=height_px, num_channels=3),
            tags=[tag for tag in tags if tag],
            near_duplicates=sorted(alike[image_id]),
            **{column: row.get(column) for column in _FIELDS},
            **_labels(drawn[image_id], width_px, height_px),
        )


def _labels(rows: Sequence[Row], width_px: int, height_px: int) -> dict[str, Any]:
    """Return an image's objects as FiftyOne labels: every box, and each polygon and set of points besides."""
    import fiftyone as fo

    boxes, outlines, points = [], [], []
    for row in rows:
        about = _about(row)
        if row.get("x_min") is not None:
            left, top = row["x_min"] / width_px, row["y_min"] / height_px
            size = [(row["x_max"] - row["x_min"]) / width_px, (row["y_max"] - row["y_min"]) / height_px]
            mask = _mask_in_box(row, width_px, height_px)
            boxes.append(fo.Detection(label=row["category"], bounding_box=[left, top, *size], mask=mask, **about))
        if row.get("rings"):
            rings = [
                [(x / width_px, y / height_px) for x, y in zip(ring[::2], ring[1::2], strict=True)]
                for ring in row["rings"]
            ]
            outlines.append(fo.Polyline(label=row["category"], points=rings, closed=True, filled=True, **about))
        if row.get("keypoints"):
            places = [(point["x_px"] / width_px, point["y_px"] / height_px) for point in row["keypoints"]]
            names = [point["name"] for point in row["keypoints"]]
            points.append(fo.Keypoint(label=row["category"], points=places, names=names, **about))
    return {
        "ground_truth": fo.Detections(detections=boxes),
        "polylines": fo.Polylines(polylines=outlines),
        "keypoints": fo.Keypoints(keypoints=points),
    }


def _mask_in_box(row: Row, width_px: int, height_px: int) -> Any:
    """Return the part of an object's mask that its box covers, as FiftyOne wants it; None if it has no mask."""
    if not row.get("mask_rle"):
        return None
    mask_hw = decode_mask(row["mask_rle"], height_px=height_px, width_px=width_px)
    left, top = math.floor(row["x_min"]), math.floor(row["y_min"])
    return mask_hw[top : math.ceil(row["y_max"]), left : math.ceil(row["x_max"])]


def _about(row: Row) -> dict[str, Any]:
    """Return what is known of an object besides its shape; a dot in a facet's code would nest, so it becomes _."""
    known = {
        "object_id": row.get("instance_id"),  # `instance_id` is reserved by FiftyOne
        "transcription": row.get("transcription"),
        "certainty": row.get("confidence"),  # FiftyOne's own `confidence` is a number
        "decided_by": row.get("decided_by"),
        "agreement_iou": row.get("agreement_iou"),
    }
    facets = json.loads(row.get("facets") or "{}")
    known |= {f"facet_{code.replace('.', '_')}": value for code, value in facets.items()}
    return {key: value for key, value in known.items() if value is not None}


def _save_views(dataset: Any) -> None:
    """Save what people look for first: each split, photographs, made images, near-duplicates, what was left out."""
    from fiftyone import ViewField

    for split in SPLITS:
        view = dataset.match(ViewField("split") == split.value)
        dataset.save_view(split.value, view, description=f"The {split.value} split")
    photographs = dataset.match(ViewField("origin").is_in(_PHOTOGRAPHS))
    dataset.save_view("real", photographs, description="Photographs, replicas among them")
    made = dataset.match(ViewField("origin").is_in(_MADE))
    dataset.save_view("synthetic", made, description="Rendered and augmented images")
    alike = dataset.match_tags("near_duplicate").sort_by("group_id")
    dataset.save_view("near_duplicates", alike, description="Images that look like another, by group")
    dataset.save_view("excluded", dataset.match_tags("excluded"), description="Left out of every split")
