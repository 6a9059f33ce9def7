"""Whoever alters ledger, checkpoints or originals is found out: by hand, with care, and a byte at a time."""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from workbench.custody.ledger import Ledger

pytestmark = [pytest.mark.tools, pytest.mark.slow]


@pytest.fixture
def sound(host: Any, site: Any, random_delivery: Any) -> Any:
    """A workspace with a few small originals and a ledger that says so."""
    place, delivery = site(), random_delivery(8, 12, size_bytes=300)
    assert place.heard(host.run(*place.receive_line(delivery)), delivery)
    with closing(sqlite3.connect(place.root / "custody" / "ledger.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return place


def _verify(root: Path) -> bool:
    """Say whether `ledger verify --objects` finds fault; it must then end with 1."""
    from typer.testing import CliRunner

    from workbench.cli.main import app

    result = CliRunner().invoke(app, ["ledger", "verify", "--objects", "--workspace", str(root), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1), result.output
    return result.exit_code == 1


def _edit(database: sqlite3.Connection) -> None:
    database.execute("UPDATE entry SET body = CAST(replace(body, 'receive', 'release') AS BLOB) WHERE seq = 5")


def _rechain(database: sqlite3.Connection) -> None:
    chain = bytes(32)
    for seq, body in database.execute("SELECT seq, body FROM entry ORDER BY seq").fetchall():
        leaf = hashlib.sha256(b"\x00" + body).digest()
        chain = hashlib.sha256(chain + leaf).digest()
        database.execute("UPDATE entry SET leaf = ?, chain = ? WHERE seq = ?", (leaf, chain, seq))


def _edit_and_rechain(database: sqlite3.Connection) -> None:
    _edit(database)
    _rechain(database)


def _truncate(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM once WHERE seq > 6")
    database.execute("DELETE FROM entry WHERE seq > 6")
    database.execute("DELETE FROM checkpoint WHERE size > 7")


def _regrow(database: sqlite3.Connection) -> None:
    (most,) = database.execute("SELECT max(seq) FROM entry").fetchone()
    database.execute("DELETE FROM once WHERE seq = ?", (most,))
    database.execute("DELETE FROM entry WHERE seq = ?", (most,))
    (chain,) = database.execute("SELECT chain FROM entry WHERE seq = ?", (most - 1,)).fetchone()
    body = rfc8785.dumps({"kind": "release", "seq": most, "version": 1})
    leaf = hashlib.sha256(b"\x00" + body).digest()
    row = (most, body, leaf, hashlib.sha256(chain + leaf).digest())
    database.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", row)


def _deceive(database: sqlite3.Connection) -> None:
    database.execute("UPDATE entry SET body = CAST(replace(body, 'delivered', 'deceived!') AS BLOB) WHERE seq = 5")
    _rechain(database)


def _without_triggers(root: Path, tamper: Any) -> None:
    """Tamper with the database as somebody would who knows of the triggers, and puts them back."""
    with closing(sqlite3.connect(root / "custody" / "ledger.db")) as database, database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        tamper(database)
        for _, sql in triggers:
            database.execute(sql)


@pytest.mark.parametrize("tamper", [_edit, _edit_and_rechain, _truncate, _regrow], ids=lambda f: f.__name__.strip("_"))
def test_an_altered_ledger_is_found_out(sound: Any, tamper: Any, record: Any) -> None:
    assert not _verify(sound.root)
    _without_triggers(sound.root, tamper)
    assert _verify(sound.root)
    record(8, f"ledger: {tamper.__name__.strip('_').replace('_', ' ')}, triggers put back: found, exit 1", "SQL")


def test_the_harness_sees_what_a_chain_alone_would_miss(sound: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the check of the checkpoints off: an edit that re-chains everything then goes unnoticed, and shows it."""
    _without_triggers(sound.root, _deceive)
    from workbench.custody import audit

    ledger = Ledger.open(sound.root / "custody")
    assert audit.audit(ledger).findings
    monkeypatch.setattr(audit, "_audit_notes", lambda *_: iter(()))
    monkeypatch.setattr(audit._Derived, "findings", lambda _: [])
    assert not audit.audit(ledger).findings


def _said(root: Path) -> str | None:
    """Return everything that the ledger's database says, None if it cannot be read."""
    try:
        with closing(sqlite3.connect(root / "custody" / "ledger.db")) as database:
            return "\n".join(database.iterdump())
    except (sqlite3.Error, ValueError, TypeError):
        return None


def test_flipped_bytes_are_found_out(sound: Any, record: Any, size: Any) -> None:
    custody, rng = sound.root / "custody", random.Random(9)
    objects = sorted((custody / "objects").glob("c-*/??/*"))
    notes = sorted((custody / "checkpoints").glob("*.txt"))
    kept = sound.root.with_name("kept")
    shutil.copytree(custody, kept)
    told, found, wrong = _said(sound.root), Counter[str](), []
    harmless = 0
    wanted = size("WORKBENCH_FLIPS", 60, 1000)
    for number in itertools.count():
        if found.total() + len(wrong) >= wanted:
            break
        kind, path = (
            ("ledger", custody / "ledger.db"),
            ("original", rng.choice(objects)),
            ("note", rng.choice(notes)),
        )[(0, 1, 0, 1, 2)[number % 5]]
        data = bytearray(path.read_bytes())
        place = rng.randrange(len(data))
        data[place] ^= rng.randrange(1, 256)
        path.chmod(0o600)
        path.write_bytes(data)
        if _verify(sound.root):
            found[kind] += 1
        elif kind == "ledger" and _said(sound.root) == told:
            harmless += 1  # the byte lies in the database's unused space: every entry, note and key reads as before
        else:
            wrong.append((kind, path.name, place))
        for rest in custody.glob("ledger.db*"):
            rest.unlink()
        shutil.copyfile(kept / "ledger.db", custody / "ledger.db")
        if kind != "ledger":
            shutil.copyfile(kept / path.relative_to(custody), path)
    assert not wrong
    assert not _verify(sound.root)
    measured = (
        f"{wanted} flipped bytes that change what is kept, {found['ledger']} in the ledger, {found['original']} in originals, "
        f"{found['note']} in checkpoints: all found; {harmless} more, in the database's unused space, change nothing it says"
    )
    record(8, measured, "byte flips")
