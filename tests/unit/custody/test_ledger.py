from __future__ import annotations

import base64
import hashlib
import random
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from workbench.custody import merkle
from workbench.custody.audit import audit
from workbench.custody.keys import read_checkpoint, verify_signature
from workbench.custody.ledger import Event, Ledger
from workbench.custody.merkle import (
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    proves_inclusion,
    root_hash,
    roots_at,
)
from workbench.custody.tree import StoredTree
from workbench.domain.findings import Refused

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162's own recursive definition, the second way to the same root."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = _by_definition(leaves[:split]), _by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@given(st.integers(1, 70))
def test_the_root_is_the_one_the_rfc_defines(size: int) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    assert root_hash(leaves) == _by_definition(leaves)


@given(st.integers(1, 70), st.data())
def test_an_audit_path_proves_its_leaf_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_proof(leaves, index), root_hash(leaves)
    assert proves_inclusion(leaf=leaves[index], index=index, size=size, path=path, root=root)
    assert not proves_inclusion(leaf=leaf_hash(b"other"), index=index, size=size, path=path, root=root)
    if size > 1:
        wrong = (index + 1) % size
        assert not proves_inclusion(leaf=leaves[index], index=wrong, size=size, path=path, root=root)


@pytest.fixture
def custody(tmp_path: Path) -> Path:
    ledger = Ledger.open(tmp_path / "custody")
    for number in range(3):
        events = [
            Event(kind="receive", actor="a", object_sha256=f"{number}{n}" * 32, once=f"{number}/{n}") for n in range(4)
        ]
        ledger.append(events, now=NOW)
    return tmp_path / "custody"


def _findings(custody: Path) -> list[str]:
    return [finding.code for finding in audit(Ledger.open(custody)).findings]


