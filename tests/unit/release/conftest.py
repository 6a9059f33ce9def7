"""A tiny workspace of drawn photographs as the stages before a release leave it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from workbench.adapters.masks import encode_mask
from workbench.cli.release_formats import real_draw
from workbench.cli.release_ledger import enter_release
from workbench.custody.ledger import Event, Ledger
from workbench.domain.annotation import DecidedBy, Instance, Keypoint, Shape
from workbench.domain.geometry import Box
from workbench.domain.lineage import sha256_hex
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.release.assemble import Assembled, assemble
from workbench.release.bundle import write_bundle
from workbench.release.manifest import manifest_digest
from workbench.release.record import envelope_bytes, read_record, statement
from workbench.tables import IMAGES, INSTANCES, LABELLED, SEIZURES, instance_row, write_table

ROOT = Path(__file__).resolve().parents[3]
SIZE_WH = (320, 240)
PARAMS = {"activity": "release/2", "title": "Drawn <sample> & test", "purpose": "tests"}
CASES: list[dict[str, Any]] = [
    {"split": "train"},
    {"split": "train", "category": "negative.plumbing_or_tube"},
    {"split": "train"},
    {"split": "val"},
    {"split": "test", "category": "marking.serial"},
    {"split": None, "excluded": "exact duplicate of another"},
    {"split": "train", "status": "disagreed"},
    {"split": "val", "status": None},
    {"split": "train", "origin": "rendered", "folder": "05_synthesis"},
    {"split": "train", "origin": "augmented", "folder": "06_augmentation", "parent": 0},
]


def draw(seed: int) -> bytes:
    """Return a JPEG of two plain shapes on a soft, noisy table."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(150, 210, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, SIZE_WH, interpolation=cv2.INTER_CUBIC)
    image = cv2.add(image, rng.integers(0, 14, image.shape, dtype=np.uint8))
    cv2.rectangle(image, (40, 60), (99, 139), tuple(int(v) for v in rng.integers(20, 120, 3)), -1, cv2.LINE_AA)
    cv2.fillPoly(image, [np.array([[150, 40], [220, 60], [180, 130]])], tuple(int(v) for v in rng.integers(20, 120, 3)))
    return cv2.imencode(".jpg", image)[1].tobytes()


def _instances(image_id: str, category: str, decided_by: str) -> list[Instance]:
    mask = np.zeros(SIZE_WH[::-1], bool)
    mask[60:140, 40:100] = True
    common: dict[str, Any] = {
        "image_id": image_id,
        "category": category,
        "facets": {"material": "polymer"},
        "decided_by": DecidedBy(decided_by),
    }
    box = Box(x_min=40.25, y_min=60, x_max=100.5, y_max=139.75)
    ring = (150.0, 40.0, 220.0, 60.0, 180.0, 130.0)
    stem = image_id[:12]
    return [
        Instance(instance_id=f"{stem}-a", shape=Shape.BOX, box=box, transcription="AB?2", **common),
        Instance(
            instance_id=f"{stem}-b",
            shape=Shape.POLYGON,
            box=Box(x_min=150, y_min=40, x_max=220, y_max=130),
            rings=(ring,),
            **common,
        ),
        Instance(
            instance_id=f"{stem}-c",
            shape=Shape.MASK,
            box=Box(x_min=40, y_min=60, x_max=100, y_max=140),
            mask_rle=encode_mask(mask),
            **common,
        ),
        Instance(
            instance_id=f"{stem}-d",
            shape=Shape.KEYPOINT,
            keypoints=(Keypoint(name="tip", x_px=180, y_px=130),),
            **common,
        ),
    ]


def _image_row(layout: Layout, seed: int, case: dict[str, Any]) -> dict[str, Any]:
    data = draw(seed)
    digest = sha256_hex(data)
    origin, folder = case.get("origin", "real"), case.get("folder", "01_intake/c1")
    path = layout.data / folder / "images" / digest[:2] / f"{digest}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    parent = case.get("parent")
    return {
        "image_id": digest if "folder" in case else sha256_hex(f"original {seed}".encode()),
        "origin": origin,
        "path": path.relative_to(layout.data).as_posix(),
        "file_sha256": digest,
        "width_px": SIZE_WH[0],
        "height_px": SIZE_WH[1],
        "licence": "CC0-1.0" if origin == "rendered" else "CC-BY-4.0",
        "work_key": f"key-{seed}",
        "contribution_id": None if origin == "rendered" else "c1",
        "partner_id": None if origin == "rendered" else "north-lab",
        "seizure_id": None if origin == "rendered" else f"seizure-{seed if parent is None else parent}",
        "parent_image_id": None if parent is None else sha256_hex(f"original {parent}".encode()),
        "group_id": f"group-{seed if parent is None else parent}",
        "split": case["split"],
        "excluded": case.get("excluded"),
    }


