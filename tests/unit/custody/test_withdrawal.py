"""What leads back to a contribution, how files lose it, how contributions stand, and the end of a key."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.custody.object_store import SealedStore
from workbench.custody.prune import concerned, prune_files
from workbench.custody.standing import expected_objects, standings, withdrawn_files
from workbench.custody.traces import TOMBSTONE, Lineage, Traces, digests_in, lineage_rows, trace
from workbench.custody.withdrawal import (
    Found,
    Plan,
    keys_of,
    plan_path,
    read_plan,
    records_of,
    remove_originals,
    remove_records,
    shred_keys,
    write_plan,
    write_tombstone,
)
from workbench.domain.findings import Refused
from workbench.tables import IMAGES, INSTANCES, read_rows, write_table

CID = "c-0123456789ab"


def _id(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _body(kind: str, **told: Any) -> dict[str, Any]:
    return {"kind": kind, "contribution_id": CID, "claimed_time": "2026-01-01", **told}


def test_a_trace_follows_parents_and_stops_at_what_somebody_else_gave() -> None:
    rows = [
        Lineage(image_id="a", contribution_id=CID, file_sha256="fa"),
        Lineage(image_id="b", contribution_id=CID, file_sha256="fb"),
        Lineage(image_id="copy of a", contribution_id=CID, parent_image_id="a", file_sha256="fc"),
        Lineage(image_id="render on copy", parent_image_id="copy of a", file_sha256="fr"),
        Lineage(image_id="copy of b", contribution_id=CID, parent_image_id="b", file_sha256="fd"),
        Lineage(image_id="other", contribution_id="c-2", file_sha256="fo"),
        Lineage(image_id="same pixels", contribution_id="c-2", file_sha256="fa"),
    ]
    staying = [Lineage(image_id="b", contribution_id="c-2", file_sha256="fb"), rows[5], rows[6]]
    found = trace(CID, ["a", "b", "unreadable"], rows, staying=staying)
    assert found.images == {"a", "copy of a", "render on copy", "unreadable"}
    assert found.files == {"fc", "fr"}  # fa is also what another photograph looks like


@given(st.binary(max_size=200), st.binary(max_size=200), st.text("0123456789abcdef", max_size=70))
def test_an_identifier_is_found_wherever_it_stands(before: bytes, after: bytes, run: str) -> None:
    word = _id("gone")
    traces = Traces(contribution_id=CID, images=frozenset([word]))
    assert traces.mentioned(before + run.encode() + word.encode() + after)
    assert word in set(digests_in(before + run.encode() + word.encode() + after))
    assert not traces.mentioned((run + _id("stays")[:63]).encode())


def test_an_identifier_across_the_pieces_a_file_is_read_in_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("workbench.custody.traces._CHUNK_BYTES", 100)
    traces = Traces(contribution_id=CID, images=frozenset([_id("gone")]))
    for shift in range(0, 130, 7):
        path = tmp_path / f"{shift}.txt"
        path.write_bytes(b"-" * shift + _id("gone").encode() + b"-" * 50)
        assert traces.in_file(path), shift


def _image(image_id: str, cid: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {field.name: None for field in IMAGES}
    sizes = {"width_px": 1, "height_px": 1}
    told = {"image_id": image_id, "origin": "real", "path": f"{image_id}.jpg", "file_sha256": _id(image_id)}
    return row | told | sizes | {"licence": "x", "work_key": "k", "contribution_id": cid} | more


def test_files_lose_what_speaks_of_it_and_keep_the_rest(tmp_path: Path) -> None:
    gone, stays = _id("gone"), _id("stays")
    traces = Traces(contribution_id=CID, images=frozenset([gone]), files=frozenset([_id(gone)]))
    rows = [_image(gone, CID), _image(stays, "c-2"), _image(_id("c"), "c-2", excluded=f"duplicate of {gone}")]
    write_table(tmp_path / "images.parquet", IMAGES, rows)
    write_table(tmp_path / "only" / "stays.parquet", IMAGES, rows[1:2])
    (tmp_path / "export.json").write_text(json.dumps([{"data": {"sha256": gone}}, {"data": {"sha256": stays}}]))
    (tmp_path / "cache.json").write_text(json.dumps({"version": 1, "hashes": {gone: "aa", stays: "bb"}}))
    (tmp_path / "list.csv").write_text(f"id\n{gone}\n{stays}\n")
    (tmp_path / "page.html").write_text(f"<p>{gone}</p>")
    (tmp_path / f"{gone}.txt").write_text("0 0.5 0.5 0.1 0.1")
    (tmp_path / "picture.jpg").write_bytes(gone.encode())
    (tmp_path / CID).mkdir()
    (tmp_path / CID / "seizures.parquet").write_bytes(b"x")
    found = list(concerned(tmp_path, traces))
    assert {path.name for path in found} == {path.name for path in tmp_path.rglob("*.*")} - {"stays.parquet"}
    prune_files(tmp_path, found, traces)
    assert {path.name for path in tmp_path.rglob("*.*")} == {
        "images.parquet",
        "stays.parquet",
        "export.json",
        "cache.json",
        "list.csv",
    }
    assert [row["image_id"] for row in read_rows(tmp_path / "images.parquet", IMAGES)] == [stays]
    assert json.loads((tmp_path / "export.json").read_text()) == [{"data": {"sha256": stays}}]
    assert json.loads((tmp_path / "cache.json").read_text()) == {"version": 1, "hashes": {stays: "bb"}}
    assert (tmp_path / "list.csv").read_text() == f"id\n{stays}\n"
    assert list(concerned(tmp_path, traces)) == []


def test_a_picture_is_known_by_its_bytes_under_any_name(tmp_path: Path) -> None:
    picture = b"\xff\xd8\xff" + bytes(range(200))
    (tmp_path / "holiday.jpg").write_bytes(picture)
    (tmp_path / "other.jpg").write_bytes(picture[:-1])
    traces = Traces(contribution_id=CID, files=frozenset([hashlib.sha256(picture).hexdigest()]))
    assert [path.name for path in concerned(tmp_path, traces)] == ["holiday.jpg"]


def test_a_tombstone_stays(tmp_path: Path) -> None:
    plan = Plan(contribution_id=CID, number=1, partner_id="lab", reason="r", actor="a", started_at="2026")
    write_tombstone(tmp_path / CID, plan, withdrawn_at="2026")
    assert list(concerned(tmp_path, plan.traces)) == []
    assert json.loads((tmp_path / CID / TOMBSTONE).read_text())["reason"] == "r"


def test_a_table_that_tells_of_no_image_has_no_lineage(tmp_path: Path) -> None:
    write_table(tmp_path / "i.parquet", INSTANCES, [])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    assert [list(lineage_rows(tmp_path / name)) for name in ("i.parquet", "broken.parquet")] == [[], []]


def test_a_shredded_key_opens_nothing_and_other_contributions_stay(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    for cid in (CID, "c-2"):
        store.commit(cid, [store.stage("lab", cid, io.BytesIO(b"a photograph"))])
    object_id = hashlib.sha256(b"a photograph").hexdigest()
    (key,) = keys_of(tmp_path, CID)
    open_again = key.open("rb")
    former = open_again.read()
    shred_keys(tmp_path, CID)
    open_again.seek(0)
    assert open_again.read() != former  # overwritten, not only unlinked
    open_again.close()
    with pytest.raises(Refused, match="key is gone"):
        store.read(CID, object_id)
    remove_originals(tmp_path, CID)
    assert store.listed() == [("c-2", object_id)]
    assert store.read("c-2", object_id) == b"a photograph"


def test_a_file_given_twice_by_a_partner_is_readable_through_the_second_after_the_first_is_withdrawn(
    tmp_path: Path,
) -> None:
    store = SealedStore(tmp_path)
    store.commit(CID, [store.stage("lab", CID, io.BytesIO(data)) for data in (b"in both", b"in the first only")])
    both, first = (hashlib.sha256(data).hexdigest() for data in (b"in both", b"in the first only"))
    linked = store.stage_link("lab", "c-2", both, CID)
    assert linked is not None
    store.commit("c-2", [linked])
    (wrap,) = (tmp_path / "objects" / "c-2").rglob("*.key")
    wrap.unlink()  # lost: only the first contribution's key still opens what both hold
    shred_keys(tmp_path, CID)
    remove_originals(tmp_path, CID)
    assert store.listed() == [("c-2", both)]
    assert store.read("c-2", both) == b"in both"
    assert not any(first in path.name for path in tmp_path.rglob("*"))


def test_what_was_viewed_goes_by_its_name_too(tmp_path: Path) -> None:
    viewed, gone = tmp_path / "viewed", _id("gone")
    viewed.mkdir()
    for name in (f"{gone[:12]}.jpg", f".{gone[:12]}.jpg.part", f"{_id('stays')[:12]}.jpg"):
        (viewed / name).write_bytes(b"altered since, or cut short")
    traces = Traces(contribution_id=CID, images=frozenset([gone]))
    assert len(records_of(tmp_path, traces)) == 2
    remove_records(tmp_path, traces)
    assert [path.name for path in viewed.iterdir()] == [f"{_id('stays')[:12]}.jpg"]


def test_a_film_takes_its_frames_along_and_what_was_covered_in_them() -> None:
    rows = [
        Lineage(image_id="frame", contribution_id=CID, source_image_id="film", file_sha256="f1"),
        Lineage(image_id="covered", contribution_id=CID, parent_image_id="frame", source_image_id="film"),
        Lineage(image_id="augmented", parent_image_id="covered", file_sha256="f2"),
        Lineage(image_id="frame of another", contribution_id="c-2", source_image_id="other film"),
    ]
    assert trace(CID, ["film"], rows, staying=rows[3:]).images == {"film", "frame", "covered", "augmented"}
    # Somebody else gave the same film: its frames stay.
    kept = [Lineage(image_id="film", contribution_id="c-2"), replace(rows[0], contribution_id="c-2")]
    assert trace(CID, ["film"], rows, staying=kept).images == set()


def test_vectors_of_withdrawn_pictures_go_and_the_rest_stays(tmp_path: Path) -> None:
    gone, stays, cache = _id("gone"), _id("stays"), tmp_path / "embeddings-1.npz"
    keys, vectors = np.array([stays, f"{gone} 1 2 3 4"]), np.arange(8, dtype=np.float16).reshape(2, 4)
    np.savez(cache, keys=keys, vectors=vectors)
    traces = Traces(contribution_id=CID, files=frozenset([gone]))
    assert list(concerned(tmp_path, traces)) == [cache]
    prune_files(tmp_path, [cache], traces)
    with np.load(cache) as held:
        assert held["keys"].tolist() == [stays]
        assert held["vectors"].tolist() == vectors[:1].tolist()
    assert list(concerned(tmp_path, traces)) == []


def test_custody_s_own_copies_go_and_those_of_others_stay(tmp_path: Path) -> None:
    original = b"\xff\xd8\xff an original that somebody viewed"
    for name in (f"receipts/{CID}/receipt.json", "receipts/c-2/receipt.json", f"names/{CID}", "names/c-2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "viewed").mkdir()
    (tmp_path / "viewed" / "ab12.jpg").write_bytes(original)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "1.txt").write_text(CID)
    traces = Traces(contribution_id=CID, images=frozenset([hashlib.sha256(original).hexdigest()]))
    assert len(records_of(tmp_path, traces)) == 3
    remove_records(tmp_path, traces)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"receipts/c-2/receipt.json", "names/c-2", "checkpoints/1.txt"}


def test_a_recorded_withdrawal_is_read_back_and_a_damaged_record_is_no_withdrawal(tmp_path: Path) -> None:
    places: Mapping[str, Found] = {"a": Found(found=3, left=0), "b": Found(found=1, pending="away")}
    plan = Plan(
        contribution_id=CID,
        number=2,
        partner_id="lab",
        reason="r",
        actor="a",
        started_at="2026",
        images=("x",),
        places=places,
    )
    write_plan(tmp_path, plan)
    path = plan_path(tmp_path, CID, 2)
    assert read_plan(path) == plan
    assert plan.pending == {"b": "away"}
    assert read_plan(plan_path(tmp_path, CID, 1)) is None
    path.write_text(path.read_text()[:-20])
    with pytest.raises(Refused) as refusal:
        read_plan(path)
    assert refusal.value.findings[0].code == "custody.withdrawal-pending"


def test_a_contribution_s_standing_follows_the_ledger() -> None:
    given = [_body("receive", object_sha256="a", partner_id="lab"), _body("names", object_sha256="n")]
    held = [*given, _body("hold", reason="court")]
    assert standings(held)[CID].held == "court"
    assert standings([*held, _body("unhold")])[CID].state == "received"
    gone = standings([*given, _body("withdraw")])
    assert (gone[CID].withdrawn, expected_objects(gone)) == (True, set())
    assert withdrawn_files(gone, partner_id="anybody") == {"a": CID}
    back = standings([*given, _body("withdraw"), _body("receive", object_sha256="a", partner_id="lab")])
    assert (back[CID].withdrawn, back[CID].withdrawals) == (False, 1)
    assert expected_objects(back) == {(CID, "a")}
    assert withdrawn_files(back, partner_id="lab") == {}


def test_what_the_same_partner_still_gives_elsewhere_may_come_again() -> None:
    bodies = [_body("receive", object_sha256="a", partner_id="lab"), _body("withdraw")]
    bodies.append(_body("receive", object_sha256="a", partner_id="lab") | {"contribution_id": "c-2"})
    assert withdrawn_files(standings(bodies), partner_id="lab") == {}
    assert withdrawn_files(standings(bodies), partner_id="other") == {"a": CID}
