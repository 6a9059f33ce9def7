"""The workspace's tables, shown as a FiftyOne dataset to look at: a view that is rebuilt, never a place of truth."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from workbench.adapters.fiftyone_documents import ABOUT, FIELDS, NOTICES, documents, facet_fields
from workbench.domain.dataset import SPLITS
from workbench.domain.findings import busy

Row = Mapping[str, Any]

_PHOTOGRAPHS = ["real", "replica"]
_MADE = ["rendered", "augmented"]

#: Documents inserted at a time.
_BATCH = 2000

#: What is noticed names another image by so many digits of its id, or by all.
_NAMED_DIGITS = 12
_DIGITS = re.compile(r"[0-9a-f]{12,}")

#: What the saved view of each notice is for.
_ABOUT_NOTICES = {
    "quality": "Blurred, dark, glaring, bare, small or elongated: worth a look",
    "outliers": "Unlike all other photographs",
    "suspected_labels": "Look-alikes bear another category",
    "disagreements": "Annotators differ",
    "leaks": "Look like a photograph of another split",
    "decisions": "A curator decided something about them",
    "sent_back": "Sent back to labelling",
}


def show_dataset(
    *,
    name: str,
    media_root: Path,
    images: Sequence[Row],
    instances: Sequence[Row],
    duplicates: Iterable[Row],
    mongo_uri: str,
    notices: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
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
    notices
        What is noticed about each image, by kind (`fiftyone_documents.NOTICES`).

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
        _declare(dataset, facet_fields(instances))
        made = documents(
            media_root,
            images,
            instances,
            duplicates,
            notices or {},
            dataset_id=dataset._doc.id,  # noqa: SLF001 -- see fiftyone_documents: pinned by a test
            now=dt.datetime.now(dt.UTC),
        )
        count = 0
        while batch := list(islice(made, _BATCH)):
            dataset._sample_collection.insert_many(batch, ordered=False)  # noqa: SLF001 -- likewise
            count += len(batch)
        _save_views(dataset, sorted({row["partner_id"] for row in images if row.get("partner_id")}))
        if fo.dataset_exists(name):
            fo.delete_dataset(name)
        dataset.name = name
        return count


def count_samples(*, mongo_uri: str, contribution_id: str, images: Sequence[str], remove: bool = False) -> int:
    """Return how many samples of all datasets show or come from a contribution or these images; perhaps remove them.

    With ``remove``, what FiftyOne computed over a dataset that held some (embeddings, similarity) goes too, and no
    other sample names them any more, as its near-duplicate or in what was noticed about it.

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
                _forget_mentions(dataset, gone)
        return found


def _forget_mentions(dataset: Any, gone: set[str]) -> None:
    """Take out of the samples that stay what names one that is gone, by its id or the first digits of it."""
    starts = {image_id[:_NAMED_DIGITS] for image_id in gone}

    def names_one(text: str) -> bool:
        return any(run[:_NAMED_DIGITS] in starts for run in _DIGITS.findall(text))

    for field in ("near_duplicates", *NOTICES):
        if field in dataset.get_field_schema() and len(dataset):
            listed = dataset.values(field)
            dataset.set_values(field, [[one for one in texts or [] if not names_one(one)] for texts in listed])


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


def _declare(dataset: Any, facets: Sequence[str]) -> None:
    """Declare every field, those inside labels too: documents inserted bare teach FiftyOne nothing."""
    import fiftyone as fo

    dataset.media_type = "image"
    for column in FIELDS:
        dataset.add_sample_field(column, fo.StringField)
    for column in ("near_duplicates", *NOTICES):
        dataset.add_sample_field(column, fo.ListField, subfield=fo.StringField)
    labels = {"ground_truth": fo.Detections, "polylines": fo.Polylines, "keypoints": fo.Keypoints}
    for name, kind in labels.items():
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=kind)
        inside = f"{name}.{'detections' if name == 'ground_truth' else name}"
        for column, number in ABOUT.items():
            dataset.add_sample_field(f"{inside}.{column}", fo.FloatField if number else fo.StringField)
        for column in facets:
            dataset.add_sample_field(f"{inside}.{column}", fo.StringField)
    dataset.add_sample_field("keypoints.keypoints.names", fo.ListField, subfield=fo.StringField)


def _save_views(dataset: Any, partners: Sequence[str]) -> None:
    """Save what people look for first: each split, photographs, made images, each partner, and every finding."""
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
    for partner in partners:
        view = dataset.match(ViewField("partner_id") == partner)
        dataset.save_view(f"partner_{partner}", view, description=f"From partner {partner}")
    for notice, about in _ABOUT_NOTICES.items():
        dataset.save_view(notice, dataset.match_tags(notice), description=about)
