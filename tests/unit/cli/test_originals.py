"""An original is handed out from a contribution that still stands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.cli.originals import _original_of
from workbench.custody.ledger import Event, Ledger
from workbench.domain.findings import Refused
from workbench.layout import Layout

NOW = datetime(2026, 1, 2, tzinfo=UTC)
IMAGE = "ab" * 32


def _enter(ledger: Ledger, kind: str, contribution_id: str) -> None:
    image = IMAGE if kind == "receive" else None
    ledger.append([Event(kind=kind, actor="a", contribution_id=contribution_id, object_sha256=image)], now=NOW)


def test_a_withdrawn_contribution_hands_out_nothing_and_another_with_the_same_file_does(tmp_path: Path) -> None:
    layout, ledger = Layout(tmp_path), Ledger.open(tmp_path / "custody")
    _enter(ledger, "receive", "c-1")
    assert _original_of(layout, ledger, IMAGE[:12]) == ("c-1", IMAGE, "")
    _enter(ledger, "withdraw", "c-1")
    with pytest.raises(Refused) as refusal:
        _original_of(layout, ledger, IMAGE[:12])
    assert refusal.value.findings[0].code == "custody.original-unknown"
    _enter(ledger, "receive", "c-2")
    assert _original_of(layout, ledger, IMAGE) == ("c-2", IMAGE, "")
    _enter(ledger, "receive", "c-1")  # taken in again
    assert _original_of(layout, ledger, IMAGE) in {("c-1", IMAGE, ""), ("c-2", IMAGE, "")}
