"""Strata: each split gets its part of every category as far as whole, unreleased groups allow."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.curation.splits import assign_splits
from workbench.curation.strata import Stratum, even_out, lacking
from workbench.domain.dataset import SPLITS, Split
from workbench.domain.lineage import sha256_hex

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}

_GROUPS = st.lists(
    st.builds(
        Stratum,
        split=st.sampled_from(SPLITS),
        categories=st.frozensets(st.sampled_from("abcdef"), max_size=3),
        free=st.booleans(),
    ),
    max_size=60,
)


def _after(drawn: dict[str, Stratum], moves: dict[str, Split]) -> dict[str, Stratum]:
    return {
        name: Stratum(split=moves.get(name, g.split), categories=g.categories, free=g.free) for name, g in drawn.items()
    }


def _shortfall(lacks: dict[str, dict[Split, tuple[int, int]]]) -> int:
    return sum(part - have for splits in lacks.values() for have, part in splits.values())


@settings(max_examples=150)
@given(groups=_GROUPS, seed=st.integers())
def test_moves_are_of_free_groups_only_never_make_a_lack_and_do_not_depend_on_the_order(
    groups: list[Stratum], seed: int
) -> None:
    drawn = {f"g{number}": group for number, group in enumerate(groups)}
    moves = even_out(drawn, SHARES, salt="s")
    assert all(drawn[name].free for name in moves)
    before, after = lacking(drawn, SHARES), lacking(_after(drawn, moves), SHARES)
    for category, lacks in after.items():
        for split, (have, part) in lacks.items():
            assert have >= before[category][split][0], "a lack was made, or made larger"
            assert part == before[category][split][1]
    assert _shortfall(after) <= _shortfall(before) - (1 if moves else 0)
    shuffled = list(drawn.items())
    random.Random(seed).shuffle(shuffled)
    assert even_out(dict(shuffled), SHARES, salt="s") == moves


def test_with_groups_of_one_category_each_split_gets_its_part_of_all_of_them() -> None:
    drawn = {
        f"{category}{number}": Stratum(split=Split.TRAIN, categories=frozenset({category}), free=True)
        for category, count in (("common", 200), ("rare", 20), ("scarce", 3), ("single", 1))
        for number in range(count)
    }
    settled = _after(drawn, even_out(drawn, SHARES, salt="s"))
    assert not lacking(settled, SHARES)
    counts = Counter((name.rstrip("0123456789"), group.split) for name, group in settled.items())
    assert [counts["common", split] for split in SPLITS] == [140, 30, 30]
    assert [counts["rare", split] for split in SPLITS] == [14, 3, 3]
    assert [counts["scarce", split] for split in SPLITS] == [1, 1, 1]
    assert counts["single", Split.TRAIN] == 1


def test_what_is_frozen_or_held_out_stays_and_its_lack_is_reported() -> None:
    drawn = {f"g{n}": Stratum(split=Split.TRAIN, categories=frozenset({"a"}), free=False) for n in range(10)}
    assert even_out(drawn, SHARES, salt="s") == {}
    assert lacking(drawn, SHARES) == {"a": {Split.VAL: (0, 1), Split.TEST: (0, 1)}}


def test_splits_by_strata_keep_groups_whole_and_released_photographs_where_they_are() -> None:
    names = [sha256_hex(str(number).encode()) for number in range(120)]
    rows: list[dict[str, Any]] = [
        {"image_id": name, "seizure_id": f"s{n // 2}", "item_id": None, "partner_id": "p"}
        for n, name in enumerate(names)
    ]
    strata = {name: frozenset({"rare" if n < 12 else "common"}) for n, name in enumerate(names)}
    plain, _ = assign_splits(rows, [], {}, shares=SHARES, salt="w", frozen={})
    frozen = {name: plain[name].split or Split.TRAIN for name in names[:4]}
    placed, _ = assign_splits(rows, [], {}, shares=SHARES, salt="w", frozen=frozen, strata=strata)
    assert {name: placed[name].split for name in frozen} == frozen
    for one, other in zip(names[::2], names[1::2], strict=True):
        assert placed[one].split is placed[other].split
    rare = {placed[name].split for name in names[:12]}
    assert rare == set(SPLITS)
    stayed = sum(placed[name].split is plain[name].split for name in names)
    assert stayed >= 100, "a repair moves few"
