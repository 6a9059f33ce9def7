"""A program opens a release wherever it lies, and is never handed a byte that was not released."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.adapters.masks import decode_mask
from workbench.custody.keys import SigningKey
from workbench.domain.findings import BadUsage, Refused
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.release.bundle import write_bundle
from workbench.release.manifest import NAME as MANIFEST
from workbench.release.manifest import manifest_bytes, read_manifest
from workbench.release.record import read_record
from workbench.release.revocation import plan_revocations, write_revocations


@pytest.fixture
def copy(assembled: Layout, tmp_path: Path) -> Path:
    """The release's folder, to be changed."""
    import shutil

    shutil.copytree(assembled.release, tmp_path / "release")
    return tmp_path / "release"


def reseal(folder: Path) -> None:
    """Write the manifest of a changed folder anew."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    digests = {path.relative_to(folder).as_posix(): sha256_hex(path.read_bytes()) for path in files}
    (folder / MANIFEST).write_bytes(manifest_bytes(digests))


def add_shards(folder: Path, *, per_shard: int, keep_files: bool) -> None:
    """Write tar shards as WebDataset has them; perhaps take the loose pictures away."""
    (folder / "shards").mkdir()
    rows = pq.read_table(folder / "images.parquet").to_pylist()
    for split in ("train", "val", "test"):
        mine = [row for row in rows if row["split"] == split]
        for number, start in enumerate(range(0, len(mine), per_shard)):
            with tarfile.open(folder / "shards" / f"{split}-{number:05d}.tar", "w") as tar:
                for row in mine[start : start + per_shard]:
                    picture = (folder / row["path"]).read_bytes()
                    for suffix, data in ((".jpg", picture), (".json", json.dumps({"a": 1}).encode())):
                        member = tarfile.TarInfo(row["image_id"] + suffix)
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
                    if not keep_files:
                        (folder / row["path"]).unlink()
    reseal(folder)


def pixels(samples: Any) -> dict[str, bytes]:
    return {sample.image_id: sample.image_hwc.tobytes() for sample in samples}


def test_importing_the_package_costs_next_to_nothing() -> None:
    heavy = ("pandas", "numpy", "pyarrow", "cv2", "dvc", "torch")
    script = f"import sys, workbench; print(len([m for m in sys.modules if m.split('.')[0] in {heavy}]))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "0"


def test_tables_splits_and_categories_are_those_of_the_release(assembled: Layout) -> None:
    ds = workbench.open_release(assembled.release)
    assert (len(ds), len(ds.images), len(ds.instances)) == (7, 7, 28)
    assert ds.splits == {"train": 5, "val": 1, "test": 1}
    assert set(ds.instances["category"]) <= set(ds.categories)
    assert ds.facts["images"] == 7
    assert "train 5" in repr(ds)
    with pytest.raises(BadUsage, match="train, val, test"):
        ds.split("holdout")


def test_a_sample_has_the_pixels_and_the_labels_of_its_image(assembled: Layout) -> None:
    ds = workbench.open_release(assembled.release)
    instances = ds.instances
    for split, count in ds.splits.items():
        samples = ds.split(split)
        assert len(samples) == count
        for sample in samples:
            assert sample.image_hwc.shape == (240, 320, 3)
            own = instances[instances["image_id"] == sample.image_id]
            assert [i.instance_id for i in sample.instances] == sorted(own["instance_id"])
            assert [ds.categories[label] for label in sample.labels] == [i.category for i in sample.instances]
            target = sample.target()
            assert target["boxes"].shape == (3, 4)  # the lone point has none
            assert target["boxes"][0].tolist() == [40.25, 60.0, 100.5, 139.75]
            mask = next(i for i in sample.instances if i.mask_rle)
            wanted = decode_mask(str(mask.mask_rle), height_px=240, width_px=320)
            assert np.array_equal(target["masks"][2], wanted)


def test_folder_bundle_and_one_file_give_the_same(assembled: Layout, bundle: Path, tmp_path: Path) -> None:
    record = read_record(bundle / "record.json")
    key = bundle / "public_key.pem"
    write_bundle(tmp_path / "v1.zip", assembled.release, bundle / "record.json", record, key.read_text())
    opened = [
        workbench.open_release(assembled.release),
        workbench.open_release(bundle, key=key),
        workbench.open_release(tmp_path / "v1.zip", key=key),
    ]
    assert [ds.name for ds in opened[1:]] == ["v1", "v1"]
    assert pixels(opened[0]) == pixels(opened[1]) == pixels(opened[2])


def test_an_altered_picture_is_never_handed_out_unless_asked_for(copy: Path) -> None:
    ds = workbench.open_release(copy)
    row = ds.images[ds.images["split"] == "val"].iloc[0]
    picture = copy / row["path"]
    data = bytearray(picture.read_bytes())
    data[-30] ^= 1
    picture.write_bytes(data)
    assert len(ds.split("train")[0].instances) == 4  # others are still read
    with pytest.raises(Refused, match=r"release\.file-altered"):
        ds.split("val")[0]
    assert [finding.subject for finding in ds.check()] == [row["path"]]
    unchecked = workbench.open_release(copy, verify=False).split("val")[0]
    assert unchecked.image_id == row["image_id"]


def test_an_altered_table_is_refused(copy: Path) -> None:
    table = copy / "instances.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(Refused, match=r"release\.file-altered"):
        _ = workbench.open_release(copy).instances


def test_a_bundle_with_another_manifest_or_key_is_not_opened(bundle: Path, tmp_path: Path) -> None:
    import shutil

    from workbench.custody.ledger import Ledger

    shutil.copytree(bundle, tmp_path / "copy")
    other = tmp_path / "other.pem"
    other.write_text(Ledger.open(tmp_path / "custody").public_key_pem())
    with pytest.raises(Refused, match=r"release\.signature-invalid"):
        workbench.open_release(tmp_path / "copy", key=other)
    (tmp_path / "copy" / "data" / "card.md").write_text("another card")
    reseal(tmp_path / "copy" / "data")
    with pytest.raises(Refused, match=r"release\.manifest-altered"):
        workbench.open_release(tmp_path / "copy")


def test_what_is_no_release_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=r"release\.unknown-name"):
        workbench.open_release("v9")


def test_a_superseded_release_is_not_opened_nor_one_beside_a_forged_list(bundle: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(bundle, tmp_path / "copy")
    record = read_record(bundle / "record.json")
    signer = SigningKey.read(bundle.parent / "custody" / "keys" / "ledger.pem")
    listed = plan_revocations((), [record], contribution_id="c-1", reason="consent ended", at="2026-01-02")
    path = tmp_path / "copy" / "revocations.json"
    write_revocations(path, [], signer.sign)
    assert workbench.open_release(tmp_path / "copy").name == "v1"
    write_revocations(path, listed, signer.sign)
    with pytest.raises(Refused, match="consent ended"):
        workbench.open_release(tmp_path / "copy")
    write_revocations(path, [], SigningKey.read_or_make(tmp_path / "forger.pem").sign)
    with pytest.raises(Refused) as refusal:
        workbench.open_release(tmp_path / "copy")
    assert refusal.value.findings[0].code == "release.revocations-invalid"


def test_samples_go_to_worker_processes_and_come_back_the_same(bundle: Path) -> None:
    samples = workbench.open_release(bundle).split("train")
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(samples.__getitem__, range(len(samples))))
    assert pixels(made) == pixels(samples)
    assert len(ForkingPickler.dumps(samples)) < 100_000  # no picture travels along


@pytest.mark.parametrize("keep_files", [True, False])
def test_shards_give_the_samples_of_the_loose_files(copy: Path, *, keep_files: bool) -> None:
    loose = pixels(workbench.open_release(copy).split("train"))
    add_shards(copy, per_shard=2, keep_files=keep_files)
    samples = workbench.open_release(copy).split("train")
    assert pixels(samples.stream()) == loose
    assert pixels(samples) == loose  # by number too, out of the shards where need be
    parts = [pixels(samples.stream(part, 3)) for part in range(3)]
    assert sum(map(len, parts)) == len(loose)
    assert {key for part in parts for key in part} == set(loose)


def test_a_picture_altered_or_missing_in_a_shard_is_found(copy: Path) -> None:
    add_shards(copy, per_shard=9, keep_files=False)
    shard = copy / "shards" / "val-00000.tar"
    sound = shard.read_bytes()
    shard.write_bytes(sound[:600] + bytes([sound[600] ^ 1]) + sound[601:])
    with pytest.raises(Refused, match=r"release\.file-altered"):
        list(workbench.open_release(copy).split("val").stream())
    with tarfile.open(shard, "w"):
        pass
    with pytest.raises(Refused, match=r"release\.file-missing"):
        list(workbench.open_release(copy).split("val").stream())


def test_the_parts_of_a_stream_without_shards_are_the_whole(assembled: Layout) -> None:
    samples = workbench.open_release(assembled.release).split("train")
    parts = [[s.image_id for s in samples.stream(part, 2)] for part in range(2)]
    assert sorted(parts[0] + parts[1]) == sorted(samples.image_ids)
    with pytest.raises(BadUsage):
        next(samples.stream(2, 2))


def test_a_release_of_an_earlier_version_lacks_columns_and_is_still_read(copy: Path) -> None:
    table = pq.read_table(copy / "instances.parquet").drop_columns(["agreement_iou"])
    pq.write_table(table, copy / "instances.parquet")
    reseal(copy)
    ds = workbench.open_release(copy)
    assert ds.instances["agreement_iou"].isna().all()
    pq.write_table(table.drop_columns(["category"]), copy / "instances.parquet")
    reseal(copy)
    with pytest.raises(Refused, match=r"tables\.schema"):
        _ = workbench.open_release(copy).instances


def test_the_torch_adapter_gives_tensors_and_shares_a_stream_among_workers(
    assembled: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch is never installed here; a stand-in with the five names that the adapter uses takes its place
    torch, utils, data = (types.ModuleType(name) for name in ("torch", "torch.utils", "torch.utils.data"))
    torch.from_numpy = lambda array: array  # type: ignore[attr-defined]
    data.Dataset = data.IterableDataset = object  # type: ignore[attr-defined]
    data.get_worker_info = lambda: types.SimpleNamespace(id=1, num_workers=2)  # type: ignore[attr-defined]
    for module in (torch, utils, data):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "workbench.adapters.torch", raising=False)
    samples = workbench.open_release(assembled.release).split("train")
    image, target = samples.torch()[0]
    assert image.shape == (3, 240, 320)
    assert (image.dtype, float(image.max()) <= 1) == (np.float32, True)
    assert target["boxes"].dtype == np.float32
    assert [each["image_id"] for _, each in samples.torch(stream=True)] == list(samples.image_ids[1::2])
    monkeypatch.delitem(sys.modules, "workbench.adapters.torch", raising=False)


def test_the_manifest_lists_what_is_read(assembled: Layout) -> None:
    ds = workbench.open_release(assembled.release)
    assert set(read_manifest(assembled.release)) >= set(ds.images["path"])
    with pytest.raises(Refused, match=r"release\.file-missing"):
        ds.read("secret.txt")
