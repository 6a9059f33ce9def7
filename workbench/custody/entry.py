"""What the ledger holds: events as they are told, entries as they stand, and the proof that one is in the tree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.custody.merkle import leaf_hash, proves_inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened: an action on an object by an actor, for a reason; no personal data.

    Parameters
    ----------
    kind
        receive, admit, quarantine, annotate, adjudicate, release, export, partner, ...
    object_sha256
        The bytes concerned, 64 hexadecimal digits; null where the event concerns none.
    terms_sha256
        Digest of the licence and usage terms it happened under (`domain.terms.terms_digest`).
    facts
        What else this kind of event says: counts, public keys.
    once
        If given, an event with this key is entered one time only, however often it is appended.

    """

    kind: str
    actor: str
    role: str = "operator"
    partner_id: str | None = None
    contribution_id: str | None = None
    object_sha256: str | None = None
    size_bytes: int | None = None
    reason: str | None = None
    terms_sha256: str | None = None
    facts: Mapping[str, Any] | None = None
    once: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger."""

    seq: int
    body: bytes
    leaf: bytes
    chain: bytes

    def said(self) -> dict[str, Any]:
        """Return what the entry says."""
        said: dict[str, Any] = json.loads(self.body)
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry is in the tree of a checkpoint: leaf hash and audit path, lowest sibling first."""

    index: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the proof as JSON, hashes in hexadecimal."""
        path = [node.hex() for node in self.path]
        return {"index": self.index, "size": self.size, "leaf": self.leaf.hex(), "path": path}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> InclusionProof:
        """Return the proof that a JSON object states.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it states none.

        """
        path = tuple(bytes.fromhex(node) for node in stated["path"])
        return cls(index=int(stated["index"]), size=int(stated["size"]), leaf=bytes.fromhex(stated["leaf"]), path=path)

    def leads_to(self, root: bytes, body: bytes) -> bool:
        """Say whether the proof leads from an entry's body to a root."""
        leaf = leaf_hash(body)
        return leaf == self.leaf and proves_inclusion(
            leaf=leaf, index=self.index, size=self.size, path=self.path, root=root
        )


def looked_up_by(said: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return what an entry with this body is looked up by: kind, contribution_id and object_sha256."""
    return said.get("kind"), said.get("contribution_id"), said.get("object_sha256")
