"""The receipt a partner takes home: what came, what became of it, and the proof that both stand in the ledger.

A receipt follows from the ledger and the stage's tables: asked for again, it is the same bytes until there is a new
verdict. It is written a file at a time, so a delivery of any size needs little memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench.custody.entry import Entry, InclusionProof
from workbench.custody.keys import Checkpoint
from workbench.custody.ledger import Ledger
from workbench.custody.receipt_page import page_foot, page_head, page_row
from workbench.domain.delivery import Contribution
from workbench.domain.findings import CODES, refused
from workbench.domain.lineage import canonical_json
from workbench.domain.terms import terms_digest
from workbench.layout import Layout
from workbench.tables import IMAGES, QUARANTINE, read_rows

FORMAT = 2
RECEIPT, PAGE = "receipt.json", "receipt.html"

#: The line of receipt.json after which each line is a file.
FILES_BEGIN = ' "files": [\n'

#: What a verdict's entry is called in the ledger, and in a receipt.
STATUS = {"admit": "admitted", "quarantine": "quarantined"}
PENDING = "pending"

#: A receipt's checkpoint stands in its first characters, so a long one need not be read for it.
_HEAD_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a delivered file stands in the ledger: the entry of its reception, and of its verdict if it has one."""

    received: int
    verdict: int | None = None
    status: str = PENDING


def receipt_folder(custody: Path, contribution_id: str) -> Path:
    """Return where a contribution's receipt is kept."""
    return custody / "receipts" / contribution_id


def issue_receipt(
    layout: Layout, ledger: Ledger, contribution: Contribution, names: Mapping[str, Sequence[str]]
) -> Path:
    """Write receipt.json and the printable receipt.html as the ledger stands; return the page's path.

    Parameters
    ----------
    names
        The delivered paths of each image_id; a receipt goes to the partner, who chose them.

    """
    stands = _stands(layout, ledger, contribution.contribution_id)
    if set(stands) != set(names):
        raise refused(
            "custody.entry-missing",
            contribution.contribution_id,
            "has files that the ledger does not know as received.",
            "Receive the delivery again, then run `workbench ledger verify`.",
        )
    stands = dict(sorted(stands.items(), key=lambda item: (sorted(names[item[0]]), item[0])))
    newest = max(seq for stand in stands.values() for seq in (stand.received, stand.verdict or 0))
    checkpoint = ledger.checkpoint_over(newest)
    head = {
        "receipt": FORMAT,
        "checkpoint": checkpoint.note,
        "public_key": ledger.public_key_pem(),
        "contribution": {**asdict(contribution), "terms": contribution.terms.to_json()},
        "terms_sha256": terms_digest(contribution.licence, contribution.terms),
    }
    files = _files(layout, ledger, stands, names, checkpoint, contribution.contribution_id)
    counts = Counter(stand.status for stand in stands.values())
    return _write(receipt_folder(layout.custody, contribution.contribution_id), head, files, counts, ledger)


def _stands(layout: Layout, ledger: Ledger, contribution_id: str) -> dict[str, Stand]:
    """Return where each file of a contribution stands, by image_id.

    Files are inspected anew when parameters change, so there may be several verdicts; the one that the intake's
    tables hold counts, or without tables the newest.
    """
    present = _present_verdicts(layout, contribution_id)
    stands: dict[str, Stand] = {}
    for entry in ledger.each_of_contribution(contribution_id):
        said = entry.said()
        kind, image_id = said["kind"], said.get("object_sha256", "")
        if kind == "receive":
            was = stands.get(image_id)
            # Taken in again after a withdrawal: a verdict on the same bytes by the same rules is entered once only.
            again = was if was is not None and image_id in present else Stand(received=entry.seq)
            stands[image_id] = replace(again, received=entry.seq)
        elif kind in STATUS and image_id in stands and present.get(image_id, said.get("once")) == said.get("once"):
            stands[image_id] = Stand(received=stands[image_id].received, verdict=entry.seq, status=STATUS[kind])
    return stands


def verdict_key(kind: str, row: Mapping[str, Any]) -> str:
    """Return the key under which a verdict (a row of IMAGES or QUARANTINE) is entered once.

    All frames of a film have its work key: each is entered by itself, and the film under the key alone.
    """
    frame = f"/{row['image_id']}" if row.get("source_image_id") else ""
    return f"{kind}/{row['contribution_id']}/{row['work_key']}{frame}"


def _present_verdicts(layout: Layout, contribution_id: str) -> dict[str, str]:
    folder = layout.intake / contribution_id
    if not (folder / "images.parquet").is_file() or not (folder / "quarantine.parquet").is_file():
        return {}
    tables = (("admit", IMAGES, "images.parquet"), ("quarantine", QUARANTINE, "quarantine.parquet"))
    return {
        row.get("source_image_id") or row.get("parent_image_id") or row["image_id"]: verdict_key(
            kind, {**row, "source_image_id": None}
        )
        for kind, schema, name in tables
        for row in read_rows(folder / name, schema)
    }


