"""Sealed objects are read back: all of them in a cycle of days, and what is wrong with one is said and written down."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from workbench.custody.fixity import (
    Fixity,
    Sealed,
    check_names,
    check_objects,
    due_objects,
    objects_entered,
    write_report,
)
from workbench.custody.ledger import Event, Ledger
from workbench.custody.object_store import SealedStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("cycle_days", [1, 7, 30])
def test_in_any_cycle_of_days_each_object_is_due_once(cycle_days: int) -> None:
    objects = [Sealed(contribution_id=f"c-{n % 3}", object_id=f"{n:064x}") for n in range(900)]
    start = date(2026, 2, 17)
    days = [due_objects(objects, day=start + timedelta(days=n), cycle_days=cycle_days) for n in range(cycle_days)]
    assert sorted(item for day in days for item in day) == sorted(objects)
    assert max(len(day) for day in days) < 2.5 * len(objects) / cycle_days
    assert due_objects(objects, day=start, cycle_days=cycle_days) == days[0]


@pytest.fixture
def custody(tmp_path: Path) -> Path:
    store = SealedStore(tmp_path)
    events = []
    for contribution_id in ("c-1", "c-2"):
        staged = [store.stage("lab", contribution_id, io.BytesIO(f"{contribution_id}/{n}".encode())) for n in range(3)]
        store.commit(contribution_id, staged)
        kinds = ("receive", "receive", "names")
        events += [
            Event(kind=kind, actor="a", contribution_id=contribution_id, object_sha256=item.object_id)
            for kind, item in zip(kinds, staged, strict=True)
        ]
        (tmp_path / "names").mkdir(exist_ok=True)
        (tmp_path / "names" / contribution_id).write_text(staged[-1].object_id)
    Ledger.open(tmp_path).append(events, now=NOW)
    return tmp_path


def _objects(custody: Path) -> list[Sealed]:
    return objects_entered(Ledger.open(custody).each())


def _place(custody: Path, item: Sealed) -> Path:
    return custody / "objects" / item.contribution_id / item.object_id[:2] / item.object_id


def test_altered_and_missing_objects_are_found_and_reported(custody: Path) -> None:
    objects = _objects(custody)
    assert len(objects) == 6
    assert list(check_objects(SealedStore(custody), objects)) == []
    spoilt, gone = _place(custody, objects[0]), _place(custody, objects[1])
    spoilt.chmod(0o600)
    sealed = spoilt.read_bytes()
    spoilt.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    gone.unlink()
    found = Fixity(checked=6, total=6, findings=tuple(check_objects(SealedStore(custody), objects)))
    counts = {"total": 6, "checked": 6, "altered": 1, "missing": 1, "without_key": 0}
    assert found.counts() == counts
    path, _ = write_report(custody / "fixity", found, which="all", now=NOW)
    assert "custody.object-altered" in path.read_text()
    told = json.loads(path.with_suffix(".json").read_text())
    assert counts.items() <= told.items()
    assert len(told["findings"]) == 2


def test_what_was_withdrawn_is_not_missed_until_it_comes_again(custody: Path) -> None:
    ledger = Ledger.open(custody)
    ledger.append([Event(kind="withdraw", actor="a", contribution_id="c-2")], now=NOW)
    assert {item.contribution_id for item in _objects(custody)} == {"c-1"}
    ledger.append([Event(kind="receive", actor="a", contribution_id="c-2", object_sha256="f" * 64)], now=NOW)
    assert Sealed(contribution_id="c-2", object_id="f" * 64) in _objects(custody)


def test_a_pointer_to_another_list_of_names_is_found(custody: Path) -> None:
    def codes() -> list[str]:
        entries = Ledger.open(custody).of_kind("names")
        return [finding.code for finding in check_names(custody, entries, _objects(custody))]

    assert codes() == []
    (custody / "names" / "c-1").write_text("0" * 64)
    (custody / "names" / "c-2").unlink()
    assert codes() == ["custody.object-altered", "custody.object-missing"]
