"""The signed list of superseded releases: read back as written, believed only under its key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.custody.keys import SigningKey, verify_signature
from workbench.domain.findings import Refused
from workbench.release.record import Record
from workbench.release.revocation import (
    Revocation,
    plan_revocations,
    read_revocations,
    require_current,
    revocation_findings,
    state_of,
    with_successor,
    write_revocations,
)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.read_or_make(tmp_path / "key.pem")


def _record(name: str, digest: str) -> Record:
    told = {"predicate": {"name": name}, "subject": [{"digest": {"sha256": digest}}]}
    return Record(payload=b"", signature=b"", statement=told)


def _plan(known: tuple[Revocation, ...] = (), cid: str = "c-1") -> tuple[Revocation, ...]:
    return plan_revocations(known, [_record("v1", "m1")], contribution_id=cid, reason="why", at="2026-01-02")


def test_a_list_comes_back_as_written_and_equal_lists_are_equal_bytes(tmp_path: Path, key: SigningKey) -> None:
    path = tmp_path / "r.json"
    listed = _plan(_plan(), "c-2")
    write_revocations(path, listed, key.sign)
    first = path.read_bytes()
    assert read_revocations(path, key.public_pem(), verify_signature=verify_signature) == listed
    write_revocations(path, reversed(listed), key.sign)
    assert path.read_bytes() == first
    assert read_revocations(tmp_path / "none", key.public_pem(), verify_signature=verify_signature) == ()


def test_a_list_of_another_key_or_with_any_byte_changed_is_refused(tmp_path: Path, key: SigningKey) -> None:
    path = tmp_path / "r.json"
    write_revocations(path, _plan(), key.sign)
    other = SigningKey.read_or_make(tmp_path / "other.pem")
    with pytest.raises(Refused, match="not signed"):
        read_revocations(path, other.public_pem(), verify_signature=verify_signature)
    document = json.loads(path.read_text())
    for position in range(0, len(document["payload"]), 9):
        text = document["payload"]
        swapped = "A" if text[position] != "A" else "B"
        path.write_text(json.dumps(document | {"payload": text[:position] + swapped + text[position + 1 :]}))
        with pytest.raises(Refused) as refusal:
            read_revocations(path, key.public_pem(), verify_signature=verify_signature)
        assert refusal.value.findings[0].code == "release.revocations-invalid"


def test_a_release_stands_on_the_list_once_a_withdrawal_and_its_successor_is_the_first_after_it() -> None:
    once = _plan()
    assert _plan(once) == once
    named = with_successor(once, "v2")
    assert [one.superseded_by for one in with_successor(named, "v3")] == ["v2"]
    assert (state_of(once, "m1"), state_of(named, "m1"), state_of(named, "m2")) == (
        "superseded",
        "superseded by v2",
        "current",
    )


def test_it_is_the_data_that_is_superseded_under_whatever_name() -> None:
    listed = _plan()
    (finding,) = revocation_findings(listed, _record("renamed", "m1"))
    assert "c-1" in finding.message
    with pytest.raises(Refused):
        require_current(listed, _record("renamed", "m1"))
    require_current(listed, _record("v1", "other data"))