def _make(root: Path) -> Layout:
    layout = Layout(root)
    images: dict[str, list[Any]] = {"04_curation": [], "05_synthesis": [], "06_augmentation": []}
    instances: dict[str, list[Any]] = {"03_adjudication": [], "05_synthesis": [], "06_augmentation": []}
    labelled = []
    for seed, case in enumerate(CASES):
        row = _image_row(layout, seed, case)
        images[case.get("folder", "04_curation")].append(row)
        decided = {"real": "agreement"}.get(row["origin"], row["origin"])
        found = _instances(row["image_id"], case.get("category", "part.frame"), decided)
        instances[case.get("folder", "03_adjudication")] += [instance_row(instance) for instance in found]
        status = case.get("status", "agreed")
        if status and "folder" not in case:
            labelled.append({"image_id": row["image_id"], "annotators": 2, "status": status})
    for folder, rows in images.items():
        rows.sort(key=lambda row: str(row["image_id"]))
        write_table(layout.data / folder / "images.parquet", IMAGES, rows)
    for folder, rows in instances.items():
        rows.sort(key=lambda row: str(row["instance_id"]))
        write_table(layout.data / folder / "instances.parquet", INSTANCES, rows)
    write_table(layout.adjudication / "labelled.parquet", LABELLED, labelled)
    (layout.adjudication / "agreement.json").write_text(json.dumps({"alpha": 0.91, "images": 5}))
    contribution = layout.deliveries / "c1"
    contribution.mkdir(parents=True)
    (contribution / "contribution.json").write_text(json.dumps({"contribution_id": "c1", "terms": {}}))
    seizures = [
        {"seizure_id": f"seizure-{seed}", "contribution_id": "c1", "event_type": "seized", "country": "BR"}
        for seed in range(4)
    ]
    write_table(contribution / "seizures.parquet", SEIZURES, seizures)
    layout.label_configs.mkdir()
    shutil.copy(ROOT / "label_configs" / "taxonomy.yaml", layout.label_configs)
    return layout


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    """The taxonomy of the repository."""
    text = (ROOT / "label_configs" / "taxonomy.yaml").read_text(encoding="utf-8")
    return Taxonomy.from_mapping(yaml.safe_load(text))


@pytest.fixture
def make_workspace() -> Callable[[Path], Layout]:
    """Make the drawn workspace at a folder."""
    return _make


@pytest.fixture
def run_assemble(taxonomy: Taxonomy) -> Callable[..., Assembled]:
    """Assemble a workspace's release, perhaps with other parameters."""

    def run(layout: Layout, **params: Any) -> Assembled:
        return assemble(layout, PARAMS | params, taxonomy, draw=real_draw())

    return run


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The drawn workspace, nothing assembled yet."""
    return _make(tmp_path / "workspace")


@pytest.fixture(scope="session")
def assembled(tmp_path_factory: pytest.TempPathFactory, taxonomy: Taxonomy) -> Layout:
    """The drawn workspace with its release assembled; tests only read it."""
    layout = _make(tmp_path_factory.mktemp("drawn") / "workspace")
    assemble(layout, PARAMS, taxonomy, draw=real_draw())
    return layout


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, assembled: Layout) -> Path:
    """An exported bundle of the drawn release, signed with a ledger's key."""
    home = tmp_path_factory.mktemp("bundle")
    ledger = Ledger.open(home / "custody")
    other = [Event(kind="receive", actor="a", reason=str(n)) for n in range(5)]
    ledger.append(other, now=datetime(2026, 1, 1, tzinfo=UTC))
    digest = manifest_digest(assembled.release)
    document = statement(
        name="v1",
        manifest_sha256=digest,
        inputs={"dvc.lock": "0" * 64},
        code_version="0",
        counts={"images": 7},
        ledger=enter_release(ledger, "v1", digest),
    )
    (home / "record.json").write_bytes(envelope_bytes(document, ledger.sign))
    record = read_record(home / "record.json")
    write_bundle(home / "v1", assembled.release, home / "record.json", record, ledger.public_key_pem())
    return home / "v1"
