"""A full disk, at many sizes: a clear refusal, nothing half-told, and completion once there is room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tools, pytest.mark.slow]

_PAGE_BYTES = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return a function that makes (or remakes) a file system of so many bytes, or gives the present one that size."""
    at = tmp_path / "disk"
    at.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a disk of its own size needs root")

    def of_size(size_bytes: int, *, keep: bool = False) -> Path:
        if keep:
            subprocess.run(["mount", "-o", f"remount,size={size_bytes}", str(at)], check=True)
            return at
        subprocess.run(["umount", str(at)], capture_output=True, check=False)
        line = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(at)]
        if subprocess.run(line, capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a tmpfs")
        return at

    yield of_size
    subprocess.run(["umount", str(at)], capture_output=True, check=False)


def _used_bytes(at: Path) -> int:
    facts = os.statvfs(at)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def _said_clearly(ended: Any) -> bool:
    """Say whether a command ended by a documented finding about the disk, without a traceback."""
    told = json.loads(ended.out)
    return ended.code in (1, 3) and not ended.traceback and "disk" in json.dumps(told)


def test_a_reception_on_a_full_disk_says_so_and_completes_with_more_room(
    host: Any, site_at: Any, empty: Path, small_disk: Any, random_delivery: Any, record: Any, size: Any
) -> None:
    delivery, steps = random_delivery(3, 40, size_bytes=20_000), size("WORKBENCH_DISK_SIZES", 3, 24)
    at = small_disk(200 << 20)
    shutil.copytree(empty, at / "workspace", symlinks=True)
    before = _used_bytes(at)
    roomy = site_at(at / "workspace")
    assert roomy.heard(host.run(*roomy.receive_line(delivery)), delivery)
    after, refusals = _used_bytes(at), 0
    for step in range(steps):
        room = before + (after - before) * step // steps // _PAGE_BYTES * _PAGE_BYTES + _PAGE_BYTES
        small_disk(200 << 20)
        shutil.copytree(empty, at / "workspace", symlinks=True)
        small_disk(room, keep=True)
        place = site_at(at / "workspace")
        ended = host.run(*place.receive_line(delivery))
        if not place.heard(ended, delivery):
            refusals += 1
            assert _said_clearly(ended), (room, ended.code, ended.out, ended.err)
            assert not list((place.root / "data").rglob("contribution.json")) or "dvc" in ended.out.lower(), ended.out
        small_disk(200 << 20, keep=True)
        assert place.examine() == [], room
        repeat = host.run(*place.receive_line(delivery))
        assert place.heard(repeat, delivery), (room, repeat.out, repeat.err)
        assert place.examine() == []
    assert refusals >= steps * 2 // 3, "the disks were not small enough: the harness shows nothing"
    record(3, f"`receive` on {steps} disk sizes: {refusals} refused in a sentence, all complete when enlarged", "tmpfs")


def test_an_intake_on_a_full_disk_says_so_and_completes_with_more_room(
    host: Any, empty: Path, small_disk: Any, draw_photograph: Any, tmp_path: Path, record: Any, size: Any
) -> None:
    steps = size("WORKBENCH_DISK_SIZES", 2, 12)
    ready = tmp_path / "ready"
    shutil.copytree(empty, ready, symlinks=True)
    for seed in range(12):
        draw_photograph(tmp_path / "photographs" / f"{seed}.jpg", seed=seed)
    assert host.run("receive", tmp_path / "photographs", "--partner", "lab", "--workspace", ready).code == 0
    at = small_disk(200 << 20)
    root = at / "workspace"
    line = ("intake", "--stage", "--workspace", root, "--json")
    shutil.copytree(ready, root, symlinks=True)
    before = _used_bytes(at)
    calm = host.run(*line)
    assert calm.code == 0
    after, refusals = _used_bytes(at), 0
    for step in range(steps):
        small_disk(200 << 20)
        shutil.copytree(ready, root, symlinks=True)
        small_disk(before + (after - before) * step // steps // _PAGE_BYTES * _PAGE_BYTES + _PAGE_BYTES, keep=True)
        ended = host.run(*line)
        if ended.code != 0:
            refusals += 1
            assert _said_clearly(ended), (ended.code, ended.out, ended.err)
        small_disk(200 << 20, keep=True)
        repeat = host.run(*line)
        assert (repeat.code, json.loads(repeat.out)["data"]) == (0, json.loads(calm.out)["data"])
        assert not list((root / "data").rglob("*.part"))
    assert refusals >= steps * 2 // 3, "the disks were not small enough: the harness shows nothing"
    record(3, f"`intake` on {steps} disk sizes: {refusals} refused in a sentence, all complete when enlarged", "tmpfs")
