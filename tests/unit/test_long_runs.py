"""A long run writes what it has so far, and spends little on it however much that is."""

from __future__ import annotations

import gc

import pytest

from workbench.long_runs import Interim, many_rows


class _Run:
    """A run whose clock stands still but for what it does."""

    def __init__(self) -> None:
        self.now_s, self.items, self.written_s, self.left = 0.0, 0, 0.0, 0

    def write(self) -> None:
        """Take the longer the more there is."""
        self.written_s += self.items * 1e-4
        self.now_s += self.items * 1e-4
        self.left = self.items


def test_writing_costs_a_small_share_of_the_time_however_long_the_run() -> None:
    for item_s in (0.001, 0.1):
        run = _Run()
        interim = Interim(run.write, clock=lambda run=run: run.now_s)  # type: ignore[misc]
        for _ in range(20_000):
            run.now_s += item_s
            run.items += 1
            interim.step()
        assert 0 < run.written_s <= 0.05 * run.now_s
        lost_s = (run.items - run.left) * item_s
        assert lost_s <= 52 * run.items * 1e-4 + 1.1, "an interrupted run redoes about fifty writings' time"


def test_the_first_writing_comes_within_about_a_second() -> None:
    run = _Run()
    interim = Interim(run.write, clock=lambda: run.now_s)
    while not run.left:
        run.now_s += 0.3
        run.items += 1
        interim.step()
    assert run.now_s < 1.5


def test_cycles_are_not_looked_for_while_there_are_many_rows_and_are_afterwards_also_after_a_failure() -> None:
    def failing() -> None:
        with many_rows():
            with many_rows():
                pass
            assert not gc.isenabled(), "what was off before stays off"
            raise ValueError("on purpose")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="on purpose"):
        failing()
    assert gc.isenabled()
