"""SIGKILL at random moments, and several at once: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = [pytest.mark.tools, pytest.mark.slow]

#: `make test` kills a few times; WORKBENCH_KILLS=500 is the acceptance figure.
KILLS = int(os.environ.get("WORKBENCH_KILLS", "12"))

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("delivery")
    rng = random.Random(1)
    for number in range(400):
        (folder / f"{number:03d}.jpg").write_bytes(rng.randbytes(20_000))
    return folder


def _line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "workbench.cli.main", *(str(argument) for argument in arguments)]


def test_a_killed_reception_completes_when_repeated(workbench: Run, tmp_path: Path, delivery: Path) -> None:
    root = tmp_path / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", *at)
    line = _line("receive", delivery, "--partner", "lab", *at)
    rng = random.Random(7)
    interrupted = 0
    for _ in range(KILLS):
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(0.15, 1.2))
            process.send_signal(signal.SIGKILL)
        interrupted += process.returncode == -signal.SIGKILL
        workbench("ledger", "verify", "--objects", *at)
    workbench("receive", delivery, "--partner", "lab", *at)
    again = workbench("receive", delivery, "--partner", "lab", *at)
    assert "already" in again["summary"]
    assert interrupted, "no kill came in time: the harness shows nothing"
    answer = workbench("ledger", "verify", "--objects", *at)
    assert answer["data"]["objects"] == 401  # the files and the sealed list of their names
    entered = workbench("ledger", "show", "--limit", 10_000, *at)["data"]["entries"]
    received = [entry["object_sha256"] for entry in entered if entry["kind"] == "receive"]
    assert len(received) == len(set(received)) == 400
    (table,) = (root / "data" / "00_deliveries").glob("*/files.parquet")
    assert set(pd.read_parquet(table)["image_id"]) == set(received)


def test_the_harness_sees_a_loss(workbench: Run, tmp_path: Path, delivery: Path) -> None:
    root = tmp_path / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", *at)
    workbench("receive", delivery, "--partner", "lab", *at)
    victim = next((root / "custody" / "objects").glob("c-*/??/*"))
    victim.unlink()
    assert workbench("ledger", "verify", *at)["findings"] == []
    answer = workbench("ledger", "verify", "--objects", *at, expect=1)
    assert answer["findings"][0]["code"] == "custody.object-missing"


def _folder_state(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_killed_intake_ends_as_one_that_was_left_alone(
    workbench: Run, draw_photograph: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    photographs = tmp_path / "photographs"
    for seed in range(60):
        draw_photograph(
            photographs / f"{seed}.jpg", seed=seed, size_wh=(1600, 1200), orientation=(1, 3, 6, 8)[seed % 4]
        )
    (photographs / "broken.jpg").write_bytes((photographs / "0.jpg").read_bytes()[:5000])
    root, calm = tmp_path / "workspace", tmp_path / "calm"
    for folder in (root, calm):
        workbench("init", folder)
        workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", "--workspace", folder)
        workbench("receive", photographs, "--partner", "lab", "--workspace", folder)
    rng = random.Random(3)
    interrupted = 0
    for _ in range(max(4, KILLS // 2)):
        with subprocess.Popen(_line("intake", "--stage", "--workspace", root), stdout=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(0.5, 1.6))
            process.send_signal(signal.SIGKILL)
        interrupted += process.returncode == -signal.SIGKILL
    assert interrupted, "no kill came in time: the harness shows nothing"
    for folder in (root, calm):
        workbench("intake", "--stage", "--workspace", folder)
    assert _folder_state(root / "data" / "01_intake") == _folder_state(calm / "data" / "01_intake")
    assert len(pd.read_parquet(next((root / "data" / "01_intake").glob("*/images.parquet")))) == 60


def test_deliveries_handed_over_at_once_are_each_received_once_or_told_to_wait(
    workbench: Run, tmp_path: Path, delivery: Path
) -> None:
    root = tmp_path / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", *at)
    line = _line("receive", delivery, "--partner", "lab", *at)
    crowd = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    codes = sorted(process.wait() for process in crowd)
    assert set(codes) <= {0, 3}
    assert 0 in codes
    entered = workbench("ledger", "show", "--limit", 10_000, *at)["data"]["entries"]
    assert sum(entry["kind"] == "receive" for entry in entered) == 400
    assert workbench("ledger", "verify", "--objects", *at)["data"]["objects"] == 401
    assert "already" in workbench("receive", delivery, "--partner", "lab", *at)["summary"]
