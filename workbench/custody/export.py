"""A copy of the ledger that anyone can verify with `sha256sum` and `openssl`: plain files and a shell script."""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.custody.ledger import Ledger
from workbench.domain.findings import refused

SCRIPT = "verify-ledger.sh"

_README = """A copy of the ledger of an evidence workbench: {size} entries.

    sh verify-ledger.sh              checks everything below; it takes sha256sum and openssl, nothing of the workbench
    sh verify-ledger.sh --entry N    checks one entry by its proof, and prints it

entries.jsonl   one entry a line, canonical JSON (RFC 8785); the first line is entry 0
chain.txt       one hash a line: SHA-256(the hash before, the entry's leaf hash), beginning with 32 zero bytes
checkpoints/    signed statements of how many entries there were and of the root of their Merkle tree (RFC 9162),
                as C2SP signed notes. Add the one of your receipt as a file of its own, ending in .txt, to check it too.
keys/           the public keys; the file's name is the size from which on the key signs
proofs.txt      one entry a line: number, leaf hash, and the audit path to the newest checkpoint's root

Whoever has the signing key can make another ledger. So compare the fingerprints that the script prints with one you
got another way: from a receipt, or by telephone.

What this proves: that nothing was changed, removed or put in between since each checkpoint was signed. The times are
what the machine's clock said. It says nothing about what happened before reception.
"""


def write_export(destination: Path, ledger: Ledger, script: bytes) -> int:
    """Write the ledger into a new folder, whole or not at all; return how many entries it has.

    Raises
    ------
    Refused
        ``custody.entry-missing`` if there is nothing to export.

    """
    checkpoint = ledger.newest_checkpoint()
    if checkpoint is None or not checkpoint.size:
        raise refused("custody.entry-missing", "the ledger", "has no entry yet.", "Receive a delivery first.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "checkpoints").mkdir(parents=True)
    (part / "keys").mkdir()
    with (
        (part / "entries.jsonl").open("wb") as entries,
        (part / "chain.txt").open("w", encoding="ascii") as chain,
        (part / "proofs.txt").open("w", encoding="ascii") as proofs,
    ):
        for entry, proof in ledger.prove(range(checkpoint.size), checkpoint):
            entries.write(entry.body + b"\n")
            chain.write(f"{entry.chain.hex()}\n")
            proofs.write(" ".join([str(proof.index), proof.leaf.hex(), *(node.hex() for node in proof.path)]) + "\n")
    for size, note in ledger.checkpoints(checkpoint.size):
        (part / "checkpoints" / f"{size:012d}.txt").write_text(note, encoding="utf-8")
    for period in ledger.signing_keys():
        if period.first_size <= checkpoint.size:
            (part / "keys" / f"{period.first_size:012d}.pem").write_text(period.public_pem, encoding="ascii")
    (part / SCRIPT).write_bytes(script)
    (part / "README.txt").write_text(_README.format(size=checkpoint.size), encoding="utf-8")
    part.rename(destination)
    return checkpoint.size
