"""Is a receipt, or a proof of single entries, what the ledger's key signed: checked with nothing but the file."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.custody.entry import InclusionProof
from workbench.custody.keys import Checkpoint, read_checkpoint, verify_signature
from workbench.custody.merkle import Frontier, leaf_hash
from workbench.custody.receipt import FILES_BEGIN, FORMAT, PENDING, STATUS, ReceiptDigest
from workbench.custody.records import Records
from workbench.domain.findings import Finding, Severity, refused

_CHUNK_BYTES = 1 << 20

#: What a receipt holds besides its files is far less.
_MOST_HEAD_BYTES = 100_000


class _Lines:
    """The files that a receipt lists, read from its lines each time they are asked for: a long list is never held."""

    def __init__(self, path: Path, start: int, count: int) -> None:
        self._path, self._start, self._count = path, start, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as lines:
            lines.seek(self._start)
            for line, _ in zip(lines, range(self._count), strict=False):
                yield json.loads(line.rstrip(b",\n"))


def _read_lines(path: Path) -> dict[str, Any] | None:
    """Return a receipt in the form it is written in, a file a line; None if it has another form."""
    head, tail, count = b"", b"", 0
    with path.open("rb") as lines:
        for line in lines:
            head += line
            if line == FILES_BEGIN.encode():
                break
            if len(head) > _MOST_HEAD_BYTES:
                return None
        start = lines.tell()
        for line in lines:
            if line.startswith(b"  {"):
                count += 1
            else:
                tail += line
                if len(tail) > _MOST_HEAD_BYTES:
                    return None
    try:
        document = json.loads(head + tail)
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("files") != []:
        return None
    return document | {"files": _Lines(path, start, count)}


def read_document(path: Path) -> dict[str, Any]:
    """Return a receipt or proof document; a receipt's files can be gone through more than once.

    Raises
    ------
    Refused
        ``custody.receipt-invalid`` if it is neither.

    """
    try:
        document: dict[str, Any] = _read_lines(path) or json.loads(path.read_bytes())
        known = isinstance(document, dict) and ("entries" in document or document.get("receipt") == FORMAT)
        if not known or not isinstance(document["checkpoint"], str) or not isinstance(document["public_key"], str):
            raise ValueError("it has another form")  # noqa: TRY301 -- said with the other ways not to be a receipt
    except (ValueError, KeyError, RecursionError) as error:
        raise refused(
            "custody.receipt-invalid",
            path,
            f"is no receipt of this version ({error}).",
            "Name the receipt.json as it was given; or ask for a new one.",
        ) from error
    return document


def claimed_size(document: Mapping[str, Any]) -> int:
    """Return the size that a document's checkpoint states, 0 if none."""
    try:
        return max(0, int(document["checkpoint"].split("\n")[1]))
    except (IndexError, ValueError):
        return 0


def check_document(document: Mapping[str, Any], public_pem: str) -> Iterator[Finding]:
    """Yield what is wrong with a receipt or proof document for the key that ought to have signed it."""
    try:
        checkpoint = read_checkpoint(document["checkpoint"], public_pem)
        if checkpoint is None:
            yield _invalid("the checkpoint", "is not signed with this key.")
        elif "entries" in document:
            yield from _check_entries(document, checkpoint)
        else:
            yield from _check_receipt(document, checkpoint, public_pem)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield _invalid("the receipt", f"has a part that cannot be read ({error}).")


def _check_entries(document: Mapping[str, Any], checkpoint: Checkpoint) -> Iterator[Finding]:
    if not document["entries"]:
        yield _invalid("the proof", "is of no entry.")
    for proved in document["entries"]:
        if _proved_body(proved, checkpoint) != proved["said"]:
            yield _invalid(f"entry {proved['proof']['index']}", "is not proved by its path, or says something else.")


