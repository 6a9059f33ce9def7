"""The tables in a real FiftyOne, on a real mongod."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from workbench.adapters.fiftyone import show_dataset
from workbench.adapters.masks import encode_mask
from workbench.domain.findings import Busy

pytestmark = pytest.mark.tools

WIDTH_PX, HEIGHT_PX = 80, 40

IMAGES = [
    ("a", "real", "train", None),
    ("b", "replica", "val", None),
    ("c", "rendered", "train", None),
    ("d", "augmented", "train", None),
    ("e", "real", None, "exact duplicate"),
    ("f", "real", "test", None),
]


NOTICES = {
    "a": {
        "suspected_labels": ["is called part.slide"],
        "disagreements": ["category: differ"],
        "leaks": ["near duplicate of b"],
    },
    "b": {"quality": ["blurred"], "disagreements": ["unmatched: one"]},
    "e": {"decisions": ["exclude by curator: blurred"]},
    "f": {"outliers": ["looks unlike all others"]},
}


def image_rows(data: Path) -> list[dict[str, Any]]:
    rows = []
    for image_id, origin, split, excluded in IMAGES:
        path = f"01_intake/c/images/{image_id}.png"
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (90, 90, 90)).save(data / path)
        rows.append(
            {
                "image_id": image_id,
                "origin": origin,
                "split": split,
                "excluded": excluded,
                "path": path,
                "width_px": WIDTH_PX,
                "height_px": HEIGHT_PX,
                "group_id": f"g-{image_id}",
                "partner_id": "lab",
            }
        )
    return rows


def instance_rows() -> list[dict[str, Any]]:
    mask_hw = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    mask_hw[10:20, 20:60] = True
    box = {"x_min": 20.0, "y_min": 10.0, "x_max": 60.0, "y_max": 20.0}
    about = {"image_id": "a", "facets": '{"completeness":"complete"}'}
    return [
        {"instance_id": "1", "category": "part.slide", **box, "mask_rle": encode_mask(mask_hw), **about},
        {"instance_id": "2", "category": "part.frame", **box, "rings": [[20, 10, 60, 10, 60, 20]], **about},
        {
            "instance_id": "3",
            "category": "part.barrel",
            "keypoints": [{"name": "tip", "x_px": 40, "y_px": 10}],
            **about,
        },
    ]


def show(data: Path, mongod: str, instances: list[Mapping[str, Any]] | None = None) -> int:
    return show_dataset(
        name="wb-test",
        media_root=data,
        images=image_rows(data),
        instances=instance_rows() if instances is None else instances,
        duplicates=[{"image_id": "a", "other_image_id": "e", "kind": "near", "distance_bits": 4}],
        notices=NOTICES,
        mongo_uri=mongod,
    )


def test_every_image_is_a_sample_and_every_saved_view_holds_its_own(tmp_path: Path, mongod: str) -> None:
    assert show(tmp_path, mongod) == len(IMAGES)
    import fiftyone as fo

    dataset = fo.load_dataset("wb-test")
    assert dataset.persistent
    held = {name: set(dataset.load_saved_view(name).values("image_id")) for name in dataset.list_saved_views()}
    assert held == {
        "train": {"a", "c", "d"},
        "val": {"b"},
        "test": {"f"},
        "real": {"a", "b", "e", "f"},
        "synthetic": {"c", "d"},
        "near_duplicates": {"a", "e"},
        "excluded": {"e"},
        "partner_lab": {"a", "b", "c", "d", "e", "f"},
        "quality": {"b"},
        "outliers": {"f"},
        "suspected_labels": {"a"},
        "disagreements": {"a", "b"},
        "leaks": {"a"},
        "decisions": {"e"},
        "sent_back": set(),
    }
    assert dataset.match_tags("suspected_labels").first().suspected_labels == ["is called part.slide"]


def test_bare_documents_are_those_that_fiftyone_itself_makes(tmp_path: Path, mongod: str) -> None:
    show(tmp_path, mongod)
    import fiftyone as fo

    ours = fo.load_dataset("wb-test")
    theirs = fo.Dataset("wb-theirs")
    try:
        theirs.add_samples([sample.copy() for sample in ours], dynamic=True, progress=False)
        assert theirs.get_field_schema(flat=True).keys() <= ours.get_field_schema(flat=True).keys()
        for one, other in zip(ours._sample_collection.find(), theirs._sample_collection.find(), strict=True):
            assert _comparable(one) == _comparable(other)
    finally:
        theirs.delete()


def _comparable(document: Any) -> Any:
    """Leave out what differs between any two samples, and what is empty, which FiftyOne takes for missing."""
    differing = {"_id", "_dataset_id", "_rand", "created_at", "last_modified_at"}
    if isinstance(document, dict):
        kept = {key: _comparable(value) for key, value in document.items() if key not in differing}
        return {key: value for key, value in kept.items() if value not in (None, [], {})}
    return [_comparable(value) for value in document] if isinstance(document, list) else document


def test_shapes_come_in_coordinates_relative_to_their_image(tmp_path: Path, mongod: str) -> None:
    show(tmp_path, mongod)
    import fiftyone as fo

    sample = fo.load_dataset("wb-test").match(fo.ViewField("image_id") == "a").first()
    slide, frame = sample.ground_truth.detections
    assert slide.label == "part.slide"
    assert slide.bounding_box == pytest.approx([0.25, 0.25, 0.5, 0.25])
    assert slide.mask.shape == (10, 40)
    assert slide.mask.all()
    assert frame["facet_completeness"] == "complete"
    assert sample.polylines.polylines[0].points == [[[0.25, 0.25], [0.75, 0.25], [0.75, 0.5]]]
    assert sample.keypoints.keypoints[0].points == [[0.5, 0.25]]


def test_a_rebuild_replaces_the_dataset_and_leaves_no_other(tmp_path: Path, mongod: str) -> None:
    show(tmp_path, mongod)
    show(tmp_path, mongod, instances=[])
    import fiftyone as fo

    assert [name for name in fo.list_datasets() if "wb-test" in name] == ["wb-test"]
    dataset = fo.load_dataset("wb-test")
    assert dataset.count() == len(IMAGES)
    assert dataset.count("ground_truth.detections") == 0


def test_an_interrupted_rebuild_leaves_the_former_dataset_and_the_next_one_completes(
    tmp_path: Path, mongod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(tmp_path, mongod)
    import fiftyone as fo

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("workbench.adapters.fiftyone._save_views", interrupted)
        with pytest.raises(KeyboardInterrupt):
            show(tmp_path, mongod, instances=[])
    assert fo.load_dataset("wb-test").count("ground_truth.detections") == 2
    show(tmp_path, mongod)
    assert [name for name in fo.list_datasets() if "wb-test" in name] == ["wb-test"]


def test_a_database_that_is_away_is_said_in_one_sentence(
    tmp_path: Path, mongod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fiftyone as fo

    def away(_name: str) -> bool:
        from pymongo.errors import ServerSelectionTimeoutError

        raise ServerSelectionTimeoutError

    monkeypatch.setattr(fo, "dataset_exists", away)
    with pytest.raises(Busy, match=r"FiftyOne's database: does not answer .*workbench up"):
        show(tmp_path, mongod)
