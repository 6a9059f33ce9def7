"""Reception and intake on what nobody here made: awkward images, and the BagIt conformance suite."""

from __future__ import annotations

import hashlib
import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.adapters import bagit, images, spreadsheets
from workbench.cli.custody import delivered_names
from workbench.cli.wiring import Workspace
from workbench.custody.object_store import SealedStore
from workbench.domain.findings import Refused

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]

PARAMETERS = {"max_megapixels": 50, "max_side_px": 4096, "jpeg_quality": 95}


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
    # What another reader decodes to the end, under a name that fits, is admitted; PNGs only where they are whole.
    manifest = pd.read_csv(source / "manifest.csv")
    sound = manifest[(manifest["verdict"] == "ok") & manifest["fmt"].isin(["JPEG", "PNG", "WEBP", "TIFF", "BMP"])]
    refused = quarantine[quarantine["image_id"].isin(sound["sha256"])]
    assert set(refused["code"]) <= {"intake.extension-mismatch", "intake.too-large", "intake.decode-failed"}
    undecoded = set(refused.loc[refused["code"] == "intake.decode-failed", "image_id"])
    assert set(sound.loc[sound["sha256"].isin(undecoded), "fmt"]) <= {"PNG"}
    assert len(refused) <= 0.04 * len(sound)


def test_cameras_orientations_come_out_as_their_upright_sibling(shared_data: Path) -> None:
    folder = shared_data / "tricky-images" / "orientation"
    shown = {}
    for path in sorted(folder.glob("Landscape_[1-8].jpg")):
        copied = images.make_working_copy(path.read_bytes(), ".jpg", PARAMETERS)
        assert isinstance(copied, images.Copied)
        assert copied.orientation == int(path.stem[-1])
        shown[copied.orientation] = np.asarray(Image.open(io.BytesIO(copied.jpeg)), dtype=int)
    assert len(shown) == 8
    for picture in shown.values():
        assert picture.shape == shown[1].shape
        assert np.abs(picture - shown[1]).mean() < 4


