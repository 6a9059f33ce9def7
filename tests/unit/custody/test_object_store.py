from __future__ import annotations

import hashlib
import io
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.custody.object_store import SealedStore
from workbench.domain.findings import Refused

MIB = 1 << 20


def _put(store: SealedStore, data: bytes, contribution: str = "c-1") -> str:
    staged = store.stage("lab", contribution, io.BytesIO(data))
    store.commit(contribution, [staged])
    return staged.object_id


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_bytes_come_back_as_they_were_given(tmp_path: Path, size: int) -> None:
    store = SealedStore(tmp_path)
    data = random.Random(size).randbytes(size)
    object_id = _put(store, data)
    assert object_id == hashlib.sha256(data).hexdigest()
    assert store.read("c-1", object_id) == data


def test_the_store_shows_nothing_of_what_it_holds(tmp_path: Path) -> None:
    _put(SealedStore(tmp_path), b"a canary that must not be readable" * 100)
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_flipped_byte_is_noticed(tmp_path: Path, where: int, flip: int) -> None:
    store = SealedStore(tmp_path)
    object_id = _put(store, b"original" * 300)
    place = tmp_path / "objects" / "c-1" / object_id[:2] / object_id
    sealed = bytearray(place.read_bytes())
    sealed[where % len(sealed)] ^= flip
    place.chmod(0o600)
    place.write_bytes(sealed)
    with pytest.raises(Refused, match="not the bytes"):
        store.read("c-1", object_id)
    place.unlink()


def test_swapped_dropped_and_repeated_frames_are_noticed(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    object_id = _put(store, random.Random(1).randbytes(3 * MIB))
    place = tmp_path / "objects" / "c-1" / object_id[:2] / object_id
    sealed, step, head = place.read_bytes(), MIB + 16, 52
    one, two, three = (sealed[head + n * step : head + (n + 1) * step] for n in range(3))
    place.chmod(0o600)
    for frames in ((two, one, three), (one, two), (one, one, two, three)):
        place.write_bytes(sealed[:head] + b"".join(frames))
        with pytest.raises(Refused):
            store.read("c-1", object_id)


def test_without_its_key_a_contribution_is_gone(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    kept, lost = _put(store, b"kept", "c-1"), _put(store, b"lost", "c-2")
    (tmp_path / "keys" / "contributions" / "c-2.lab").unlink()
    assert store.read("c-1", kept) == b"kept"
    with pytest.raises(Refused, match="key is gone"):
        store.read("c-2", lost)


def _share(store: SealedStore, data: bytes, holder: str = "c-1", other: str = "c-2") -> str:
    object_id = hashlib.sha256(data).hexdigest()
    if not store.has(holder, object_id):
        _put(store, data, holder)
    linked = store.stage_link("lab", other, object_id, holder)
    assert linked is not None
    store.commit(other, [linked])
    return object_id


def _withdraw(custody: Path, contribution: str) -> None:
    (custody / "keys" / "contributions" / f"{contribution}.lab").unlink()
    shutil.rmtree(custody / "objects" / contribution)


def test_known_bytes_of_a_partner_are_stored_once(tmp_path: Path) -> None:
    store, data = SealedStore(tmp_path), random.Random(1).randbytes(MIB + 5)
    object_id = _share(store, data)
    assert store.read("c-1", object_id) == store.read("c-2", object_id) == data
    assert store.listed() == [("c-1", object_id), ("c-2", object_id)]
    places = [tmp_path / "objects" / c / object_id[:2] / object_id for c in ("c-1", "c-2")]
    assert places[0].samefile(places[1])
    assert store.holders("lab", {object_id, "other"}) == {object_id: "c-1"}
    assert store.holders("stranger", {object_id}) == {}


@pytest.mark.parametrize("gone", ["c-1", "c-2"])
def test_withdrawing_one_contribution_leaves_the_other_its_original(tmp_path: Path, gone: str) -> None:
    store, data = SealedStore(tmp_path), b"shared" * 1000
    object_id = _share(store, data)
    alone = _put(store, b"not shared", gone)
    left = "c-2" if gone == "c-1" else "c-1"
    assert store.release_links(gone) == {object_id: [left]}
    _withdraw(tmp_path, gone)
    assert store.read(left, object_id) == data
    for lost in (object_id, alone):
        with pytest.raises(Refused):
            store.read(gone, lost)
    _share(store, data, left, "c-3")
    assert store.release_links(left) == {object_id: ["c-3"]}


def test_a_shredded_key_opens_nothing_of_a_shared_file_by_itself(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    object_id = _share(store, b"shared")
    (tmp_path / "keys" / "contributions" / "c-1.lab").unlink()
    (tmp_path / "keys" / "contributions" / "c-2.lab").unlink()
    for contribution in ("c-1", "c-2"):
        with pytest.raises(Refused, match="key is gone"):
            store.read(contribution, object_id)


def test_a_sharer_s_lost_or_damaged_wrap_is_made_anew_before_a_withdrawal(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    object_id = _share(store, b"shared")
    wrap = tmp_path / "objects" / "c-2" / object_id[:2] / f"{object_id}.key"
    for harm in (wrap.unlink, lambda: wrap.write_bytes(b"x" * 40)):
        harm()
        with pytest.raises(Refused):
            store.read("c-2", object_id)
        assert store.release_links("c-1") == {object_id: ["c-2"]}
        assert store.read("c-2", object_id) == b"shared"


def test_a_contribution_withdrawn_before_holds_up_no_other(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    object_id = _share(store, b"shared")
    (tmp_path / "keys" / "contributions" / "c-2.lab").unlink()  # as if cut short before its objects went
    assert store.release_links("c-1") == {}
    assert store.read("c-1", object_id) == b"shared"


def test_a_damaged_copy_is_not_linked_to(tmp_path: Path) -> None:
    store = SealedStore(tmp_path)
    object_id = _put(store, b"original" * 300)
    place = tmp_path / "objects" / "c-1" / object_id[:2] / object_id
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[:-1])
    assert store.stage_link("lab", "c-2", object_id, "c-1") is None


def test_a_link_cut_short_is_completed_by_a_repeat_of_either_kind(tmp_path: Path) -> None:
    store, data = SealedStore(tmp_path), b"shared" * 100
    object_id = _put(store, data)
    linked = store.stage_link("lab", "c-2", object_id, "c-1")
    assert linked is not None
    assert linked.key_part is not None
    wrap = tmp_path / "objects" / "c-2" / object_id[:2] / f"{object_id}.key"
    wrap.parent.mkdir(parents=True)
    linked.key_part.rename(wrap)  # killed between the wrap and the object
    assert not store.has("c-2", object_id)
    assert store.listed() == [("c-1", object_id)]
    _put(store, data, "c-2")  # the copy linked to is gone by now: sealed anew
    assert store.read("c-2", object_id) == data
    assert store.discard_leftovers() == 1
