"""A release verifies until anything about it changes; two releases compare object by object."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.release_ledger import enter_release, ledger_problem
from workbench.custody.keys import verify_signature
from workbench.custody.ledger import Event, Ledger
from workbench.domain.findings import BadUsage, Refused
from workbench.layout import Layout
from workbench.release.bundle import write_bundle
from workbench.release.diff import diff_releases, read_release_rows
from workbench.release.manifest import manifest_digest
from workbench.release.record import envelope_bytes, read_record, require_name, statement
from workbench.release.verify import check_release

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
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


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """The bundle, to be spoilt."""
    shutil.copytree(bundle, tmp_path / "copy")
    return tmp_path / "copy"


def codes(bundle: Path) -> list[str]:
    findings = check_release(
        bundle / "data",
        read_record(bundle / "record.json"),
        (bundle / "public_key.pem").read_text(),
        verify_signature=verify_signature,
        ledger_problem=ledger_problem,
    )
    return [finding.code for finding in findings]


def test_a_bundle_verifies_without_a_workspace(
    bundle: Path, workbench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = workbench("release", "verify", bundle, "--key", bundle / "public_key.pem")
    assert answer["data"]["sound"] is True
    assert answer["findings"] == []
    assert "--key" in workbench("release", "verify", bundle)["findings"][0]["remedy"]


def test_any_one_byte_changed_is_found_and_its_file_named(copy: Path) -> None:
    rng = random.Random(8)
    files = sorted(path for path in (copy / "data").rglob("*") if path.is_file() and path.stat().st_size)
    for _ in range(50):
        victim = rng.choice(files)
        sound = victim.read_bytes()
        position = rng.randrange(len(sound))
        spoilt = bytearray(sound)
        spoilt[position] ^= 1 << rng.randrange(8)
        victim.write_bytes(spoilt)
        assert codes(copy), f"{victim} at {position}"
        victim.write_bytes(sound)
    assert codes(copy) == []


def test_any_one_byte_of_the_record_changed_is_found(copy: Path) -> None:
    rng = random.Random(9)
    path = copy / "record.json"
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"])
    for _ in range(50):
        spoilt = bytearray(payload)
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(7)
        path.write_text(json.dumps(envelope | {"payload": base64.b64encode(spoilt).decode()}))
        try:
            found = codes(copy)
        except Refused as error:
            found = [finding.code for finding in error.findings]
        assert found


def test_missing_extra_and_linked_files_are_found(copy: Path) -> None:
    picture = next((copy / "data" / "images").rglob("*.jpg"))
    kept = copy / "kept.jpg"
    picture.rename(kept)
    assert codes(copy) == ["release.file-missing"]
    picture.symlink_to(kept)
    assert codes(copy) == ["release.file-altered"]
    picture.unlink()
    kept.rename(picture)
    (copy / "data" / "images" / "extra.jpg").write_bytes(b"")
    assert codes(copy) == ["release.file-extra"]


def test_a_manifest_rewritten_to_fit_altered_files_is_found(copy: Path) -> None:
    card = copy / "data" / "card.md"
    old = hashlib.sha256(card.read_bytes()).hexdigest()
    card.write_text("another card")
    listing = copy / "data" / "MANIFEST.sha256"
    listing.write_text(listing.read_text().replace(old, hashlib.sha256(card.read_bytes()).hexdigest()))
    assert codes(copy) == ["release.manifest-altered"]


def test_a_manifest_that_reaches_out_of_its_folder_is_refused(copy: Path) -> None:
    listing = copy / "data" / "MANIFEST.sha256"
    listing.write_text(f"{'0' * 64}  ../record.json\n")
    assert codes(copy) == ["release.manifest-missing"]


def test_another_key_signs_nothing(copy: Path, tmp_path: Path) -> None:
    (copy / "public_key.pem").write_text(Ledger.open(tmp_path / "other").public_key_pem())
    assert codes(copy) == ["release.signature-invalid", "release.proof-invalid"]


def test_a_name_in_the_ledger_stands_for_one_set_of_data(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    first = enter_release(ledger, "v1", "a" * 64)
    assert enter_release(ledger, "v1", "a" * 64)["entry"] == first["entry"]
    with pytest.raises(Refused, match=r"release\.name-taken"):
        enter_release(ledger, "v1", "b" * 64)


def test_the_commands_in_the_how_to_work_and_find_a_change(copy: Path) -> None:
    howto = (copy / "HOWTO-VERIFY.txt").read_text()
    lines = [line.strip() for line in howto.splitlines() if line.startswith("     ")]
    assert len(lines) == 6
    script = "\n".join(["set -e", *lines]).replace("/tmp/found.txt", str(copy.parent / "found.txt"))
    done = subprocess.run(["bash", "-c", script], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    (copy / "data" / "extra").write_text("x")
    assert subprocess.run(["bash", "-c", script], cwd=copy, capture_output=True, check=False).returncode
    (copy / "data" / "extra").unlink()
    (copy / "record.signed").write_bytes((copy / "record.signed").read_bytes() + b" ")
    assert subprocess.run(["bash", "-c", script], cwd=copy, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", ["", "-v1", "a/b", "a..b", "v1.", "v 1", "x.lock", "é", "a" * 65])
def test_a_name_git_or_a_file_system_would_stumble_over_is_refused(name: str) -> None:
    with pytest.raises(BadUsage, match=r"release\.bad-name"):
        require_name(name)


def test_a_release_is_equal_to_itself(assembled: Layout, bundle: Path) -> None:
    diff = diff_releases(read_release_rows(assembled.release), read_release_rows(bundle)).counts()
    assert (diff["images_kept"], diff["instances_kept"]) == (7, 28)
    assert sum(diff.values()) == 35


def test_every_kind_of_change_is_told_apart(assembled: Layout) -> None:
    images, instances = read_release_rows(assembled.release)
    gone = images[0]["image_id"]
    kept = images[1]["image_id"]
    later = [dict(row) for row in images[1:]] + [images[0] | {"image_id": "new"}]
    was = later[0]["split"]
    later[0]["split"] = "elsewhere"
    rows = {row["shape"]: dict(row) for row in instances if row["image_id"] == kept}
    rows["box"] |= {"category": "part.slide", "instance_id": "renamed"}
    rows["polygon"] |= {"x_max": rows["polygon"]["x_max"] - 5, "instance_id": "renamed too"}
    rows.pop("keypoint")
    diff = diff_releases((images, instances), (later, list(rows.values())))
    assert diff.images_removed == (gone,)
    assert diff.images_added == ("new",)
    assert diff.images_moved == ((kept, was, "elsewhere"),)
    assert [(image, new) for image, _, new in diff.instances_reclassed] == [(kept, "part.slide")]
    assert [(image, round(iou, 3)) for image, _, iou in diff.instances_reshaped] == [(kept, round(65 / 70, 3))]
    assert diff.instances_kept == 1
    assert len(diff.instances_removed) == 28 - 3


def test_the_diff_command_compares_two_folders_without_a_workspace(
    assembled: Layout, bundle: Path, workbench: Run
) -> None:
    answer = workbench("release", "diff", bundle, assembled.release)
    assert answer["data"]["counts"]["images_moved"] == 0
    assert "0 of those moved" in answer["summary"]
