"""Whether a release is what its record says: every byte, the signature, and the ledger's proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.domain.findings import Finding, WorkbenchError
from workbench.ports import Files
from workbench.release import manifest
from workbench.release.record import Record

#: Says whether a signature (last) over data is that of a public key (PEM, first).
VerifySignature = Callable[[str, bytes, bytes], bool]
#: Says what is wrong with a record's ledger part for a public key (PEM), or nothing.
LedgerProblem = Callable[[Mapping[str, Any], str], str | None]


def check_release(
    place: Path | Files,
    record: Record,
    public_pem: str,
    *,
    verify_signature: VerifySignature,
    ledger_problem: LedgerProblem,
) -> Iterator[Finding]:
    """Yield everything wrong with a release; nothing if it is sound.

    The record comes first, then the manifest, then every file, so the first finding is the one that weighs most,
    save that an altered file is named before the manifest when both are wrong.
    """
    yield from check_record(record, public_pem, verify_signature=verify_signature, ledger_problem=ledger_problem)
    try:
        yield from manifest.check_files(place)
        digest = manifest.manifest_digest(place)
    except WorkbenchError as error:
        yield from error.findings
        return
    if digest != record.manifest_sha256:
        yield _finding(
            "release.manifest-altered",
            manifest.NAME,
            f"has the digest {digest[:16]}..., but the record of {record.name} says {record.manifest_sha256[:16]}....",
            "Do not use this copy; fetch the release again.",
        )


def check_record(
    record: Record, public_pem: str, *, verify_signature: VerifySignature, ledger_problem: LedgerProblem
) -> Iterator[Finding]:
    """Yield what is wrong with a record itself: its signature, and the ledger's proof in it."""
    subject = f"the record of {record.name}"
    if not verify_signature(public_pem, record.signed_bytes, record.signature):
        yield _finding(
            "release.signature-invalid",
            subject,
            "is not signed by this key.",
            "Check that the key is the one on the partner's receipt; if it is, do not use this copy.",
        )
    try:
        problem = ledger_problem(record.statement, public_pem)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        problem = f"cannot be read ({error})"
    if problem:
        yield _finding(
            "release.proof-invalid", f"the ledger proof of {record.name}", f"{problem}.", "Restore the record from git."
        )


def _finding(code: str, subject: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, subject=subject, message=message, remedy=remedy)
