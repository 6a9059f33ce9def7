"""A receipt tells what came and what became of it, verifies on its own, and shows any change to it or to the ledger."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workbench.custody.keys import read_checkpoint
from workbench.custody.ledger import Event, Ledger
from workbench.custody.receipt import is_stale, issue_receipt, kept_notes, verdict_key
from workbench.custody.receipt_check import check_document, check_extends, check_own_files, read_document
from workbench.domain.delivery import Contribution, UsageTerms
from workbench.domain.findings import Refused
from workbench.domain.lineage import sha256_hex
from workbench.domain.terms import terms_digest
from workbench.layout import Layout
from workbench.tables import IMAGES, QUARANTINE, write_table

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CID = "c-0123456789ab"
FILES = {"a.jpg": b"one", "b <i>.jpg": b"two", "deep/c.txt": b"three", "deep/again.jpg": b"one"}
IDS = {path: sha256_hex(data) for path, data in FILES.items()}
NAMES = {
    IDS["a.jpg"]: ["a.jpg", "deep/again.jpg"],
    IDS["b <i>.jpg"]: ["b <i>.jpg"],
    IDS["deep/c.txt"]: ["deep/c.txt"],
}
CONTRIBUTION = Contribution(
    contribution_id=CID,
    partner_id="lab",
    licence="CC0-1.0",
    received_at=NOW.isoformat(),
    channel="folder",
    file_count=4,
    total_bytes=sum(len(data) for data in FILES.values()),
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A workspace whose ledger received one delivery among other entries."""
    made = Layout(tmp_path)
    events = [Event(kind="receive", actor="a", contribution_id="c-other", object_sha256="0" * 64, size_bytes=1)]
    events += [
        Event(
            kind="receive",
            actor="a",
            partner_id="lab",
            contribution_id=CID,
            object_sha256=image_id,
            size_bytes=len(FILES[names[0]]),
            once=f"receive/{CID}/{image_id}",
        )
        for image_id, names in NAMES.items()
    ]
    Ledger.open(made.custody).append(events, now=NOW)
    return made


def _issue(layout: Layout) -> dict[str, Any]:
    page = issue_receipt(layout, Ledger.open(layout.custody), CONTRIBUTION, NAMES)
    read = read_document(page.with_name("receipt.json"))
    document: dict[str, Any] = json.loads(page.with_name("receipt.json").read_text())
    assert read | {"files": list(read["files"])} == document
    assert len(read["files"]) == len(document["files"])
    assert not list(check_document(read, read["public_key"]))
    return document


def _inspect(layout: Layout, *, key: str = "k1", held: str = "deep/c.txt") -> None:
    """Give each file its verdict, in the tables and in the ledger."""
    rows: dict[str, list[dict[str, Any]]] = {"admit": [], "quarantine": []}
    for image_id, names in NAMES.items():
        row = {"image_id": image_id, "contribution_id": CID, "work_key": f"{key}/{image_id}"}
        if names[0] == held:
            extra = {"size_bytes": 5, "code": "intake.format-refused", "detail": "It is text & no picture."}
            rows["quarantine"].append(row | extra)
        else:
            extra = {"path": "p", "file_sha256": "f" * 64, "width_px": 1, "height_px": 1, "licence": "CC0-1.0"}
            rows["admit"].append(row | extra | {"origin": "real"})
    folder = layout.intake / CID
    write_table(folder / "images.parquet", IMAGES, rows["admit"])
    write_table(folder / "quarantine.parquet", QUARANTINE, rows["quarantine"])
    events = [
        Event(
            kind=kind,
            actor="a",
            contribution_id=CID,
            object_sha256=row["image_id"],
            reason=row.get("code", "working copy"),
            once=verdict_key(kind, row),
        )
        for kind, listed in rows.items()
        for row in listed
    ]
    Ledger.open(layout.custody).append(events, now=NOW)


def _codes(document: dict[str, Any]) -> list[str]:
    return [finding.code for finding in check_document(document, document["public_key"])]


def _verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {file["names"][0]: file["verdict"]["status"] for file in document["files"]}


def test_a_receipt_is_sound_and_tells_each_file_s_verdict(layout: Layout) -> None:
    document = _issue(layout)
    assert _codes(document) == []
    assert set(_verdicts(document).values()) == {"pending"}
    assert not is_stale(layout.custody, Ledger.open(layout.custody), CID)
    _inspect(layout)
    assert is_stale(layout.custody, Ledger.open(layout.custody), CID)
    document = _issue(layout)
    assert _codes(document) == []
    assert _verdicts(document) == {"a.jpg": "admitted", "b <i>.jpg": "admitted", "deep/c.txt": "quarantined"}
    held = document["files"][2]["verdict"]
    assert (held["code"], held["detail"]) == ("intake.format-refused", "It is text & no picture.")
    assert not is_stale(layout.custody, Ledger.open(layout.custody), CID)


