"""Reception and intake on what nobody here made: awkward images, and the BagIt conformance suite."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.adapters import bagit
from workbench.domain.findings import Refused

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]


def _cases(suite: Path, kind: str) -> list[Path]:
    return sorted(path.parent for path in suite.glob(f"*/{kind}/*/bagit.txt"))


def test_the_bagit_conformance_suite_gets_the_right_answers(shared_data: Path) -> None:
    suite = shared_data / "peers" / "bagit-conformance"
    wrong = []
    for bag in _cases(suite, "valid"):
        try:
            bagit.validate_bag(bag)
        except Refused as error:
            # A bag that leaves files to be fetched is complete only after fetching, which is never done here.
            wrong += [] if (bag / "fetch.txt").is_file() else [(bag, str(error))]
    for bag in _cases(suite, "invalid"):
        with pytest.raises(Refused):
            bagit.validate_bag(bag)
    assert not wrong
    assert len(_cases(suite, "valid")) >= 10
    assert len(_cases(suite, "invalid")) >= 3


def test_every_awkward_image_gets_a_verdict(shared_data: Path, workbench: Run, tmp_path: Path) -> None:
    root, delivery = tmp_path / "workspace", tmp_path / "delivery"
    source = shared_data / "tricky-images"
    shutil.copytree(source, delivery, ignore=shutil.ignore_patterns("*.md", "*.csv"))
    distinct = {path.read_bytes() for path in delivery.rglob("*") if path.is_file()}
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", root)
    workbench("receive", delivery, "--partner", "lab", "--workspace", root)
    workbench("intake", "--workspace", root)
    (folder,) = (root / "data" / "01_intake").iterdir()
    images = pd.read_parquet(folder / "images.parquet")
    quarantine = pd.read_parquet(folder / "quarantine.parquet")
    assert len(images) + len(quarantine) == len(distinct)
    assert not set(images["image_id"]) & set(quarantine["image_id"])
    assert len(images) > 300
    # What another reader decodes to the end, under a name that fits, is admitted.
    manifest = pd.read_csv(source / "manifest.csv")
    sound = manifest[(manifest["verdict"] == "ok") & manifest["fmt"].isin(["JPEG", "PNG", "WEBP", "TIFF", "BMP"])]
    refused = quarantine[quarantine["image_id"].isin(sound["sha256"])]
    assert set(refused["code"]) <= {"intake.extension-mismatch", "intake.too-large", "intake.decode-failed"}
    assert len(refused) <= 0.1 * len(sound)
