"""What the ledger's part of a release's record proves, and whom a list of superseded releases is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.custody.keys import read_checkpoint, verify_signature
from workbench.custody.ledger import InclusionProof
from workbench.custody.rotation import followed
from workbench.release.manifest import NAME as MANIFEST
from workbench.release.revocation import Revocation, parse_revocations, stated_rotations


def ledger_problem(statement: Mapping[str, Any], public_pem: str) -> str | None:
    """Say what is wrong with a statement's ledger part, or nothing: entry, proof and signed checkpoint must agree."""
    part = statement["predicate"]["ledger"]
    body = base64.b64decode(part["entry"], validate=True)
    entry = json.loads(body)
    (subject,) = (item for item in statement["subject"] if item["name"] == MANIFEST)
    if (entry["kind"], entry["reason"]) != ("release", statement["predicate"]["name"]):
        return "is about another release"
    if entry["object_sha256"] != subject["digest"]["sha256"]:
        return "is about another manifest"
    checkpoint = read_checkpoint(part["checkpoint"], public_pem)
    if checkpoint is None:
        return "rests on a checkpoint that this key did not sign"
    proof = InclusionProof.from_json(part["proof"])
    sound = proof.size == checkpoint.size and proof.leads_to(checkpoint.root, body)
    return None if sound else "does not lead to the signed root"


def superseded(raw: bytes, source: object, public_pems: Sequence[str]) -> tuple[Revocation, ...]:
    """Return the revocations of a list that one of these keys signed, or one that took the place of one of them.

    Raises
    ------
    Refused
        ``release.revocations-invalid``.

    """
    rotations = stated_rotations(raw)
    keys = [key for public_pem in public_pems for key in followed(public_pem, rotations)]
    return parse_revocations(raw, source, keys, verify_signature=verify_signature)
