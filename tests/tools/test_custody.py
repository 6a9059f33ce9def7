"""The commands of custody on a real workspace: receipts with verdicts, proofs, exports, fixity, the way to an original."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import originals
from workbench.tables import IMAGES, read_rows, write_table

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]
Draw = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory, workbench: Run, draw_photograph: Draw) -> tuple[Path, Path, str]:
    """A workspace that took in two photographs and a text file; workspace, delivery, contribution."""
    home = tmp_path_factory.mktemp("custody")
    root, delivery = home / "workspace", home / "delivery"
    for seed in range(2):
        draw_photograph(delivery / f"{seed}.jpg", seed=seed)
    (delivery / "notes.txt").write_text("no picture")
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", root)
    cid = workbench("receive", delivery, "--partner", "lab", "--workspace", root)["data"]["contribution_id"]
    return root, delivery, cid


@pytest.fixture(scope="module")
def inspected(received: tuple[Path, Path, str], workbench: Run) -> tuple[Path, Path, str]:
    """The same after intake."""
    root, _, cid = received
    first = _receipt(root, cid).read_bytes()
    (root.parent / "first.json").write_bytes(first)
    workbench("intake", "--workspace", root)
    return received


def _receipt(root: Path, cid: str) -> Path:
    return root / "custody" / "receipts" / cid / "receipt.json"


def _kinds(workbench: Run, root: Path) -> list[str]:
    entries = workbench("ledger", "show", "--limit", 1000, "--workspace", root)["data"]["entries"]
    return [entry["kind"] for entry in entries]


def _image_id(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_intake_writes_the_receipt_anew_with_its_verdicts(inspected: tuple[Path, Path, str], workbench: Run) -> None:
    root, delivery, cid = inspected
    told = json.loads(_receipt(root, cid).read_text())
    verdicts = {file["names"][0]: file["verdict"]["status"] for file in told["files"]}
    assert verdicts == {"0.jpg": "admitted", "1.jpg": "admitted", "notes.txt": "quarantined"}
    before = _receipt(root, cid).read_bytes()
    workbench("intake", "--workspace", root)
    workbench("receipt", "show", cid, "--workspace", root)
    assert _receipt(root, cid).read_bytes() == before
    answer = workbench("receipt", "verify", _receipt(root, cid), "--files", delivery, "--workspace", root)
    assert answer["findings"] == []


def test_an_interrupted_reissue_is_made_up_for_by_the_next_intake(
    inspected: tuple[Path, Path, str], workbench: Run
) -> None:
    root, _, cid = inspected
    sound = _receipt(root, cid).read_bytes()
    _receipt(root, cid).write_bytes((root.parent / "first.json").read_bytes())
    workbench("intake", "--workspace", root)
    assert _receipt(root, cid).read_bytes() == sound


def test_a_receipt_verifies_where_there_is_no_workspace(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, delivery, cid = inspected
    shutil.copy(_receipt(root, cid), tmp_path / "receipt.json")
    key = tmp_path / "key.pem"
    key.write_text(json.loads(_receipt(root, cid).read_text())["public_key"])
    monkeypatch.chdir(tmp_path)
    answer = workbench("receipt", "verify", "receipt.json", "--key", key, "--files", delivery)
    assert (answer["data"]["sound"], answer["findings"]) == (True, [])
    alone = workbench("receipt", "verify", "receipt.json")
    assert [finding["code"] for finding in alone["findings"]] == ["custody.receipt-own-key"]
    workbench("receipt", "verify", "nowhere.json", expect=1)
    workbench("receipt", "verify", "receipt.json", "--key", "receipt.json", expect=2)
    workbench("receipt", "verify", "receipt.json", "--files", "receipt.json", expect=2)


def test_a_proof_and_an_export_verify_elsewhere(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path
) -> None:
    root, delivery, _ = inspected
    at = ("--workspace", root)
    image_id = _image_id(delivery / "0.jpg")
    told = workbench("ledger", "prove", image_id[:10], "--out", tmp_path / "proof.json", *at)["data"]
    assert [entry["said"]["kind"] for entry in told["entries"]] == ["receive", "admit"]
    assert workbench("receipt", "verify", tmp_path / "proof.json", *at)["findings"] == []
    (tmp_path / "proof.json").write_text((tmp_path / "proof.json").read_text().replace('"receive"', '"release"', 1))
    workbench("receipt", "verify", tmp_path / "proof.json", *at, expect=1)
    assert workbench("ledger", "prove", "0", *at)["data"]["entries"][0]["said"]["kind"] == "partner"
    workbench("ledger", "prove", "0" * 12, *at, expect=1)
    workbench("ledger", "prove", "99999", *at, expect=1)
    workbench("ledger", "prove", "no id", *at, expect=2)
    workbench("ledger", "export", tmp_path / "planned", "--dry-run", *at)
    assert not (tmp_path / "planned").exists()
    workbench("ledger", "export", tmp_path / "out", *at)
    # the checkpoint of the partner's receipt, put beside the others, is checked with them
    first = json.loads((root.parent / "first.json").read_text())["checkpoint"]
    (tmp_path / "out" / "checkpoints" / "receipt.txt").write_text(first)
    done = subprocess.run(["sh", "out/verify-ledger.sh"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert workbench("ledger", "checkpoint", *at)["data"]["fingerprint"] in done.stdout


def test_an_original_is_entered_as_viewed_before_its_bytes_are_handed_out(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, delivery, _ = inspected
    at = ("--workspace", root)
    image_id = _image_id(delivery / "1.jpg")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    before = _kinds(workbench, root).count("view_original")
    monkeypatch.setattr(originals, "_hand_out", killed)
    workbench("view-original", image_id[:12], "--reason", "a look", "--dry-run", *at)
    with pytest.raises(KeyboardInterrupt):
        originals.view_original(
            image_id[:12], workspace=originals.Workspace.find(root), reason="a look", out=tmp_path / "x.jpg"
        )
    monkeypatch.undo()
    assert _kinds(workbench, root).count("view_original") == before + 1
    assert not (tmp_path / "x.jpg").exists()
    answer = workbench("view-original", image_id[:12], "--reason", "read the  headstamp", *at)
    path = Path(answer["data"]["path"])
    assert path.read_bytes() == (delivery / "1.jpg").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    entry = workbench("ledger", "show", "--limit", 1, *at)["data"]["entries"][0]
    assert (entry["kind"], entry["object_sha256"], entry["reason"]) == ("view_original", image_id, "read the headstamp")


def test_an_original_is_refused_without_a_reason_and_where_it_would_leak(
    inspected: tuple[Path, Path, str], workbench: Run
) -> None:
    root, delivery, _ = inspected
    at = ("--workspace", root)
    image_id = _image_id(delivery / "0.jpg")
    before = _kinds(workbench, root)
    workbench("view-original", image_id, "--reason", " .", *at, expect=2)
    for place in (root / "data" / "x.jpg", root / "x.jpg", root / "custody" / "keys" / "x", delivery / "0.jpg"):
        workbench("view-original", image_id, "--reason", "a look", "--out", place, *at, expect=2)
    workbench("view-original", image_id[:6], "--reason", "a look", *at, expect=2)
    workbench("view-original", "f" * 20, "--reason", "a look", *at, expect=1)
    assert _kinds(workbench, root) == before


def test_a_derived_image_leads_to_its_original(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path
) -> None:
    root, delivery, cid = inspected
    rows = read_rows(root / "data" / "01_intake" / cid / "images.parquet", IMAGES)
    image_id = _image_id(delivery / "0.jpg")
    row = next(row for row in rows if row["image_id"] == image_id)
    child = row | {"image_id": "c" * 64, "file_sha256": "c" * 64, "origin": "augmented", "parent_image_id": image_id}
    grandchild = child | {"image_id": "d" * 64, "file_sha256": "d" * 64, "parent_image_id": "c" * 64}
    frame = child | {
        "image_id": "e" * 64,
        "file_sha256": "e" * 64,
        "parent_image_id": None,
        "source_image_id": image_id,
    }
    write_table(root / "data" / "06_augmentation" / "images.parquet", IMAGES, [child, grandchild, frame])
    for number, image in enumerate(("c" * 64, "dddddddddd", "eeeeeeeeee", row["file_sha256"][:16])):
        out = tmp_path / f"{number}.jpg"
        answer = workbench("view-original", image, "--reason", "a look", "--out", out, "--workspace", root)
        assert answer["data"]["image_id"] == image_id
        assert out.read_bytes() == (delivery / "0.jpg").read_bytes()


def test_fixity_reads_back_reports_and_enters_what_it_found(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(inspected[0], root)
    at = ("--workspace", root)
    assert workbench("fixity", "--all", "--dry-run", *at)["data"]["due"] == 4
    assert not (root / "custody" / "fixity").exists()
    answer = workbench("fixity", "--all", *at)
    assert (answer["data"]["checked"], answer["data"]["altered"]) == (4, 0)
    place = next((root / "custody" / "objects").glob("c-*/??/*"))
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    answer = workbench("fixity", "--all", *at, expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["custody.object-altered"]
    entry = workbench("ledger", "show", "--limit", 1, *at)["data"]["entries"][0]
    assert entry["facts"] == {"total": 4, "checked": 4, "altered": 1, "missing": 0, "without_key": 0}
    report = Path(answer["data"]["report"]).with_suffix(".json")
    assert hashlib.sha256(report.read_bytes()).hexdigest() == entry["object_sha256"]
    assert workbench("fixity", *at, "--sample", "0.5", "--dry-run")["data"]["total"] == 4
    workbench("fixity", *at, "--sample", "2", expect=2)


def test_the_key_is_rotated_and_everything_before_it_still_verifies(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(inspected[0], root)
    at = ("--workspace", root)
    workbench("ledger", "rotate-key", "--reason", "-", *at, expect=2)
    planned = workbench("ledger", "rotate-key", "--reason", "yearly", "--dry-run", *at)["data"]["previous"]
    done = workbench("ledger", "rotate-key", "--reason", "yearly", *at)["data"]
    assert done["previous"] == planned != done["present"]
    assert workbench("ledger", "verify", "--objects", *at)["findings"] == []
    assert workbench("receipt", "verify", _receipt(root, inspected[2]), *at)["findings"] == []


def test_tampering_is_found_by_ledger_verify_through_receipts(
    inspected: tuple[Path, Path, str], workbench: Run, tmp_path: Path
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(inspected[0], root)
    at = ("--workspace", root)
    path = _receipt(root, inspected[2])
    sound = path.read_text()
    path.write_text(sound.replace("CC0-1.0", "CC9-9.9"))
    answer = workbench("ledger", "verify", "--objects", *at, expect=1)
    assert {finding["code"] for finding in answer["findings"]} == {"custody.receipt-invalid"}
    path.write_text(sound)
    # the whole ledger made anew, with the right key, by somebody who forgot the receipt
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (root / "custody" / name).unlink(missing_ok=True)
    shutil.rmtree(root / "custody" / "checkpoints")
    workbench("partner", "add", "new", "--name", "New", "--licence", "CC0-1.0", *at)
    answer = workbench("ledger", "verify", *at, expect=1)
    assert {finding["code"] for finding in answer["findings"]} == {"custody.ledger-altered"}
    answer = workbench("receipt", "verify", path, *at, expect=1)
    assert {finding["code"] for finding in answer["findings"]} == {"custody.ledger-altered"}
