"""The form of a sealed object: a head, then AES-256-GCM frames of one MiB under a key of the object's own.

Each frame's associated data is the head, the frame's number and whether it is the last, so frames cannot be swapped,
dropped or repeated (the STREAM construction, Hoang et al., 2015). The head carries the object's key as wrapped by
the contribution that brought it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

KEY_BYTES = 32
_FRAME_BYTES = 1 << 20
_TAG_BYTES = 16
_PREFIX_BYTES = 8
_WRAPPED_BYTES = KEY_BYTES + 8  # a wrapped key is eight bytes longer (RFC 3394)
_MAGIC = b"WBS2"
_HEAD_BYTES = len(_MAGIC) + _PREFIX_BYTES + _WRAPPED_BYTES


def seal(source: BinaryIO, part: Path, wrapping_key: bytes) -> tuple[str, int]:
    """Seal a stream into a new file; return the SHA-256 of what was read, and its size in bytes."""
    object_key = secrets.token_bytes(KEY_BYTES)
    # The object's name is its hash, which is known only at the end: its own key binds the frames until then.
    head = _MAGIC + secrets.token_bytes(_PREFIX_BYTES) + aes_key_wrap(wrapping_key, object_key)
    cipher = AESGCM(object_key)
    digest, size = hashlib.sha256(), 0
    with part.open("xb") as sealed:
        sealed.write(head)
        frame = source.read(_FRAME_BYTES)
        number = 0
        while True:
            following = source.read(_FRAME_BYTES)
            digest.update(frame)
            size += len(frame)
            nonce, bound = _bound(head, number, last=not following)
            sealed.write(cipher.encrypt(nonce, frame, bound))
            if not following:
                return digest.hexdigest(), size
            frame, number = following, number + 1


def wrapped_key(path: Path) -> bytes:
    """Return the wrapped key in a sealed file's head.

    Raises
    ------
    ValueError
        If it is no sealed file.

    """
    with path.open("rb") as sealed:
        return _head(sealed)[-_WRAPPED_BYTES:]


def frames(path: Path, object_key: bytes) -> Iterator[bytes]:
    """Yield the plain frames of a sealed file.

    Raises
    ------
    ValueError, cryptography.exceptions.InvalidTag
        If it is no sealed file, or not what was sealed with the key.

    """
    cipher = AESGCM(object_key)
    with path.open("rb") as sealed:
        head = _head(sealed)
        frame = sealed.read(_FRAME_BYTES + _TAG_BYTES)
        number = 0
        while True:
            following = sealed.read(_FRAME_BYTES + _TAG_BYTES)
            nonce, bound = _bound(head, number, last=not following)
            yield cipher.decrypt(nonce, frame, bound)
            if not following:
                return
            frame, number = following, number + 1


def _head(sealed: BinaryIO) -> bytes:
    head = sealed.read(_HEAD_BYTES)
    if not head.startswith(_MAGIC) or len(head) != _HEAD_BYTES:
        raise ValueError("not a sealed object")
    return head


def _bound(head: bytes, number: int, *, last: bool) -> tuple[bytes, bytes]:
    """Return nonce (12 bytes) and associated data of a frame."""
    prefix = head[len(_MAGIC) : len(_MAGIC) + _PREFIX_BYTES]
    return prefix + number.to_bytes(4, "big"), head + number.to_bytes(8, "big") + bytes([last])
