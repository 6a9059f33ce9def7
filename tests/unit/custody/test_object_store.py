from __future__ import annotations

import hashlib
import io
import random
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
    sealed, step, head = place.read_bytes(), MIB + 16, 28
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
