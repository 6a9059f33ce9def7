"""One delivery's way to a verified release, step by step: read this first.

Labels come from an existing COCO file here, so the walk needs no browser; tests/tools/ has the real Label Studio.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory, draw_photograph: Callable[..., dict[str, Any]]) -> Path:
    """A partner's folder: eight photographs of four seizures, one of them lying on its side, one broken file."""
    folder = tmp_path_factory.mktemp("partner") / "delivery"
    seizures = ["path,seizure_id,item_id"]
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "pipe"}]}
    for number in range(8):
        name = f"IMG_{number:04d}.jpg"
        truth = draw_photograph(folder / name, seed=number, orientation=6 if number == 0 else 1)
        seizures.append(f"{name},seizure-{number // 2},item-{number}")
        width, height = truth["size_wh"]
        coco["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        for x_min, y_min, x_max, y_max in truth["boxes_xyxy"]:
            box = [x_min, y_min, x_max - x_min, y_max - y_min]
            entry = {"id": len(coco["annotations"]), "image_id": number, "category_id": 1, "bbox": box}
            coco["annotations"].append(entry | {"area": box[2] * box[3], "iscrowd": 0})
    (folder / "broken.jpg").write_bytes((folder / "IMG_0001.jpg").read_bytes()[:900])
    folder.with_name("seizures.csv").write_text("\n".join(seizures) + "\n")
    folder.with_name("labels.json").write_text(json.dumps(coco))
    folder.with_name("classes.yaml").write_text("pipe: negative.plumbing_or_tube\n")
    return folder


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, workbench: Run, delivery: Path) -> Path:
    """A workspace that has walked the whole way to release v1."""
    return walk_to_release(tmp_path_factory.mktemp("lab") / "workspace", workbench, delivery)


def walk_to_release(root: Path, workbench: Run, delivery: Path) -> Path:
    """Walk a delivery to release v1 in a new workspace; return the workspace."""
    at = ("--workspace", root)
    workbench("init", root)
    # Renders have their own tests; here the engine stays out, so that the walk takes seconds.
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("images: 12", "images: 0"))

    workbench("partner", "add", "north-lab", "--name", "Northern laboratory", "--licence", "CC-BY-4.0", *at)
    receipt = workbench(
        "receive", delivery, "--partner", "north-lab", "--seizures", delivery.with_name("seizures.csv"), *at
    )
    assert receipt["data"]["files"] == 9

    admitted = workbench("intake", *at)
    assert [finding["code"] for finding in admitted["findings"]] == ["intake.truncated"]

    labels, classes = delivery.with_name("labels.json"), delivery.with_name("classes.yaml")
    workbench("labelling", "import", labels, "--format", "coco", "--classes", classes, *at)
    workbench("adjudication", *at)
    workbench("curation", *at)
    workbench("release", "build", "v1", *at)
    return root


def test_every_delivered_file_is_admitted_or_quarantined(released: Path) -> None:
    (contribution,) = (released / "data" / "01_intake").iterdir()
    images = pd.read_parquet(contribution / "images.parquet")
    quarantine = pd.read_parquet(contribution / "quarantine.parquet")
    assert (len(images), len(quarantine)) == (8, 1)


def test_no_photograph_straddles_splits_with_its_seizure(released: Path) -> None:
    images = pd.read_parquet(released / "data" / "04_curation" / "images.parquet")
    assert (images.dropna(subset="split").groupby("seizure_id")["split"].nunique() == 1).all()


def test_the_release_holds_the_partner_s_labels_on_upright_pixels(released: Path) -> None:
    instances = pd.read_parquet(released / "data" / "07_release" / "instances.parquet")
    photographed = instances[instances["decided_by"] == "imported"]
    assert len(photographed) == 16
    assert set(photographed["category"]) == {"negative.plumbing_or_tube"}


def test_no_personal_metadata_leaves_the_sealed_original(released: Path, delivery: Path, canary: str) -> None:
    assert canary.encode() in (delivery / "IMG_0002.jpg").read_bytes()
    for file in (released / "data").rglob("*"):
        assert not file.is_file() or canary.encode() not in file.read_bytes(), file


def test_nothing_to_do_is_nothing_done(released: Path, workbench: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in (released / "data").rglob("*.parquet")}
    workbench("release", "build", "v1-again", "--dry-run", "--workspace", released)
    workbench("curation", "--workspace", released)
    assert {path: path.stat().st_mtime_ns for path in (released / "data").rglob("*.parquet")} == before


def test_the_release_verifies_until_any_byte_of_it_changes(released: Path, workbench: Run) -> None:
    workbench("release", "verify", "v1", "--workspace", released)
    victim = next((released / "data" / "07_release" / "images").rglob("*.jpg"))
    sound = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(sound[:-10] + bytes([sound[-10] ^ 1]) + sound[-9:])
    answer = workbench("release", "verify", "v1", "--workspace", released, expect=1)
    assert victim.name in answer["findings"][0]["subject"]
    victim.write_bytes(sound)
    workbench("release", "verify", "v1", "--workspace", released)


def test_the_same_delivery_again_changes_nothing(released: Path, workbench: Run, delivery: Path) -> None:
    arguments = ("--partner", "north-lab", "--seizures", delivery.with_name("seizures.csv"), "--workspace", released)
    again = workbench("receive", delivery, *arguments)
    assert "already" in again["summary"]


def test_the_ledger_is_sound(released: Path, workbench: Run) -> None:
    workbench("ledger", "verify", "--objects", "--workspace", released)


def test_the_same_inputs_give_the_same_bytes_in_another_workspace(
    released: Path, workbench: Run, delivery: Path, tmp_path: Path
) -> None:
    twin = walk_to_release(tmp_path / "elsewhere" / "twin", workbench, delivery)
    manifests = [(root / "data" / "07_release" / "MANIFEST.sha256").read_text() for root in (released, twin)]
    assert manifests[0] == manifests[1]
    assert len(manifests[0].splitlines()) > 20
