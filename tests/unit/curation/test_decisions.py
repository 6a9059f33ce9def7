from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.curation.decisions import (
    Action,
    Decision,
    append_decision,
    read_decisions,
    require_known,
    rewrite_without,
    standing,
)
from workbench.domain.findings import Refused

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def _decision(action: Action, *image_ids: str, **more: Any) -> Decision:
    facts = {"reason": "because", "actor": "ada", "decided_at": "2026-01-02T03:04:05+00:00", **more}
    return Decision(action=action, image_ids=tuple(sorted(image_ids)), **facts)


def test_decisions_are_read_back_as_they_were_appended(tmp_path: Path) -> None:
    made = [_decision(Action.EXCLUDE, A), _decision(Action.GROUP, A, B, reason="one table, „übermalt“")]
    for decision in made:
        append_decision(tmp_path, decision)
    assert read_decisions(tmp_path) == made
    assert read_decisions(tmp_path / "nowhere") == []


def test_what_was_withdrawn_leaves_the_list_and_what_was_decided_of_others_stays(tmp_path: Path) -> None:
    for decision in (
        _decision(Action.EXCLUDE, A),
        _decision(Action.GROUP, A, B),
        _decision(Action.GROUP, A, B, C),
        _decision(Action.EXCLUDE, B, reason=f"a copy of {A}"),
    ):
        append_decision(tmp_path, decision)
    rewrite_without(tmp_path, {A}, lambda text: text.replace(A, "(withdrawn)"))
    assert read_decisions(tmp_path) == [
        _decision(Action.GROUP, B, C),
        _decision(Action.EXCLUDE, B, reason="a copy of (withdrawn)"),
    ]
    once = (tmp_path / "decisions.jsonl").read_bytes()
    assert A.encode() not in once
    rewrite_without(tmp_path, {A}, lambda text: text)
    assert (tmp_path / "decisions.jsonl").read_bytes() == once
    append_decision(tmp_path, _decision(Action.KEEP, B))
    assert len(read_decisions(tmp_path)) == 3


@pytest.mark.parametrize("line", [0, 1])
def test_a_line_altered_or_taken_out_is_noticed_and_nothing_more_is_appended(tmp_path: Path, line: int) -> None:
    for image_id in (A, B, C):
        append_decision(tmp_path, _decision(Action.EXCLUDE, image_id))
    path = tmp_path / "decisions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    altered = [b"".join(lines[:line] + lines[line + 1 :]), b"".join(lines).replace(b"ada", b"eve", 1)]
    for data in (*altered, b"".join(lines)[:-1], b"[]\n"):
        path.write_bytes(data)
        with pytest.raises(Refused, match="is not what was appended there"):
            append_decision(tmp_path, _decision(Action.KEEP, A))
        assert path.read_bytes() == data


def test_the_latest_word_about_a_photograph_counts() -> None:
    stands = standing(
        [
            _decision(Action.EXCLUDE, A, B),
            _decision(Action.KEEP, A),
            _decision(Action.RELABEL, B, C),
            _decision(Action.RELABEL, C),
            _decision(Action.GROUP, A, B, C),
        ]
    )
    assert set(stands.excluded) == {B, C}
    assert stands.excluded[B] == "sent back to labelling by ada: because"
    assert stands.sent_back == {B: 1, C: 2}
    assert stands.together == ((A, B), (A, C))


def test_photographs_may_be_named_by_their_first_characters_if_that_is_clear() -> None:
    assert require_known(["a" * 8, C], [A, B, C]) == (A, C)
    for unclear in ("a" * 7, "d" * 8):
        with pytest.raises(Refused, match="names no photograph"):
            require_known([unclear], [A, B, C])
    with pytest.raises(Refused, match="names 2 photographs"):
        require_known(["a" * 8], [A, "a" * 63 + "b"])
