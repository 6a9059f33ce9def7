"""Reception: hash what was delivered, know it again, and write down what came."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.domain.delivery import Contribution, Partner, SeizureRow
from workbench.domain.findings import refused
from workbench.domain.lineage import canonical_json, sha256_hex
from workbench.intake.archive import Member
from workbench.ports import Track
from workbench.tables import FILES, write_table

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One file as delivered: its path in the delivery, the SHA-256 of its bytes, its size."""

    path: str
    image_id: str
    size_bytes: int


def hash_members(members: Sequence[Member], *, track: Track) -> list[Delivered]:
    """Return hash and size of each member, reading each once."""
    delivered = []
    for member in track(members, total=len(members), doing="Hashing"):
        digest, size = hashlib.sha256(), 0
        with member.open() as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        delivered.append(Delivered(path=member.path, image_id=digest.hexdigest(), size_bytes=size))
    return delivered


def plan_contribution(partner: Partner, files: Sequence[Delivered], *, received_at: str, channel: str) -> Contribution:
    """Return the contribution that a partner's files make.

    Its id follows from partner, paths and hashes, so the same delivery is the same contribution whenever it comes.
    """
    told = [[file.path, file.image_id] for file in sorted(files, key=lambda file: file.path)]
    digest = sha256_hex(canonical_json([partner.partner_id, told]).encode())
    return Contribution(
        contribution_id=f"c-{digest[:12]}",
        partner_id=partner.partner_id,
        licence=partner.licence,
        received_at=received_at,
        channel=channel,
        file_count=len(files),
        total_bytes=sum(file.size_bytes for file in files),
        terms=partner.terms,
    )


def file_rows(
    contribution: Contribution, files: Sequence[Delivered], seizures: Mapping[str, SeizureRow], *, salt: str
) -> list[dict[str, Any]]:
    """Return the rows of `tables.FILES`, one for each distinct content, by image_id.

    Where the same bytes came under two names, the first name's seizure row counts.
    """
    rows: dict[str, dict[str, Any]] = {}
    for file in sorted(files, key=lambda file: file.path):
        seizure = seizures.get(file.path)
        row = {
            "image_id": file.image_id,
            "contribution_id": contribution.contribution_id,
            "partner_id": contribution.partner_id,
            "licence": contribution.licence,
            "size_bytes": file.size_bytes,
            "suffix": PurePosixPath(file.path).suffix.lower()[:10],
            "name_digest": sha256_hex(f"{salt}|{file.path}".encode()),
            "seizure_id": seizure and f"{contribution.partner_id}/{seizure.seizure_id}",
            "item_id": seizure and seizure.item_id and f"{contribution.partner_id}/{seizure.item_id}",
            "view": seizure and seizure.view and seizure.view.value,
        }
        rows.setdefault(file.image_id, row)
    return [rows[image_id] for image_id in sorted(rows)]


def write_contribution(folder: Path, contribution: Contribution, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a contribution's record and its table of files; contribution.json comes last and makes it complete."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "files.parquet", FILES, rows)
    part = folder / "contribution.json.part"
    part.write_text(json.dumps(asdict(contribution), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for written in (folder / "files.parquet", part):
        with written.open("rb") as file:
            os.fsync(file.fileno())  # a record without its table must not come up after a power cut
    os.replace(part, folder / "contribution.json")


def require_unchanged(file: Delivered, sealed_id: str) -> None:
    """Refuse a file that was another when it was sealed than when it was hashed.

    Raises
    ------
    Refused
        ``intake.delivery-missing``.

    """
    if sealed_id != file.image_id:
        raise refused(
            "intake.delivery-missing",
            file.path,
            "changed while it was being received.",
            "Make sure nothing writes to the delivery, then receive it again.",
        )