def test_taken_in_again_after_a_withdrawal_a_file_has_its_verdict_once_intake_looked_again(layout: Layout) -> None:
    _inspect(layout)
    before = _issue(layout)["files"]
    for name in ("images.parquet", "quarantine.parquet"):
        (layout.intake / CID / name).unlink()
    ledger = Ledger.open(layout.custody)
    ledger.append([Event(kind="withdraw", actor="a", contribution_id=CID, once="withdraw/1")], now=NOW)
    facts = {"kind": "receive", "actor": "a", "partner_id": "lab", "contribution_id": CID}
    again = [Event(**facts, object_sha256=file["sha256"], size_bytes=file["size_bytes"]) for file in before]
    ledger.append(again, now=NOW)
    assert set(_verdicts(_issue(layout)).values()) == {"pending"}
    _inspect(layout)
    after = _issue(layout)["files"]
    assert [file["verdict"] | {"proof": None} for file in after] == [
        file["verdict"] | {"proof": None} for file in before
    ]
    assert all(new["proof"]["index"] > old["proof"]["index"] for new, old in zip(after, before, strict=True))


def test_a_receipt_states_the_terms_and_their_digest(layout: Layout) -> None:
    terms = UsageTerms.from_json({"embargo_until": "2030-01-02", "permitted_purposes": ["<research>"]})
    page = issue_receipt(layout, Ledger.open(layout.custody), replace(CONTRIBUTION, terms=terms), NAMES)
    document = read_document(page.with_name("receipt.json"))
    assert document["contribution"]["terms"] == terms.to_json()
    assert document["terms_sha256"] == terms_digest("CC0-1.0", terms)
    assert not list(check_document(document, document["public_key"]))
    text = page.read_text()
    assert "<td>Not to be released before</td><td>2030-01-02</td>" in text
    assert "&lt;research&gt;" in text
    assert document["terms_sha256"] in text


def test_the_page_shows_names_and_reasons_as_text(layout: Layout) -> None:
    _inspect(layout)
    _issue(layout)
    page = (layout.custody / "receipts" / CID / "receipt.html").read_text()
    assert "b &lt;i&gt;.jpg" in page
    assert "It is text &amp; no picture." in page
    assert "2 of your pictures are admitted. 1 are in quarantine" in page
    assert all((layout.custody / "receipts" / CID / name).stat().st_mode & 0o077 == 0 for name in ("receipt.json",))


def test_asked_for_again_a_receipt_is_the_same_bytes_until_there_is_a_new_verdict(layout: Layout) -> None:
    _inspect(layout)
    _issue(layout)
    path = layout.custody / "receipts" / CID / "receipt.json"
    first = path.read_bytes()
    Ledger.open(layout.custody).append([Event(kind="release", actor="a")], now=NOW)
    _issue(layout)
    assert path.read_bytes() == first
    _inspect(layout, key="k2", held="a.jpg")
    assert _verdicts(_issue(layout))["a.jpg"] == "quarantined"
    _inspect(layout)  # as before: its entries stand in the ledger already, and are no longer the newest
    assert _verdicts(_issue(layout))["a.jpg"] == "admitted"
    path.write_bytes(first)
    assert _codes(read_document(path)) == []


def _leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths to every value of a document."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [found for key, inner in enumerate(value) for found in _leaves(inner, (*path, key))]
    return [path]


def test_any_value_of_a_receipt_that_is_changed_is_found(layout: Layout) -> None:
    _inspect(layout)
    sound = _issue(layout)
    key = sound["public_key"]
    paths = _leaves(sound)
    assert len(paths) > 70
    for path in paths:
        spoilt = copy.deepcopy(sound)
        place: Any = spoilt
        for step in path[:-1]:
            place = place[step]
        value = place[path[-1]]
        place[path[-1]] = value + 1 if isinstance(value, int) else f"{value[:-2]}~{value[-1:]}" if value else "x"
        assert list(check_document(spoilt, key)), path
    for cut in ("files", "signature", "contribution"):
        assert list(check_document({name: value for name, value in sound.items() if name != cut}, key))
    assert list(check_document(sound | {"more": 1}, key))