def _said(custody: Path) -> list[list[tuple[object, ...]]]:
    """All that the database says."""
    tables = ("entry", "once", "checkpoint", "node", "said")
    with closing(sqlite3.connect(custody / "ledger.db")) as database:
        return [database.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608 -- our own names


def test_a_sound_ledger_has_no_findings_and_repeats_add_nothing(custody: Path) -> None:
    ledger = Ledger.open(custody)
    ledger.append([Event(kind="receive", actor="a", once="0/0")], now=NOW)
    assert len(ledger.entries()) == 12
    assert _findings(custody) == []


def test_a_refused_batch_leaves_nothing(custody: Path) -> None:
    ledger = Ledger.open(custody)
    with pytest.raises(rfc8785.CanonicalizationError):
        ledger.append([Event(kind="admit", actor="a"), Event(kind="admit", actor="\ud800")], now=NOW)
    assert len(ledger.entries()) == 12


def test_entries_cannot_be_changed_through_sql(custody: Path) -> None:
    with sqlite3.connect(custody / "ledger.db") as database, pytest.raises(sqlite3.IntegrityError, match="append only"):
        database.execute("UPDATE entry SET body = x'00' WHERE seq = 1")


def _edit(database: sqlite3.Connection) -> None:
    database.execute("UPDATE entry SET body = CAST(replace(body, 'receive', 'release') AS BLOB) WHERE seq = 5")


def _edit_and_rechain(database: sqlite3.Connection) -> None:
    _edit(database)
    chain = bytes(32)
    for seq, body in database.execute("SELECT seq, body FROM entry ORDER BY seq").fetchall():
        leaf = hashlib.sha256(b"\x00" + body).digest()
        chain = hashlib.sha256(chain + leaf).digest()
        database.execute("UPDATE entry SET body = ?, leaf = ?, chain = ? WHERE seq = ?", (body, leaf, chain, seq))


def _truncate(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM once WHERE seq > 6")
    database.execute("DELETE FROM entry WHERE seq > 6")


def _truncate_with_its_checkpoints(database: sqlite3.Connection) -> None:
    _truncate(database)
    database.execute("DELETE FROM checkpoint WHERE size > 7")


def _regrow(database: sqlite3.Connection) -> None:
    (chain,) = database.execute("SELECT chain FROM entry WHERE seq = 11").fetchone()
    body = rfc8785.dumps({"kind": "release", "seq": 12})
    leaf = hashlib.sha256(b"\x00" + body).digest()
    row = (12, body, leaf, hashlib.sha256(chain + leaf).digest())
    database.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", row)


def _forget_what_came_once(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM once WHERE seq = 3")


def _alter_a_stored_subtree(database: sqlite3.Connection) -> None:
    database.execute("UPDATE node SET hash = zeroblob(32) WHERE level = 2 AND position = 1")


def _add_a_stored_subtree(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO node VALUES (9, 0, zeroblob(32))")


def _look_up_something_else(database: sqlite3.Connection) -> None:
    database.execute("UPDATE said SET kind = 'release' WHERE seq = 2")


def _misfile_a_checkpoint(database: sqlite3.Connection) -> None:
    database.execute("UPDATE checkpoint SET size = 5 WHERE size = 4")


@pytest.mark.parametrize(
    "tamper",
    [
        _edit,
        _edit_and_rechain,
        _truncate,
        _truncate_with_its_checkpoints,
        _regrow,
        _forget_what_came_once,
        _alter_a_stored_subtree,
        _add_a_stored_subtree,
        _look_up_something_else,
        _misfile_a_checkpoint,
    ],
)
def test_tampering_with_the_database_is_found(custody: Path, tamper: Callable[[sqlite3.Connection], None]) -> None:
    with sqlite3.connect(custody / "ledger.db") as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        tamper(database)
        for _, sql in triggers:
            database.execute(sql)
    assert set(_findings(custody)) == {"custody.ledger-altered"}


@pytest.mark.parametrize("tamper", [_edit_and_rechain, _truncate, _regrow])
def test_what_was_tampered_with_is_never_signed_anew(
    custody: Path, tamper: Callable[[sqlite3.Connection], None]
) -> None:
    with sqlite3.connect(custody / "ledger.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        tamper(database)
        if tamper is _edit_and_rechain:  # a forger who knows the stored tree mends that too
            leaves = [row[0] for row in database.execute("SELECT leaf FROM entry ORDER BY seq")]
            database.execute("DELETE FROM node")
            tree, frontier = StoredTree(database), merkle.Frontier()
            for leaf in leaves:
                tree.grow(frontier, leaf)
    ledger = Ledger.open(custody)
    size = ledger.size()
    with pytest.raises(Refused, match="the ledger"):
        ledger.append([Event(kind="admit", actor="a")], now=NOW)
    assert ledger.size() == size


def test_any_byte_flipped_in_a_checkpoint_file_is_found(custody: Path) -> None:
    path = sorted((custody / "checkpoints").glob("*.txt"))[1]
    sound = path.read_bytes()
    for position in range(len(sound)):
        flipped = bytearray(sound)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        assert _findings(custody) == ["custody.ledger-altered"], position


def test_a_dropped_trigger_is_found_and_not_mended_in_silence(custody: Path) -> None:
    with sqlite3.connect(custody / "ledger.db") as database:
        database.execute("DROP TRIGGER entry_kept")
    for _ in range(2):
        assert _findings(custody) == ["custody.ledger-altered"]


def test_a_flipped_byte_is_found_unless_it_changes_nothing_that_the_ledger_says(custody: Path) -> None:
    path = custody / "ledger.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound, said, rng, found = path.read_bytes(), _said(custody), random.Random(1), 0
    for _ in range(150):
        flipped = bytearray(sound)
        flipped[rng.randrange(len(sound))] ^= rng.randrange(1, 256)
        for rest in custody.glob("ledger.db-*"):
            rest.unlink()
        path.write_bytes(flipped)
        try:
            noticed = bool(_findings(custody))
        except (Refused, OSError):  # the command's word for these is custody.ledger-altered
            noticed = True
        found += noticed
        assert noticed or _said(custody) == said
    assert found > 20


def test_openssl_verifies_a_checkpoint_without_us(custody: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(custody)
    ((_, note), public) = ledger.checkpoints(12)[-1], ledger.public_key_pem()
    checkpoint = read_checkpoint(note, public)
    assert checkpoint is not None
    assert checkpoint.size == 12
    text, signature = note.split("\n\n")
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(base64.b64decode(signature.split(" ")[-1])[4:])
    (tmp_path / "key.pem").write_text(public)
    line = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "key.pem",
        "-rawin",
        "-in",
        "text",
        "-sigfile",
        "signature",
    ]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Successfully" in done.stdout, done.stderr
    assert read_checkpoint(note.replace("\n12\n", "\n13\n"), public) is None


def test_signatures_hold_for_their_data_only(custody: Path) -> None:
    ledger = Ledger.open(custody)
    signature = ledger.sign(b"record")
    assert verify_signature(ledger.public_key_pem(), b"record", signature)
    assert not verify_signature(ledger.public_key_pem(), b"recorD", signature)
    assert (custody / "keys" / "ledger.pem").stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 90), st.data())
def test_roots_in_one_pass_are_those_of_each_size(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    sizes = data.draw(st.lists(st.integers(0, size)))
    assert roots_at(leaves, sizes) == {n: root_hash(leaves[:n]) for n in sizes}


def test_proofs_of_a_whole_delivery_cost_little_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    plain = merkle.node_hash
    monkeypatch.setattr(merkle, "node_hash", lambda left, right: hashed.append(1) or plain(left, right))
    leaves = [leaf_hash(str(number).encode()) for number in range(500)]
    assert len(inclusion_proofs(leaves, range(500))) == 500
    assert len(hashed) < 1000


def test_a_checkpoint_file_appears_whole_or_not_at_all(custody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        Ledger.open(custody).append([Event(kind="admit", actor="a", once="late")], now=NOW)
    monkeypatch.undo()
    assert _findings(custody) == []
    Ledger.open(custody).append([Event(kind="admit", actor="a", once="late")], now=NOW)
    assert (custody / "checkpoints" / "000000000013.txt").is_file()
    assert _findings(custody) == []


def test_a_ledger_whose_key_is_gone_gets_no_other(custody: Path) -> None:
    (custody / "keys" / "ledger.pem").unlink()
    with pytest.raises(Refused, match=r"ledger\.pem") as caught:
        Ledger.open(custody)
    assert caught.value.findings[0].code == "custody.key-missing"
    assert not (custody / "keys" / "ledger.pem").exists()


def test_proofs_from_the_stored_tree_are_those_of_the_definition(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    for number in range(37):
        ledger.append([Event(kind="receive", actor="a", reason=str(number))], now=NOW)
    leaves = [entry.leaf for entry in ledger.entries()]
    for size, _ in ledger.checkpoints(37):
        with ledger.reading() as database:
            tree = StoredTree(database)
            assert tree.root(size) == root_hash(leaves[:size])
            assert [tree.path(index, size) for index in range(size)] == inclusion_proofs(leaves[:size], range(size))
    proved = list(ledger.prove([0, 36], ledger.checkpoint_over(36)))
    assert [entry.seq for entry, _ in proved] == [0, 36]
    with pytest.raises(Refused, match="entry 20"):
        list(ledger.prove([20], ledger.checkpoint_over(3)))


def test_entering_costs_what_is_entered_and_not_what_stands_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.append([Event(kind="receive", actor="a", reason=str(number)) for number in range(3000)], now=NOW)
    hashed = []
    plain = merkle.node_hash
    monkeypatch.setattr(merkle, "node_hash", lambda left, right: hashed.append(1) or plain(left, right))
    checkpoint = ledger.append([Event(kind="admit", actor="a", reason=str(number)) for number in range(30)], now=NOW)
    list(ledger.prove([7], checkpoint))
    assert len(hashed) < 30 + 5 * 12
    monkeypatch.undo()
    assert checkpoint.root == root_hash([entry.leaf for entry in ledger.entries()])


def test_entries_are_found_by_what_they_say(custody: Path) -> None:
    ledger = Ledger.open(custody)
    event = Event(kind="admit", actor="a", contribution_id="c-1", object_sha256="ab" * 32)
    ledger.append([event], now=NOW)
    assert [entry.seq for entry in ledger.of_kind("admit")] == [12]
    assert [entry.seq for entry in ledger.each_of_contribution("c-1")] == [12]
    assert [entry.seq for entry in ledger.of_object("abab")] == [12]
    assert ledger.of_object("ac") == []
    assert ledger.newest_of_contribution("c-1", ("receive", "admit")) == 12
    assert ledger.newest_of_contribution("c-1", ("receive",)) is None


def test_a_ledger_of_the_first_version_gets_what_it_lacks(custody: Path) -> None:
    with sqlite3.connect(custody / "ledger.db") as database:
        for table in ("node", "said"):
            database.execute(f"DROP TABLE {table}")
    before = [entry.body for entry in Ledger.open(custody).entries()]
    assert _findings(custody) == []
    Ledger.open(custody).append([Event(kind="admit", actor="a")], now=NOW)
    assert [entry.body for entry in Ledger.open(custody).entries()][:-1] == before
    assert _findings(custody) == []


def test_a_damaged_database_is_said_to_be_one(custody: Path) -> None:
    (custody / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Refused, match=r"custody\.ledger-altered"):
        Ledger.open(custody)


def test_an_entry_is_found_by_its_key(custody: Path) -> None:
    entry = Ledger.open(custody).find("1/2")
    assert entry is not None
    assert entry.seq == 6
    assert Ledger.open(custody).find("never") is None
