"""SIGKILL at random moments of a reception: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

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


def test_a_killed_reception_completes_when_repeated(workbench: Run, tmp_path: Path, delivery: Path) -> None:
    root = tmp_path / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", *at)
    line = [
        sys.executable,
        "-m",
        "workbench.cli.main",
        "receive",
        str(delivery),
        "--partner",
        "lab",
        "--workspace",
        str(root),
    ]
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