def _without_a_file(document: dict[str, Any]) -> None:
    document["files"].pop()


def _with_a_verdict_of_another_file(document: dict[str, Any]) -> None:
    document["files"][2]["verdict"] = document["files"][0]["verdict"]


@pytest.mark.parametrize("tamper", [_without_a_file, _with_a_verdict_of_another_file])
def test_a_receipt_put_together_anew_is_found(layout: Layout, tamper: Callable[[dict[str, Any]], None]) -> None:
    _inspect(layout)
    document = _issue(layout)
    tamper(document)
    assert set(_codes(document)) == {"custody.receipt-invalid"}


def test_a_receipt_of_before_a_rotation_verifies_with_the_key_of_its_time(layout: Layout) -> None:
    before = _issue(layout)
    after = Ledger.open(layout.custody).rotate_key(actor="a", reason="yearly", now=NOW).public_key_pem()
    assert _codes(before) == []
    assert [finding.code for finding in check_document(before, after)] == ["custody.receipt-invalid"]
    again = _issue(layout)
    assert again["public_key"] == after
    assert _codes(again) == []


def test_a_ledger_continues_its_receipts_or_was_tampered_with(layout: Layout) -> None:
    _inspect(layout)
    document = _issue(layout)
    checkpoint = read_checkpoint(document["checkpoint"], document["public_key"])
    assert checkpoint is not None
    assert kept_notes(layout.custody) == [document["checkpoint"]]
    Ledger.open(layout.custody).append([Event(kind="release", actor="a")], now=NOW)
    assert list(check_extends(Ledger.open(layout.custody), checkpoint)) == []
    with sqlite3.connect(layout.custody / "ledger.db") as database:
        for trigger in ("entry_stays", "entry_kept", "said_kept"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE entry SET body = CAST(replace(body, '\"a\"', '\"b\"') AS BLOB) WHERE seq = 1")
    (found,) = check_extends(Ledger.open(layout.custody), checkpoint)
    assert found.code == "custody.ledger-altered"
    with sqlite3.connect(layout.custody / "ledger.db") as database:
        for table in ("once", "said", "entry"):
            database.execute(f"DELETE FROM {table} WHERE seq > 2")  # noqa: S608 -- our own names
    (found,) = check_extends(Ledger.open(layout.custody), checkpoint)
    assert found.code == "custody.ledger-altered"


def test_a_partner_s_own_files_are_compared(layout: Layout, tmp_path: Path) -> None:
    document = _issue(layout)
    own = tmp_path / "own"
    for path, data in FILES.items():
        (own / path).parent.mkdir(parents=True, exist_ok=True)
        (own / path).write_bytes(data)
    assert list(check_own_files(document, own)) == []
    (own / "a.jpg").rename(own / "renamed.jpg")  # its bytes are there still
    (own / "b <i>.jpg").write_bytes(b"changed")
    (own / "deep" / "c.txt").unlink()
    told = [(finding.code, finding.subject) for finding in check_own_files(document, own)]
    assert told == [
        ("custody.receipt-file-differs", "b <i>.jpg"),
        ("custody.receipt-file-missing", "deep/c.txt"),
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"receipt": 1}', b"\xff", b'{"entries": []}', b"[" * 100_000])
def test_what_is_no_receipt_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"custody\.receipt-invalid"):
        read_document(path)


def test_names_that_the_ledger_does_not_know_get_no_receipt(layout: Layout) -> None:
    with pytest.raises(Refused, match="does not know"):
        issue_receipt(layout, Ledger.open(layout.custody), CONTRIBUTION, NAMES | {"f" * 64: ["x.jpg"]})


def test_a_receipt_s_json_is_read_by_anything(layout: Layout) -> None:
    _issue(layout)
    text = (layout.custody / "receipts" / CID / "receipt.json").read_text()
    assert json.loads(text)["contribution"]["contribution_id"] == CID


def test_any_byte_flipped_in_a_receipt_is_found(layout: Layout) -> None:
    _inspect(layout)
    key = _issue(layout)["public_key"]
    path = layout.custody / "receipts" / CID / "receipt.json"
    sound, rng = path.read_bytes(), random.Random(3)
    told = json.loads(sound)
    for _ in range(300):
        flipped = bytearray(sound)
        flipped[rng.randrange(len(sound))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            read = read_document(path)
            found = list(check_document(read, key))
        except Refused:
            continue
        same = not found and read | {"files": list(read["files"])} == told
        assert found or same  # white space between values says nothing