def _details(layout: Layout, contribution_id: str) -> dict[str, str]:
    """Return what intake said of each file in quarantine, in words."""
    path = layout.intake / contribution_id / "quarantine.parquet"
    rows = read_rows(path, QUARANTINE) if path.is_file() else []
    return {row["image_id"]: row["detail"] for row in rows}


def _files(
    layout: Layout,
    ledger: Ledger,
    stands: Mapping[str, Stand],
    names: Mapping[str, Sequence[str]],
    checkpoint: Checkpoint,
    contribution_id: str,
) -> Iterator[dict[str, Any]]:
    """Yield what the receipt says of each file."""
    details = _details(layout, contribution_id)
    seqs = (seq for stand in stands.values() for seq in (stand.received, stand.verdict) if seq is not None)
    proved = ledger.prove(seqs, checkpoint)
    for image_id, stand in stands.items():
        entry, proof = next(proved)
        verdict: dict[str, Any] = {"status": stand.status}
        if stand.verdict is not None:
            decided, its_proof = next(proved)
            if stand.status == STATUS["quarantine"]:
                code = decided.said()["reason"]
                verdict |= {"code": code, "detail": details.get(image_id) or CODES.get(code, "")}
            verdict |= _proved(decided, its_proof)
        yield {
            "names": sorted(names[image_id]),
            "sha256": image_id,
            "size_bytes": entry.said()["size_bytes"],
            **_proved(entry, proof),
            "verdict": verdict,
        }


def _proved(entry: Entry, proof: InclusionProof) -> dict[str, Any]:
    return {"entry": base64.b64encode(entry.body).decode(), "proof": proof.to_json()}


class ReceiptDigest:
    """What a receipt's signature covers: its head, then each of its files, in canonical JSON, a line each."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        """Begin with the head: everything but files and signature."""
        self._digest = hashlib.sha256(canonical_json(dict(head)).encode() + b"\n")

    def add(self, file: Mapping[str, Any]) -> None:
        """Add what the receipt says of a file."""
        self._digest.update(canonical_json(dict(file)).encode() + b"\n")

    def statement(self) -> bytes:
        """Return the bytes to sign."""
        return f"evidence-workbench receipt\n{self._digest.hexdigest()}\n".encode()


def _write(
    folder: Path, head: Mapping[str, Any], files: Iterator[dict[str, Any]], counts: Mapping[str, int], ledger: Ledger
) -> Path:
    """Write both forms beside one another, then put them in place."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = ReceiptDigest(head)
    parts = [folder / f"{name}.part" for name in (RECEIPT, PAGE)]
    with parts[0].open("w", encoding="utf-8") as document, parts[1].open("w", encoding="utf-8") as page:
        document.write(json.dumps(dict(head), indent=1, ensure_ascii=False).removesuffix("\n}") + f",\n{FILES_BEGIN}")
        page.write(page_head(head, counts))
        comma = ""
        for file in files:
            digest.add(file)
            document.write(f"{comma}  {json.dumps(file, ensure_ascii=False)}")
            page.write(page_row(file))
            comma = ",\n"
        signature = base64.b64encode(ledger.sign(digest.statement())).decode()
        document.write(f'\n ],\n "signature": "{signature}"\n}}\n')
        page.write(page_foot(head))
    for part in parts:
        part.chmod(0o600)
        os.replace(part, part.with_suffix(""))
    return folder / PAGE


def kept_note(custody: Path, contribution_id: str) -> str | None:
    """Return the checkpoint of the receipt kept for a contribution, None if there is none to be read."""
    path = receipt_folder(custody, contribution_id) / RECEIPT
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as document:
        found = re.search(r'"checkpoint": ("(?:[^"\\]|\\.)*")', document.read(_HEAD_CHARACTERS))
    return str(json.loads(found[1])) if found else None


def kept_notes(custody: Path) -> list[str]:
    """Return the checkpoints of all receipts kept."""
    folders = sorted((custody / "receipts").glob("*/"))
    return [note for folder in folders if (note := kept_note(custody, folder.name)) is not None]


def is_stale(custody: Path, ledger: Ledger, contribution_id: str) -> bool:
    """Say whether there are verdicts that a contribution's kept receipt does not tell of."""
    note = kept_note(custody, contribution_id)
    try:
        told = int(note.split("\n")[1]) if note else 0
    except (IndexError, ValueError):
        told = 0
    newest = ledger.newest_of_contribution(contribution_id, ("receive", *STATUS))
    return newest is not None and newest >= told
