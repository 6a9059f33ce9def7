"""A release to hand over: its data, its record, the key, and how to verify it without this workbench."""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.domain.findings import bad_usage
from workbench.release.manifest import NAME as MANIFEST
from workbench.release.record import RECORD, Record
from workbench.release.revocation import NAME as REVOCATIONS

DATA, KEY, SIGNED, SIGNATURE, HOWTO = "data", "public_key.pem", "record.signed", "record.sig", "HOWTO-VERIFY.txt"

_HOWTO = """How to verify this copy of release {name}
{underline}
You need `sha256sum` and `openssl` (version 3 or newer), nothing of the workbench. Run the commands in this folder.

1. Every file is what the manifest says (no line may end in FAILED):

     (cd data && sha256sum --check --quiet MANIFEST.sha256)

   No file may lie there besides those in the manifest (this prints nothing):

     (cd data && find . -type f ! -name MANIFEST.sha256 | sed 's|^[.]/||' | LC_ALL=C sort) > /tmp/found.txt
     cut -c67- data/MANIFEST.sha256 | LC_ALL=C sort | diff - /tmp/found.txt

2. The manifest is the one that was signed (this prints 1 line):

     grep -c "$(sha256sum < data/MANIFEST.sha256 | cut -c1-64)" record.signed

3. The record was signed by the holder of the key (this prints "Signature Verified Successfully"):

     openssl pkeyutl -verify -pubin -inkey public_key.pem -rawin -in record.signed -sigfile record.sig

4. The key is the right one. A forger can sign with another key, so compare its fingerprint with the one you got another
   way (on a partner's receipt, or from the releasing body by telephone):

     openssl pkey -pubin -in public_key.pem -outform DER | sha256sum

The record (record.signed is its text; record.json the same as a DSSE envelope) also holds the entry of the ledger that
stands for this release, and the proof that it is in the ledger's tree. `workbench release verify .` checks all of it.

A release may be superseded later, because a partner withdrew photographs. Ask the releasing body for its newest
releases/revocations.json and run `workbench release verify . --revocations revocations.json`.

What this proves: that nothing changed since the release was signed. It says nothing about what happened before.
Manifest: {manifest}
"""


def write_bundle(
    destination: Path,
    data: Path,
    record_path: Path,
    record: Record,
    public_pem: str,
    *,
    revocations: Path | None = None,
) -> None:
    """Write a bundle into a new folder; it appears whole or not at all.

    The list of superseded releases goes with it as it is known now, where there is one.

    Raises
    ------
    BadUsage
        ``usage.bad-argument`` if the folder is there already.

    """
    if destination.exists():
        raise bad_usage("usage.bad-argument", destination, "is there already.", "Name a new folder.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    shutil.copytree(data, part / DATA)
    shutil.copyfile(record_path, part / RECORD)
    if revocations is not None and revocations.is_file():
        shutil.copyfile(revocations, part / REVOCATIONS)
    (part / SIGNED).write_bytes(record.signed_bytes)
    (part / SIGNATURE).write_bytes(record.signature)
    (part / KEY).write_text(public_pem, encoding="utf-8")
    underline = "=" * (37 + len(record.name))
    text = _HOWTO.format(name=record.name, underline=underline, manifest=record.manifest_sha256)
    (part / HOWTO).write_text(text, encoding="utf-8")
    part.rename(destination)


def is_bundle(folder: Path) -> bool:
    """Say whether a folder is an exported bundle."""
    return (folder / RECORD).is_file() and (folder / DATA / MANIFEST).is_file()
