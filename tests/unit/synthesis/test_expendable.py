"""Worker processes that end: their items are done again, in order, and the others never notice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from workbench.adapters.expendable import ExpendableProcesses
from workbench.domain.findings import Busy, Refused, refused


def worker_of(item: int) -> tuple[int, int]:
    return item, os.getpid()


def dies_once(item: Any) -> int:
    number, mark = item
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return int(number)


def dies(_item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def refuses(item: int) -> int:
    raise refused("synthesis.image-unknown", item, "is refused.", "Do nothing.")


def fills_the_disk(item: int) -> int:
    raise OSError(28, "No space left on device", f"item-{item}")


def test_results_come_in_order_and_processes_are_replaced() -> None:
    results = list(ExpendableProcesses(2, replace_after=2).map(worker_of, list(range(7))))
    assert [item for item, _ in results] == list(range(7))
    processes = [process for _, process in results]
    assert os.getpid() not in processes
    assert max(processes.count(process) for process in processes) <= 2
    assert len(set(processes)) >= 4


def test_an_item_whose_process_was_killed_is_done_by_another(tmp_path: Path) -> None:
    items = [(number, str(tmp_path / f"{number}")) for number in range(2)]
    assert list(ExpendableProcesses(2, replace_after=9).map(dies_once, items)) == [0, 1]


def test_an_item_that_always_ends_its_process_is_told_and_tried_later() -> None:
    with pytest.raises(Busy) as told:
        list(ExpendableProcesses(1, replace_after=9).map(dies, [1]))
    assert told.value.findings[0].code == "synthesis.worker-lost"
    assert "3 processes" in told.value.findings[0].message


def test_what_an_item_refuses_is_refused_here() -> None:
    with pytest.raises(Refused) as told:
        list(ExpendableProcesses(1, replace_after=9).map(refuses, [7]))
    assert told.value.findings[0].subject == "7"
    with pytest.raises(OSError, match="No space left") as full:
        list(ExpendableProcesses(1, replace_after=9).map(fills_the_disk, [7]))
    assert (full.value.errno, full.value.filename) == (28, "item-7")
