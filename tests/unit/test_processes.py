"""Worker processes: results in order, only so much ahead, failures in their turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import pytest

from workbench.adapters.processes import Processes


def _doubled(number: int) -> int:
    if number == 777:
        raise ValueError(number)
    return 2 * number


class _Asked(Sequence[int]):
    """Numbers that remember how far they were taken."""

    def __init__(self, count: int) -> None:
        self.count, self.furthest = count, 0

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        taken = range(self.count)[at]
        self.furthest = max(self.furthest, taken if isinstance(taken, int) else taken[-1])
        return taken


@pytest.mark.parametrize("count", [0, 3, 100, 601])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    assert list(Processes(2).map(_doubled, range(count))) == [2 * number for number in range(count)]


def test_of_many_items_only_some_are_handed_out_ahead() -> None:
    items = _Asked(5000)
    results: Iterator[int] = Processes(2).map(_doubled, items)
    assert [next(results) for _ in range(8)] == list(range(0, 16, 2))
    assert items.furthest < 1000
    results.close()  # type: ignore[attr-defined]


def test_a_failure_is_raised_when_its_turn_comes() -> None:
    results = Processes(2).map(_doubled, range(2000))
    for number in range(776):  # a chunk fails as a whole
        assert next(results) == 2 * number
    with pytest.raises(ValueError, match="777"):
        next(results)
