"""A release to hand over: its data, its record, the key, and how to verify it without this workbench."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from workbench.domain.findings import Finding, WorkbenchError, bad_usage
from workbench.domain.lineage import sha256_hex
from workbench.ports import Files
from workbench.release import container
from workbench.release.manifest import NAME as MANIFEST
from workbench.release.manifest import as_files, manifest_digest, read_manifest
from workbench.release.places import FolderFiles, ZipFiles, damaged, read
from workbench.release.record import RECORD, Record
from workbench.release.revocation import NAME as REVOCATIONS

DATA, KEY, SIGNED, SIGNATURE, HOWTO = "data", "public_key.pem", "record.signed", "record.sig", "HOWTO-VERIFY.txt"
#: BagIt's manifests of the payload and of the other files.
PAYLOAD, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"

_HOWTO = """How to verify this copy of release {name}
{underline}
You need `sha256sum` and `openssl` (version 3 or newer), nothing of the workbench. Run the commands in this folder
(where the bundle came as a zip file: in the folder that `unzip` makes). It is a BagIt bag too: `bagit.py --validate .`

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
    data: Path | Files,
    record_path: Path,
    record: Record,
    public_pem: str,
    *,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a bundle: a new folder, or one file where the name ends in ``.zip``; it appears whole or not at all.

    Either is a BagIt bag (RFC 8493). The same release gives the same bytes, on every machine.

    Parameters
    ----------
    data
        The release's files, whose manifest the caller has checked.
    beside
        Further files to lie beside the record, as the list of superseded releases.

    Raises
    ------
    BadUsage
        ``usage.bad-argument`` if the destination is there already.

    """
    if destination.exists():
        raise bad_usage("usage.bad-argument", destination, "is there already.", "Give a new name.")
    files = as_files(data)
    small = _small_files(files, record_path.read_bytes(), record, public_pem, beside)
    members: dict[str, Callable[[], BinaryIO]] = {name: partial(io.BytesIO, content) for name, content in small.items()}
    members |= {f"{DATA}/{name}": partial(files.open, name) for name in files.names()}
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    if part.is_dir():
        shutil.rmtree(part)
    if destination.suffix.lower() == ".zip":
        container.write_zip(part, {f"{record.name}/{name}": members[name] for name in members})
    else:
        for name in sorted(members):
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with members[name]() as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    part.rename(destination)


def _small_files(
    files: Files, envelope: bytes, record: Record, public_pem: str, beside: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return everything of a bundle but the release's own files, by name."""
    underline = "=" * (37 + len(record.name))
    how_to = _HOWTO.format(name=record.name, underline=underline, manifest=record.manifest_sha256)
    small = {
        **beside,
        RECORD: envelope,
        SIGNED: record.signed_bytes,
        SIGNATURE: record.signature,
        KEY: public_pem.encode(),
        HOWTO: how_to.encode(),
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"External-Identifier: {record.name}\nBag-Software-Agent: evidence-workbench\n".encode(),
        PAYLOAD: _payload_manifest(files),
    }
    # The list of superseded releases is signed by itself, and a newer one may be laid in its place.
    listed = {name: sha256_hex(content) for name, content in small.items() if name != REVOCATIONS}
    return small | {TAGS: _tag_manifest(listed)}


def _payload_manifest(files: Files) -> bytes:
    digests = read_manifest(files) | {MANIFEST: manifest_digest(files)}
    return "".join(f"{digests[name]}  {DATA}/{name}\n" for name in sorted(digests)).encode()


def _tag_manifest(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def is_bundle(folder: Path) -> bool:
    """Say whether a folder is an exported bundle."""
    return (folder / RECORD).is_file() and (folder / DATA / MANIFEST).is_file()


def bundle_files(path: Path) -> FolderFiles | ZipFiles:
    """Return the files of a bundle, the folder or the one file.

    Raises
    ------
    Refused
        ``release.bundle-altered`` if a file is no bundle.

    """
    if path.is_dir():
        return FolderFiles(path)
    tops = [name for name in ZipFiles(path).names() if name.count("/") == 1 and name.endswith(f"/{RECORD}")]
    if len(tops) != 1:
        raise damaged(path, "it holds no record of a release")
    return ZipFiles(path, tops[0].removesuffix(RECORD))


def bundle_data(whole: FolderFiles | ZipFiles) -> Files:
    """Return the release's own files inside a bundle."""
    if isinstance(whole, ZipFiles):
        return ZipFiles(whole.path, f"{whole.prefix}{DATA}/")
    return FolderFiles(whole.folder / DATA)


def check_bundle(whole: FolderFiles | ZipFiles, record: Record) -> Iterator[Finding]:
    """Yield what is wrong with a bundle around its release: one byte of any file, a file too many, the zip itself.

    A forger can write all of this anew; what a forger cannot is found by `workbench.release.verify.check_release`.
    """
    if isinstance(whole, ZipFiles):
        yield from container.check_zip(whole.path)
    names = [name for name in whole.names() if not name.startswith(f"{DATA}/")]
    if "bagit.txt" not in names and PAYLOAD not in names:
        return  # a bundle of before bundles were bags
    found = {name: read(whole, name) for name in names}
    expected = {SIGNED: record.signed_bytes, SIGNATURE: record.signature}
    try:
        expected[PAYLOAD] = _payload_manifest(bundle_data(whole))
    except WorkbenchError as error:
        yield from error.findings
    listed = {name: content for name, content in found.items() if name not in {TAGS, REVOCATIONS}}
    digests = {name: sha256_hex(expected.get(name, content)) for name, content in listed.items()}
    expected[TAGS] = _tag_manifest(digests)
    for name in sorted(expected):
        if found.get(name) != expected[name]:
            yield Finding(
                code="release.bundle-altered",
                subject=name,
                message="does not fit the files of the bundle.",
                remedy="Do not use this copy; fetch the bundle again.",
            )
