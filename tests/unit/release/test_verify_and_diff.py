"""A release verifies until anything about it changes; two releases compare object by object."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.cli.release_ledger import enter_release, ledger_problem
from workbench.custody.keys import verify_signature
from workbench.custody.ledger import Ledger
from workbench.domain.findings import BadUsage, Refused
from workbench.layout import Layout
from workbench.release.diff import Tables, diff_releases, read_tables
from workbench.release.places import FolderFiles
from workbench.release.record import read_record, require_name
from workbench.release.same import same_values
from workbench.release.verify import check_release
from workbench.tables import IMAGES, INSTANCES

Run = Callable[..., dict[str, Any]]


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


def tables(folder: Path) -> Tables:
    return read_tables(FolderFiles(folder))


def rows_as_tables(images: list[dict[str, Any]], instances: list[dict[str, Any]]) -> Tables:
    return Tables(
        images=pa.Table.from_pylist(images, schema=IMAGES), instances=pa.Table.from_pylist(instances, schema=INSTANCES)
    )


def test_a_release_is_equal_to_itself(assembled: Layout, bundle: Path) -> None:
    counts = diff_releases(tables(assembled.release), tables(bundle / "data")).counts()
    assert (counts["images_kept"], counts["instances_kept"]) == (7, 28)
    assert sum(counts.values()) == 35


def test_every_kind_of_change_is_told_apart(assembled: Layout) -> None:
    whole = tables(assembled.release)
    images, instances = whole.images.to_pylist(), whole.instances.to_pylist()
    gone = images[0]["image_id"]
    kept = images[1]["image_id"]
    later = [dict(row) for row in images[1:]] + [images[0] | {"image_id": "new"}]
    was = later[0]["split"]
    later[0]["split"] = "elsewhere"
    rows = {row["shape"]: dict(row) for row in instances if row["image_id"] == kept}
    rows["box"] |= {
        "category": "part.slide",
        "instance_id": "renamed",
        "annotator": "second",
        "decided_by": "adjudication",
    }
    rows["polygon"] |= {"x_max": rows["polygon"]["x_max"] - 5, "instance_id": "renamed too"}
    rows["mask"] |= {"facets": '{"material":"steel"}'}
    rows["keypoint"] |= {"instance_id": "renamed as well"}
    diff = diff_releases(whole, rows_as_tables(later, list(rows.values())), reasons={gone: "excluded: blurred"})
    by_change = {change: frame.to_dict("records") for change, frame in diff.images.groupby("change")}
    assert [(row["image_id"], row["reason"]) for row in by_change["removed"]] == [(gone, "excluded: blurred")]
    assert [row["image_id"] for row in by_change["added"]] == ["new"]
    moved = by_change["moved"][0]
    assert (moved["image_id"], moved["split_old"], moved["split_new"]) == (kept, was, "elsewhere")
    assert kept in {row["image_id"] for row in by_change["relabelled"]}
    objects = {change: frame.to_dict("records") for change, frame in diff.instances.groupby("change")}
    reclassed = objects["reclassed"][0]
    assert (reclassed["image_id"], reclassed["category_new"]) == (kept, "part.slide")
    assert (reclassed["annotator_new"], reclassed["decided_by_new"]) == ("second", "adjudication")
    assert [(row["image_id"], round(row["iou"], 3)) for row in objects["reshaped"]] == [(kept, round(65 / 70, 3))]
    assert [row["category_new"] for row in objects["restated"]] == [rows["mask"]["category"]]
    assert diff.instances_kept == 1  # the point, under another id
    assert len(objects["removed"]) == 28 - 4
    assert diff.classes.set_index("category").loc["part.slide"].tolist() == [0, 1]


def test_objects_that_compete_are_paired_for_the_greatest_overlap(assembled: Layout) -> None:
    whole = tables(assembled.release)
    image = whole.images.to_pylist()[0]
    box = next(row for row in whole.instances.to_pylist() if row["shape"] == "box")
    box |= {"image_id": image["image_id"], "y_min": 0.0, "y_max": 10.0}
    spans = {"a": (0.0, 10.0), "b": (4.0, 14.0)}
    later = {"c": (1.0, 11.0), "d": (2.0, 12.0)}  # c lies nearer to a; a alone would take either

    def made(named: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
        return [box | {"instance_id": key, "x_min": low, "x_max": high} for key, (low, high) in named.items()]

    found = diff_releases(rows_as_tables([image], made(spans)), rows_as_tables([image], made(later))).instances
    assert list(zip(found["instance_id_old"], found["instance_id_new"], strict=True)) == [("a", "c"), ("b", "d")]
    assert set(found["change"]) == {"reshaped"}


@given(
    st.lists(st.lists(st.lists(st.floats(0, 9, width=16), max_size=3), max_size=2) | st.none(), min_size=1, max_size=8)
)
def test_nested_values_compare_as_python_compares_them(rows: list[Any]) -> None:
    other = [*rows[1:], rows[0]]
    kind = pa.list_(pa.list_(pa.float64()))
    equal = same_values(pa.array(rows, kind), pa.array(other, kind))
    assert equal.tolist() == [a == b for a, b in zip(rows, other, strict=True)]


def test_the_diff_command_compares_two_folders_without_a_workspace(
    assembled: Layout, bundle: Path, workbench: Run
) -> None:
    answer = workbench("release", "diff", bundle, assembled.release)
    assert answer["data"]["counts"]["images_moved"] == 0
    assert "0 of 7 in both moved" in answer["summary"]
