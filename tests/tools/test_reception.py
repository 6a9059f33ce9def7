"""Reception and intake on what nobody here made: awkward images, and the BagIt conformance suite."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from collections import Counter
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


#: What the suite's folders call for. Bags of `warning` are valid, made carelessly; those of `windows-only` reach
#: outside the bag on another system, so that either answer is right on this one.
_RIGHT = {"valid": True, "warning": True, "invalid": False, "linux-only": False}


def _bags(suite: Path) -> list[tuple[str, Path]]:
    """Return (kind, bag) of the suite; one of its bags has a folder for a declaration."""
    return [(bag.parent.name, bag) for bag in sorted(suite.glob("v*/*/*")) if bag.is_dir()]


#: Bags of the suite that a copy of it on some systems holds otherwise than they were made: of two names that differ in
#: case or in their form of Unicode only one is left, and files that systems strew about are cleared away.
_HARMED_BY_COPYING = {
    "duplicate-file-with-different-case",
    "same-filename-listed-twice-with-different-normalization",
    "special-system-files",
}


def test_the_bagit_conformance_suite_gets_the_right_answers(shared_data: Path) -> None:
    suite = shared_data / "peers" / "bagit-conformance"
    seen, wrong = Counter[str](), []
    for kind, bag in _bags(suite):
        seen[kind] += 1
        assert bagit.is_bag(bag), bag
        try:
            bagit.validate_bag(bag)
            said = None
        except Refused as error:
            said = str(error)
            if bag.name in _HARMED_BY_COPYING:
                continue
        if (said is None) is not _RIGHT.get(kind, said is None):
            wrong.append((kind, bag.name, said))
    assert not wrong
    assert seen == {"valid": 27, "warning": 6, "invalid": 15, "linux-only": 6, "windows-only": 6}


def test_a_bag_s_fetch_file_is_never_followed(shared_data: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(shared_data / "peers" / "bagit-conformance" / "v0.97" / "valid" / "holey-bag", bag)
    assert bagit.validate_bag(bag) == bag / "data"
    (bag / "data" / "dir1" / "test3.txt").unlink()
    with pytest.raises(Refused, match="never fetched"):
        bagit.validate_bag(bag)


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


@pytest.fixture(scope="module")
def fresh(workbench: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "workspace"
    workbench("init", folder)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", folder)
    return folder


@pytest.fixture
def root(fresh: Path, tmp_path: Path) -> Path:
    """Return a workspace with one partner; a copy, since making one takes git and DVC some seconds."""
    return shutil.copytree(fresh, tmp_path / "workspace", symlinks=True)


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


def test_each_file_s_fate_is_told_in_the_partner_s_own_words(
    workbench: Run, root: Path, tmp_path: Path, draw_photograph: Callable[..., dict[str, Any]], shared_data: Path
) -> None:
    delivery = tmp_path / "d"
    draw_photograph(delivery / "sound.jpg", seed=1)
    tricky = shared_data / "tricky-images"
    for source in ("mitra/poly11_jpg+rar_cavity.jpg", "sharp/animated-loop-3.webp"):
        shutil.copy(tricky / source, delivery / Path(source).name)
    sound = (delivery / "sound.jpg").read_bytes()
    (delivery / "Fall Meier.jpg").write_bytes(sound[:-400])
    (delivery / "trailing.jpg").write_bytes(sound + b"more than the picture")
    cid = workbench("receive", delivery, "--partner", "lab", "--workspace", root)["data"]["contribution_id"]
    answer = workbench("intake", "--workspace", root)
    assert answer["data"] == {"admitted": 3, "quarantined": 2, "remarks": 2, "faces": 0}
    assert all("Meier" not in str(finding) for finding in answer["findings"])
    folder = root / "custody" / "receipts" / cid
    page, report = (folder / "report.html").read_text(), json.loads((folder / "report.json").read_text())
    fates = {file["names"][0]: (file["reason"] or {}).get("code") for file in report["files"]}
    assert fates == {
        "Fall Meier.jpg": "intake.truncated",
        "animated-loop-3.webp": None,
        "poly11_jpg+rar_cavity.jpg": "intake.polyglot",
        "sound.jpg": None,
        "trailing.jpg": None,
    }
    assert "Fall Meier.jpg" in page
    assert "10 pictures" in page
    assert "21 bytes follow" in page
    (folder / "report.html").unlink()
    workbench("quarantine", cid, "--workspace", root, "--dry-run")
    assert not (folder / "report.html").exists()
    workbench("quarantine", "--workspace", root)
    assert (folder / "report.html").read_text() == page
    workbench("quarantine", "c-none", "--workspace", root, expect=1)
    outside = [path for path in root.rglob("*") if path.is_file() and "receipts" not in path.parts]
    assert not [path for path in outside if b"Fall Meier" in path.read_bytes()]


def test_a_film_is_admitted_as_its_frames(
    workbench: Run, root: Path, tmp_path: Path, draw_photograph: Callable[..., dict[str, Any]]
) -> None:
    delivery = tmp_path / "d"
    draw_photograph(delivery / "a.jpg", seed=1)
    _write_film(delivery / "walk.mp4", scenes=3)
    workbench("receive", delivery, "--partner", "lab", "--workspace", root)
    answer = workbench("intake", "--workspace", root)
    assert (answer["data"]["admitted"], answer["data"]["quarantined"]) == (4, 0)
    (folder,) = (root / "data" / "01_intake").iterdir()
    images_rows = pd.read_parquet(folder / "images.parquet")
    film = hashlib.sha256((delivery / "walk.mp4").read_bytes()).hexdigest()
    frames = images_rows[images_rows["source_image_id"] == film]
    assert frames["frame_time_s"].tolist() == [0.0, 2.0, 4.0]
    assert frames["image_id"].nunique() == 3
    assert all((root / "data" / path).is_file() for path in frames["path"])
    files = pd.read_parquet(root / "data" / "00_deliveries" / folder.name / "files.parquet")
    assert set(images_rows["source_image_id"].fillna(images_rows["image_id"])) == set(files["image_id"])
    assert workbench("intake", "--workspace", root, "--dry-run")["data"] == {"to_inspect": 0, "known": 2}
    (root / "data" / frames["path"].iloc[1]).unlink()  # of a film all frames hold, or none
    assert workbench("intake", "--workspace", root, "--dry-run")["data"] == {"to_inspect": 1, "known": 1}
    entries = [e for e in workbench("ledger", "show", "--workspace", root)["data"]["entries"] if e["kind"] == "admit"]
    assert {entry["object_sha256"] for entry in entries} == {film, *images_rows["image_id"]}
    receipt = json.loads((root / "custody" / "receipts" / folder.name / "receipt.json").read_text())
    verdicts = {file["sha256"]: file["verdict"]["status"] for file in receipt["files"]}
    assert verdicts[film] == "admitted"  # the film too, though its frames are what was admitted
    workbench("ledger", "verify", "--objects", "--workspace", root)


def _write_film(path: Path, *, scenes: int) -> None:
    import av

    with av.open(path, "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(scenes * 20):
            pixels = np.random.default_rng(number // 20).integers(0, 255, (6, 10, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels.repeat(16, axis=0).repeat(16, axis=1), format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
