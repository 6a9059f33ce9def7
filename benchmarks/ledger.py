"""Does entering stay as quick when the ledger has grown: batches of 300 events at the end against the beginning.

The floor is the same batch entered in a ledger of a few batches, so a ratio near one says that the cost follows what
is entered, not what stands there. With ``--json`` the seconds that `ledger verify` takes of the whole are told too.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from measure import Ratio, in_turns, present, scratch

from workbench.custody.audit import audit
from workbench.custody.ledger import Event, Ledger

_BATCH = 300
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def batch(number: int) -> list[Event]:
    """Return the events of a delivery of 300 files."""
    contribution = f"c-{number:012x}"
    return [
        Event(
            kind="receive",
            actor="bench",
            partner_id="bench",
            contribution_id=contribution,
            object_sha256=(digest := hashlib.sha256(f"{number}/{n}".encode()).hexdigest()),
            size_bytes=2_000_000,
            reason="delivered",
            once=f"receive/{contribution}/{digest}",
        )
        for n in range(_BATCH)
    ]


def grown(custody: Path, entries: int) -> Ledger:
    """Return a ledger of about so many entries, made in large strides."""
    ledger, stride = Ledger.open(custody), 20
    for start in range(0, max(1, entries // _BATCH), stride):
        end = min(start + stride, max(1, entries // _BATCH))
        ledger.append((event for number in range(start, end) for event in batch(number)), now=_NOW)
    return ledger


def measure(items: int, turns: int) -> Ratio:
    """Return the cost of a batch in a ledger of ``items`` entries over that in a small one."""
    with scratch() as folder:
        small, large = grown(folder / "small", _BATCH), grown(folder / "large", items)
        work_s, floor_s, work_cpu, floor_cpu = in_turns(
            lambda turn: large.append(batch(10**6 + turn), now=_NOW),
            lambda turn: small.append(batch(10**6 + turn), now=_NOW),
            turns=max(turns, 5),
        )
        began = time.perf_counter()
        checked = audit(large)
        verify = {"entries": checked.entries, "verify_s": round(time.perf_counter() - began, 2)}
        if checked.findings:
            msg = f"the ledger is not sound: {checked.findings}"
            raise RuntimeError(msg)
        sys.stderr.write(json.dumps(verify) + "\n")
    return Ratio(
        name="Entering 300 events in a grown ledger",
        against="the same in a small one",
        items=items,
        unit="entries",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu,
        floor_cpu_s=floor_cpu,
    )


if __name__ == "__main__":
    present(measure, items=100_000)