@pytest.fixture
def root(workbench: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    workbench("init", folder)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", folder)
    return folder


def _delivery(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / f"{name}.jpg").write_bytes(data)
    return folder


def test_a_delivery_never_takes_in_the_workspace_s_own_keys(workbench: Run, root: Path) -> None:
    for path in (root, root / "custody", root.parent):
        answer = workbench("receive", path, "--partner", "lab", "--workspace", root, expect=2)
        assert answer["findings"][0]["code"] == "usage.bad-argument"
    assert not list((root / "data").rglob("files.parquet"))


def test_a_dry_run_and_what_is_refused_write_nothing(workbench: Run, root: Path, tmp_path: Path) -> None:
    delivery = _delivery(tmp_path / "d", a=b"one")
    before = sorted(path for path in root.rglob("*") if ".git" not in path.parts)
    at = ("--partner", "lab", "--workspace", root)
    workbench("receive", delivery, *at, "--dry-run")
    workbench("receive", delivery, *at, "--seizures", tmp_path, expect=2)
    workbench("receive", tmp_path / "nowhere", *at, expect=1)
    workbench("receive", delivery, "--partner", "stranger", "--workspace", root, expect=1)
    table = tmp_path / "t.csv"
    table.write_text("path,seizure_id\nz.jpg,s\n")
    workbench("receive", delivery, *at, "--seizures", table, expect=1)
    assert sorted(path for path in root.rglob("*") if ".git" not in path.parts) == before


def test_a_reception_cut_short_at_its_end_is_completed(workbench: Run, root: Path, tmp_path: Path) -> None:
    delivery = _delivery(tmp_path / "d", a=b"one", b=b"two")
    line = ("receive", delivery, "--partner", "lab", "--workspace", root)
    cid = workbench(*line)["data"]["contribution_id"]
    record, tracked = root / "data" / "00_deliveries" / cid / "contribution.json", root / "data" / "00_deliveries.dvc"
    said, followed = record.read_bytes(), tracked.read_bytes()
    entries = workbench("ledger", "show", "--workspace", root)["data"]["entries"]
    tracked.unlink()  # as if killed just before DVC heard of it
    assert "already" in workbench(*line)["summary"]
    assert tracked.read_bytes() == followed
    record.unlink()  # as if killed just before the record was complete
    time.sleep(1.1)  # the moment of reception is told in seconds
    assert "is received" in workbench(*line)["summary"]
    assert (record.read_bytes(), tracked.read_bytes()) == (said, followed)
    assert workbench("ledger", "show", "--workspace", root)["data"]["entries"] == entries


def test_one_name_in_two_deliveries_is_no_guess(workbench: Run, root: Path, tmp_path: Path) -> None:
    told = []
    for number, same in enumerate((b"one", b"another")):
        delivery = _delivery(tmp_path / f"d{number}", a=same, only=b"the same")
        told.append(workbench("receive", delivery, "--partner", "lab", "--workspace", root)["data"]["contribution_id"])
    names = delivered_names(Workspace.find(root))
    assert set(names) == {"only.jpg", *(f"{cid}/a.jpg" for cid in told)}
    assert names[f"{told[0]}/a.jpg"] == hashlib.sha256(b"one").hexdigest()


def test_a_lost_list_of_names_is_noticed(workbench: Run, root: Path, tmp_path: Path) -> None:
    workbench("receive", _delivery(tmp_path / "d", a=b"one"), "--partner", "lab", "--workspace", root)
    (reference,) = (root / "custody" / "names").iterdir()
    listed = reference.read_text()
    (root / "custody" / "objects" / reference.name / listed[:2] / listed).unlink()
    answer = workbench("ledger", "verify", "--objects", "--workspace", root, expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["custody.object-missing"]


def test_links_are_passed_over_and_told_of(workbench: Run, root: Path, tmp_path: Path) -> None:
    delivery = _delivery(tmp_path / "d", a=b"one")
    (delivery / "b.jpg").symlink_to("/etc/passwd")
    answer = workbench("receive", delivery, "--partner", "lab", "--workspace", root)
    assert answer["data"]["files"] == 1
    assert [(f["code"], f["subject"]) for f in answer["findings"]] == [("intake.link-passed-over", "b.jpg")]


def test_a_spreadsheet_inside_the_delivery_is_read_as_its_table(workbench: Run, root: Path, tmp_path: Path) -> None:
    delivery = _delivery(tmp_path / "d", a=b"one", b=b"two")
    workbench("reference", "template", delivery / "seizures.xlsx")
    workbench("receive", delivery, "--partner", "lab", "--workspace", root)  # an empty table tells nothing
    spreadsheets.prepare()
    import openpyxl

    delivery = _delivery(tmp_path / "e", a=b"one", b=b"another")
    book = openpyxl.load_workbook(tmp_path / "d" / "seizures.xlsx")
    header = [cell.value for cell in book["photographs"][1]]
    told = {"path": "a.jpg", "seizure_id": "s1", "item_id": "1", "view": "left", "country": "DE", "item_count": 2}
    book["photographs"].append([told.get(name) for name in header])
    book.save(delivery / "seizures.xlsx")
    answer = workbench("receive", delivery, "--partner", "lab", "--workspace", root)
    folder = root / "data" / "00_deliveries" / answer["data"]["contribution_id"]
    files = pd.read_parquet(folder / "files.parquet").set_index("image_id")
    row = files.loc[hashlib.sha256(b"one").hexdigest()]
    assert (row["seizure_id"], row["item_id"], row["view"]) == ("lab/s1", "lab/1", "left")
    assert pd.read_parquet(folder / "seizures.parquet")["country"].tolist() == ["DE"]
    assert pd.read_parquet(folder / "items.parquet")["item_id"].tolist() == ["lab/1"]
    book["photographs"]["B3"] = "=1+1"
    book.save(delivery / "seizures.xlsx")
    answer = workbench("receive", delivery, "--partner", "lab", "--workspace", root, expect=1)
    assert "a formula in column 2" in answer["findings"][0]["message"]


def test_a_second_copy_of_known_bytes_is_linked_and_outlives_the_first(
    workbench: Run, root: Path, tmp_path: Path
) -> None:
    at = ("--partner", "lab", "--workspace", root)
    first, second = (
        workbench("receive", _delivery(tmp_path / name, same=b"same" * 100, own=name.encode()), *at)["data"]
        for name in ("one", "two")
    )
    assert (first["linked"], second["linked"]) == (0, 1)
    image_id = hashlib.sha256(b"same" * 100).hexdigest()
    store = SealedStore(root / "custody")
    places = [root / "custody" / "objects" / d["contribution_id"] / image_id[:2] / image_id for d in (first, second)]
    assert places[0].samefile(places[1])
    assert store.release_links(first["contribution_id"]) == {image_id: [second["contribution_id"]]}
    (root / "custody" / "keys" / "contributions" / f"{first['contribution_id']}.lab").unlink()
    assert store.read(second["contribution_id"], image_id) == b"same" * 100


def test_a_known_delivery_with_another_table_is_told_of(workbench: Run, root: Path, tmp_path: Path) -> None:
    delivery, table = _delivery(tmp_path / "d", a=b"one"), tmp_path / "t.csv"
    line = ("receive", delivery, "--partner", "lab", "--seizures", table, "--workspace", root)
    codes = []
    for text in (
        "path,seizure_id,country\na.jpg,s1,DE\n",
        "path,seizure_id,country\na.jpg,s1,DE\n",
        "path,seizure_id\na.jpg,s1\n",
    ):
        table.write_text(text)
        codes.append([finding["code"] for finding in workbench(*line)["findings"]])
    assert codes == [[], [], ["intake.table-kept"]]
