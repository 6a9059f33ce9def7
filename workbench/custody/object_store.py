"""Sealed originals, addressed by the SHA-256 of their bytes.

Each object is AES-256-GCM in frames of one MiB under its contribution's key; that key is wrapped by its partner's
key, so destroying one key destroys what it sealed, in every backup. Each frame's associated data names the object,
the frame and whether it is the last, so frames cannot be swapped, dropped or repeated (the STREAM construction,
Hoang et al., 2015). Objects appear whole: written aside, synchronised per batch, then renamed.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from workbench.custody.keys import write_secret
from workbench.domain.findings import WorkbenchError, refused

_FRAME_BYTES = 1 << 20
_TAG_BYTES = 16
_KEY_BYTES = 32
_PREFIX_BYTES = 8
_TOKEN_BYTES = 16
_MAGIC = b"WBS1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """An object written aside, not yet in the store."""

    object_id: str
    size_bytes: int
    part: Path


class SealedStore:
    """The object store of one workspace, in ``custody/objects``; fits `ports.ObjectStore`."""

    def __init__(self, custody: Path) -> None:
        """Use the store of a custody folder."""
        self._objects, self._keys = custody / "objects", custody / "keys"

    def stage(self, partner_id: str, contribution_id: str, source: BinaryIO) -> Staged:
        """Seal a stream into a file aside, hashing it on the way; `commit` puts it into the store."""
        aside = self._objects / "aside"
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = aside / secrets.token_hex(16)
        # The object's name is its hash, which is known only at the end: a random id binds the frames until then.
        prefix, token = secrets.token_bytes(_PREFIX_BYTES), secrets.token_bytes(_TOKEN_BYTES)
        cipher = AESGCM(self._key(partner_id, contribution_id))
        digest, size = hashlib.sha256(), 0
        with part.open("xb") as sealed:
            sealed.write(_MAGIC + prefix + token)
            frame = source.read(_FRAME_BYTES)
            number = 0
            while True:
                following = source.read(_FRAME_BYTES)
                digest.update(frame)
                size += len(frame)
                nonce, bound = _bound(prefix, token, number, last=not following)
                sealed.write(cipher.encrypt(nonce, frame, bound))
                if not following:
                    break
                frame, number = following, number + 1
        return Staged(object_id=digest.hexdigest(), size_bytes=size, part=part)

    def commit(self, contribution_id: str, staged: list[Staged]) -> None:
        """Put a batch of staged objects into the store, durably; what is there already stays as it is."""
        if not staged:
            return
        sync_filesystem(self._objects)
        for item in staged:
            place = self._place(contribution_id, item.object_id)
            if place.exists():
                item.part.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            item.part.chmod(0o444)
            os.replace(item.part, place)
        # The new names lie in up to 256 folders: once for all of them costs less than each by itself.
        sync_filesystem(self._objects)

    def discard_leftovers(self) -> int:
        """Remove what an interrupted run left aside; return how many files. Call only under the custody lock."""
        leftovers = list((self._objects / "aside").glob("*"))
        for path in leftovers:
            path.unlink()
        return len(leftovers)

    def has(self, contribution_id: str, object_id: str) -> bool:
        """Say whether the store holds an object."""
        return self._place(contribution_id, object_id).is_file()

    def read(self, contribution_id: str, object_id: str) -> bytes:
        """Return an object's bytes, verified against its name.

        Raises
        ------
        Refused
            ``custody.object-missing``, ``custody.object-altered`` or ``custody.key-missing``.

        """
        return b"".join(self._verified(contribution_id, object_id))

    def check(self, contribution_id: str, object_id: str) -> None:
        """Unseal and hash an object, a frame at a time; raises as `read` does if it is not what was received."""
        for _ in self._verified(contribution_id, object_id):
            pass

    def _verified(self, contribution_id: str, object_id: str) -> Iterator[bytes]:
        """Yield an object's frames; only at the end is it known that they are the object."""
        cipher = AESGCM(self._unwrap(contribution_id))
        digest = hashlib.sha256()
        try:
            with self._place(contribution_id, object_id).open("rb") as sealed:
                for frame in _frames(cipher, sealed):
                    digest.update(frame)
                    yield frame
        except FileNotFoundError as error:
            raise refused(
                "custody.object-missing",
                f"original {object_id[:12]}",
                "is not in the store.",
                "Restore custody/objects from a backup.",
            ) from error
        except (InvalidTag, ValueError, OSError) as error:
            # An object that the disk cannot read back is no longer what was received either.
            raise _altered(object_id) from error
        if digest.hexdigest() != object_id:
            raise _altered(object_id)

    def listed(self) -> list[tuple[str, str]]:
        """Return (contribution_id, object_id) of every object, sorted."""
        files = self._objects.glob("*/??/*")
        return sorted((path.parts[-3], path.name) for path in files)

    def _place(self, contribution_id: str, object_id: str) -> Path:
        return self._objects / contribution_id / object_id[:2] / object_id

    def _key(self, partner_id: str, contribution_id: str) -> bytes:
        """Return the contribution's data key; make and wrap one at first."""
        wrapped = self._keys / "contributions" / f"{contribution_id}.{partner_id}"
        if not wrapped.is_file():
            partner = self._keys / "partners" / partner_id
            if not partner.is_file():
                write_secret(partner, secrets.token_bytes(_KEY_BYTES))
            write_secret(wrapped, aes_key_wrap(partner.read_bytes(), secrets.token_bytes(_KEY_BYTES)))
        return self._unwrap(contribution_id)

    def _unwrap(self, contribution_id: str) -> bytes:
        for wrapped in (self._keys / "contributions").glob(f"{contribution_id}.*"):
            partner = self._keys / "partners" / wrapped.name.removeprefix(f"{contribution_id}.")
            try:
                return aes_key_unwrap(partner.read_bytes(), wrapped.read_bytes())
            except (FileNotFoundError, InvalidUnwrap, ValueError):
                break
        raise refused(
            "custody.key-missing",
            contribution_id,
            "cannot be unsealed: its key is gone or damaged.",
            "If it was not withdrawn, restore custody/keys from a backup.",
        )


def _bound(prefix: bytes, token: bytes, number: int, *, last: bool) -> tuple[bytes, bytes]:
    """Return nonce (12 bytes) and associated data of a frame."""
    return prefix + number.to_bytes(4, "big"), token + number.to_bytes(8, "big") + bytes([last])


def _frames(cipher: AESGCM, sealed: BinaryIO) -> Iterator[bytes]:
    """Yield the plain frames of a sealed object."""
    head = sealed.read(len(_MAGIC) + _PREFIX_BYTES + _TOKEN_BYTES)
    if not head.startswith(_MAGIC):
        raise ValueError("not a sealed object")
    prefix, token = head[len(_MAGIC) : -_TOKEN_BYTES], head[-_TOKEN_BYTES:]
    frame = sealed.read(_FRAME_BYTES + _TAG_BYTES)
    number = 0
    while True:
        following = sealed.read(_FRAME_BYTES + _TAG_BYTES)
        nonce, bound = _bound(prefix, token, number, last=not following)
        yield cipher.decrypt(nonce, frame, bound)
        if not following:
            return
        frame, number = following, number + 1


def _altered(object_id: str) -> WorkbenchError:
    return refused(
        "custody.object-altered",
        f"original {object_id[:12]}",
        "is not the bytes that were received.",
        "Keep this copy as evidence and restore the object from a backup.",
    )


def sync_filesystem(folder: Path) -> None:
    """Make everything written so far on the folder's file system durable (syncfs, Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
