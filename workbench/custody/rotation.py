"""Which key signs the ledger from which size on: rotations stand in the ledger itself.

A rotation is an entry that names the old key and the new and carries the old key's signature over both. The first
checkpoint over that entry is still signed with the old key; every later one is signed with the new.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.custody.keys import SigningKey, verify_signature
from workbench.custody.tree import altered
from workbench.domain.findings import Refused

#: Kinds of the two entries of a rotation: the old key's last, and the new key's first.
ROTATION, IN_USE = "rotate-key", "key-in-use"

_HEAD, _TAIL = "-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPeriod:
    """A public key and the checkpoints it signs: those over ``first_size`` to ``last_size`` entries, both included."""

    public_pem: str
    first_size: int
    last_size: int | None

    def covers(self, size: int) -> bool:
        """Say whether the key signs the checkpoint over ``size`` entries."""
        return self.first_size <= size and (self.last_size is None or size <= self.last_size)


def spki(public_pem: str) -> str:
    """Return the line of a PEM between its markers: the key as base64 (RFC 8410)."""
    return public_pem.removeprefix(_HEAD).removesuffix(_TAIL)


def rotation_facts(old: SigningKey, new: SigningKey) -> dict[str, str]:
    """Return what the entry of a rotation says: both public keys, and the old key's signature over them."""
    keys = {"previous_key": spki(old.public_pem()), "public_key": spki(new.public_pem())}
    return {**keys, "signature": base64.b64encode(old.sign(_statement(keys))).decode()}


def _statement(facts: Mapping[str, Any]) -> bytes:
    return f"evidence-workbench key rotation\n{facts['previous_key']}\n{facts['public_key']}\n".encode()


def key_periods(rotations: Iterable[tuple[int, Mapping[str, Any]]], present_pem: str) -> list[KeyPeriod]:
    """Return the keys of a ledger, oldest first.

    Parameters
    ----------
    rotations
        Number and body of each rotation's entry, oldest first.
    present_pem
        The public key that signs now; it must be the one that the last rotation named.

    Raises
    ------
    Refused
        ``custody.ledger-altered`` if a rotation is not signed by the key before it, or leads to another key.

    """
    periods: list[KeyPeriod] = []
    first, expected = 0, None
    for seq, body in rotations:
        old, new = _rotation(body)
        if expected not in (None, old):
            raise altered(f"has a key rotation (entry {seq}) by a key that was not in force.")
        periods.append(KeyPeriod(public_pem=old, first_size=first, last_size=seq + 1))
        first, expected = seq + 2, new
    if expected not in (None, present_pem):
        raise altered("was last given another signing key than the one in custody/keys.")
    return [*periods, KeyPeriod(public_pem=present_pem, first_size=first, last_size=None)]


def _rotation(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return old and new public key of a rotation, as PEM."""
    facts = body.get("facts")
    try:
        old, new = (f"{_HEAD}{facts[name]}{_TAIL}" for name in ("previous_key", "public_key"))  # type: ignore[index]
        signature = base64.b64decode(facts["signature"], validate=True)  # type: ignore[index]
    except (TypeError, KeyError, ValueError) as error:
        raise altered("has a key rotation that cannot be read.") from error
    if not verify_signature(old, _statement(facts or {}), signature):
        raise altered("has a key rotation that the key before did not sign.")
    return old, new


def followed(public_pem: str, stated: Iterable[Any]) -> list[str]:
    """Return a key and those that took its place, oldest first, as far as rotations (oldest first) are signed."""
    keys = [public_pem]
    for facts in stated:
        try:
            old, new = _rotation({"facts": facts})
        except Refused:
            continue
        if old == keys[-1]:
            keys.append(new)
    return keys


def key_at(periods: Sequence[KeyPeriod], size: int) -> str:
    """Return the public key that signs the checkpoint over ``size`` entries, at least 0."""
    return next((period.public_pem for period in periods if period.covers(size)), periods[-1].public_pem)
