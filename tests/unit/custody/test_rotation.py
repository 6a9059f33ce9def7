"""A ledger gets a new key under the old one's signature; what the old one signed verifies for good."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.release_ledger import enter_release, ledger_problem, public_key
from workbench.custody.audit import audit
from workbench.custody.keys import read_checkpoint, verify_signature
from workbench.custody.ledger import Event, Ledger
from workbench.custody.rotation import key_at
from workbench.domain.findings import Refused
from workbench.reading.proof import superseded
from workbench.release.record import envelope_bytes, read_record, statement
from workbench.release.revocation import Revocation, write_revocations
from workbench.release.verify import check_record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def custody(tmp_path: Path) -> Path:
    for number in range(3):
        Ledger.open(tmp_path).append([Event(kind="receive", actor="a", once=str(number))], now=NOW)
    return tmp_path


def _rotate(custody: Path) -> Ledger:
    return Ledger.open(custody).rotate_key(actor="a", reason="yearly", now=NOW)


def _enter(custody: Path) -> None:
    ledger = Ledger.open(custody)
    ledger.append([Event(kind="admit", actor="a", reason=str(ledger.size()))], now=NOW)


def _codes(custody: Path) -> list[str]:
    return [finding.code for finding in audit(Ledger.open(custody)).findings]


def test_each_checkpoint_verifies_with_the_key_of_its_time_only(custody: Path) -> None:
    first = Ledger.open(custody).public_key_pem()
    _rotate(custody)
    _enter(custody)
    third = _rotate(custody).public_key_pem()
    _enter(custody)
    ledger = Ledger.open(custody)
    periods = ledger.signing_keys()
    assert [(p.first_size, p.last_size) for p in periods] == [(0, 4), (5, 7), (8, None)]
    assert (periods[0].public_pem, periods[2].public_pem) == (first, third)
    for size, note in ledger.checkpoints(100):
        for period in periods:
            assert (read_checkpoint(note, period.public_pem) is not None) == period.covers(size)
    assert _codes(custody) == []
    assert {path.name: path.stat().st_mode & 0o777 for path in (custody / "keys").iterdir()} == {"ledger.pem": 0o600}


def test_a_process_that_still_holds_the_old_key_cannot_sign_with_it(custody: Path) -> None:
    late = Ledger.open(custody)
    _rotate(custody)
    with pytest.raises(Refused, match="another signing key"):
        late.append([Event(kind="admit", actor="a")], now=NOW)
    assert _codes(custody) == []


def test_a_list_of_superseded_releases_is_followed_from_an_older_key_to_the_one_that_signed_it(
    custody: Path, tmp_path: Path
) -> None:
    path = tmp_path / "revocations.json"
    listed = (Revocation(release="v1", manifest_sha256="m", at="2026", contribution_id="c-1", reason="r"),)
    first = Ledger.open(custody).public_key_pem()
    write_revocations(path, listed, Ledger.open(custody).sign)
    assert superseded(path.read_bytes(), path, [first]) == listed
    _rotate(custody)
    third = _rotate(custody)
    # Read with any key the ledger had, until it is written again with the present one.
    assert superseded(path.read_bytes(), path, [period.public_pem for period in third.signing_keys()]) == listed
    rotations = [entry.said()["facts"] for entry in third.of_kind("rotate-key")]
    write_revocations(path, listed, third.sign, rotations=rotations)
    for period in third.signing_keys():
        assert superseded(path.read_bytes(), path, [period.public_pem]) == listed
    for broken in (
        rotations[:1],
        rotations[1:],
        [rotations[0] | {"signature": "AAAA"}, rotations[1]],
        [{"previous_key": 3}],
    ):
        write_revocations(path, listed, third.sign, rotations=broken)
        with pytest.raises(Refused, match="not signed"):
            superseded(path.read_bytes(), path, [first])


@pytest.mark.parametrize("step", range(1, 6))
def test_a_rotation_cut_short_is_not_begun_or_is_completed(
    custody: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = Ledger.open(custody).public_key_pem()
    plain, calls = os.replace, [0]

    def killed(*arguments: Any) -> None:
        calls[0] += 1
        if calls[0] == step:
            raise KeyboardInterrupt
        plain(*arguments)
        if calls[0] == step - 1 and step == 5:  # after the last of the four
            raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        _rotate(custody)
    monkeypatch.undo()
    ledger = Ledger.open(custody)
    entered = [entry.said()["kind"] for entry in ledger.entries()[3:]]
    assert entered == ([] if ledger.public_key_pem() == before else ["rotate-key", "key-in-use"])
    _enter(custody)
    assert _codes(custody) == []
    if ledger.public_key_pem() == before:
        assert _rotate(custody).public_key_pem() != before
        assert _codes(custody) == []


def test_a_rotation_that_the_old_key_did_not_sign_is_found(
    custody: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    Ledger.open(other)
    _rotate(other)
    forged = next(iter(Ledger.open(other).of_kind("rotate-key"))).said()
    Ledger.open(custody).append([Event(kind="rotate-key", actor="a", facts=forged["facts"])], now=NOW)
    assert _codes(custody) == ["custody.ledger-altered"]
    with pytest.raises(Refused):
        _enter(custody)


def test_a_key_restored_from_before_the_rotation_is_noticed(custody: Path) -> None:
    key = custody / "keys" / "ledger.pem"
    old = key.read_bytes()
    _rotate(custody)
    key.write_bytes(old)
    assert _codes(custody) == ["custody.ledger-altered"]


def test_a_checkpoint_of_the_rotation_by_the_new_key_alone_does_not_count(custody: Path) -> None:
    _rotate(custody)
    with sqlite3.connect(custody / "ledger.db") as database:
        database.execute("DROP TRIGGER note_kept")
        database.execute("DELETE FROM checkpoint WHERE size = 4")
        database.execute(
            "CREATE TRIGGER note_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append only'); END"
        )
    (custody / "checkpoints" / "000000000004.txt").unlink()
    assert _codes(custody) == ["custody.ledger-altered"]


def test_a_release_signed_before_the_rotation_verifies_after_it(custody: Path) -> None:
    def made(name: str) -> Path:
        ledger, path = Ledger.open(custody), custody / f"{name}.json"
        ledger_part = enter_release(ledger, name, "a" * 64)
        document = statement(
            name=name, manifest_sha256="a" * 64, inputs={}, code_version="0", counts={}, ledger=ledger_part
        )
        path.write_bytes(envelope_bytes(document, ledger.sign))
        return path

    first = made("v1")
    _rotate(custody)
    second = made("v2")
    for path in (first, second):
        record = read_record(path)
        key = public_key(custody, record)
        assert key is not None
        checks = check_record(record, key, verify_signature=verify_signature, ledger_problem=ledger_problem)
        assert list(checks) == []
    keys = [public_key(custody, read_record(path)) for path in (first, second)]
    assert keys[0] != keys[1]
    wrong = check_record(
        read_record(first), str(keys[1]), verify_signature=verify_signature, ledger_problem=ledger_problem
    )
    assert [finding.code for finding in wrong] == ["release.signature-invalid", "release.proof-invalid"]


def test_a_release_entered_before_the_rotation_and_written_after_it_is_of_the_new_key(custody: Path) -> None:
    enter_release(Ledger.open(custody), "v1", "a" * 64)
    ledger = _rotate(custody)
    part = enter_release(ledger, "v1", "a" * 64)
    assert read_checkpoint(part["checkpoint"], ledger.public_key_pem()) is not None
    assert key_at(ledger.signing_keys(), part["proof"]["size"]) == ledger.public_key_pem()
