"""The ledger's signing key and its signatures, and checkpoints as C2SP signed notes.

A note is plain text: origin, tree size, root in base64, an empty line, and a signature line
``— name base64(key id || signature)`` (C2SP signed-note and tlog-checkpoint).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from workbench.domain.findings import WorkbenchError, refused

#: The log's name in its notes.
ORIGIN = "evidence-workbench"

#: Signature type byte of Ed25519 in a note's key id (C2SP signed-note).
_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed statement: the ledger had ``size`` entries under this root."""

    size: int
    root: bytes
    note: str


class SigningKey:
    """An Ed25519 key in a file that only its owner can read (RFC 8032)."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Hold a private key."""
        self._private = private

    @classmethod
    def read_or_make(cls, path: Path) -> SigningKey:
        """Return the key of a file; make key and file (mode 0600) where there is none."""
        if not path.is_file():
            made = Ed25519PrivateKey.generate()
            write_secret(
                path,
                made.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
            )
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """Return the key of a file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        Refused
            ``custody.key-missing`` if it holds no such key.

        """
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise _damaged(path) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise _damaged(path)
        return cls(private)

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data, 64 bytes."""
        return self._private.sign(data)

    def public_pem(self) -> str:
        """Return the public key as PEM (RFC 8410), which `openssl` reads."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._private.public_key().public_bytes(encoding, form).decode()

    def checkpoint(self, size: int, root: bytes) -> Checkpoint:
        """Return the signed note of a tree."""
        signature = key_id(self.public_pem()) + self.sign(_text(size, root).encode())
        return Checkpoint(size=size, root=root, note=_note(size, root, signature))


def _damaged(path: Path) -> WorkbenchError:
    return refused("custody.key-missing", path, "is no Ed25519 key.", "Restore custody/keys from a backup.")


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; it appears whole or not at all, and survives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename alone may be forgotten in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=64)
def _public_key(public_pem: str) -> Ed25519PublicKey:
    public = serialization.load_pem_public_key(public_pem.encode())
    if not isinstance(public, Ed25519PublicKey):
        raise TypeError("the public key is no Ed25519 key")
    return public


def key_id(public_pem: str) -> bytes:
    """Return the four bytes that name a key in a note: the start of SHA-256(name, newline, type, key)."""
    raw = _public_key(public_pem).public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(ORIGIN.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def fingerprint(public_pem: str) -> str:
    """Return what people compare keys by: SHA-256 of the key's DER, as ``openssl pkey -outform DER | sha256sum``."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(_public_key(public_pem).public_bytes(encoding, form)).hexdigest()


def verify_signature(public_pem: str, data: bytes, signature: bytes) -> bool:
    """Say whether a signature over data was made with the key."""
    try:
        _public_key(public_pem).verify(signature, data)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def read_checkpoint(note: str, public_pem: str) -> Checkpoint | None:
    """Return the checkpoint a note states, None if it is malformed or not signed with the key.

    A note has one form only: a byte more or less, even where base64 would not mind, makes it another.
    """
    try:
        text, signatures = note.split("\n\n", 1)
        origin, size, root = text.split("\n")
        raw = base64.b64decode(signatures.split(" ")[-1], validate=False)
        stated = Checkpoint(size=int(size), root=base64.b64decode(root, validate=True), note=note)
    except ValueError:
        return None
    known = origin == ORIGIN and raw[:4] == key_id(public_pem)
    if not known or note != _note(stated.size, stated.root, raw):
        return None
    return stated if verify_signature(public_pem, (text + "\n").encode(), raw[4:]) else None


def _text(size: int, root: bytes) -> str:
    return f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"


def _note(size: int, root: bytes, signature: bytes) -> str:
    return f"{_text(size, root)}\n\N{EM DASH} {ORIGIN} {base64.b64encode(signature).decode()}\n"
