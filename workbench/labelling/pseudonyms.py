"""Names for annotators that say nothing about who they are."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

#: Bytes of the key; without it nobody can try out addresses against a pseudonym.
_KEY_BYTES = 32


def pseudonym(key: bytes, email: str) -> str:
    """Return the pseudonym of a user: a keyed hash (HMAC-SHA-256, RFC 2104) of the address in lower case.

    Examples
    --------
    >>> pseudonym(b"k", "A@example.org") == pseudonym(b"k", "a@example.org")
    True

    """
    digest = hmac.new(key, email.strip().lower().encode(), hashlib.sha256).hexdigest()
    return f"annotator-{digest[:10]}"


def read_or_make_key(path: Path) -> bytes:
    """Return the workspace's key for pseudonyms; make it on first use, readable by this user only.

    Losing the file gives every annotator a new pseudonym, so it belongs with the custody folder's backup.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)  # unlike a rename, this never replaces a key that another process has just made
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return bytes.fromhex(path.read_text(encoding="ascii"))