def _check_receipt(document: Mapping[str, Any], checkpoint: Checkpoint, public_pem: str) -> Iterator[Finding]:
    head = {key: value for key, value in document.items() if key not in {"files", "signature"}}
    digest = ReceiptDigest(head)
    for file in document["files"]:
        digest.add(file)
    signature = base64.b64decode(document["signature"], validate=True)
    if base64.b64encode(signature).decode() != document["signature"] or not verify_signature(
        public_pem, digest.statement(), signature
    ):
        yield _invalid("the receipt", "is not as it was signed: something in it was altered.")
    count = total = 0
    for file in document["files"]:
        yield from _check_file(file, checkpoint, document["contribution"])
        count += len(file["names"])
        total += file["size_bytes"] * len(file["names"])
    if (count, total) != (document["contribution"]["file_count"], document["contribution"]["total_bytes"]):
        yield _invalid("the list of files", "has other numbers of files and bytes than its head.")


def _check_file(file: Mapping[str, Any], checkpoint: Checkpoint, contribution: Mapping[str, Any]) -> Iterator[Finding]:
    subject = f"file {file['sha256'][:12]}"
    about = {"contribution_id": contribution["contribution_id"], "object_sha256": file["sha256"]}
    told = about | {"kind": "receive", "size_bytes": file["size_bytes"], "partner_id": contribution["partner_id"]}
    said = _proved_body(file, checkpoint)
    if said is None or not _says(said, told):
        yield _invalid(subject, "is not proved to be received.")
    verdict = file["verdict"]
    if verdict["status"] == PENDING:
        return
    decided = _proved_body(verdict, checkpoint)
    kind = {status: kind for kind, status in STATUS.items()}[verdict["status"]]
    told = about | {"kind": kind} | ({"reason": verdict["code"]} if "code" in verdict else {})
    if decided is None or not _says(decided, told):
        yield _invalid(subject, "has a verdict that is not proved.")


def _says(said: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return all(said.get(key) == value for key, value in told.items())


def _proved_body(part: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, Any] | None:
    """Return what an entry says if its proof leads to the checkpoint's root, else None."""
    body, proof = base64.b64decode(part["entry"], validate=True), InclusionProof.from_json(part["proof"])
    if proof.size != checkpoint.size or not proof.leads_to(checkpoint.root, body):
        return None
    said: dict[str, Any] = json.loads(body)
    return said


def check_extends(ledger: Records, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield a finding if a ledger is not a continuation of what a checkpoint signed; its entries are hashed anew."""
    frontier = Frontier()
    for entry in ledger.each():
        if frontier.size == checkpoint.size:
            break
        frontier.add(leaf_hash(entry.body))
    if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
        yield Finding(
            code="custody.ledger-altered",
            subject="the ledger of this workspace",
            message=f"is not a continuation of the {checkpoint.size} entries that this receipt was signed over.",
            remedy="Keep ledger and receipt as they are: the ledger was shortened or rewritten, or is another one.",
        )


def check_own_files(document: Mapping[str, Any], folder: Path) -> Iterator[Finding]:
    """Yield which of the files listed are not in a partner's own folder with the bytes that were received."""
    there = {
        unicodedata.normalize("NFC", path.relative_to(folder).as_posix()): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    known = set(there.values())
    for file in document["files"]:
        if file["sha256"] in known:
            continue
        same_name = [name for name in file["names"] if unicodedata.normalize("NFC", name) in there]
        yield Finding(
            code="custody.receipt-file-differs" if same_name else "custody.receipt-file-missing",
            subject=", ".join(same_name or file["names"]),
            message="is not the bytes that were received." if same_name else "is not in the folder.",
            remedy="Compare with another copy of yours." if same_name else "Name the folder that was handed over.",
        )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def own_key_note(subject: Path) -> Finding:
    """Return the warning that a receipt was checked with the key it brought itself."""
    return Finding(
        code="custody.receipt-own-key",
        subject=str(subject),
        message="was checked with the key that it brings itself, which proves nothing about who signed.",
        remedy="Give the key you have from elsewhere with --key, or compare the fingerprint by telephone.",
        severity=Severity.WARNING,
    )


def _invalid(subject: str, message: str) -> Finding:
    return Finding(
        code="custody.receipt-invalid",
        subject=subject,
        message=message,
        remedy="Compare with the receipt as it was given; if it is the same, do not rely on it.",
    )
