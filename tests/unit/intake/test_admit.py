"""The intake stage without decoders: what it writes, keeps, redoes and removes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workbench.domain.findings import Refused
from workbench.intake import admit
from workbench.intake.admit import Verdict, run_intake
from workbench.intake.partner_report import quarantine_findings
from workbench.layout import Layout
from workbench.ports import silent
from workbench.tables import FILES, IMAGES, QUARANTINE, read_rows, write_table

PARAMS = {"activity": admit.ACTIVITY, "jpeg_quality": 95}
FACTS = {
    "width_px": 4,
    "height_px": 3,
    "original_width_px": 4,
    "original_height_px": 3,
    "orientation": 1,
    "scale": 1.0,
}


class _Inspector:
    """Admits everything but what is named broken; remembers what it was asked for."""

    def __init__(self, broken: Sequence[str] = (), fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self._broken, self._fail_after = broken, fail_after

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Verdict]]:
        for position, row in enumerate(rows):
            if self._fail_after is not None and len(self.asked) == self._fail_after:
                raise KeyboardInterrupt
            self.asked.append(row["image_id"])
            if row["image_id"] in self._broken:
                yield position, Verdict(code="intake.decode-failed", detail="It is broken.")
            else:
                yield position, Verdict(jpeg=b"copy of " + row["image_id"].encode(), facts=FACTS)


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def deliver(layout: Layout) -> Callable[..., Path]:
    def write(contribution_id: str, *names: str) -> Path:
        rows = [
            {
                "image_id": _id(name),
                "contribution_id": contribution_id,
                "partner_id": "lab",
                "licence": "CC0-1.0",
                "size_bytes": 10,
                "suffix": ".jpg",
                "name_digest": _id("name " + name),
            }
            for name in names
        ]
        folder = layout.deliveries / contribution_id
        write_table(folder / "files.parquet", FILES, sorted(rows, key=lambda row: str(row["image_id"])))
        (folder / "contribution.json").write_text(json.dumps({"contribution_id": contribution_id}))
        return folder

    return write


def _run(layout: Layout, inspector: _Inspector, **changed: Any) -> admit.Admitted:
    return run_intake(layout, {**PARAMS, **changed}, inspect=inspector, track=silent)


def _state(layout: Layout) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in layout.intake.rglob("*") if path.is_file()}


def test_every_file_has_a_row_in_one_table_and_in_one_only(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a", "b", "c")
    _run(layout, _Inspector(broken=[_id("b")]))
    admitted = [row["image_id"] for row in read_rows(layout.intake / "c-1" / "images.parquet", IMAGES)]
    held = [row["image_id"] for row in read_rows(layout.intake / "c-1" / "quarantine.parquet", QUARANTINE)]
    assert held == [_id("b")]
    assert admitted == sorted([_id("a"), _id("c")])


def test_a_repeat_inspects_nothing_and_changes_no_byte(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a", "b")
    _run(layout, _Inspector(broken=[_id("b")]))
    before, again = _state(layout), _Inspector()
    assert _run(layout, again).decoded == 0
    assert again.asked == []
    assert _state(layout) == before


def test_only_new_files_are_inspected(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a", "b")
    _run(layout, _Inspector())
    deliver("c-2", "c")
    again = _Inspector()
    _run(layout, again)
    assert again.asked == [_id("c")]


def test_another_parameter_redoes_all(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a", "b")
    _run(layout, _Inspector())
    again = _Inspector()
    _run(layout, again, jpeg_quality=90)
    assert len(again.asked) == 2


@pytest.mark.parametrize("harm", [lambda p: p.write_bytes(b"altered"), lambda p: p.unlink()])
def test_an_altered_or_lost_working_copy_is_made_anew(
    layout: Layout, deliver: Callable[..., Path], harm: Callable[[Path], None]
) -> None:
    deliver("c-1", "a", "b")
    _run(layout, _Inspector())
    before = _state(layout)
    harm(next(path for path in before if path.suffix == ".jpg"))
    again = _Inspector()
    _run(layout, again)
    assert len(again.asked) == 1
    assert _state(layout) == before


def test_a_damaged_table_of_a_former_run_is_made_anew(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a")
    _run(layout, _Inspector())
    before = _state(layout)
    (layout.intake / "c-1" / "images.parquet").write_bytes(b"no table")
    _run(layout, _Inspector())
    assert _state(layout) == before


def test_an_interrupted_run_goes_on_with_every_verdict_it_had(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", *"abcdefg")
    with pytest.raises(KeyboardInterrupt):
        _run(layout, _Inspector(fail_after=5))
    journal = layout.intake / "c-1" / "verdicts.part"
    noted = journal.read_text()
    told = len(noted.strip().splitlines())
    journal.write_text(noted + '{"file": "half a li')  # what a kill may leave
    again = _Inspector()
    _run(layout, again)
    assert told >= 4
    assert len(again.asked) == 7 - told
    assert not journal.exists()
    assert len(read_rows(layout.intake / "c-1" / "images.parquet", IMAGES)) == 7


def test_what_no_row_names_is_removed(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a")
    _run(layout, _Inspector())
    before = _state(layout)
    for stray in ("c-1/images/ab/stray.jpg", "c-1/images/ab/cut.part", "c-gone/images.parquet"):
        path = layout.intake / stray
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stray")
    _run(layout, _Inspector())
    assert _state(layout) == before


def test_an_incomplete_delivery_waits(layout: Layout, deliver: Callable[..., Path]) -> None:
    (deliver("c-1", "a") / "contribution.json").unlink()
    asked = _Inspector()
    _run(layout, asked)
    assert asked.asked == []


def test_another_version_of_the_activity_is_refused(layout: Layout) -> None:
    with pytest.raises(Refused, match="working-copy/0"):
        _run(layout, _Inspector(), activity="working-copy/0")


def test_quarantine_is_told_as_warnings(layout: Layout, deliver: Callable[..., Path]) -> None:
    deliver("c-1", "a")
    done = _run(layout, _Inspector(broken=[_id("a")]))
    (finding,) = quarantine_findings(done.quarantine)
    assert finding.code == "intake.decode-failed"
    assert _id("a")[:12] in finding.subject
